//! The map that belongs to no single stage, and the joint of all stages.

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::front::Front;
use postern_ebpf_abi::judge::Tables;

#[btf_map]
static FRONT: Array<Front, 1, { BPF_F_MMAPABLE as usize }> = Array::new();

/// Answers the stages' questions from the maps.
pub struct Maps {
    pub front: &'static Front,
}

impl Maps {
    #[inline(always)]
    pub fn open() -> Option<Self> {
        // An element of an array map lives as long as the program.
        Some(Self { front: FRONT.get_ptr(0).map(|p| unsafe { &*p })? })
    }
}

impl Tables for Maps {
    #[inline(always)]
    fn port_word(&self, word: u32) -> u64 {
        self.front.port_word(word)
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        unsafe { bpf_ktime_get_boot_ns() }
    }
}
