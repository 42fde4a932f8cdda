//! IPv4 feeds. A packet's time is memory: what lies in the second-level cache costs a few nanoseconds, in the third some twenty (on
//! some machines much more), everything beyond 150. So there are three structures:
//!
//! - a filter of at most 1 MiB. One word of 64 bits, chosen by the address' /24, answers two questions, each with three bits (a blocked
//!   Bloom filter): "is this host listed?" and "does a rule shorter than /32 touch this /24?". With a million single addresses
//!   one random address in twenty goes on. Rules of /16 and shorter are in a bitmap of 8 KiB instead: `0.0.0.0/1` would fill the filter.
//! - a sieve of at most 8 MiB, only from two million hosts on, when the filter would say yes too often: it has the hosts' bits then, in a
//!   word chosen by the whole address. It stands in the first lines of the table.
//! - a table of buckets, each one cache line. The hash is a permutation of the address, its upper part chooses the bucket, so that a
//!   slot holds only the lower 20 bits and the feed's number in 32 bits: 16 slots a line, one miss per lookup.

use super::{FeedTable, LENGTHS};
use crate::address::{Hashed, mask_v4};

/// Words of 64 bits in the filter, at most: 1 MiB is half of a usual second-level cache.
pub const FILTER_WORDS: u32 = 1 << 17;
/// Words of 64 bits in the sieve, at most: 8 MiB is what one core of a server has of its third-level cache.
pub const SIEVE_WORDS: u32 = 1 << 20;
/// Words of 64 bits in a line of the table.
pub const LINE_WORDS: u32 = SLOTS / 2;
/// Words of 64 bits in the bitmap of /16s.
pub const WIDE_WORDS: u32 = 1 << 10;
/// Rules of this length and shorter are in the bitmap of /16s and not in the filter.
pub const WIDE_LENGTH: u32 = 16;
/// Slots in a bucket.
pub const SLOTS: u32 = 16;
/// Fewest buckets of a class: fewer would need more than [`REMAINDER_BITS`].
pub const LEAST_BUCKETS: u32 = 1 << (32 - REMAINDER_BITS);
/// A rule whose bucket is full lies in one of the next ones, at most this far away.
pub const FARTHEST: u32 = 2;
/// Feeds that a slot can name.
pub const MAX_FEEDS: u32 = 1 << 10;

const REMAINDER_BITS: u32 = 20;
/// Remainder, and two bits that are never 0 in a slot in use.
const WANTED: u32 = (1 << FEED_SHIFT) - 1;
const FEED_SHIFT: u32 = REMAINDER_BITS + 2;

/// The rules of one length in the table. A rule's bucket is counted from `first`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    pub length: u32,
    pub first: u32,
    /// Buckets that addresses are spread over; [`FARTHEST`] more follow. 0: no such rules.
    pub buckets: u32,
}

/// What a packet reads of a generation before anything else.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Words of the filter in use; 0: nothing is listed.
    pub filter_words: u32,
    /// Which of the two tables belongs to it.
    pub table: u32,
    /// Words of the sieve, a multiple of [`LINE_WORDS`]; 0: the hosts are in the filter.
    pub sieve_words: u32,
    /// The rules of length 32.
    pub hosts: Class,
    /// Those of other lengths, longest first, up to one without buckets.
    pub networks: [Class; LENGTHS],
}

/// One generation of IPv4 feeds.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FeedsV4 {
    pub head: Head,
    pub wide: [u64; WIDE_WORDS as usize],
    pub filter: [u64; FILTER_WORDS as usize],
}

/// [`SLOTS`] slots, two in a word, filled from the first on; 0 is free.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket(pub [u64; SLOTS as usize / 2]);

/// Where the filter's bits for an address are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site(u64);

impl Site {
    /// All addresses of one /24 share it.
    #[inline(always)]
    pub fn of(seed: u64, address: u32) -> Self {
        // A multiplication by a secret odd number, of which the upper bits are taken, spreads even neighbours.
        Self((((address >> 8) as u64) ^ (seed >> 40)).wrapping_mul(seed | 1))
    }

    #[inline(always)]
    pub fn word(self, words: u32) -> u32 {
        (((self.0 >> 32) * words as u64) >> 32) as u32
    }

    /// Set where a rule shorter than /32 touches the /24.
    #[inline(always)]
    pub fn networks(self) -> u64 {
        bits(self.0 >> 20)
    }
}

/// Set where a host is listed: in the word of its [`Site`], or in its word of the sieve.
#[inline(always)]
pub fn host(hash: u64) -> u64 {
    bits(hash >> 32)
}

/// Line of the table and word in it where a host is in a sieve of so many words: chosen by other bits of its hash than [`host`] takes.
#[inline(always)]
pub fn sieve(hash: u64, words: u32) -> (u32, usize) {
    let word = (((hash as u32) as u64 * words as u64) >> 32) as u32;
    (word / LINE_WORDS, (word % LINE_WORDS) as usize)
}

#[inline(always)]
fn bits(hash: u64) -> u64 {
    1 << (hash & 63) | 1 << ((hash >> 6) & 63) | 1 << ((hash >> 12) & 63)
}

/// Word and bit of an address' /16.
#[inline(always)]
pub fn wide(address: u32) -> (u32, u32) {
    (address >> 22, (address >> 16) & 63)
}

/// The place of an address in a class: a permutation (each step can be undone), so that two addresses never share one.
#[inline(always)]
pub fn place(seed: u64, address: u32) -> u32 {
    let mut x = address ^ seed as u32;
    x = x.wrapping_mul((seed >> 32) as u32 | 1);
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl Class {
    /// The first bucket that a place may be in.
    #[inline(always)]
    pub fn home(&self, place: u32) -> u32 {
        self.first + ((place as u64 * self.buckets as u64) >> 32) as u32
    }
}

/// A slot: `away` buckets from its home.
#[inline(always)]
pub fn slot(place: u32, away: u32, feed: u32) -> u32 {
    feed << FEED_SHIFT | wanted(place, away)
}

/// The places of one home are neighbours, fewer than 2^20 of them: their lower bits tell them apart.
#[inline(always)]
fn wanted(place: u32, away: u32) -> u32 {
    (away + 1) << REMAINDER_BITS | (place & ((1 << REMAINDER_BITS) - 1))
}

impl Bucket {
    /// The feed of the slot with these bits. Two slots at a time and no branch that depends on what they hold: a wrong guess of the
    /// processor would cost more than all of it.
    #[inline(always)]
    fn find(&self, wanted: u32) -> Option<u32> {
        const BOTH: u64 = 1 << 32 | 1;
        let wanted = wanted as u64 * BOTH;
        // In each half: the bit above stays 0 only if all bits below are 0.
        const CARRY: u64 = BOTH << FEED_SHIFT;
        let mut all = CARRY;
        let mut i = 0;
        while i < SLOTS as usize / 2 {
            all &= ((self.0[i] ^ wanted) & (WANTED as u64 * BOTH)) + WANTED as u64 * BOTH;
            i += 1;
        }
        if all & CARRY == CARRY { None } else { Some(self.feed_of(wanted)) }
    }

    // Not inlined: the search would have to keep all slots at hand for it.
    #[inline(never)]
    fn feed_of(&self, wanted: u64) -> u32 {
        let mut feed = 0;
        let mut i = 0;
        while i < SLOTS as usize / 2 {
            let low = ((self.0[i] ^ wanted) as u32 & WANTED) as u64;
            let high = (((self.0[i] ^ wanted) >> 32) as u32 & WANTED) as u64;
            // All ones only if there is nothing to subtract from.
            feed |= (low.wrapping_sub(1) >> 32) as u32 & self.0[i] as u32;
            feed |= (high.wrapping_sub(1) >> 32) as u32 & (self.0[i] >> 32) as u32;
            i += 1;
        }
        feed >> FEED_SHIFT
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.0[SLOTS as usize / 2 - 1] >> 32 != 0
    }
}

/// Number of the feed that lists this address.
#[inline(always)]
pub fn listed<T: FeedTable>(tables: &T, feeds: &FeedsV4, sought: &Hashed, address: u32) -> Option<u32> {
    let (head, seed) = (&feeds.head, sought.seed);
    if head.filter_words == 0 {
        return None;
    }
    let site = Site::of(seed, address);
    let word = feeds.filter[(site.word(head.filter_words) & (FILTER_WORDS - 1)) as usize];
    let hosts = match head.sieve_words {
        0 => word,
        words => {
            let (line, word) = sieve(sought.hash, words);
            tables.bucket_v4(head.table, line)?.0[word]
        }
    };
    if !hosts & host(sought.hash) == 0 && head.hosts.buckets != 0 {
        let feed = search(tables, head.table, &head.hosts, seed, address);
        if feed.is_some() {
            return feed;
        }
    }
    let (wide_word, wide_bit) = wide(address);
    let wide = (feeds.wide[(wide_word & (WIDE_WORDS - 1)) as usize] >> wide_bit) & 1;
    if wide == 0 && !word & site.networks() != 0 {
        return None;
    }
    let mut i = 0;
    while i < LENGTHS {
        let class = &head.networks[i];
        if class.buckets == 0 {
            return None;
        }
        let feed = search(tables, head.table, class, seed, mask_v4(address, class.length));
        if feed.is_some() {
            return feed;
        }
        i += 1;
    }
    None
}

// Not inlined: it is called for each class, and most packets never get here.
#[inline(never)]
fn search<T: FeedTable>(tables: &T, table: u32, class: &Class, seed: u64, address: u32) -> Option<u32> {
    let place = place(seed, address);
    let home = class.home(place);
    let mut away = 0;
    while away <= FARTHEST {
        let bucket = tables.bucket_v4(table, home + away)?;
        let feed = bucket.find(wanted(place, away));
        if feed.is_some() || !bucket.is_full() {
            return feed;
        }
        away += 1;
    }
    None
}
