//! Stage 4: how fast new connections may come.

use core::arch::asm;

use aya_ebpf::btf_maps::Array;
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::rate::{BUCKETS, RateTable, take};

use crate::tables::Maps;

#[btf_map]
static RATE_ROW_0: Array<u64, { BUCKETS as usize }> = Array::new();

#[btf_map]
static RATE_ROW_1: Array<u64, { BUCKETS as usize }> = Array::new();

#[btf_map]
static RATE_TOTAL: Array<u64, 1> = Array::new();

impl RateTable for Maps {
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
        let Some(slot) = RATE_TOTAL.get_ptr_mut(0) else { return true };
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
