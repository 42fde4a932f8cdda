//! Bans: single addresses (IPv4 /32, IPv6 /128 and /64) with an end, and networks banned by hand.
//!
//! A hash lookup that misses costs up to 90 ns when the table is large and cold. A filter of 2^20 bits (128 KiB) under a seeded
//! hash of the address is asked before: with 10,000 bans in force one innocent address in 100 goes on to the table.
//! Ends are compared here, so a ban ends on time even when userspace is dead.

use crate::address::{Hashed, KeyV6, Prefix, Source, mask};

/// Bits of the filter, as a power of two.
pub const FILTER_BITS: u32 = 20;
/// Words of 64 bits in the filter.
pub const FILTER_WORDS: u32 = 1 << (FILTER_BITS - 6);

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanValue {
    /// Nanoseconds of CLOCK_BOOTTIME at which it ends; `u64::MAX`: never.
    pub until: u64,
    /// Number given by userspace to its reason; shown in samples.
    pub why: u32,
    pub zero: u32,
}

pub trait BanTable {
    fn ban_filter(&self, word: u32) -> u64;
    fn ban_v4(&self, address: &u32) -> Option<BanValue>;
    fn ban_v6(&self, key: &KeyV6) -> Option<BanValue>;
    fn ban_network(&self, key: &Prefix) -> Option<BanValue>;
}

/// Word and bit in the filter of an IPv4 address.
#[inline(always)]
pub fn filter_v4(seed: u64, address: u32) -> (u32, u32) {
    split(Hashed::of(seed, Source::V4(address)).hash)
}

/// Word and bit in the filter of an IPv6 prefix of `length` 64 or 128. (A /64 and its first address, which nobody has, share them.)
#[inline(always)]
pub fn filter_v6(seed: u64, key: &KeyV6) -> (u32, u32) {
    split(Hashed::of(seed, Source::V6(key.high, key.low)).hash)
}

#[inline(always)]
fn split(hash: u64) -> (u32, u32) {
    let bit = (hash as u32) & ((1 << FILTER_BITS) - 1);
    (bit >> 6, bit & 63)
}

/// The ban of exactly this address (or its /64), in force at `now`.
#[inline(always)]
pub fn banned<T: BanTable>(tables: &T, sought: &Hashed, now: impl Fn() -> u64) -> Option<BanValue> {
    match sought.source {
        Source::V4(address) => {
            let (word, bit) = split(sought.hash);
            if (tables.ban_filter(word) >> bit) & 1 == 0 {
                return None;
            }
            in_force(tables.ban_v4(&address)?, now)
        }
        Source::V6(high, low) => {
            let whole = KeyV6 { high, low, length: 128, zero: 0 };
            let (word, bit) = split(sought.hash);
            if (tables.ban_filter(word) >> bit) & 1 == 1
                && let Some(ban) = tables.ban_v6(&whole)
                && let Some(ban) = in_force(ban, &now)
            {
                return Some(ban);
            }
            let (high, low) = mask(high, low, 64);
            let subnet = KeyV6 { high, low, length: 64, zero: 0 };
            let (word, bit) = filter_v6(sought.seed, &subnet);
            if (tables.ban_filter(word) >> bit) & 1 == 0 {
                return None;
            }
            in_force(tables.ban_v6(&subnet)?, now)
        }
    }
}

/// The ban of a network around this address, in force at `now`.
#[inline(always)]
pub fn network_banned<T: BanTable>(tables: &T, source: &Source, now: impl Fn() -> u64) -> Option<BanValue> {
    in_force(tables.ban_network(&Prefix::of(source))?, now)
}

#[inline(always)]
fn in_force(ban: BanValue, now: impl Fn() -> u64) -> Option<BanValue> {
    if ban.until > now() { Some(ban) } else { None }
}
