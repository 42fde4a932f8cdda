//! Stage 3: feeds. Userspace fills maps that no packet reads yet and then puts one pointer in place of another.

use aya_ebpf::bindings::{BPF_F_INNER_MAP, BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap};
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::address::KeyV6;
use postern_ebpf_abi::feed::FeedTable;
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4};
use postern_ebpf_abi::feed::v6::FeedsV6;

use crate::tables::Maps;

/// Made to measure for each generation, written by userspace through memory. Elements of such a map begin on a page, so a bucket is
/// one cache line.
const TABLE: usize = (BPF_F_INNER_MAP | BPF_F_MMAPABLE) as usize;
const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

#[btf_map]
static FEEDS_V4: ArrayOfMaps<Array<FeedsV4, 1>, 1> = ArrayOfMaps::new();

#[btf_map]
static FEED_TABLE_V4: ArrayOfMaps<Array<Bucket, 1, TABLE>, 2> = ArrayOfMaps::new();

#[btf_map]
static FEEDS_V6: ArrayOfMaps<Array<FeedsV6, 1>, 1> = ArrayOfMaps::new();

#[btf_map]
static FEED_TABLE_V6: ArrayOfMaps<HashMap<KeyV6, u32, 1, NO_PREALLOC>, 2> = ArrayOfMaps::new();

impl FeedTable for Maps<'_> {
    type Bucket = &'static Bucket;

    #[inline(always)]
    fn feeds_v4(&self) -> Option<&FeedsV4> {
        FEEDS_V4.get_value(0, &0)
    }

    #[inline(always)]
    fn feeds_v6(&self) -> Option<&FeedsV6> {
        FEEDS_V6.get_value(0, &0)
    }

    #[inline(always)]
    fn bucket_v4(&self, table: u32, index: u32) -> Option<&'static Bucket> {
        FEED_TABLE_V4.get_value(table, &index)
    }

    #[inline(always)]
    fn feed_v6(&self, table: u32, key: &KeyV6) -> Option<u32> {
        FEED_TABLE_V6.get_value_ptr_mut(table, key).map(|p| unsafe { *p })
    }
}
