//! Stage 4: how fast new connections may come.

use core::arch::asm;

use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::rate::{BUCKETS, RateTable, bucket, take};

use crate::tables::Maps;

#[btf_map]
static RATE_ROW_0: Array<u64, { BUCKETS as usize }> = Array::new();

#[btf_map]
static RATE_ROW_1: Array<u64, { BUCKETS as usize }> = Array::new();

#[btf_map]
static RATE_TOTAL: Array<u64, { bucket::COUNT as usize }> = Array::new();

impl RateTable for Maps<'_> {
    #[inline(always)]
    fn take_source(&self, row: u32, bucket: u32, now_ms: u32, rate: u32, burst: u32) -> bool {
        let slot = if row == 0 { RATE_ROW_0.get_ptr_mut(bucket) } else { RATE_ROW_1.get_ptr_mut(bucket) };
        let Some(slot) = slot else { return true };
        // One source comes in on one queue, as a rule: no atomic exchange for it.
        let (left, taken) = take(unsafe { slot.read_volatile() }, now_ms, rate, burst);
        unsafe { slot.write_volatile(left) };
        taken
    }

    #[inline(always)]
    fn take_total(&self, now_ms: u32, rate: u32, burst: u32) -> bool {
        match RATE_TOTAL.get_ptr_mut(bucket::NEW_CONNECTIONS) {
            Some(slot) => take_together(slot, now_ms, rate, burst),
            None => true,
        }
    }
}

/// A token of the bucket for packets of one kind on all CPUs together ([`bucket`]); the burst is that of a second.
#[inline(always)]
pub fn take_of(which: u32, rate: u32) -> bool {
    let now_ms = (unsafe { bpf_ktime_get_boot_ns() } / 1_000_000) as u32;
    match RATE_TOTAL.get_ptr_mut(which) {
        Some(slot) => take_together(slot, now_ms, rate, rate),
        None => false,
    }
}

#[inline(always)]
fn take_together(slot: *mut u64, now_ms: u32, rate: u32, burst: u32) -> bool {
    // All CPUs meet here: a lost update would let through as many times the rate as there are CPUs.
    let mut seen = unsafe { slot.read_volatile() };
    let mut tries = 0;
    while tries < 4 {
        let (left, taken) = take(seen, now_ms, rate, burst);
        let found = exchange(slot, seen, left);
        if found == seen {
            return taken;
        }
        seen = found;
        tries += 1;
    }
    // Contended four times over: full speed is the one thing that is certain.
    take(seen, now_ms, rate, burst).1
}

/// Stores `new` if the slot still holds `old`; what it held. (The target has the instruction, core has no name for it.)
#[inline(always)]
fn exchange(slot: *mut u64, old: u64, new: u64) -> u64 {
    let found;
    unsafe {
        asm!(
            "r0 = cmpxchg_64({slot} + 0, r0, {new})",
            slot = in(reg) slot,
            new = in(reg) new,
            inout("r0") old => found,
        );
    }
    found
}
