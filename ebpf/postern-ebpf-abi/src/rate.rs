//! How fast new connections may come: token buckets.
//!
//! Sources share two rows of 2^20 buckets under different seeded hashes (IPv4 /32, IPv6 /64). A packet is dropped only if
//! its buckets in both rows are empty: a flood from n sources harms an innocent one only where both of its buckets are hit,
//! about (n / 2^20)^2. A table keyed by source would be thrashed by spoofed addresses.

use crate::address::{Source, mix};
use crate::config::Config;

pub const ROWS: u32 = 2;
/// Buckets in a row.
pub const BUCKETS: u32 = 1 << 20;

/// Buckets that all CPUs share: elements of the map `RATE_TOTAL`.
pub mod bucket {
    /// New connections from everywhere.
    pub const NEW_CONNECTIONS: u32 = 0;
    /// Answers "packet too big".
    pub const TOO_BIG: u32 = 1;
    /// New connections that the network stack gets before SYN cookies are given out.
    pub const TO_THE_STACK: u32 = 2;
    pub const COUNT: u32 = 3;
}

/// Parts of a token, so that slow rates refill smoothly.
const PARTS: u64 = 1000;

pub trait RateTable {
    /// Takes one token from a bucket with [`take`] and stores what is left; false when there was none.
    fn take_source(&self, row: u32, bucket: u32, now_ms: u32, rate: u32, burst: u32) -> bool;
    fn take_total(&self, now_ms: u32, rate: u32, burst: u32) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    Within,
    SourceTooFast,
    TotalTooFast,
}

/// A bucket after asking it for one token, and whether it had one.
///
/// The bucket is milliseconds of the last refill (upper half) and thousandths of tokens *missing* (lower half), so that
/// a zeroed map is full of full buckets. One store of 64 bits cannot tear; CPUs that race lose a token at worst.
#[inline(always)]
pub fn take(bucket: u64, now_ms: u32, rate: u32, burst: u32) -> (u64, bool) {
    let last = (bucket >> 32) as u32;
    let missing = bucket & 0xffff_ffff;
    let passed = now_ms.wrapping_sub(last);
    // Clocks of two CPUs may differ by a little: a time before the last refill refills nothing.
    let passed = if passed > u32::MAX / 2 { 0 } else { passed as u64 };
    let refill = passed.saturating_mul(rate as u64);
    let missing = missing.saturating_sub(refill);
    let size = (burst as u64).saturating_mul(PARTS);
    let size = if size > 0xffff_ffff { 0xffff_ffff } else { size };
    let stamp = (now_ms as u64) << 32;
    if missing + PARTS <= size { (stamp | (missing + PARTS), true) } else { (stamp | missing, false) }
}

/// Bucket of a source in a row.
#[inline(always)]
pub fn bucket_of(seed: u64, source: &Source, row: u32) -> u32 {
    let value = match *source {
        Source::V4(a) => a as u64,
        Source::V6(high, _) => high,
    };
    let hash = mix(seed.rotate_left(17), value);
    (if row == 0 { hash as u32 } else { (hash >> 32) as u32 }) & (BUCKETS - 1)
}

/// Asks the buckets of a source and the common one for a new connection.
#[inline(always)]
pub fn admit<T: RateTable>(tables: &T, config: &Config, source: &Source, now_ns: u64) -> Rate {
    let now_ms = (now_ns / 1_000_000) as u32;
    if config.source_rate != 0 {
        // Both rows pay, or an attacker who empties one row of a neighbour's would leave it half protected.
        let first = tables.take_source(0, bucket_of(config.seed, source, 0), now_ms, config.source_rate, config.source_burst);
        let second = tables.take_source(1, bucket_of(config.seed, source, 1), now_ms, config.source_rate, config.source_burst);
        if !first && !second {
            return Rate::SourceTooFast;
        }
    }
    if config.total_rate != 0 && !tables.take_total(now_ms, config.total_rate, config.total_burst) {
        return Rate::TotalTooFast;
    }
    Rate::Within
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds() {
        let (mut bucket, mut passed) = (0, 0);
        for _ in 0..100 {
            let (next, ok) = take(bucket, 5_000, 10, 20);
            bucket = next;
            passed += u32::from(ok);
        }
        assert_eq!(passed, 20);
        for second in 1..=10u32 {
            let mut in_second = 0;
            for _ in 0..100 {
                let (next, ok) = take(bucket, 5_000 + second * 1000, 10, 20);
                bucket = next;
                in_second += u32::from(ok);
            }
            assert_eq!(in_second, 10, "second {second}");
        }
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_refill(rate in 1u32..1000, burst in 1u32..1000, steps in prop::collection::vec(0u32..50, 1..400)) {
            let (mut bucket, mut now, mut passed) = (0u64, 1_000_000u32, 0u64);
            let start = now;
            for step in steps {
                now += step;
                let (next, ok) = take(bucket, now, rate, burst);
                bucket = next;
                passed += u64::from(ok);
            }
            prop_assert!(passed <= u64::from(burst) + u64::from(now - start) * u64::from(rate) / 1000 + 1);
        }

        #[test]
        fn a_clock_that_steps_back_gives_nothing_away(back in 1u32..1000) {
            let (mut bucket, mut now) = (0, 10_000);
            for _ in 0..5 { bucket = take(bucket, now, 1, 5).0; }
            now -= back;
            prop_assert!(!take(bucket, now, 1, 5).1);
        }
    }
}
