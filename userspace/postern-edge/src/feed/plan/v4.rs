//! The tables of IPv4: see `postern_ebpf_abi::feed::v4` for what they are.

use postern_ebpf_abi::address::{Hashed, Source};
use postern_ebpf_abi::feed::LENGTHS;
use postern_ebpf_abi::feed::v4::{
    Bucket, Class, FARTHEST, FILTER_WORDS, FeedsV4, Head, LEAST_BUCKETS, LINE_WORDS, SIEVE_WORDS, SLOTS, Site, WIDE_LENGTH, WIDE_WORDS,
    host, place, sieve, slot, wide,
};

use super::{Span, class_of, set};
use crate::kernel::table::zeroed;

/// Rules in a bucket of [`SLOTS`], on average: one bucket in 250 is then too small and its neighbour helps out.
const MEAN: usize = 8;
/// Hosts in the filter, at most: with more it would say yes to one address in eight, and the sieve is cheaper than so many misses.
const FILTERED_HOSTS: usize = 2_000_000;
/// Hosts for each word of the sieve, where the largest is not needed: one address in twenty passes.
const HOSTS_PER_WORD: usize = 8;
/// Entries of the filter for each of its words of 64 bits, where the largest filter is not needed: three bits of 16 are set.
const ENTRIES_PER_WORD: usize = 4;
const LEAST_WORDS: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanV4 {
    pub head: Head,
    pub wide: Vec<u64>,
    pub filter: Vec<u64>,
    pub buckets: Vec<Bucket>,
    /// Rules in the buckets.
    pub elements: usize,
}

impl PlanV4 {
    /// What a packet reads first, when the buckets are in this table.
    pub fn generation(&self, table: u32) -> Box<FeedsV4> {
        let mut feeds = zeroed::<FeedsV4>();
        feeds.head = Head { table, ..self.head };
        feeds.wide.iter_mut().zip(&self.wide).for_each(|(to, from)| *to = *from);
        feeds.filter.iter_mut().zip(&self.filter).for_each(|(to, from)| *to = *from);
        feeds
    }
}

/// `lengths` are those in use, ascending.
pub(super) fn plan(spans: &[Span<u32>], lengths: &[u8], seed: u64) -> PlanV4 {
    let listed: usize = spans.iter().filter(|s| class_of(lengths, s.length) == 32).map(|s| 1 << (32 - s.length)).sum();
    let sieve_words = if listed > FILTERED_HOSTS {
        (listed / HOSTS_PER_WORD).next_multiple_of(LINE_WORDS as usize).min(SIEVE_WORDS as usize) as u32
    } else {
        0
    };
    let (buckets, hosts, networks, elements) = table(spans, lengths, sieve_words / LINE_WORDS, seed);
    let head = Head { sieve_words, hosts, networks, ..Head::default() };
    let mut this = PlanV4 { head, wide: Vec::new(), filter: Vec::new(), buckets, elements };
    if spans.is_empty() {
        return this;
    }
    this.wide = vec![0; WIDE_WORDS as usize];
    let touched: usize = spans.iter().filter(|s| class_of(lengths, s.length) < 32).map(|s| sites(s) as usize).sum();
    let entries = touched + if sieve_words == 0 { listed } else { 0 };
    let words = (entries / ENTRIES_PER_WORD).clamp(LEAST_WORDS, FILTER_WORDS as usize) as u32;
    this.filter = vec![0; words as usize];
    this.head.filter_words = words;
    for span in spans {
        if class_of(lengths, span.length) == 32 {
            for address in span.address..=span.address | mask(span.length) {
                let hash = Hashed::of(seed, Source::V4(address)).hash;
                if sieve_words == 0 {
                    mark(&mut this.filter, words, Site::of(seed, address), host(hash));
                } else {
                    let (line, word) = sieve(hash, sieve_words);
                    this.buckets[line as usize].0[word] |= host(hash);
                }
            }
        } else if u32::from(span.length) <= WIDE_LENGTH {
            for i in 0..1u32 << (16 - span.length) {
                let (word, bit) = wide(span.address | i << 16);
                set(&mut this.wide, word, bit);
            }
        } else {
            for i in 0..sites(span) {
                let site = Site::of(seed, span.address | i << 8);
                mark(&mut this.filter, words, site, site.networks());
            }
        }
    }
    this
}

/// /24s of a network that the filter must know.
fn sites(span: &Span<u32>) -> u32 {
    match span.length {
        24.. => 1,
        length if u32::from(length) <= WIDE_LENGTH => 0,
        length => 1 << (24 - length),
    }
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shr(length.into()).unwrap_or(0)
}

fn mark(filter: &mut [u64], words: u32, site: Site, bits: u64) {
    if let Some(word) = filter.get_mut(site.word(words) as usize) {
        *word |= bits;
    }
}

/// All rules in buckets behind `sieve_lines` empty ones, the class of hosts, the other classes, and how many rules there are.
fn table(spans: &[Span<u32>], lengths: &[u8], sieve_lines: u32, seed: u64) -> (Vec<Bucket>, Class, [Class; LENGTHS], usize) {
    let mut counts = vec![0usize; 33];
    for span in spans {
        let class = class_of(lengths, span.length);
        counts[usize::from(class)] += 1 << (class - span.length);
    }
    let mut mean = MEAN;
    loop {
        let mut classes: Vec<Class> = Vec::with_capacity(lengths.len());
        let mut end = sieve_lines;
        for length in lengths.iter().rev() {
            let buckets = (counts[usize::from(*length)].div_ceil(mean) as u32).max(LEAST_BUCKETS);
            classes.push(Class { length: (*length).into(), first: end, buckets });
            end += buckets + FARTHEST;
        }
        // A bucket and both its neighbours are full: one attempt in many. The next one has more room.
        let Some(buckets) = fill(spans, lengths, &classes, end, seed) else {
            mean -= 1;
            continue;
        };
        let hosts = classes.iter().find(|c| c.length == 32).copied().unwrap_or_default();
        let mut networks = [Class::default(); LENGTHS];
        networks.iter_mut().zip(classes.iter().filter(|c| c.length < 32)).for_each(|(to, from)| *to = *from);
        return (buckets, hosts, networks, counts.iter().sum());
    }
}

/// Rules sorted by place, so that buckets are written one after the other: a million rules in random order would be as many cache
/// misses.
fn fill(spans: &[Span<u32>], lengths: &[u8], classes: &[Class], size: u32, seed: u64) -> Option<Vec<Bucket>> {
    let mut buckets = vec![Bucket::default(); size as usize];
    let mut taken = vec![0u8; size as usize];
    for class in classes {
        let mut rules: Vec<(u32, u16)> = Vec::new();
        for span in spans {
            let length = class_of(lengths, span.length);
            if u32::from(length) == class.length {
                let addresses = (0..1u64 << (length - span.length)).map(|i| span.address | (i << (32 - length)) as u32);
                rules.extend(addresses.map(|address| (place(seed, address), span.feed)));
            }
        }
        rules.sort_unstable();
        for (place, feed) in rules {
            let home = class.home(place) as usize;
            let away = (0..=FARTHEST as usize).find(|away| u32::from(taken[home + away]) < SLOTS)?;
            let at = usize::from(taken[home + away]);
            taken[home + away] += 1;
            buckets[home + away].0[at / 2] |= u64::from(slot(place, away as u32, feed.into())) << (at % 2 * 32);
        }
    }
    Some(buckets)
}
