//! Steering in the kernel, what a table of packets does not show: answers to packets that are too big, packets in several pieces, rings
//! that are exchanged, counters of peers.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frames;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::ring::{Peer, Ring, Router, Slot, peer};
use postern_edge::kernel::guard::Guard;
use postern_edge::kernel::run::{XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX};
use postern_edge::kernel::steer::{Role, SteerError, address_of, empty_ring};

use frames::kernel::{TestGuard, open};
use frames::{OWN_MAC, ROUTER_MAC, build, mac};

const VIRTUAL: &str = "203.0.113.25";
const VIRTUAL_V6: &str = "2001:db8:25::25";

fn neighbour(number: u8) -> Peer {
    Peer { flags: peer::USABLE, mac: mac(&number.to_string()).unwrap(), own_mac: OWN_MAC, ..Peer::default() }
}

/// Peer 1 for everybody, then peer 2.
fn ring(version: u64, peers: &[(usize, Peer)]) -> Box<Ring> {
    let mut ring = empty_ring();
    ring.version = version;
    ring.peers[0].flags = peer::SELF;
    for (number, peer) in peers {
        ring.peers[*number] = *peer;
    }
    ring.slots.fill(Slot { primary: 1, secondary: 2 });
    ring
}

fn steering(peers: &[(usize, Peer)]) -> Result<TestGuard, String> {
    let opened = open(feature::STEER)?;
    let maps = opened.guard.maps();
    maps.front.set_ports(&[25], &[25]);
    let mut config = maps.front.configured().unwrap();
    config.too_big_per_second = 1000;
    maps.front.set_config(&config);
    maps.steer.set_capacity(1000).unwrap();
    maps.steer.put_ring(ring(1, peers)).unwrap();
    let addresses: Vec<(IpAddr, Role)> = [VIRTUAL, VIRTUAL_V6].map(|a| (a.parse().unwrap(), Role::Virtual)).into();
    maps.steer.set_addresses(&maps.front, &addresses).unwrap();
    Ok(opened)
}

fn count(guard: &Guard, reason: Reason) -> u64 {
    guard.maps().counters().unwrap().iter().find(|c| c.reason == reason).unwrap().packets
}

fn tunnel() -> Peer {
    let (own, to) = ("10.9.0.1".parse().unwrap(), "10.9.0.2".parse().unwrap());
    Peer { flags: peer::USABLE | peer::TUNNEL, own: address_of(own), address: address_of(to), mac: ROUTER_MAC, ..neighbour(1) }
}

/// The sum over a pseudo-header and what follows it must be zero.
fn sum_v6(ip: &[u8], message: &[u8]) -> u16 {
    let mut summed = ip[8..40].to_vec();
    summed.extend((message.len() as u32).to_be_bytes());
    summed.extend([0, 0, 0, ip[6]]);
    summed.extend(message);
    frames::sum(&summed)
}

#[test]
fn a_sender_is_told_what_fits() {
    let opened = skip_unless!(steering(&[(1, tunnel()), (2, neighbour(2))]));
    let runner = opened.guard.runner().unwrap();
    for (sent, link) in [
        ("ip4:192.0.2.7 df tcp:25 ack data=1441", 14),
        ("vlan ip4:192.0.2.7 df opts=10 tcp:25 ack data=1450", 18),
        ("svlan vlan ip4:192.0.2.7 df tcp:25 syn data=2000", 22),
    ] {
        let sent = build(sent).unwrap();
        let (ran, out) = runner.run_out(&sent).unwrap();
        assert_eq!((ran.action, out.len()), (XDP_TX, link + 28 + 128));
        assert_eq!((&out[..6], &out[6..12], &out[12..link]), (&ROUTER_MAC[..], &OWN_MAC[..], &sent[12..link]));
        let (ip, icmp) = out[link..].split_at(20);
        assert_eq!((frames::sum(ip), frames::sum(icmp)), (0, 0), "checksums");
        assert_eq!((&ip[12..16], &ip[16..20]), (&[203, 0, 113, 25][..], &[192, 0, 2, 7][..]));
        assert_eq!(icmp[..2], [3, 4]);
        assert_eq!(icmp[6..8], 1480u16.to_be_bytes());
        assert_eq!(icmp[8..], sent[link..link + 128], "the packet as it came");
    }
    for (sent, link) in [("ip6:2001:db8:1::7 tcp:25 ack data=1421", 14), ("vlan ip6:2001:db8:1::7 hbh dest tcp:25 ack data=1421", 18)] {
        let sent = build(sent).unwrap();
        let (ran, out) = runner.run_out(&sent).unwrap();
        assert_eq!((ran.action, out.len()), (XDP_TX, link + 48 + 128));
        let (ip, icmp) = out[link..].split_at(40);
        assert_eq!(sum_v6(ip, icmp), 0, "checksum");
        assert_eq!((&ip[8..24], &ip[24..40]), (&sent[link + 24..link + 40], &sent[link + 8..link + 24]));
        assert_eq!((&icmp[..2], &icmp[4..8]), (&[2, 0][..], &1480u32.to_be_bytes()[..]));
        assert_eq!(icmp[8..], sent[link..link + 128]);
    }
    assert_eq!(count(&opened.guard, Reason::AnswerTooBig), 5);

    // Not too often.
    let mut config = opened.guard.maps().front.configured().unwrap();
    config.too_big_per_second = 0;
    opened.guard.maps().front.set_config(&config);
    let (ran, out) = runner.run_out(&build("ip4:192.0.2.7 df tcp:25 ack data=1441").unwrap()).unwrap();
    assert_eq!((ran.action, out.len()), (XDP_DROP, 14 + 1481));
    assert_eq!(count(&opened.guard, Reason::DropTooBig), 1);
}

/// What a peer forwarded came from somewhere else: the answer goes by the router, once it is known.
#[test]
fn the_answer_to_a_peers_packet_goes_by_the_router() {
    let opened = skip_unless!(steering(&[(1, tunnel()), (3, neighbour(3))]));
    let mut with_router = ring(2, &[(1, tunnel()), (3, neighbour(3))]);
    with_router.routers[0] = Router { interface: 1, mac: ROUTER_MAC, own_mac: OWN_MAC };
    with_router.routers[1] = Router { interface: 9, ..with_router.routers[0] };
    opened.guard.maps().steer.put_ring(with_router).unwrap();
    let runner = opened.guard.runner().unwrap();
    let (ran, out) = runner.run_out(&build("by:3 hop:1 ip4:192.0.2.7 df tcp:25 ack data=1441").unwrap()).unwrap();
    assert_eq!((ran.action, &out[..12]), (XDP_TX, [ROUTER_MAC, OWN_MAC].concat().as_slice()));
    let (ran, _) = runner.run_out(&build("by:3 hop:1 ip6:2001:db8:1::7 tcp:25 ack data=1441").unwrap()).unwrap();
    assert_eq!(ran.action, XDP_REDIRECT, "by the interface of the router");
}

/// A packet beyond one page lies in several pieces.
#[test]
fn packets_in_pieces_are_steered_whole() {
    let wide = Peer { mtu: 9000, ..tunnel() };
    let opened = skip_unless!(steering(&[(1, neighbour(1)), (2, neighbour(2))]));
    let runner = opened.guard.runner().unwrap();
    let sent = build("ip4:192.0.2.7 tcp:25 ack data=8000").unwrap();
    let (ran, out) = runner.run_out(&sent).unwrap();
    assert_eq!((ran.action, out), (XDP_TX, build("mac:1 by:own hop:1 ttl:63 ip4:192.0.2.7 tcp:25 ack data=8000").unwrap()));

    opened.guard.maps().steer.put_ring(ring(2, &[(1, wide), (2, neighbour(2))])).unwrap();
    let (ran, out) = runner.run_out(&sent).unwrap();
    let through = "mac:router by:own ttl:63 outer:10.9.0.1>10.9.0.2 ohop:1 ip4:192.0.2.7 tcp:25 ack data=8000";
    assert_eq!((ran.action, out == build(through).unwrap()), (XDP_TX, true));

    opened.guard.maps().steer.put_ring(ring(3, &[(1, tunnel()), (2, neighbour(2))])).unwrap();
    opened.guard.maps().steer.set_capacity(10).unwrap();
    let (ran, out) = runner.run_out(&build("ip4:192.0.2.7 df tcp:25 ack data=8000").unwrap()).unwrap();
    assert_eq!((ran.action, out.len()), (XDP_TX, 14 + 28 + 128), "too big for the narrow one");
    let (ip, icmp) = out[14..].split_at(20);
    assert_eq!((frames::sum(ip), frames::sum(icmp)), (0, 0));
}

#[test]
fn a_peer_gets_another_mac_address() {
    let opened = skip_unless!(steering(&[(1, neighbour(1)), (2, neighbour(2))]));
    let maps = opened.guard.maps();
    let runner = opened.guard.runner().unwrap();
    let segment = build("ip4:192.0.2.7 tcp:25 ack").unwrap();
    let to = |frame: &[u8]| <[u8; 6]>::try_from(&runner.run_out(frame).unwrap().1[..6]).unwrap();
    assert_eq!(to(&segment), mac("1").unwrap());
    let known = Connection {
        address: address_of(VIRTUAL.parse().unwrap()),
        client: address_of("192.0.2.7".parse().unwrap()),
        port: 25,
        client_port: 40_000,
        zero: 0,
    };
    assert_eq!(maps.steer.remembered(10).unwrap(), [(known, 1)]);
    let moved = Peer { mac: mac("77").unwrap(), ..neighbour(1) };
    maps.steer.put_ring(ring(2, &[(1, moved), (2, neighbour(2))])).unwrap();
    assert_eq!(to(&segment), mac("77").unwrap(), "by memory too: it holds a number");
    let marked = |by: &str| runner.run_out(&build(&format!("by:{by} hop:1 ip4:192.0.2.7 tcp:25 syn")).unwrap()).unwrap().0.action;
    assert_eq!((marked("77"), marked("1")), (XDP_PASS, XDP_TX), "its marks are believed from the new address, no longer from the old one");
    assert_eq!(count(&opened.guard, Reason::NoteForgedMark), 1);

    // A ring that cannot be is refused; the one before stays.
    let twins = ring(3, &[(1, neighbour(1)), (2, neighbour(1))]);
    assert!(matches!(maps.steer.put_ring(twins), Err(SteerError::Fault(_))));
    assert_eq!(maps.steer.ring().unwrap().unwrap().version, 2);
    maps.steer.forget(&known).unwrap();
    assert_eq!(maps.steer.connection(&known).unwrap(), None);
    maps.steer.forget(&known).unwrap();
}

#[test]
fn what_goes_to_and_comes_from_a_peer_is_counted() {
    let opened = skip_unless!(steering(&[(1, neighbour(1)), (2, neighbour(2))]));
    let runner = opened.guard.runner().unwrap();
    let sent = build("ip4:192.0.2.7 tcp:25 ack data=46").unwrap();
    for _ in 0..3 {
        runner.run_out(&sent).unwrap();
    }
    let received = build("by:2 hop:1 ip4:192.0.2.8 tcp:25 syn").unwrap();
    for _ in 0..2 {
        runner.run_out(&received).unwrap();
    }
    let counts = opened.guard.maps().steer.peer_counts().unwrap();
    assert_eq!((counts[1].sent_packets, counts[1].sent_octets, counts[1].received_packets), (3, 300, 0));
    assert_eq!((counts[2].sent_packets, counts[2].received_packets, counts[2].received_octets), (0, 2, 2 * received.len() as u64));
}

/// Addresses come and go; the filter before them says yes to none that is not there.
#[test]
fn addresses_change() {
    let opened = skip_unless!(steering(&[(1, neighbour(1)), (2, neighbour(2))]));
    let (maps, runner) = (opened.guard.maps(), opened.guard.runner().unwrap());
    let action = |to: &str| runner.run_out(&build(&format!("ip4:192.0.2.7 to:{to} tcp:25 syn")).unwrap()).unwrap().0.action;
    assert_eq!((action(VIRTUAL), action("203.0.113.26")), (XDP_TX, XDP_PASS));
    maps.steer.set_addresses(&maps.front, &[("203.0.113.26".parse().unwrap(), Role::Virtual)]).unwrap();
    assert_eq!((action(VIRTUAL), action("203.0.113.26")), (XDP_PASS, XDP_TX));
    maps.steer.set_addresses(&maps.front, &[]).unwrap();
    assert_eq!((action(VIRTUAL), action("203.0.113.26")), (XDP_PASS, XDP_PASS));
    assert!((0..16).all(|word| maps.front.destination_bits(word) == 0));
}

/// A frame goes wholly by the old ring or wholly by the new one, and none is lost.
#[test]
fn rings_are_exchanged_under_traffic() {
    const SWAPS: u64 = 60;
    let of = |version: u64| {
        let n = if version.is_multiple_of(2) { 1 } else { 3 };
        // Where it goes and where it comes from belong together.
        let peers = [1, 2].map(|number| {
            let own_mac = [2, 0, 0, 0, 9, n];
            (usize::from(number), Peer { mac: [2, 0, 0, 0, n, number], own_mac, interface: 7, ..neighbour(number) })
        });
        ring(version, &peers)
    };
    let opened = skip_unless!(steering(&[(1, neighbour(1)), (2, neighbour(2))]));
    let guard = &opened.guard;
    guard.maps().steer.put_ring(of(2)).unwrap();
    let done = AtomicBool::new(false);
    let given: u64 = thread::scope(|scope| {
        let workers: Vec<_> = ["ip4:192.0.2.7 tcp:25 syn", "ip6:2001:db8:1::7 tcp:25 syn"]
            .iter()
            .map(|text| {
                let (runner, done, frame) = (guard.runner().unwrap(), &done, build(text).unwrap());
                scope.spawn(move || {
                    let mut given = 0;
                    while !done.load(Ordering::Relaxed) {
                        let (ran, out) = runner.run_out(&frame).unwrap();
                        assert_eq!((ran.action, out[4], out[5]), (XDP_REDIRECT, out[11], 1), "of two rings");
                        given += 1;
                    }
                    given
                })
            })
            .collect();
        for version in 3..3 + SWAPS {
            guard.maps().steer.put_ring(of(version)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        workers.into_iter().map(|w| w.join().unwrap()).sum()
    });
    eprintln!("{SWAPS} rings, {given} packets");
    assert!(given > 100, "hardly any traffic: {given}");
    assert_eq!(count(guard, Reason::ForwardPrimary), given);
}
