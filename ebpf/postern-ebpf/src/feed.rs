//! Stage 3: feeds. Two generations behind arrays of maps; userspace fills the idle one and flips `GENERATION`.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap};
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::address::KeyV6;
use postern_ebpf_abi::feed::{BITS_V4_WORDS, BITS_V6_WORDS, FeedKeyV4, FeedShape, FeedTable};

use crate::tables::Maps;

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

type BitsV4 = Array<u64, { BITS_V4_WORDS as usize }>;
type BitsV6 = Array<u64, { BITS_V6_WORDS as usize }>;

#[btf_map]
static GENERATION: Array<u32, 1> = Array::new();

#[btf_map]
static FEED_SHAPE: Array<FeedShape, 2> = Array::new();

#[btf_map]
static FEED_BITS_V4: ArrayOfMaps<BitsV4, 2> = ArrayOfMaps::new();

#[btf_map]
static FEED_WHOLE_V4: ArrayOfMaps<BitsV4, 2> = ArrayOfMaps::new();

#[btf_map]
static FEED_BITS_V6: ArrayOfMaps<BitsV6, 2> = ArrayOfMaps::new();

// The size of an inner hash is its own: each generation is made to measure. Elements are not preallocated: those come from
// the slab, which large pages map, and a cold lookup saves a walk of the page table.
#[btf_map]
static FEED_V4: ArrayOfMaps<HashMap<FeedKeyV4, u32, 1, NO_PREALLOC>, 2> = ArrayOfMaps::new();

#[btf_map]
static FEED_V6: ArrayOfMaps<HashMap<KeyV6, u32, 1, NO_PREALLOC>, 2> = ArrayOfMaps::new();

impl FeedTable for Maps {
    #[inline(always)]
    fn generation(&self) -> u32 {
        // Volatile: one load, or a swap between two could mix the generations.
        GENERATION.get_ptr(0).map_or(0, |p| unsafe { core::ptr::read_volatile(p) })
    }

    #[inline(always)]
    fn shape(&self, generation: u32) -> FeedShape {
        FEED_SHAPE.get(generation).copied().unwrap_or(FeedShape::EMPTY)
    }

    #[inline(always)]
    fn feed_bits_v4(&self, generation: u32, word: u32) -> u64 {
        FEED_BITS_V4.get_value(generation, &word).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn feed_whole_v4(&self, generation: u32, word: u32) -> u64 {
        FEED_WHOLE_V4.get_value(generation, &word).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn feed_bits_v6(&self, generation: u32, word: u32) -> u64 {
        FEED_BITS_V6.get_value(generation, &word).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn feed_v4(&self, generation: u32, key: &FeedKeyV4) -> Option<u32> {
        FEED_V4.get_value_ptr_mut(generation, key).map(|p| unsafe { *p })
    }

    #[inline(always)]
    fn feed_v6(&self, generation: u32, key: &KeyV6) -> Option<u32> {
        FEED_V6.get_value_ptr_mut(generation, key).map(|p| unsafe { *p })
    }
}
