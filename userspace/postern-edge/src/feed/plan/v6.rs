//! The tables of IPv6: see `postern_ebpf_abi::feed::v6` for what they are.

use postern_ebpf_abi::address::{KeyV6, SITE_BITS};
use postern_ebpf_abi::feed::v6::{BITS_WORDS, FeedsV6, bit};

use super::{Span, class_of, set};
use crate::kernel::table::zeroed;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanV6 {
    /// Longest first.
    pub lengths: Vec<u8>,
    pub bits: Vec<u64>,
    pub keys: Vec<KeyV6>,
    /// The feed of each key.
    pub feeds: Vec<u32>,
}

impl PlanV6 {
    /// What a packet reads first, when the keys are in this table.
    pub fn generation(&self, table: u32) -> Box<FeedsV6> {
        let mut feeds = zeroed::<FeedsV6>();
        (feeds.used, feeds.table) = (self.lengths.len() as u32, table);
        feeds.lengths.iter_mut().zip(&self.lengths).for_each(|(to, from)| *to = *from);
        feeds.bits.iter_mut().zip(&self.bits).for_each(|(to, from)| *to = *from);
        feeds
    }
}

/// `lengths` are those in use, ascending.
pub(super) fn plan(spans: &[Span<u128>], lengths: &[u8], seed: u64) -> PlanV6 {
    let mut bits = vec![0u64; BITS_WORDS as usize];
    let (mut keys, mut feeds) = (Vec::with_capacity(spans.len()), Vec::with_capacity(spans.len()));
    for span in spans {
        let class = class_of(lengths, span.length);
        let mut last = None;
        for i in 0..1u128 << (class - span.length) {
            // Halves joined up to ::/0 leave nothing to shift in.
            let address = span.address | i.checked_shl(u32::from(128 - class)).unwrap_or(0);
            let (high, low) = ((address >> 64) as u64, address as u64);
            keys.push(KeyV6 { high, low, length: class.into(), zero: 0 });
            feeds.push(span.feed.into());
            let site = high >> (64 - SITE_BITS);
            if last != Some(site) || u32::from(class) < SITE_BITS {
                last = Some(site);
                let (word, bit) = bit(seed, high, class.into());
                set(&mut bits, word, bit);
            }
        }
    }
    PlanV6 { lengths: lengths.iter().rev().copied().collect(), bits, keys, feeds }
}
