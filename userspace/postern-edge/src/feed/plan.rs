//! From rules to the tables of one generation, purely: nothing here touches the kernel.
//!
//! The program asks its hash once for every prefix length in use, so lengths are few: rules are merged, then each is expanded to
//! the next longer length in use. Which lengths those are is chosen to keep the table small (a /25 becomes 128 /32s if
//! it is one of few, but /25 stays a length of its own if there are thousands).

use ipnet::IpNet;
use postern_ebpf_abi::address::{KeyV6, SITE_BITS};
use postern_ebpf_abi::feed::{BITS_V4_WORDS, BITS_V6_WORDS, FeedKeyV4, FeedShape, LENGTHS, bit_v4, bit_v6};

/// Elements of one family's hash at most: 2 GiB of kernel memory at 64 octets each.
pub const MAX_ELEMENTS: usize = 1 << 25;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub network: IpNet,
    /// Number of the feed it stands on.
    pub feed: u16,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    #[error("the feeds together need {needed} table entries, more than {MAX_ELEMENTS}: leave out the largest")]
    TooLarge { needed: u64 },
}

/// One generation, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub shape: FeedShape,
    /// /24s that some rule touches.
    pub bits_v4: Vec<u64>,
    /// /24s that are listed as a whole.
    pub whole_v4: Vec<u64>,
    pub bits_v6: Vec<u64>,
    pub keys_v4: Vec<FeedKeyV4>,
    pub feeds_v4: Vec<u32>,
    pub keys_v6: Vec<KeyV6>,
    pub feeds_v6: Vec<u32>,
}

/// A prefix of either family, its bits at the top of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span<A> {
    address: A,
    length: u8,
    feed: u16,
}

/// Makes the tables for these rules. Where rules overlap, the widest wins, then the feed with the lowest number.
///
/// # Errors
/// When the tables would not fit into memory.
pub fn plan(rules: &[Rule], seed: u64) -> Result<Plan, PlanError> {
    let mut v4: Vec<Span<u32>> = Vec::with_capacity(rules.len());
    let mut v6: Vec<Span<u128>> = Vec::new();
    for rule in rules {
        let length = rule.network.prefix_len();
        match rule.network {
            IpNet::V4(n) => v4.push(Span { address: n.network().to_bits(), length, feed: rule.feed }),
            IpNet::V6(n) => v6.push(Span { address: n.network().to_bits(), length, feed: rule.feed }),
        }
    }
    let v4 = merge(v4);
    let v6 = merge(v6);
    let lengths_v4 = choose(&counts(&v4))?;
    let lengths_v6 = choose(&counts(&v6))?;

    let mut bits_v4 = vec![0u64; BITS_V4_WORDS as usize];
    let mut whole_v4 = bits_v4.clone();
    let (mut keys_v4, mut feeds_v4) = (Vec::with_capacity(v4.len()), Vec::with_capacity(v4.len()));
    for span in &v4 {
        let class = class_of(&lengths_v4, span.length);
        for i in 0..1u64 << (class - span.length) {
            let address = span.address | ((i << (32 - class)) as u32);
            keys_v4.push(FeedKeyV4 { address, length: class.into() });
            feeds_v4.push(span.feed.into());
        }
        mark_v4(&mut bits_v4, span);
        // By the length it has in the table: a /20 that became /32s is found there only.
        if class <= 24 {
            mark_v4(&mut whole_v4, span);
        }
    }
    let mut bits_v6 = vec![0u64; BITS_V6_WORDS as usize];
    let (mut keys_v6, mut feeds_v6) = (Vec::with_capacity(v6.len()), Vec::with_capacity(v6.len()));
    for span in &v6 {
        let class = class_of(&lengths_v6, span.length);
        let mut last = None;
        for i in 0..1u128 << (class - span.length) {
            let address = span.address | (i << (128 - class));
            let (high, low) = ((address >> 64) as u64, address as u64);
            keys_v6.push(KeyV6 { high, low, length: class.into(), zero: 0 });
            feeds_v6.push(span.feed.into());
            let site = high >> (64 - SITE_BITS);
            if last != Some(site) || u32::from(class) < SITE_BITS {
                last = Some(site);
                let (word, bit) = bit_v6(seed, high, class.into());
                set(&mut bits_v6, word, bit);
            }
        }
    }
    let shape = FeedShape { v4: longest_first(&lengths_v4), v6: longest_first(&lengths_v6) };
    Ok(Plan { shape, bits_v4, whole_v4, bits_v6, keys_v4, feeds_v4, keys_v6, feeds_v6 })
}

/// All /24s that a prefix touches.
fn mark_v4(bits: &mut [u64], span: &Span<u32>) {
    let (first, bit) = bit_v4(span.address);
    if span.length >= 24 {
        set(bits, first, bit);
    } else if span.length >= 18 {
        for i in 0..1u32 << (24 - span.length) {
            set(bits, first, bit + i);
        }
    } else {
        let words = 1usize << (18 - span.length);
        if let Some(run) = bits.get_mut(first as usize..first as usize + words) {
            run.fill(u64::MAX);
        }
    }
}

fn set(bits: &mut [u64], word: u32, bit: u32) {
    if let Some(word) = bits.get_mut(word as usize) {
        *word |= 1 << bit;
    }
}

trait Bits: Copy + Ord {
    const WIDTH: u8;
    /// Whether the first `length` bits agree.
    fn agrees(self, other: Self, length: u8) -> bool;
    /// Whether bit number `length` (from 1) is the only one in which the first `length` bits differ, and is 0 here.
    fn is_lower_half(self, other: Self, length: u8) -> bool;
}

macro_rules! bits {
    ($t:ty) => {
        impl Bits for $t {
            const WIDTH: u8 = <$t>::BITS as u8;
            fn agrees(self, other: Self, length: u8) -> bool {
                length == 0 || (self ^ other) >> (Self::WIDTH - length) == 0
            }
            fn is_lower_half(self, other: Self, length: u8) -> bool {
                length > 0 && (self ^ other) >> (Self::WIDTH - length) == 1 && self < other
            }
        }
    };
}
bits!(u32);
bits!(u128);

/// Sorts, drops what a wider rule covers, joins halves of the same feed.
fn merge<A: Bits>(mut spans: Vec<Span<A>>) -> Vec<Span<A>> {
    spans.sort_unstable();
    let mut kept: Vec<Span<A>> = Vec::with_capacity(spans.len());
    for span in spans {
        if kept.last().is_some_and(|k| k.length <= span.length && k.address.agrees(span.address, k.length)) {
            continue;
        }
        kept.push(span);
        while let [.., a, b] = kept.as_slice() {
            if a.length != b.length || a.feed != b.feed || !a.address.is_lower_half(b.address, a.length) {
                break;
            }
            let joined = Span { length: a.length - 1, ..*a };
            kept.truncate(kept.len() - 2);
            kept.push(joined);
        }
    }
    kept
}

fn counts<A: Bits>(spans: &[Span<A>]) -> Vec<u64> {
    let mut counts = vec![0; usize::from(A::WIDTH) + 1];
    for span in spans {
        if let Some(count) = counts.get_mut(usize::from(span.length)) {
            *count += 1;
        }
    }
    counts
}

/// The lengths in use, ascending, at most [`LENGTHS`], that make the table smallest; a length costs a lookup and so must save at
/// least a sixteenth of the rules.
fn choose(counts: &[u64]) -> Result<Vec<u8>, PlanError> {
    let used: Vec<usize> = (0..counts.len()).filter(|l| counts[*l] > 0).collect();
    let Some(&longest) = used.last() else { return Ok(Vec::new()) };
    let total: u64 = counts.iter().sum();
    let toll = (total / 16).max(256) as f64;
    // best[k][i]: least cost of the lengths up to used[i] with k classes, the last of them used[i]; and the class before.
    let mut best = vec![vec![(f64::INFINITY, None); used.len()]; LENGTHS + 1];
    for k in 1..=LENGTHS {
        for i in 0..used.len() {
            // Cost of giving used[j..=i] the length used[i], growing j downwards.
            let mut group = 0.0;
            for j in (0..=i).rev() {
                group += counts[used[j]] as f64 * 2f64.powi((used[i] - used[j]) as i32);
                let before = if j == 0 { 0.0 } else { best[k - 1][j - 1].0 };
                if (k == 1) == (j == 0) || j > 0 {
                    let cost = before + group + toll;
                    if (j == 0 || k > 1) && cost < best[k][i].0 {
                        best[k][i] = (cost, j.checked_sub(1));
                    }
                }
            }
        }
    }
    let last = used.len() - 1;
    let mut k = (1..=LENGTHS).min_by(|a, b| best[*a][last].0.total_cmp(&best[*b][last].0)).unwrap_or(1);
    let mut lengths = vec![longest as u8];
    let mut i = last;
    while let Some(previous) = best[k][i].1 {
        lengths.push(used[previous] as u8);
        i = previous;
        k -= 1;
    }
    lengths.reverse();
    let needed = used.iter().map(|l| counts[*l] as f64 * 2f64.powi(i32::from(class_of(&lengths, *l as u8)) - *l as i32)).sum::<f64>();
    if needed > MAX_ELEMENTS as f64 { Err(PlanError::TooLarge { needed: needed as u64 }) } else { Ok(lengths) }
}

/// The next longer length in use.
fn class_of(lengths: &[u8], length: u8) -> u8 {
    lengths.iter().copied().find(|l| *l >= length).unwrap_or(length)
}

fn longest_first(lengths: &[u8]) -> [u8; 8] {
    let mut list = [FeedShape::END; 8];
    for (slot, length) in list.iter_mut().zip(lengths.iter().rev()) {
        *slot = *length;
    }
    list
}

#[cfg(test)]
mod tests;
