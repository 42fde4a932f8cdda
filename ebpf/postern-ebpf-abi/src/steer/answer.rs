//! What the program answers by itself: "packet too big" and SYN cookies.

use super::address::Address;
use super::rewrite::checksum;
use super::seen::Seen;

/// Octets of the packet that an ICMP error quotes: every header of a TCP packet, and far below what may be sent without asking
/// (RFC 1812 §4.3.2.3: 576, RFC 4443 §2.4: 1280).
pub const QUOTE: usize = 128;
/// It is summed up in pieces: a program's stack is small.
pub const PIECE: usize = 32;
/// IPv4 and ICMP header.
pub const TOO_BIG_V4: usize = 28;
/// IPv6 and ICMPv6 header.
pub const TOO_BIG_V6: usize = 48;
/// TCP header with the one option that a SYN cookie leaves room for: MSS.
pub const SYN_ACK: usize = 24;

const TTL: u8 = 64;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMP_V6: u8 = 58;
/// Receive window of a SYN-ACK before the socket exists. Without the option for scaling the field says octets; mail clients send little
/// before they are answered.
const WINDOW: u16 = 64_240;

/// From the packet's destination back to its source.
#[inline(always)]
fn header_v4(seen: &Seen, protocol: u8, payload: usize) -> [u8; 20] {
    let [l0, l1] = ((20 + payload) as u16).to_be_bytes();
    let [a0, a1, a2, a3] = (seen.destination.low as u32).to_be_bytes();
    let [b0, b1, b2, b3] = (seen.source.low as u32).to_be_bytes();
    let mut h = [0x45, 0, l0, l1, 0, 0, 0x40, 0, TTL, protocol, 0, 0, a0, a1, a2, a3, b0, b1, b2, b3];
    let sum = checksum(&h, 0).to_be_bytes();
    (h[10], h[11]) = (sum[0], sum[1]);
    h
}

#[inline(always)]
fn header_v6(seen: &Seen, protocol: u8, payload: usize) -> [u8; 40] {
    let mut h = [0; 40];
    let length = (payload as u16).to_be_bytes();
    (h[0], h[4], h[5], h[6], h[7]) = (0x60, length[0], length[1], protocol, TTL);
    h[8..16].copy_from_slice(&seen.destination.high.to_be_bytes());
    h[16..24].copy_from_slice(&seen.destination.low.to_be_bytes());
    h[24..32].copy_from_slice(&seen.source.high.to_be_bytes());
    h[32..40].copy_from_slice(&seen.source.low.to_be_bytes());
    h
}

#[inline(always)]
fn words_of(address: &Address) -> u32 {
    let word = |w: u64, by: u32| (w >> by) as u32 & 0xffff;
    let of = |w: u64| word(w, 48) + word(w, 32) + word(w, 16) + word(w, 0);
    if address.is_v4() { word(address.low, 16) + word(address.low, 0) } else { of(address.high) + of(address.low) }
}

/// The sum over the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).
#[inline(always)]
fn pseudo(seen: &Seen, protocol: u8, octets: usize) -> u32 {
    words_of(&seen.source) + words_of(&seen.destination) + protocol as u32 + octets as u32
}

/// What is put before a packet the first [`QUOTE`] octets of which have this sum ([`words`]): destination unreachable, fragmentation needed (RFC 1191 §4).
#[inline(always)]
pub fn too_big_v4(seen: &Seen, mtu: u16, quoted: u32) -> [u8; TOO_BIG_V4] {
    let mut h = [0; TOO_BIG_V4];
    h[..20].copy_from_slice(&header_v4(seen, ICMP, 8 + QUOTE));
    let [m0, m1] = mtu.to_be_bytes();
    let sum = checksum(&[3, 4, 0, 0, 0, 0, m0, m1], quoted).to_be_bytes();
    h[20..].copy_from_slice(&[3, 4, sum[0], sum[1], 0, 0, m0, m1]);
    h
}

/// The same for IPv6: packet too big (RFC 4443 §3.2).
#[inline(always)]
pub fn too_big_v6(seen: &Seen, mtu: u16, quoted: u32) -> [u8; TOO_BIG_V6] {
    let mut h = [0; TOO_BIG_V6];
    h[..40].copy_from_slice(&header_v6(seen, ICMP_V6, 8 + QUOTE));
    let [m0, m1] = mtu.to_be_bytes();
    let sum = checksum(&[2, 0, 0, 0, 0, 0, m0, m1], quoted + pseudo(seen, ICMP_V6, 8 + QUOTE)).to_be_bytes();
    h[40..].copy_from_slice(&[2, 0, sum[0], sum[1], 0, 0, m0, m1]);
    h
}

/// A SYN cookie to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// Our first sequence number.
    pub cookie: u32,
    /// The client's, of its SYN.
    pub sequence: u32,
    pub mss: u16,
}

/// The segment that answers a SYN, with its checksum.
#[inline(always)]
pub fn syn_ack(seen: &Seen, cookie: &Cookie) -> [u8; SYN_ACK] {
    let [s0, s1] = seen.port.to_be_bytes();
    let [d0, d1] = seen.client_port.to_be_bytes();
    let [c0, c1, c2, c3] = cookie.cookie.to_be_bytes();
    // What data the SYN brought is not acknowledged: it comes again (RFC 9293 §3.10.7.2).
    let [a0, a1, a2, a3] = cookie.sequence.wrapping_add(1).to_be_bytes();
    let [w0, w1] = WINDOW.to_be_bytes();
    let [m0, m1] = cookie.mss.to_be_bytes();
    let mut t = [s0, s1, d0, d1, c0, c1, c2, c3, a0, a1, a2, a3, (SYN_ACK as u8 / 4) << 4, 0x12, w0, w1, 0, 0, 0, 0, 2, 4, m0, m1];
    let sum = checksum(&t, pseudo(seen, TCP, SYN_ACK)).to_be_bytes();
    (t[16], t[17]) = (sum[0], sum[1]);
    t
}

#[inline(always)]
pub fn syn_ack_v4(seen: &Seen, cookie: &Cookie) -> [u8; 20 + SYN_ACK] {
    let mut h = [0; 20 + SYN_ACK];
    h[..20].copy_from_slice(&header_v4(seen, TCP, SYN_ACK));
    h[20..].copy_from_slice(&syn_ack(seen, cookie));
    h
}

#[inline(always)]
pub fn syn_ack_v6(seen: &Seen, cookie: &Cookie) -> [u8; 40 + SYN_ACK] {
    let mut h = [0; 40 + SYN_ACK];
    h[..40].copy_from_slice(&header_v6(seen, TCP, SYN_ACK));
    h[40..].copy_from_slice(&syn_ack(seen, cookie));
    h
}
