//! Stage 1: the operator's allow list.

use aya_ebpf::btf_maps::LpmTrie;
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::address::Prefix;
use postern_ebpf_abi::allow::AllowTable;

use crate::tables::Maps;

#[btf_map]
static ALLOW: LpmTrie<[u8; 16], u32, 65_536> = LpmTrie::new();

impl AllowTable for Maps<'_> {
    #[inline(always)]
    fn allow_bits(&self, word: u32) -> u64 {
        self.front.allow_bits(word)
    }

    #[inline(always)]
    fn allow_longest(&self, key: &Prefix) -> bool {
        ALLOW.get(&Key::new(key.length, key.octets)).is_some()
    }
}
