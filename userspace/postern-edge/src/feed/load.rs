//! Puts a plan into the kernel and swaps the generation.
//!
//! The new generation is built in fresh maps beside the one in force, then one pointer is replaced. A packet reads that pointer once
//! and takes everything else from what it leads to, so each is judged by the old rules or by the new ones, never by a mixture. The
//! old maps are freed only after a grace period in which no program can still use them.

use std::thread;

use postern_ebpf_abi::address::KeyV6;
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4};
use postern_ebpf_abi::feed::v6::FeedsV6;

use crate::feed::plan::Plan;
use crate::feed::plan::v4::PlanV4;
use crate::feed::plan::v6::PlanV6;
use crate::kernel::maps::KernelMaps;
use crate::kernel::table::{Kind, Table, TableError};

/// Below this many elements a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 100_000;

/// Loads `plan` and puts it in force, one family after the other. Only one thread may do this at a time.
///
/// # Errors
/// When the kernel refuses (no memory); then the old generation stays in force.
pub fn load(maps: &KernelMaps, plan: &Plan) -> Result<(), TableError> {
    load_v4(maps, &plan.v4)?;
    load_v6(maps, &plan.v6)
}

// In both families: the idle table is read by no packet. Each `put` waits until no running program can hold the map that it
// replaces, so the old table is idle once the new generation is in force.

fn load_v4(maps: &KernelMaps, plan: &PlanV4) -> Result<(), TableError> {
    let current = maps.feeds_v4_in_force()?.head.table & 1;
    let next = 1 - current;
    let size = u32::try_from(plan.buckets.len().max(1)).unwrap_or(u32::MAX);
    let table: Table<u32, Bucket> = Table::create(Kind::Mapped, "feed_table_v4", size)?;
    table.write(&plan.buckets)?;
    let feeds: Table<u32, FeedsV4> = Table::create(Kind::Array, "feeds_v4", 1)?;
    feeds.set(&0, &plan.generation(next))?;
    maps.feed_table_v4.put(next, table.fd())?;
    maps.feeds_v4.put(0, feeds.fd())?;
    maps.clear_v4(current)
}

fn load_v6(maps: &KernelMaps, plan: &PlanV6) -> Result<(), TableError> {
    let current = maps.feeds_v6_in_force()?.table & 1;
    let next = 1 - current;
    let table: Table<KeyV6, u32> = Table::create(Kind::Hash, "feed_table_v6", size_for(plan.keys.len()))?;
    fill_hash(&table, &plan.keys, &plan.feeds)?;
    let feeds: Table<u32, FeedsV6> = Table::create(Kind::Array, "feeds_v6", 1)?;
    feeds.set(&0, &plan.generation(next))?;
    maps.feed_table_v6.put(next, table.fd())?;
    maps.feeds_v6.put(0, feeds.fd())?;
    maps.clear_v6(current)
}

/// Twice as many places as elements: an element takes memory only when it is there, and shorter chains are fewer cold lines.
fn size_for(elements: usize) -> u32 {
    u32::try_from(elements.max(1) * 2).unwrap_or(u32::MAX)
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
