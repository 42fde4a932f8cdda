//! A frame from the wire, given to what reads and decides for steering (`postern_ebpf_abi::steer`).
//!
//! Every destination is a virtual address, every port a service, memory says whatever the frame's ports say: the deepest ways. Where the
//! driver cut the frame must change nothing, and what is sent on must be something that may be sent on.

use std::sync::OnceLock;

use postern_ebpf_abi::packet::parse;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::address::{Address, role};
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::decide::{Arrival, SteerTables, decide};
use postern_ebpf_abi::steer::ring::{Peer, Ring, Slot, peer};
use postern_ebpf_abi::steer::seen::{Kind, Seen, read};
use postern_ebpf_abi::steer::tunnel::delivered;

use crate::cut::Cut;

/// Longest linear part that is tried.
const LONGEST_LINEAR: usize = 200;

pub fn check(frame: &[u8]) {
    let Some(ethernet) = frame.first_chunk::<14>() else { return };
    if parse(frame).is_err_and(Reason::drops) {
        return;
    }
    let whole = read(frame);
    for linear in 14..=frame.len().min(LONGEST_LINEAR) {
        let cut = read(&Cut { frame, linear });
        // What is not clear from the linear part is read again from the whole.
        if cut.is_ok_and(|seen| seen.kind != Kind::BadQuote) {
            assert_eq!(cut, whole, "cut after {linear} octets");
        }
    }
    let Ok(seen) = whole else { return };
    assert!(seen.length <= frame.len() - seen.ip_at, "longer than the frame: {seen:?}");
    if let Some(Ok(delivery)) = delivered(&Everything, &seen) {
        assert!(Everything.ring().is_some_and(|r| r.peer(delivery.peer).is(peer::TUNNEL)));
        assert!(seen.length >= seen.headers + 20);
    }
    for arrival in [Arrival::of(ethernet, 1), Arrival::Tunnel { peer: 4, hop: 1, destination: 0, interface: 1 }] {
        let verdict = decide(&Everything, &arrival, &seen, Reason::Pass);
        if verdict.reason.forwards() {
            let to = Everything.ring().map(|r| *r.peer(verdict.peer));
            assert!(to.is_some_and(|p| p.takes()), "sent to a peer that takes nothing: {verdict:?}");
            assert!(seen.ttl > 1 && (1..=2).contains(&verdict.hop), "{verdict:?}");
            assert_ne!(verdict.peer, verdict.sender, "back to the sender: {verdict:?}");
        }
    }
}

/// Answers that lead deepest.
struct Everything;

impl SteerTables for Everything {
    fn roles_of(&self, _: &Address) -> u32 {
        role::VIRTUAL | role::OUTER
    }
    fn is_service(&self, _: u16) -> bool {
        true
    }
    fn ring(&self) -> Option<&Ring> {
        static RING: OnceLock<Box<Ring>> = OnceLock::new();
        Some(RING.get_or_init(|| {
            // SAFETY: every bit pattern is a value.
            let mut ring: Box<Ring> = unsafe { Box::new_zeroed().assume_init() };
            ring.version = 1;
            ring.peers[0].flags = peer::SELF;
            for number in 1..6u8 {
                let tunnel = if number > 3 { peer::TUNNEL } else { 0 };
                let flags = tunnel | if number == 2 { 0 } else { peer::USABLE };
                let (address, own) = (Address::v4(0x0a09_0000 + u32::from(number)), Address::v4(0x0a09_0000));
                ring.peers[usize::from(number)] = Peer { flags, address, own, mac: [2, 0, 0, 0, 1, number], ..Peer::default() };
            }
            for (i, slot) in ring.slots.iter_mut().enumerate() {
                *slot = Slot { primary: (i % 7) as u16, secondary: (i % 5) as u16 };
            }
            assert_eq!(ring.index(), Ok(()));
            ring
        }))
    }
    fn has_socket(&self, _: &Connection) -> bool {
        false
    }
    fn remembered(&self, connection: &Connection) -> Option<u32> {
        Some(u32::from(connection.client_port) % 70)
    }
    fn is_cookie(&self, _: &Seen) -> bool {
        false
    }
}
