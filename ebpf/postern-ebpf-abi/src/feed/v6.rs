//! IPv6 feeds: a bitmap under a seeded hash of the first 48 bits (of the prefix itself where it is shorter) says "some rule of this
//! length is near", and only then the kernel's hash map is asked.

use super::{FeedTable, LENGTHS};
use crate::address::{KeyV6, SITE_BITS, mask, mix};

/// Words of 64 bits in the bitmap: 2^22 bits.
pub const BITS_WORDS: u32 = 1 << 16;

/// One generation of IPv6 feeds.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FeedsV6 {
    /// Lengths in use, longest first.
    pub lengths: [u8; 8],
    /// How many of them; 0: nothing is listed.
    pub used: u32,
    /// Which of the two tables belongs to it.
    pub table: u32,
    pub bits: [u64; BITS_WORDS as usize],
}

/// Word and bit for the prefixes of `length` around an address: its /48, or itself when shorter.
#[inline(always)]
pub fn bit(seed: u64, high: u64, length: u32) -> (u32, u32) {
    let length = if length > SITE_BITS { SITE_BITS } else { length };
    let (site, _) = mask(high, 0, length);
    let bit = (mix(seed ^ ((length as u64) << 56), site) as u32) & (BITS_WORDS * 64 - 1);
    (bit >> 6, bit & 63)
}

/// Number of the feed that lists this address.
#[inline(always)]
pub fn listed<T: FeedTable>(tables: &T, feeds: &FeedsV6, seed: u64, high: u64, low: u64) -> Option<u32> {
    let mut i = 0;
    while i < LENGTHS && i < feeds.used as usize {
        let length = feeds.lengths[i] as u32;
        let (word, bit) = bit(seed, high, length);
        if (feeds.bits[(word & (BITS_WORDS - 1)) as usize] >> bit) & 1 == 1 {
            let feed = tables.feed_v6(feeds.table, &KeyV6::of(high, low, length));
            if feed.is_some() {
                return feed;
            }
        }
        i += 1;
    }
    None
}
