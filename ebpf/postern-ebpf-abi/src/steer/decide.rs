//! The decision itself.

use super::address::{Address, role};
use super::connection::Connection;
use super::hash;
use super::mark;
use super::ring::{PEERS, Peer, Ring, Slot, flag, mac_number, peer};
use super::seen::{ACK, Kind, RST, SYN, Seen};
use crate::reason::Reason;

/// What the decision asks; the kernel answers from its maps and sockets, the host from the same or from a model of them.
pub trait SteerTables {
    /// Bits of [`role`].
    fn roles_of(&self, address: &Address) -> u32;
    /// Whether a port is one of the appliance's.
    fn is_service(&self, port: u16) -> bool;
    /// The ring in force; asked once per packet.
    fn ring(&self) -> Option<&Ring>;
    /// Whether a socket that is no listener has this connection here: established, half open, or waiting after its end.
    fn has_socket(&self, connection: &Connection) -> bool;
    /// Number of the peer that has this connection as far as is remembered.
    fn remembered(&self, connection: &Connection) -> Option<u32>;
    /// Whether the packet acknowledges a SYN cookie that this node gave out.
    fn is_cookie(&self, seen: &Seen) -> bool;
}

/// How a frame came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Over the wire: MAC addresses as numbers, index of the interface.
    Frame { source: u64, destination: u64, interface: u32 },
    /// Out of the tunnel of a peer, with the mark that the outer header bore.
    Tunnel { peer: u32, hop: u8, destination: u64, interface: u32 },
}

impl Arrival {
    #[inline(always)]
    pub fn of(ethernet: &[u8; 14], interface: u32) -> Self {
        let mac = |at: usize| {
            mac_number([ethernet[at], ethernet[at + 1], ethernet[at + 2], ethernet[at + 3], ethernet[at + 4], ethernet[at + 5]])
        };
        Self::Frame { source: mac(6), destination: mac(0), interface }
    }

    #[inline(always)]
    pub fn interface(&self) -> u32 {
        match *self {
            Self::Frame { interface, .. } | Self::Tunnel { interface, .. } => interface,
        }
    }

    #[inline(always)]
    fn destination(&self) -> u64 {
        match *self {
            Self::Frame { destination, .. } | Self::Tunnel { destination, .. } => destination,
        }
    }
}

/// What to do with the memory of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    Leave,
    /// The connection is now with the peer that the packet is sent to.
    Keep,
    /// A new one begins: what was known is of an older one.
    Forget,
}

/// In [`Arrival`]: right for every peer; of a packet that is only asked about.
pub const ANY_MAC: u64 = u64::MAX;

/// In [`Verdict`]: no peer.
pub const NO_PEER: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub reason: Reason,
    /// Number of the peer that a [`Reason::forwards`] is sent to, or whose tunnel is too narrow ([`Reason::AnswerTooBig`]).
    pub peer: u32,
    /// The mark to send it with.
    pub hop: u8,
    /// Number of the peer whose mark was believed.
    pub sender: u32,
    /// It bore a mark that was not believed.
    pub forged: bool,
    pub memory: Memory,
}

impl Verdict {
    #[inline(always)]
    pub fn of(reason: Reason) -> Self {
        Self { reason, peer: NO_PEER, hop: 0, sender: NO_PEER, forged: false, memory: Memory::Leave }
    }

    /// Whether the mark has done its work and is taken off before the network stack sees the packet.
    #[inline(always)]
    pub fn takes_mark_off(&self, arrival: &Arrival) -> bool {
        self.reason.passes() && self.sender != NO_PEER && matches!(arrival, Arrival::Frame { .. })
    }
}

/// A mark that is believed, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How often the packet was forwarded.
    pub hop: u8,
    /// By whom it was last.
    pub sender: u32,
    pub forged: bool,
}

/// Reads the mark in the traffic class of a packet that arrived so.
#[inline(always)]
pub fn mark_of(ring: &Ring, arrival: &Arrival, class: u8) -> Mark {
    match *arrival {
        Arrival::Tunnel { peer, hop, .. } => Mark { hop, sender: peer, forged: false },
        Arrival::Frame { source, interface, .. } => {
            let hop = mark::hop(class);
            if hop == 0 {
                return Mark { hop: 0, sender: NO_PEER, forged: false };
            }
            if let Some(number) = ring.peer_by_mac(source) {
                let from = ring.peer(number).interface;
                if from == 0 || from == interface {
                    return Mark { hop, sender: number, forged: false };
                }
            }
            Mark { hop: 0, sender: NO_PEER, forged: true }
        }
    }
}

/// The peer in a slot, if it is another node that takes packets.
#[inline(always)]
fn usable(ring: &Ring, number: u16) -> Option<u32> {
    if number as usize >= PEERS || !ring.peer(number as u32).takes() { None } else { Some(number as u32) }
}

#[inline(always)]
fn is_self(ring: &Ring, number: u16) -> bool {
    (number as usize) < PEERS && ring.peer(number as u32).is(peer::SELF)
}

/// Where the ring sends a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Here,
    Peer(u32, Reason),
    Nobody,
}

#[inline(always)]
fn choose(ring: &Ring, slot: Slot) -> Choice {
    if is_self(ring, slot.primary) {
        return Choice::Here;
    }
    if let Some(number) = usable(ring, slot.primary) {
        return Choice::Peer(number, Reason::ForwardPrimary);
    }
    if is_self(ring, slot.secondary) {
        return Choice::Here;
    }
    match usable(ring, slot.secondary) {
        Some(number) => Choice::Peer(number, Reason::ForwardSecondary),
        None => Choice::Nobody,
    }
}

/// What becomes of a packet that the stages before have let pass for the reason `given`.
#[inline(always)]
pub fn decide<T: SteerTables>(tables: &T, arrival: &Arrival, seen: &Seen, given: Reason) -> Verdict {
    if tables.roles_of(&seen.destination) & role::VIRTUAL == 0 {
        // An outer header's source is easily forged: at least nothing but the cluster's own traffic gets in by a tunnel.
        let strange = matches!(arrival, Arrival::Tunnel { .. });
        return Verdict::of(if strange { Reason::DropTunnelInner } else { given });
    }
    if seen.kind == Kind::Other {
        return Verdict::of(given);
    }
    let fragment = matches!(seen.kind, Kind::FirstFragment | Kind::LaterFragment);
    if matches!(seen.kind, Kind::TunnelV4 | Kind::TunnelV6) || (!fragment && seen.kind != Kind::BadQuote && !tables.is_service(seen.port)) {
        // An error without ports goes on: its port is 0, which is nobody's service.
        if seen.kind != Kind::ErrorWithoutPorts {
            return Verdict::of(given);
        }
    }
    let Some(ring) = tables.ring() else { return Verdict::of(Reason::PassNoRing) };
    if seen.kind == Kind::BadQuote {
        return Verdict::of(Reason::DropIcmpQuote);
    }
    let mark = mark_of(ring, arrival, seen.class);
    let verdict = match steer(tables, ring, seen, &mark) {
        Step::Stay(reason) => Verdict::of(reason),
        Step::Send(sending) => send(ring, arrival, seen, &mark, sending),
    };
    Verdict { sender: mark.sender, forged: mark.forged, ..verdict }
}

enum Step {
    Stay(Reason),
    Send(Sending),
}

struct Sending {
    number: u32,
    hop: u8,
    reason: Reason,
    memory: Memory,
}

impl Step {
    #[inline(always)]
    fn send(number: u32, hop: u8, reason: Reason, memory: Memory) -> Self {
        Self::Send(Sending { number, hop, reason, memory })
    }
}

#[inline(always)]
fn steer<T: SteerTables>(tables: &T, ring: &Ring, seen: &Seen, mark: &Mark) -> Step {
    let by_ports = ring.flags & flag::PORTS != 0;
    let with_ports = matches!(seen.kind, Kind::Open | Kind::Segment | Kind::Error);
    if !with_ports {
        if mark.hop != 0 {
            return Step::Stay(Reason::PassMarked);
        }
        if by_ports {
            // Its node would be a guess, and the wrong one would end the connection by a reset.
            return Step::Stay(if seen.kind == Kind::ErrorWithoutPorts { Reason::PassNoPeer } else { Reason::DropSteerFragment });
        }
    }
    if seen.kind == Kind::Open && mark.hop != 0 {
        return Step::Stay(Reason::PassMarked);
    }
    let connection = Connection { address: seen.destination, client: seen.client, port: seen.port, client_port: seen.client_port, zero: 0 };
    if matches!(seen.kind, Kind::Segment | Kind::Error) {
        if tables.has_socket(&connection) {
            return Step::Stay(Reason::PassSocket);
        }
        if mark.hop >= 2 {
            return Step::Stay(Reason::PassLastHop);
        }
    }
    let remembered = if with_ports && mark.hop == 0 { tables.remembered(&connection) } else { None };
    let error = matches!(seen.kind, Kind::Error | Kind::ErrorWithoutPorts);
    if seen.kind != Kind::Open
        && let Some(number) = remembered
        && (number as usize) < PEERS
        && ring.peer(number).takes()
    {
        let reason = if error { Reason::ForwardIcmp } else { Reason::ForwardConnection };
        return Step::send(number, 1, reason, Memory::Leave);
    }
    let ports = if by_ports { (seen.client_port as u32) << 16 | seen.port as u32 } else { 0 };
    let slot = ring.slot(hash::of(&ring.seed, &seen.destination, &seen.client, ports));
    let choice = choose(ring, slot);
    if mark.hop == 0
        && let Choice::Peer(number, by) = choice
    {
        return match seen.kind {
            Kind::Open => Step::send(number, 1, by, if remembered.is_some() { Memory::Forget } else { Memory::Leave }),
            Kind::Segment => Step::send(number, 1, by, Memory::Keep),
            _ if error => Step::send(number, 1, Reason::ForwardIcmp, Memory::Leave),
            _ => Step::send(number, 1, Reason::ForwardFragment, Memory::Leave),
        };
    }
    if matches!(seen.kind, Kind::Segment | Kind::Error) {
        // The second chance: the ring may have changed since the connection began.
        if seen.kind == Kind::Segment && seen.flags & (SYN | ACK | RST) == ACK && tables.is_cookie(seen) {
            return Step::Stay(Reason::PassCookie);
        }
        let other = match usable(ring, slot.primary) {
            Some(number) if number != mark.sender => Some(number),
            _ => match usable(ring, slot.secondary) {
                Some(number) if number != mark.sender => Some(number),
                _ => None,
            },
        };
        if let Some(number) = other {
            let reason = if error { Reason::ForwardIcmp } else { Reason::ForwardSecondChance };
            return Step::send(number, 2, reason, Memory::Leave);
        }
    }
    Step::Stay(if choice == Choice::Here { Reason::PassHere } else { Reason::PassNoPeer })
}

/// What sending a packet to this peer comes to.
#[inline(always)]
fn send(ring: &Ring, arrival: &Arrival, seen: &Seen, mark: &Mark, sending: Sending) -> Verdict {
    let Sending { number, hop, reason, memory } = sending;
    let peer: &Peer = ring.peer(number);
    // A frame that was meant for somebody else shows itself on a promiscuous interface, or where a switch floods. To forward
    // it would double it, and to forward it from its own destination address would teach the switch that this node lives there.
    let meant_for_us = if arrival.destination() == ANY_MAC {
        true
    } else if peer.own_mac != [0; 6] && (peer.interface == 0 || peer.interface == arrival.interface()) {
        arrival.destination() == mac_number(peer.own_mac)
    } else {
        // The first octet's lowest bit: a group.
        arrival.destination() >> 40 & 1 == 0
    };
    if !meant_for_us {
        return Verdict::of(Reason::PassOtherMac);
    }
    // RFC 1812 §5.3.1, RFC 8200 §3: what would be sent with 0 is not sent.
    if seen.ttl <= 1 {
        return Verdict::of(Reason::DropTtl);
    }
    let verdict = Verdict { peer: number, hop, memory, ..Verdict::of(reason) };
    if peer.is(peer::TUNNEL) && seen.length > peer.inner_mtu() {
        // RFC 1122 §3.2.2: no error about an error, nor about a later fragment; without DF the sender expects no answer.
        // Behind a peer the way back to the sender must be known.
        let reachable = mark.sender == NO_PEER || ring.routers[seen.is_v6 as usize].interface != 0;
        let told = seen.whole && reachable && matches!(seen.kind, Kind::Open | Kind::Segment);
        return Verdict { reason: if told { Reason::AnswerTooBig } else { Reason::DropTooBig }, memory: Memory::Leave, ..verdict };
    }
    verdict
}

#[cfg(test)]
mod tests;
