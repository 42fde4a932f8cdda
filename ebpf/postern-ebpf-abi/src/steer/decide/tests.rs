#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::boxed::Box;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::rewrite;
use super::super::ring::{INDEX, NOBODY, PeerCount, Router, SLOTS};
use super::*;

const VIRTUAL: Address = Address::v4(0xcb00_7119);

/// A node: its ring, its sockets, what it remembers.
struct Node {
    ring: Box<Ring>,
    sockets: BTreeSet<Connection>,
    remembers: BTreeMap<Connection, u32>,
    cookies: bool,
}

impl SteerTables for Node {
    fn roles_of(&self, address: &Address) -> u32 {
        if *address == VIRTUAL { role::VIRTUAL } else { 0 }
    }
    fn is_service(&self, port: u16) -> bool {
        port == 25
    }
    fn ring(&self) -> Option<&Ring> {
        (self.ring.version != 0).then_some(&*self.ring)
    }
    fn has_socket(&self, connection: &Connection) -> bool {
        self.sockets.contains(connection)
    }
    fn remembered(&self, connection: &Connection) -> Option<u32> {
        self.remembers.get(connection).copied()
    }
    fn is_cookie(&self, _: &Seen) -> bool {
        self.cookies
    }
}

fn mac(node: usize) -> [u8; 6] {
    [2, 0, 0, 0, 0, node as u8]
}

/// The view of node `me`: peers by their own numbers, `usable` as it believes, and a slot for everybody.
fn view(me: usize, usable: &[bool], slot: (usize, usize)) -> Box<Ring> {
    // SAFETY: every bit pattern is a value.
    let mut ring: Box<Ring> = unsafe { Box::new_zeroed().assume_init() };
    ring.version = 1;
    for (number, can) in usable.iter().enumerate() {
        ring.peers[number] = Peer {
            flags: if number == me { peer::SELF } else { 0 } | if *can { peer::USABLE } else { 0 },
            mac: mac(number),
            own_mac: mac(me),
            ..Peer::default()
        };
    }
    ring.slots.fill(Slot { primary: slot.0 as u16, secondary: slot.1 as u16 });
    ring.index().unwrap();
    ring
}

fn node(ring: Box<Ring>) -> Node {
    Node { ring, sockets: BTreeSet::new(), remembers: BTreeMap::new(), cookies: false }
}

fn seen(kind: Kind, client: u32) -> Seen {
    Seen {
        kind,
        is_v6: false,
        whole: true,
        is_fragment: false,
        ip_at: 14,
        headers: 20,
        length: 40,
        class: 0,
        ttl: 64,
        flags: ACK,
        source: Address::v4(client),
        destination: VIRTUAL,
        client: Address::v4(client),
        client_port: 40_000,
        port: 25,
    }
}

fn connection(client: u32) -> Connection {
    Connection { address: VIRTUAL, client: Address::v4(client), port: 25, client_port: 40_000, zero: 0 }
}

const OUTSIDE: u64 = 0x00aa_bbcc_ddee;

fn from(source: u64, to: usize) -> Arrival {
    Arrival::Frame { source, destination: mac_number(mac(to)), interface: 1 }
}

/// The nodes that a packet visits, and what it came to at the last.
fn travel(nodes: &mut [Node], first: usize, mut packet: Seen) -> (Vec<usize>, Reason) {
    let (mut at, mut arrival, mut visited) = (first, from(OUTSIDE, first), vec![]);
    loop {
        visited.push(at);
        assert!(visited.len() <= 3, "{visited:?}");
        let verdict = decide(&nodes[at], &arrival, &packet, Reason::Pass);
        if !verdict.reason.forwards() {
            return (visited, verdict.reason);
        }
        let connection = connection(packet.client.low as u32);
        match verdict.memory {
            Memory::Keep => drop(nodes[at].remembers.insert(connection, verdict.peer)),
            Memory::Forget => drop(nodes[at].remembers.remove(&connection)),
            Memory::Leave => {}
        }
        assert!((verdict.hop as usize) >= visited.len(), "a mark that does not rise: {verdict:?}");
        assert_ne!(verdict.peer as usize, at, "sent to itself");
        packet.class = mark::marked(packet.class, verdict.hop);
        packet.ttl -= 1;
        arrival = from(mac_number(mac(at)), verdict.peer as usize);
        at = verdict.peer as usize;
    }
}

const KINDS: [Kind; 6] = [Kind::Open, Kind::Segment, Kind::FirstFragment, Kind::LaterFragment, Kind::Error, Kind::ErrorWithoutPorts];

proptest! {
    /// Whatever each node believes, wherever sockets are, whatever anybody remembers: a packet visits three nodes at most, and reaches the
    /// socket if one of those it visits has it.
    #[test]
    fn no_views_make_a_loop(
        count in 2usize..=4,
        views in prop::collection::vec((prop::collection::vec(any::<bool>(), 4), 0usize..6, 0usize..6, prop::option::of(0u32..5)), 4),
        sockets in prop::collection::vec(any::<bool>(), 4),
        cookies in prop::collection::vec(any::<bool>(), 4),
        first in 0usize..4,
        kind in prop::sample::select(KINDS.to_vec()),
    ) {
        let mut nodes: Vec<Node> = (0..count)
            .map(|me| {
                let (usable, primary, secondary, remembered) = &views[me];
                let slot = |n: usize| if n < count { n } else { NOBODY as usize };
                let mut node = node(view(me, &usable[..count], (slot(*primary), slot(*secondary))));
                if sockets[me] {
                    node.sockets.insert(connection(7));
                }
                node.cookies = cookies[me];
                node.remembers.extend(remembered.map(|peer| (connection(7), peer)));
                node
            })
            .collect();
        let (visited, reason) = travel(&mut nodes, first % count, seen(kind, 7));
        prop_assert!(reason.passes(), "{}", reason.name());
        let with_socket = visited.iter().position(|n| sockets[*n]);
        if matches!(kind, Kind::Segment | Kind::Error) {
            prop_assert!(with_socket.is_none_or(|i| i == visited.len() - 1), "went past the socket: {visited:?}");
        }
    }

    /// Where all agree and all work, a packet takes one hop at most, and all packets of a client end at one node.
    #[test]
    fn nodes_that_agree_need_one_hop(client: u32, first in 0usize..3, primary in 0usize..3, secondary in 0usize..3) {
        let mut nodes: Vec<Node> = (0..3).map(|me| node(view(me, &[true; 3], (primary, secondary)))).collect();
        let (visited, _) = travel(&mut nodes, first, seen(Kind::Open, client));
        prop_assert_eq!(*visited.last().unwrap(), primary);
        prop_assert!(visited.len() <= 2);
        nodes[primary].sockets.insert(connection(client));
        for kind in [Kind::Segment, Kind::Error] {
            prop_assert_eq!(travel(&mut nodes, first, seen(kind, client)).0, visited.clone());
        }
    }

    /// A ring that changes in the midst of a session: whoever had it keeps it as long as it is primary or secondary, or as the node that
    /// forwards remembers it.
    #[test]
    fn a_changed_ring_keeps_sessions(first in 0usize..4, before in 0usize..4, after in 0usize..4) {
        let rings = |slot| (0..4).map(move |me| view(me, &[true; 4], slot));
        let mut nodes: Vec<Node> = rings((before, 3)).map(node).collect();
        nodes[before].sockets.insert(connection(9));
        travel(&mut nodes, first, seen(Kind::Segment, 9));
        for (node, ring) in nodes.iter_mut().zip(rings((after, before))) {
            node.ring = ring;
        }
        let (visited, reason) = travel(&mut nodes, first, seen(Kind::Segment, 9));
        prop_assert_eq!((*visited.last().unwrap(), reason), (before, Reason::PassSocket), "with what was remembered");
        nodes.iter_mut().for_each(|n| n.remembers.clear());
        let (visited, reason) = travel(&mut nodes, first, seen(Kind::Segment, 9));
        prop_assert_eq!((*visited.last().unwrap(), reason), (before, Reason::PassSocket), "and without it");
    }

    #[test]
    fn the_indices_find_every_peer(macs in prop::collection::btree_set(1u64..1 << 40, 0..64), seed: u64) {
        // SAFETY: every bit pattern is a value.
        let mut ring: Box<Ring> = unsafe { Box::new_zeroed().assume_init() };
        ring.index_seed = seed;
        let macs: Vec<u64> = macs.into_iter().collect();
        for (number, mac) in macs.iter().enumerate() {
            let octets = mac.to_be_bytes();
            let tunnel = number % 3 == 0;
            ring.peers[number] = Peer {
                flags: peer::USABLE | if tunnel { peer::TUNNEL } else { 0 },
                mac: std::array::from_fn(|i| octets[i + 2]),
                address: Address::v4(*mac as u32),
                own: Address::v4(1),
                ..Peer::default()
            };
        }
        let twins: BTreeSet<u32> = macs.iter().step_by(3).map(|m| *m as u32).collect();
        if twins.len() < macs.iter().step_by(3).count() {
            prop_assert!(matches!(ring.index(), Err(crate::steer::ring::Fault::Twins(..))));
            return Ok(());
        }
        ring.index().unwrap();
        for (number, mac) in macs.iter().enumerate() {
            let (by_mac, by_address) = (ring.peer_by_mac(*mac), ring.peer_by_address(&Address::v4(*mac as u32)));
            if number % 3 == 0 {
                prop_assert_eq!((by_mac, by_address), (None, Some(number as u32)));
            } else {
                prop_assert_eq!(by_mac, Some(number as u32));
            }
        }
        prop_assert_eq!(ring.peer_by_mac(0), None);
        prop_assert_eq!(ring.peer_by_address(&Address::NONE), None);
    }

    #[test]
    fn every_hash_has_a_slot(hash: u64) {
        let ring = view(0, &[true; 2], (0, 1));
        prop_assert_eq!(ring.slot(hash), Slot { primary: 0, secondary: 1 });
    }
}

#[test]
fn what_cannot_be_told_apart_or_reached_is_no_ring() {
    use crate::steer::ring::Fault;
    let mut ring = view(0, &[true; 3], (0, 1));
    ring.peers[2].mac = ring.peers[1].mac;
    assert_eq!(ring.index(), Err(Fault::Twins(1, 2)));
    ring.peers[2] = Peer { flags: peer::USABLE, mac: mac(2), interface: 3, ..Peer::default() };
    assert_eq!(ring.index(), Err(Fault::NoOwnMac(2)));
    ring.peers[2] = Peer { flags: peer::USABLE | peer::TUNNEL, own: VIRTUAL, address: Address::v6(1, 2), ..Peer::default() };
    assert_eq!(ring.index(), Err(Fault::Tunnel(2)));
}

#[test]
fn layouts_have_no_holes() {
    assert_eq!(size_of::<Peer>(), 64);
    assert_eq!(size_of::<Router>(), 16);
    assert_eq!(size_of::<Connection>(), 40);
    assert_eq!(size_of::<PeerCount>(), 32);
    assert_eq!(size_of::<Ring>(), 40 + 32 + 64 * PEERS + 2 * INDEX + 4 * SLOTS + 4);
}

#[test]
fn a_mark_counts_only_from_a_peer() {
    let ring = view(0, &[true, false], (1, 0));
    let class = mark::marked(0b10, 1);
    assert_eq!(class & 3, 0b10, "ECN is kept");
    let peers = mark_of(&ring, &from(mac_number(mac(1)), 0), class);
    assert_eq!(peers, Mark { hop: 1, sender: 1, forged: false }, "even of one that takes no packets now");
    assert_eq!(mark_of(&ring, &from(OUTSIDE, 0), class), Mark { hop: 0, sender: NO_PEER, forged: true });
    assert_eq!(mark_of(&ring, &from(mac_number(mac(0)), 0), class), Mark { hop: 0, sender: NO_PEER, forged: true }, "its own is nobody's");
    let mut elsewhere = view(0, &[true, true], (1, 0));
    elsewhere.peers[1].interface = 2;
    assert!(mark_of(&elsewhere, &from(mac_number(mac(1)), 0), class).forged, "by another interface");
}

#[test]
fn ports_change_the_slot_where_the_ring_wants_them() {
    let mut ring = view(0, &[true; 64], (0, 1));
    for (i, slot) in ring.slots.iter_mut().enumerate() {
        slot.primary = (i % 63 + 1) as u16;
    }
    let chosen = |ring: &Ring, port: u16| {
        let node = node(Box::new(*ring));
        decide(&node, &from(OUTSIDE, 0), &Seen { client_port: port, ..seen(Kind::Open, 7) }, Reason::Pass).peer
    };
    let peers: BTreeSet<u32> = (1..50).map(|port| chosen(&ring, port)).collect();
    assert_eq!(peers.len(), 1);
    ring.flags = flag::PORTS;
    let peers: BTreeSet<u32> = (1..50).map(|port| chosen(&ring, port)).collect();
    assert!(peers.len() > 10, "{peers:?}");
    let node = node(ring);
    let verdict = |kind| decide(&node, &from(OUTSIDE, 0), &seen(kind, 7), Reason::Pass).reason;
    assert_eq!(verdict(Kind::FirstFragment), Reason::DropSteerFragment);
    assert_eq!(verdict(Kind::ErrorWithoutPorts), Reason::PassNoPeer);
}

#[test]
fn nothing_is_asked_for_other_destinations() {
    let mut n = node(view(0, &[true; 2], (1, 0)));
    let here = from(OUTSIDE, 0);
    let elsewhere = Seen { destination: Address::v4(1), ..seen(Kind::Open, 7) };
    assert_eq!(decide(&n, &here, &elsewhere, Reason::PassAllowed), Verdict::of(Reason::PassAllowed));
    assert_eq!(decide(&n, &here, &Seen { port: 80, ..seen(Kind::Open, 7) }, Reason::PassOtherPort).reason, Reason::PassOtherPort);
    assert_eq!(decide(&n, &here, &seen(Kind::Other, 7), Reason::PassNotTcp).reason, Reason::PassNotTcp);
    n.ring.version = 0;
    assert_eq!(decide(&n, &here, &seen(Kind::Open, 7), Reason::Pass).reason, Reason::PassNoRing);
}

#[test]
fn a_new_connection_clears_what_was_remembered() {
    let mut n = node(view(0, &[true; 3], (1, 2)));
    n.remembers.insert(connection(7), 2);
    let verdict = |kind| decide(&n, &from(OUTSIDE, 0), &seen(kind, 7), Reason::Pass);
    let segment = verdict(Kind::Segment);
    assert_eq!((segment.reason, segment.peer), (Reason::ForwardConnection, 2));
    let open = verdict(Kind::Open);
    assert_eq!((open.reason, open.peer, open.memory), (Reason::ForwardPrimary, 1, Memory::Forget));
}

#[test]
fn rewriting_puts_the_class_that_was_decided() {
    let mut header = [0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    rewrite::v4(&mut header, mark::marked(1, 2), 1);
    assert_eq!((mark::hop(header[1]), header[1] & 3, header[8]), (2, 1, 63));
}
