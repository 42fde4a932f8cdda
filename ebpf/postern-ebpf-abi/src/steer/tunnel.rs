//! Who may deliver packets in IP in IP to this node: its peers.

use super::address::role;
use super::decide::SteerTables;
use super::mark;
use super::ring::{OUTER_V4, OUTER_V6};
use super::seen::{Kind, Seen};
use crate::reason::Reason;

/// Shortest packet inside: an IP header of each family.
const LEAST_V4: usize = 20;
const LEAST_V6: usize = 40;

/// A packet of a peer in an outer header that is to be taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the peer.
    pub peer: u32,
    /// How often the packet inside was forwarded.
    pub hop: u8,
}

/// Whether a packet is such a one; `None`: it is no tunnel that ends here, `Some(Err)`: it is dropped.
///
/// Routers on the way may clear the DSCP. Without a mark of one hop it counts as forwarded twice: a second chance less, but never a loop.
#[inline(always)]
pub fn delivered<T: SteerTables>(tables: &T, seen: &Seen) -> Option<Result<Delivery, Reason>> {
    if !matches!(seen.kind, Kind::TunnelV4 | Kind::TunnelV6) || tables.roles_of(&seen.destination) & role::OUTER == 0 {
        return None;
    }
    let Some(peer) = tables.ring().and_then(|ring| ring.peer_by_address(&seen.source)) else {
        return Some(Err(Reason::DropTunnelStranger));
    };
    let outer = if seen.is_v6 { OUTER_V6 } else { OUTER_V4 };
    let least = if seen.kind == Kind::TunnelV6 { LEAST_V6 } else { LEAST_V4 };
    if seen.is_fragment || seen.headers != outer || seen.length < outer + least {
        return Some(Err(Reason::DropTunnelMalformed));
    }
    Some(Ok(Delivery { peer, hop: if mark::hop(seen.class) == 1 { 1 } else { 2 } }))
}
