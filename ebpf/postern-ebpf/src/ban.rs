//! Stage 2: bans.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{HashMap, LpmTrie};
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::address::{KeyV6, Prefix};
use postern_ebpf_abi::ban::{BanTable, BanValue};

use crate::tables::Maps;

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

// Sizes are overridden at load by the setting `edge.bans.max`; memory is taken as bans come.
#[btf_map]
static BANS_V4: HashMap<u32, BanValue, 1_000_000, NO_PREALLOC> = HashMap::new();

#[btf_map]
static BANS_V6: HashMap<KeyV6, BanValue, 1_000_000, NO_PREALLOC> = HashMap::new();

/// Networks banned by hand: few.
#[btf_map]
static BAN_NETWORKS: LpmTrie<[u8; 16], BanValue, 65_536> = LpmTrie::new();

impl BanTable for Maps<'_> {
    #[inline(always)]
    fn ban_filter(&self, word: u32) -> u64 {
        self.front.ban_filter(word)
    }

    // A value is copied at once: userspace may free its slot after a grace period only, which ends after this packet.
    #[inline(always)]
    fn ban_v4(&self, address: &u32) -> Option<BanValue> {
        unsafe { BANS_V4.get(address).copied() }
    }

    #[inline(always)]
    fn ban_v6(&self, key: &KeyV6) -> Option<BanValue> {
        unsafe { BANS_V6.get(key).copied() }
    }

    #[inline(always)]
    fn ban_network(&self, key: &Prefix) -> Option<BanValue> {
        BAN_NETWORKS.get(&Key::new(key.length, key.octets)).copied()
    }
}
