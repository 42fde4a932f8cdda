//! The watch: sees what processes in the sandbox's cells do, from the kernel, and refuses nothing.
//!
//! Two witnesses. [`attempt`] stands at the gate of seccomp, before any filter decides: each call of who is behind one passes there, and those
//! that are refused, or kill, pass there first. The others stand behind the kernel's own copy of what a call names ([`taken`]): no other thread
//! can change that any more.
//!
//! All hang on functions by the kernel's BTF (fentry), which takes neither kprobes nor BPF among the security modules. Where fields of the
//! kernel's structures lie is told by userspace, which looks it up in the same BTF.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod attempt;
mod cell;
mod taken;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
