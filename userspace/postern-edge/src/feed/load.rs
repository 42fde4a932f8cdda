//! Puts a plan into the kernel and swaps the generation.
//!
//! The new generation is built in fresh maps beside the one in force, then one word is flipped. A packet reads that word once and
//! takes everything from the generation it names, so each is judged by the old rules or by the new ones, never by a mixture. The
//! old maps are freed only after a grace period in which no program can still use them.

use std::thread;

use postern_ebpf_abi::address::KeyV6;
use postern_ebpf_abi::feed::{BITS_V4_WORDS, BITS_V6_WORDS, FeedKeyV4};

use crate::feed::plan::Plan;
use crate::kernel::maps::KernelMaps;
use crate::kernel::table::{Kind, Table, TableError};

/// Below this many elements a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 100_000;

/// Loads `plan` and puts it in force. Only one thread may do this at a time.
///
/// # Errors
/// When the kernel refuses (no memory); then the old generation stays in force.
pub fn load(maps: &KernelMaps, plan: &Plan) -> Result<(), TableError> {
    let current = maps.generation.get(&0)?.unwrap_or(0) & 1;
    let next = 1 - current;

    let bits_v4: Table<u32, u64> = Table::create(Kind::Array, "feed_bits_v4", BITS_V4_WORDS)?;
    fill_bits(&bits_v4, &plan.bits_v4)?;
    let whole_v4: Table<u32, u64> = Table::create(Kind::Array, "feed_whole_v4", BITS_V4_WORDS)?;
    fill_bits(&whole_v4, &plan.whole_v4)?;
    let bits_v6: Table<u32, u64> = Table::create(Kind::Array, "feed_bits_v6", BITS_V6_WORDS)?;
    fill_bits(&bits_v6, &plan.bits_v6)?;
    let v4: Table<FeedKeyV4, u32> = Table::create(Kind::Hash, "feed_v4", size_for(plan.keys_v4.len()))?;
    fill_hash(&v4, &plan.keys_v4, &plan.feeds_v4)?;
    let v6: Table<KeyV6, u32> = Table::create(Kind::Hash, "feed_v6", size_for(plan.keys_v6.len()))?;
    fill_hash(&v6, &plan.keys_v6, &plan.feeds_v6)?;

    // The idle generation: no packet reads it. Each `put` waits until no running program can hold the map it replaces.
    maps.feed_shape.set(&next, &plan.shape)?;
    maps.feed_bits_v4.put(next, bits_v4.fd())?;
    maps.feed_whole_v4.put(next, whole_v4.fd())?;
    maps.feed_bits_v6.put(next, bits_v6.fd())?;
    maps.feed_v4.put(next, v4.fd())?;
    maps.feed_v6.put(next, v6.fd())?;
    maps.generation.set(&0, &next)?;
    // A packet that read the old generation just before must finish before its maps go: putting the same map again waits for it.
    maps.feed_bits_v6.put(next, bits_v6.fd())?;
    maps.clear_feeds(current)
}

/// Twice as many places as elements: an element takes memory only when it is there, and shorter chains are fewer cold lines.
fn size_for(elements: usize) -> u32 {
    u32::try_from(elements.max(1) * 2).unwrap_or(u32::MAX)
}

/// Writes the words that are not zero; a new array is.
fn fill_bits(table: &Table<u32, u64>, words: &[u64]) -> Result<(), TableError> {
    let (indices, values): (Vec<u32>, Vec<u64>) = words.iter().enumerate().filter(|(_, w)| **w != 0).map(|(i, w)| (i as u32, *w)).unzip();
    table.set_batch(&indices, &values)
}

fn fill_hash<K: postern_ebpf_abi::Plain + Sync>(table: &Table<K, u32>, keys: &[K], feeds: &[u32]) -> Result<(), TableError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    if keys.len() < WORTH_A_THREAD || threads == 1 {
        return table.set_batch(keys, feeds);
    }
    let part = keys.len().div_ceil(threads);
    thread::scope(|scope| {
        let parts = keys.chunks(part).zip(feeds.chunks(part));
        let workers: Vec<_> = parts.map(|(k, f)| scope.spawn(move || table.set_batch(k, f))).collect();
        let mut result = Ok(());
        for worker in workers {
            if let Ok(Err(e)) = worker.join() {
                result = Err(e);
            }
        }
        result
    })
}
