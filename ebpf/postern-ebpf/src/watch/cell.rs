//! Whose process this is, and a place for what it is seen to do.

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::Global;
use aya_ebpf::btf_maps::{HashMap, RingBuf};
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_task, bpf_probe_read_kernel,
};
use aya_ebpf::macros::btf_map;
use aya_ebpf::maps::ring_buf::RingBufEntry;
use postern_ebpf_abi::watch::{CELLS, Cell, MOST, RING, Sight};

/// By the number of its cgroup.
#[btf_map]
static WATCHED: HashMap<u64, Cell, { CELLS as usize }> = HashMap::new();

#[btf_map]
static SIGHTS: RingBuf<Sight, RING> = RingBuf::new();

/// Where a task says how many filters it is behind.
#[unsafe(no_mangle)]
static TASK_FILTERS: Global<u32> = Global::new(0);

/// The watched cell of this process, if it is in one and has walled itself in.
#[inline(always)]
pub fn current() -> Option<(u64, *mut Cell)> {
    let cgroup = unsafe { bpf_get_current_cgroup_id() };
    let cell = WATCHED.get_ptr_mut(cgroup)?;
    let task = unsafe { bpf_get_current_task() };
    let filters = number(task + u64::from(TASK_FILTERS.load()));
    (filters > unsafe { (*cell).filters }).then_some((cgroup, cell))
}

/// A number in the kernel's memory.
#[inline(always)]
pub fn number(at: u64) -> u32 {
    let mut number = 0_u32;
    let to = (&raw mut number).cast::<c_void>();
    match unsafe { bpf_probe_read_kernel(to, 4, at as *const c_void) } {
        0 => number,
        _ => 0,
    }
}

/// A place in the ring, with all that does not depend on what is seen; what finds none is counted.
#[inline(always)]
pub fn sight(cgroup: u64, cell: *mut Cell, kind: u32) -> Option<RingBufEntry<Sight>> {
    if add_one(unsafe { &raw mut (*cell).told }) >= MOST {
        return None;
    }
    let Some(mut place) = SIGHTS.reserve(0) else {
        add_one(unsafe { &raw mut (*cell).lost });
        return None;
    };
    let sight = place.as_mut_ptr();
    let who = unsafe { bpf_get_current_pid_tgid() };
    unsafe {
        (*sight).at = bpf_ktime_get_boot_ns();
        (*sight).cgroup = cgroup;
        (*sight).process = (who >> 32) as u32;
        (*sight).thread = who as u32;
        (*sight).kind = kind;
        (*sight).call = 0;
        (*sight).text_length = 0;
        (*sight).more_length = 0;
        // Fills all of it.
        bpf_get_current_comm((&raw mut (*sight).name).cast(), 16);
    }
    Some(place)
}

/// What a helper that copies says of its length: nothing, when it failed.
#[inline(always)]
pub fn length(copied: i64) -> u32 {
    if copied > 0 { copied as u32 } else { 0 }
}

/// Adds one, whoever else does it meanwhile; what it was before. (The target has the instruction, core has no name for it.)
#[inline(always)]
fn add_one(slot: *mut u64) -> u64 {
    let mut one = 1_u64;
    unsafe {
        asm!(
            "{one} = atomic_fetch_add((u64 *)({slot} + 0), {one})",
            slot = in(reg) slot,
            one = inout(reg) one,
        );
    }
    one
}
