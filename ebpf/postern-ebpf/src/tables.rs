//! The maps that belong to no single stage, and the joint of all stages.

use aya_ebpf::btf_maps::Array;
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::config::{Config, ports};
use postern_ebpf_abi::judge::Tables;

#[btf_map]
static CONFIG: Array<Config, 1> = Array::new();

/// Two bits per port: see `postern_ebpf_abi::config::ports`.
#[btf_map]
static PORTS: Array<u64, { ports::WORDS as usize }> = Array::new();

/// Answers the stages' questions from the maps.
pub struct Maps;

#[inline(always)]
pub fn config() -> Option<&'static Config> {
    // An element of an array map lives as long as the program.
    CONFIG.get_ptr(0).map(|p| unsafe { &*p })
}

impl Tables for Maps {
    #[inline(always)]
    fn port_word(&self, word: u32) -> u64 {
        PORTS.get(word).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        unsafe { bpf_ktime_get_boot_ns() }
    }
}
