//! Programs that the guard goes on to by tail calls: each with its own budget in the verifier, and out of the way of the packets that
//! never need it.

use aya_ebpf::btf_maps::{PerCpuArray, ProgramArray};
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::handover::{Handover, jump};
use postern_ebpf_abi::steer::seen::Seen;

/// Each load of the program has its own, filled before it is put into a link: program and jumps are replaced in one step.
#[btf_map]
static JUMPS: ProgramArray<{ jump::COUNT as usize }> = ProgramArray::new();

/// What one program tells the next; it runs at once and on the same CPU.
#[btf_map]
static HANDOVER: PerCpuArray<Handover, 1> = PerCpuArray::new();

#[inline(always)]
pub fn handover() -> Option<&'static mut Handover> {
    HANDOVER.get_ptr_mut(0).map(|p| unsafe { &mut *p })
}

/// Goes on in another program. Comes back only if that is missing.
#[inline(always)]
pub fn to(ctx: &XdpContext, number: u32) {
    unsafe { JUMPS.tail_call(ctx, number) };
}

/// What the steering programs have read of the packet.
#[btf_map]
static SEEN: PerCpuArray<Seen, 1> = PerCpuArray::new();

#[inline(always)]
pub fn seen() -> Option<&'static mut Seen> {
    SEEN.get_ptr_mut(0).map(|p| unsafe { &mut *p })
}
