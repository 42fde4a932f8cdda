//! What came to pass, by the kernel's own copy of what was named.

use core::ffi::c_void;

use aya_ebpf::Global;
use aya_ebpf::bindings::path;
use aya_ebpf::helpers::generated::{bpf_d_path, bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use aya_ebpf::macros::{btf_tracepoint, fentry};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext};
use postern_ebpf_abi::watch::{TEXT, kind};

use crate::cell;

/// Where the kernel's structures hold what is looked at.
#[unsafe(no_mangle)]
static BINARY_NAME: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static FILE_MODE: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static FILE_PATH: Global<u32> = Global::new(0);

/// Of `linux/fs.h`.
const FMODE_WRITE: u32 = 2;
/// Octets of the kernel's copy of an address (`sockaddr_storage`).
const ADDRESS: u64 = 128;

/// A program has been started: nothing can go wrong any more.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn executed(ctx: BtfTracePointContext) -> i32 {
    exec(&ctx);
    0
}

#[inline(always)]
fn exec(ctx: &BtfTracePointContext) -> Option<()> {
    let (cgroup, cell) = cell::current()?;
    let binary: u64 = ctx.arg(2);
    let mut name = 0_u64;
    let at = (binary + u64::from(BINARY_NAME.load())) as *const c_void;
    unsafe { bpf_probe_read_kernel((&raw mut name).cast(), 8, at) };
    let mut place = cell::sight(cgroup, cell, kind::EXEC)?;
    let sight = place.as_mut_ptr();
    unsafe {
        let copied = bpf_probe_read_kernel_str((&raw mut (*sight).text).cast(), TEXT as u32, name as *const c_void);
        (*sight).text_length = cell::length(copied);
    }
    place.submit(0);
    Some(())
}

/// A socket is connected.
#[fentry(function = "security_socket_connect")]
pub fn connected(ctx: FEntryContext) -> i32 {
    connect(&ctx);
    0
}

#[inline(always)]
fn connect(ctx: &FEntryContext) -> Option<()> {
    let (cgroup, cell) = cell::current()?;
    let (address, given): (u64, u64) = (ctx.arg(1), ctx.arg(2));
    let mut place = cell::sight(cgroup, cell, kind::CONNECT)?;
    let sight = place.as_mut_ptr();
    let given = given & 0xffff_ffff;
    let length = if given > ADDRESS { ADDRESS } else { given };
    unsafe {
        if bpf_probe_read_kernel((&raw mut (*sight).text).cast(), length as u32, address as *const c_void) == 0 {
            (*sight).text_length = length as u32;
        }
    }
    place.submit(0);
    Some(())
}

/// A file is opened; told when it may be written.
#[fentry(function = "security_file_open")]
pub fn opened(ctx: FEntryContext) -> i32 {
    open(&ctx);
    0
}

#[inline(always)]
fn open(ctx: &FEntryContext) -> Option<()> {
    let (cgroup, cell) = cell::current()?;
    let file: *mut u8 = ctx.arg(0);
    if cell::number(file as u64 + u64::from(FILE_MODE.load())) & FMODE_WRITE == 0 {
        return None;
    }
    let mut place = cell::sight(cgroup, cell, kind::WRITE)?;
    let sight = place.as_mut_ptr();
    unsafe {
        let path = file.add(FILE_PATH.load() as usize).cast::<path>();
        let copied = bpf_d_path(path, (&raw mut (*sight).text).cast(), TEXT as u32);
        (*sight).text_length = cell::length(copied);
    }
    place.submit(0);
    Some(())
}
