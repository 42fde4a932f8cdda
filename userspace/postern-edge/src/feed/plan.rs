//! From rules to the tables of one generation, purely: nothing here touches the kernel.
//!
//! The program asks its hash once for every prefix length in use, so lengths are few: rules are merged, then each is expanded to
//! the next longer length in use. Which lengths those are is chosen to keep the table small (a /25 becomes 128 /32s if
//! it is one of few, but /25 stays a length of its own if there are thousands).

pub mod v4;
pub mod v6;

use ipnet::IpNet;
use postern_ebpf_abi::feed::LENGTHS;

use v4::PlanV4;
use v6::PlanV6;

/// Entries of one family's table at most: 256 MiB of kernel memory for IPv4, 2 GiB for IPv6.
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
    pub v4: PlanV4,
    pub v6: PlanV6,
}

impl Plan {
    /// Entries of the tables.
    pub fn elements(&self) -> usize {
        self.v4.elements + self.v6.keys.len()
    }
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
    let (lengths_v4, lengths_v6) = (choose(&counts(&v4))?, choose(&counts(&v6))?);
    Ok(Plan { v4: v4::plan(&v4, &lengths_v4, seed), v6: v6::plan(&v6, &lengths_v6, seed) })
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

#[cfg(test)]
mod tests;
