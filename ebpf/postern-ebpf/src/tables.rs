//! The map that belongs to no single stage, and the joint of all stages.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::front::Front;
use postern_ebpf_abi::judge::Tables;
use postern_ebpf_abi::steer::decide::mark_of;

use crate::steer;

#[btf_map]
static FRONT: Array<Front, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Answers the stages' questions from the maps.
pub struct Maps<'a> {
    pub front: &'static Front,
    ctx: &'a XdpContext,
}

impl<'a> Maps<'a> {
    #[inline(always)]
    pub fn open(ctx: &'a XdpContext) -> Option<Self> {
        // An element of an array map lives as long as the program.
        Some(Self { front: FRONT.get_ptr(0).map(|p| unsafe { &*p })?, ctx })
    }
}

impl Tables for Maps<'_> {
    #[inline(always)]
    fn port_word(&self, word: u32) -> u64 {
        self.front.port_word(word)
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        unsafe { bpf_ktime_get_boot_ns() }
    }

    #[inline(always)]
    fn comes_from_peer(&self, class: u8) -> bool {
        match (steer::ring(), steer::arrival(self.ctx)) {
            (Some(ring), Some(arrival)) => mark_of(ring, &arrival, class).hop != 0,
            _ => false,
        }
    }
}
