//! Source addresses and prefixes as the maps know them.

/// Longest run of bits the filters of IPv6 look at: a /48 is one site (RFC 6177), and nobody gets less than a /64.
pub const SITE_BITS: u32 = 48;

/// Where a packet says it comes from. Integers are in host order: the first octet is the most significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    V4(u32),
    /// Upper and lower half.
    V6(u64, u64),
}

/// An IPv6 prefix as a hash key. Bits beyond `length` are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyV6 {
    pub high: u64,
    pub low: u64,
    pub length: u32,
    pub zero: u32,
}

/// A key of a longest-prefix table (`BPF_MAP_TYPE_LPM_TRIE`): both families as 128 bits, IPv4 mapped (RFC 4291 §2.5.5.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    pub length: u32,
    pub octets: [u8; 16],
}

/// A source with the seeded hash of its whole address, which bans and feeds both begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    pub source: Source,
    pub seed: u64,
    pub hash: u64,
}

impl Hashed {
    #[inline(always)]
    pub fn of(seed: u64, source: Source) -> Self {
        let hash = match source {
            Source::V4(address) => mix(seed, address as u64),
            Source::V6(high, low) => mix_v6(seed, high, low),
        };
        Self { source, seed, hash }
    }
}

impl KeyV6 {
    #[inline(always)]
    pub fn of(high: u64, low: u64, length: u32) -> Self {
        let (high, low) = mask(high, low, length);
        Self { high, low, length, zero: 0 }
    }
}

impl Prefix {
    #[inline(always)]
    pub fn of(source: &Source) -> Self {
        let mut octets = [0; 16];
        match *source {
            Source::V4(address) => {
                octets[10] = 0xff;
                octets[11] = 0xff;
                // As a whole: octet by octet, the compiler would also read the packet so.
                octets[12..].copy_from_slice(&address.to_be_bytes());
            }
            Source::V6(high, low) => {
                let (h, l) = (high.to_be_bytes(), low.to_be_bytes());
                let mut i = 0;
                while i < 8 {
                    octets[i] = h[i];
                    octets[i + 8] = l[i];
                    i += 1;
                }
            }
        }
        Self { length: 128, octets }
    }

    /// The first `length` bits of `source`'s own family.
    pub fn network(source: &Source, length: u32) -> Self {
        let (high, low, bits) = match *source {
            Source::V4(a) => (0, 0xffff_0000_0000 | u64::from(a), 96 + if length > 32 { 32 } else { length }),
            Source::V6(high, low) => (high, low, if length > 128 { 128 } else { length }),
        };
        let (high, low) = mask(high, low, bits);
        Self { length: bits, ..Self::of(&Source::V6(high, low)) }
    }
}

/// The first `length` bits of a 128-bit address.
#[inline(always)]
pub fn mask(high: u64, low: u64, length: u32) -> (u64, u64) {
    if length >= 128 {
        (high, low)
    } else if length > 64 {
        (high, low & !(u64::MAX >> ((length - 64) & 63)))
    } else if length == 64 {
        (high, 0)
    } else {
        (high & !(u64::MAX >> (length & 63)), 0)
    }
}

/// The first `length` bits of an IPv4 address.
#[inline(always)]
pub fn mask_v4(address: u32, length: u32) -> u32 {
    if length >= 32 { address } else { address & !(u32::MAX >> (length & 31)) }
}

/// A seeded mixer (the finaliser of MurmurHash3). The seed is random per machine, so that nobody
/// outside can choose addresses which share a bucket.
#[inline(always)]
pub fn mix(seed: u64, value: u64) -> u64 {
    let mut x = value ^ seed;
    x ^= x >> 33;
    x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = x.wrapping_add(seed.rotate_left(32));
    x ^= x >> 33;
    x = x.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

#[inline(always)]
pub fn mix_v6(seed: u64, high: u64, low: u64) -> u64 {
    mix(mix(seed, high), low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn masks_agree_with_128_bit_arithmetic(address: u128, length in 0u32..=128) {
            let expected = if length == 0 { 0 } else { address & (u128::MAX << (128 - length)) };
            let (high, low) = mask((address >> 64) as u64, address as u64, length);
            prop_assert_eq!(u128::from(high) << 64 | u128::from(low), expected);
        }

        #[test]
        fn masks_of_ipv4_agree(address: u32, length in 0u32..=32) {
            let expected = if length == 0 { 0 } else { address & (u32::MAX << (32 - length)) };
            prop_assert_eq!(mask_v4(address, length), expected);
        }
    }

    #[test]
    fn ipv4_is_mapped_into_the_longest_prefix_tables() {
        let p = Prefix::network(&Source::V4(0xc000_02ff), 24);
        assert_eq!((p.length, p.octets), (120, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 0]));
        let p = Prefix::network(&Source::V6(0x2001_0db8_ffff_0000, 7), 32);
        assert_eq!((p.length, &p.octets[..5], p.octets[15]), (32, &[0x20, 0x01, 0x0d, 0xb8, 0][..], 0));
    }

    #[test]
    fn the_mixer_spreads_neighbours() {
        let mut counts = [0u32; 256];
        for i in 0..65_536u64 {
            counts[(mix(7, i) & 255) as usize] += 1;
        }
        assert!(counts.iter().all(|c| (150..370).contains(c)), "{counts:?}");
    }
}
