//! The operator's allow list: asked first, always wins.
//!
//! A longest-prefix table answers, but costs tens of nanoseconds; nearly all packets come from a /16 that no rule touches,
//! so one bit per /16 (for IPv6: per first 16 bits) is asked before it.

use crate::address::{Prefix, Source};

/// Words of 64 bits: 65,536 bits for each family.
pub const BITS_WORDS: u32 = 2 * 1024;

pub trait AllowTable {
    fn allow_bits(&self, word: u32) -> u64;
    /// Whether any prefix in the table holds this address.
    fn allow_longest(&self, key: &Prefix) -> bool;
}

/// Word and bit of the first 16 bits of an address.
#[inline(always)]
pub fn bit_of(source: &Source) -> (u32, u32) {
    let (top, base) = match *source {
        Source::V4(a) => (a >> 16, 0),
        Source::V6(high, _) => ((high >> 48) as u32, 1024),
    };
    (base + ((top >> 6) & 1023), top & 63)
}

#[inline(always)]
pub fn is_allowed<T: AllowTable>(tables: &T, source: &Source) -> bool {
    let (word, bit) = bit_of(source);
    (tables.allow_bits(word) >> bit) & 1 == 1 && tables.allow_longest(&Prefix::of(source))
}
