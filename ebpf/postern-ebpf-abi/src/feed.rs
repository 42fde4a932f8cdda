//! Feeds of bad networks, up to tens of millions of prefixes.
//!
//! IPv4: a bitmap with one bit per /24 says "some rule touches it", and only then a hash {address, length} is asked for each
//! length in use, longest first. A random address ends at the bitmap in nearly all cases; its 2 MiB stay in the cache. A second bitmap
//! says which /24s are listed as a whole: they hold no longer rules (planning drops what is covered), the others no shorter ones,
//! so the hash is asked for one group of lengths only.
//! IPv6: the same with a bitmap under a seeded hash of the first 48 bits (of the prefix itself where it is shorter).
//!
//! Two generations: a packet reads the generation once and takes bitmap, lengths and hash of that one.

use crate::address::{KeyV6, SITE_BITS, Source, mask, mask_v4, mix};

/// Lengths in use, at most: each costs a lookup where the bitmap says yes.
pub const LENGTHS: usize = 6;
/// Words of 64 bits in the bitmap of IPv4: 2^24 bits.
pub const BITS_V4_WORDS: u32 = 1 << 18;
/// Words of 64 bits in the bitmap of IPv6: 2^22 bits.
pub const BITS_V6_WORDS: u32 = 1 << 16;

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeedKeyV4 {
    /// Bits beyond `length` are zero.
    pub address: u32,
    pub length: u32,
}

/// Lengths in use in one generation, longest first; [`FeedShape::END`] ends the list.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedShape {
    pub v4: [u8; 8],
    pub v6: [u8; 8],
}

impl FeedShape {
    pub const END: u8 = 255;
    pub const EMPTY: Self = Self { v4: [Self::END; 8], v6: [Self::END; 8] };
}

pub trait FeedTable {
    /// 0 or 1; read once per packet.
    fn generation(&self) -> u32;
    fn shape(&self, generation: u32) -> FeedShape;
    fn feed_bits_v4(&self, generation: u32, word: u32) -> u64;
    fn feed_whole_v4(&self, generation: u32, word: u32) -> u64;
    fn feed_bits_v6(&self, generation: u32, word: u32) -> u64;
    /// Number of the feed that lists exactly this prefix.
    fn feed_v4(&self, generation: u32, key: &FeedKeyV4) -> Option<u32>;
    fn feed_v6(&self, generation: u32, key: &KeyV6) -> Option<u32>;
}

/// Word and bit of an address' /24.
#[inline(always)]
pub fn bit_v4(address: u32) -> (u32, u32) {
    (address >> 14, (address >> 8) & 63)
}

/// Word and bit for the prefixes of `length` around an address: its /48, or itself when shorter.
#[inline(always)]
pub fn bit_v6(seed: u64, high: u64, length: u32) -> (u32, u32) {
    let length = if length > SITE_BITS { SITE_BITS } else { length };
    let (site, _) = mask(high, 0, length);
    let bit = (mix(seed ^ ((length as u64) << 56), site) as u32) & (BITS_V6_WORDS * 64 - 1);
    (bit >> 6, bit & 63)
}

/// Number of the feed that lists this address.
#[inline(always)]
pub fn listed<T: FeedTable>(tables: &T, seed: u64, source: &Source) -> Option<u32> {
    let generation = tables.generation() & 1;
    match *source {
        Source::V4(address) => {
            let (word, bit) = bit_v4(address);
            if (tables.feed_bits_v4(generation, word) >> bit) & 1 == 0 {
                return None;
            }
            let whole = (tables.feed_whole_v4(generation, word) >> bit) & 1 == 1;
            listed_v4(tables, generation, address, whole)
        }
        Source::V6(high, low) => listed_v6(tables, seed, generation, high, low),
    }
}

#[inline(always)]
fn listed_v4<T: FeedTable>(tables: &T, generation: u32, address: u32, whole: bool) -> Option<u32> {
    let shape = tables.shape(generation);
    let mut i = 0;
    while i < LENGTHS {
        let length = shape.v4[i];
        if length == FeedShape::END {
            return None;
        }
        let length = length as u32;
        if (length <= 24) == whole {
            let class = tables.feed_v4(generation, &FeedKeyV4 { address: mask_v4(address, length), length });
            if class.is_some() {
                return class;
            }
        }
        i += 1;
    }
    None
}

#[inline(always)]
fn listed_v6<T: FeedTable>(tables: &T, seed: u64, generation: u32, high: u64, low: u64) -> Option<u32> {
    let shape = tables.shape(generation);
    let mut i = 0;
    while i < LENGTHS {
        let length = shape.v6[i];
        if length == FeedShape::END {
            return None;
        }
        let length = length as u32;
        let (word, bit) = bit_v6(seed, high, length);
        if (tables.feed_bits_v6(generation, word) >> bit) & 1 == 1 {
            let class = tables.feed_v6(generation, &KeyV6::of(high, low, length));
            if class.is_some() {
                return class;
            }
        }
        i += 1;
    }
    None
}
