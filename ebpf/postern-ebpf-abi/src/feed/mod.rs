//! Feeds of bad networks, up to tens of millions of prefixes: [`v4`] and [`v6`].
//!
//! A generation of a family hangs on one pointer, which a packet reads once: it is judged wholly by the rules before a swap or
//! wholly by those after it.

pub mod v4;
pub mod v6;

use core::ops::Deref;

use crate::address::{Hashed, KeyV6, Source};
use v4::{Bucket, FeedsV4};
use v6::FeedsV6;

/// Lengths in use in one family, at most: each costs a lookup where the filter says yes.
pub const LENGTHS: usize = 6;

pub trait FeedTable {
    /// A bucket where it lies, or a copy of it.
    type Bucket: Deref<Target = Bucket>;
    /// The generation in force; asked once per packet.
    fn feeds_v4(&self) -> Option<&FeedsV4>;
    fn feeds_v6(&self) -> Option<&FeedsV6>;
    fn bucket_v4(&self, table: u32, index: u32) -> Option<Self::Bucket>;
    /// Number of the feed that lists exactly this prefix.
    fn feed_v6(&self, table: u32, key: &KeyV6) -> Option<u32>;
}

/// Number of the feed that lists this address.
#[inline(always)]
pub fn listed<T: FeedTable>(tables: &T, sought: &Hashed) -> Option<u32> {
    match sought.source {
        Source::V4(address) => v4::listed(tables, tables.feeds_v4()?, sought, address),
        Source::V6(high, low) => v6::listed(tables, tables.feeds_v6()?, sought.seed, high, low),
    }
}
