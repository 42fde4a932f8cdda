//! Calls as they are made, before anything is decided of them.

use core::ffi::c_void;

use aya_ebpf::bindings::{pt_regs, task_struct};
use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_user, bpf_probe_read_user_str, bpf_task_pt_regs};
use aya_ebpf::macros::{btf_map, btf_tracepoint, fentry};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext};
use postern_ebpf_abi::watch::{CALLS, Call, FOREIGN, TEXT, is_told, kind, rule};

use crate::cell;

/// By the number of a call.
#[btf_map]
static CALLS_TOLD: Array<Call, { CALLS as usize }> = Array::new();

/// Octets of the longest address of a socket (`sockaddr_un`).
const ADDRESS: u64 = 110;

#[fentry(function = "__secure_computing")]
#[inline(always)]
pub fn attempt(_: FEntryContext) -> i32 {
    let task: *mut task_struct = unsafe { bpf_get_current_task_btf() };
    look(unsafe { bpf_task_pt_regs(task) } as *const pt_regs);
    0
}

/// The same at a call's end, where nobody may stand at the gate: also of a call that killed, but not of one that a tracer refused, which has no
/// number any more.
#[btf_tracepoint(function = "sys_exit")]
pub fn returned(ctx: BtfTracePointContext) -> i32 {
    look(ctx.arg(0));
    0
}

#[inline(always)]
fn look(registers: *const pt_regs) -> Option<()> {
    let (cgroup, cell) = cell::current()?;
    let (number, instruction) = unsafe { ((*registers).orig_rax as u32, (*registers).rip as u64) };
    let arguments = unsafe {
        let r = &*registers;
        [r.rdi as u64, r.rsi as u64, r.rdx as u64, r.r10 as u64, r.r8 as u64, r.r9 as u64, 0, 0]
    };
    let is_foreign = came_by_interrupt(instruction);
    let known = if is_foreign { None } else { CALLS_TOLD.get(number) };
    let call = known.copied().unwrap_or_default();
    // A number beyond all tables is nobody's honest call.
    let is_strict = is_foreign || number >= CALLS || unsafe { (*cell).is_strict != 0 };
    if !is_told(call.rule, is_strict, &arguments, || user_number(arguments[0])) {
        return None;
    }
    let mut place = cell::sight(cgroup, cell, kind::CALL)?;
    let sight = place.as_mut_ptr();
    unsafe {
        // One by one: a copy at once becomes a call of a loop, which the verifier walks through.
        let to = (&raw mut (*sight).arguments).cast::<u64>();
        to.write_volatile(arguments[0]);
        to.add(1).write_volatile(arguments[1]);
        to.add(2).write_volatile(arguments[2]);
        to.add(3).write_volatile(arguments[3]);
        to.add(4).write_volatile(arguments[4]);
        to.add(5).write_volatile(arguments[5]);
        to.add(6).write_volatile(0);
        to.add(7).write_volatile(0);
        (*sight).call = if is_foreign { number | FOREIGN } else { number };
    }
    if call.rule != rule::UNKNOWN {
        // What lies in memory is what it was at this moment, and only if it was in memory at all.
        let argument = |n: u32| unsafe { (&raw const (*sight).arguments).cast::<u64>().add((n & 7) as usize).read() };
        let (text, more, address, given) = (argument(call.text), argument(call.more), argument(call.address), argument(call.address + 1));
        unsafe {
            if text != 0 {
                let copied = bpf_probe_read_user_str((&raw mut (*sight).text).cast(), TEXT as u32, text as *const c_void);
                (*sight).text_length = cell::length(copied);
            }
            if more != 0 {
                let copied = bpf_probe_read_user_str((&raw mut (*sight).more).cast(), TEXT as u32, more as *const c_void);
                (*sight).more_length = cell::length(copied);
            }
            if address != 0 {
                let length = if given > ADDRESS { ADDRESS } else { given };
                if bpf_probe_read_user((&raw mut (*sight).text).cast(), length as u32, address as *const c_void) == 0 {
                    (*sight).text_length = length as u32;
                }
            }
        }
    }
    place.submit(0);
    Some(())
}

/// Whether the instruction before this one is `int 0x80`: the calls of that door have numbers of their own.
#[inline(always)]
fn came_by_interrupt(instruction: u64) -> bool {
    let mut octets = [0_u8; 2];
    let before = instruction.wrapping_sub(2) as *const c_void;
    (unsafe { bpf_probe_read_user((&raw mut octets).cast(), 2, before) }) == 0 && u16::from_ne_bytes(octets) == 0x80cd
}

#[inline(always)]
fn user_number(at: u64) -> u64 {
    let mut number = 0_u64;
    unsafe { bpf_probe_read_user((&raw mut number).cast(), 8, at as *const c_void) };
    number
}
