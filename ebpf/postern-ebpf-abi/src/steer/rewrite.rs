//! Changes of IP headers on the way: mark, TTL, checksums, the header of a tunnel.

use super::address::Address;
use super::mark;
use super::ring::{OUTER_V4, OUTER_V6};

/// The checksum `old` after a word of the header changed (RFC 1624, equation 3).
#[inline(always)]
pub fn adjusted(old: u16, from: u16, to: u16) -> u16 {
    let sum = !old as u32 & 0xffff;
    let sum = sum + (!from as u32 & 0xffff) + to as u32;
    !folded(sum)
}

#[inline(always)]
fn folded(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The checksum over these octets, where its own field is zero (RFC 1071).
#[inline(always)]
pub fn checksum<const N: usize>(octets: &[u8; N], start: u32) -> u16 {
    !folded(start + words(octets))
}

/// The sum of the words in these octets, to be carried on.
#[inline(always)]
pub fn words<const N: usize>(octets: &[u8; N]) -> u32 {
    let mut sum = 0;
    let mut i = 0;
    while i + 1 < N {
        sum += u16::from_be_bytes([octets[i], octets[i + 1]]) as u32;
        i += 2;
    }
    sum
}

/// The first twelve octets of an IPv4 header, with this type of service, and `less` taken from its TTL.
#[inline(always)]
pub fn v4(header: &mut [u8; 12], class: u8, less: u8) {
    let word = |h: &[u8; 12], at: usize| u16::from_be_bytes([h[at], h[at + 1]]);
    let (start, ttl) = (word(header, 0), word(header, 8));
    header[1] = class;
    header[8] = header[8].wrapping_sub(less);
    let sum = adjusted(word(header, 10), start, word(header, 0));
    let sum = adjusted(sum, ttl, word(header, 8)).to_be_bytes();
    (header[10], header[11]) = (sum[0], sum[1]);
}

/// The first eight octets of an IPv6 header, likewise.
#[inline(always)]
pub fn v6(header: &mut [u8; 8], class: u8, less: u8) {
    header[0] = header[0] & 0xf0 | class >> 4;
    header[1] = class << 4 | header[1] & 0x0f;
    header[7] = header[7].wrapping_sub(less);
}

/// What an outer header is made of.
#[derive(Clone, Copy, Debug)]
pub struct Outer {
    pub from: Address,
    pub to: Address,
    /// How often the packet inside was forwarded, with this time.
    pub hop: u8,
    /// Octets of the packet inside.
    pub length: usize,
    pub inner_is_v6: bool,
}

/// Hop limit of outer headers: peers are in one network or a few routers away.
const OUTER_TTL: u8 = 64;

impl Outer {
    #[inline(always)]
    fn protocol(&self) -> u8 {
        // RFC 2003, RFC 4213; over IPv6 RFC 2473.
        if self.inner_is_v6 { 41 } else { 4 }
    }

    /// ECN stays inside, and routers on the way drop instead of marking ("compatibility mode", RFC 6040 §4.3): so nothing must be merged
    /// at the other end.
    #[inline(always)]
    fn class(&self) -> u8 {
        mark::marked(0, self.hop)
    }

    #[inline(always)]
    pub fn v4(&self) -> [u8; OUTER_V4] {
        let [l0, l1] = ((self.length + OUTER_V4) as u16).to_be_bytes();
        let [a0, a1, a2, a3] = (self.from.low as u32).to_be_bytes();
        let [b0, b1, b2, b3] = (self.to.low as u32).to_be_bytes();
        // Identification 0 with DF: nobody may cut it (RFC 6864 §4.1).
        let mut h = [0x45, self.class(), l0, l1, 0, 0, 0x40, 0, OUTER_TTL, self.protocol(), 0, 0, a0, a1, a2, a3, b0, b1, b2, b3];
        let sum = checksum(&h, 0).to_be_bytes();
        (h[10], h[11]) = (sum[0], sum[1]);
        h
    }

    #[inline(always)]
    pub fn v6(&self) -> [u8; OUTER_V6] {
        let class = self.class();
        let mut h = [0; OUTER_V6];
        h[0] = 0x60 | class >> 4;
        h[1] = class << 4;
        let length = (self.length as u16).to_be_bytes();
        (h[4], h[5], h[6], h[7]) = (length[0], length[1], self.protocol(), OUTER_TTL);
        h[8..16].copy_from_slice(&self.from.high.to_be_bytes());
        h[16..24].copy_from_slice(&self.from.low.to_be_bytes());
        h[24..32].copy_from_slice(&self.to.high.to_be_bytes());
        h[32..40].copy_from_slice(&self.to.low.to_be_bytes());
        h
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sum of a right header is zero.
    fn is_right(header: &[u8; 20]) -> bool {
        checksum(header, 0) == 0
    }

    proptest! {
        #[test]
        fn a_changed_header_has_the_right_checksum(mut header: [u8; 20], class: u8, ttl in 2u8..) {
            (header[8], header[10], header[11]) = (ttl, 0, 0);
            let sum = checksum(&header, 0).to_be_bytes();
            (header[10], header[11]) = (sum[0], sum[1]);
            prop_assert!(is_right(&header));
            let mut start: [u8; 12] = std::array::from_fn(|i| header[i]);
            v4(&mut start, class, 1);
            let mut after = header;
            after[..12].copy_from_slice(&start);
            prop_assert!(is_right(&after));
            prop_assert_eq!((after[1], after[8]), (class, ttl - 1));
        }

        #[test]
        fn an_ipv6_header_keeps_version_and_flow_label(header: [u8; 8], class: u8) {
            let mut after = header;
            v6(&mut after, class, 1);
            prop_assert_eq!(after[0] << 4 | after[1] >> 4, class);
            prop_assert_eq!((after[0] >> 4, after[1] & 15), (header[0] >> 4, header[1] & 15));
            prop_assert_eq!(after[7], header[7].wrapping_sub(1));
        }

        #[test]
        fn an_outer_header_has_the_right_checksum(from: u32, to: u32, length in 0usize..1480, six: bool) {
            let outer = Outer { from: Address::v4(from), to: Address::v4(to), hop: 1, length, inner_is_v6: six };
            let header = outer.v4();
            prop_assert!(is_right(&header));
            prop_assert_eq!(usize::from(u16::from_be_bytes([header[2], header[3]])), length + 20);
        }
    }
}
