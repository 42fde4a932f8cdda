//! The mark of a packet that a peer forwarded: how often it was forwarded, in the DSCP.
//!
//! The values are of pool 2, left to local use (RFC 2474 §6). ECN is kept. Everybody can send such a packet, so a mark counts only on a
//! frame that came from a peer's MAC address on the peer's interface, or through the tunnel from its address. A forged source address on
//! layer 2 could have been the mark instead; switches and hypervisors that refuse forged transmits (vSphere's default) would drop
//! it.

/// Forwarded once.
pub const HOP_1: u8 = 0b00_0011;
/// Forwarded twice: never again.
pub const HOP_2: u8 = 0b00_0111;

/// How often the packet was forwarded as the traffic class (or type of service) says; 0 for an unmarked one.
#[inline(always)]
pub fn hop(class: u8) -> u8 {
    match class >> 2 {
        HOP_1 => 1,
        HOP_2 => 2,
        _ => 0,
    }
}

/// The traffic class with the mark for `hop` (0: none), its ECN bits (RFC 3168) kept.
#[inline(always)]
pub fn marked(class: u8, hop: u8) -> u8 {
    let mark = match hop {
        0 => 0,
        1 => HOP_1,
        _ => HOP_2,
    };
    mark << 2 | class & 3
}
