//! The map half of bans: what the authority decided, put into the kernel.
//!
//! The filter in front of the tables is kept here by counting: a bit is set before the first ban behind it counts and cleared after
//! the last one went, so a ban in force is never hidden by it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ipnet::IpNet;
use postern_ebpf_abi::address::{KeyV6, Prefix};
use postern_ebpf_abi::ban::{BanValue, FILTER_BITS, FILTER_WORDS, filter_v4, filter_v6};
use postern_model::control::Ban;
use postern_model::reason::Reason;

use crate::clock::Clocks;
use crate::kernel::maps::KernelMaps;
use crate::kernel::table::TableError;
use crate::network::{key_v6, prefix};

/// Networks banned by hand at most: the size of their map.
pub const MAX_NETWORKS: usize = 65_536;

/// Where in the kernel a ban lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    V4(u32),
    V6(KeyV6),
    Network(Prefix),
}

impl Place {
    fn of(network: &IpNet) -> Self {
        match network {
            IpNet::V4(n) if n.prefix_len() == 32 => Self::V4(n.addr().to_bits()),
            IpNet::V6(n) if matches!(n.prefix_len(), 64 | 128) => Self::V6(key_v6(n)),
            other => Self::Network(prefix(other)),
        }
    }

    fn filter(&self, seed: u64) -> Option<(u32, u32)> {
        match self {
            Self::V4(address) => Some(filter_v4(seed, *address)),
            Self::V6(key) => Some(filter_v6(seed, key)),
            Self::Network(_) => None,
        }
    }
}

#[derive(Debug)]
pub struct KernelBans {
    maps: Arc<KernelMaps>,
    seed: u64,
    /// Bans behind each bit of the filter; 255 stays for good.
    counts: Vec<u8>,
    present: HashSet<Place, ahash::RandomState>,
    networks: usize,
}

impl KernelBans {
    /// Brings the kernel's tables, which may hold bans of an earlier process, in line with `bans`.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn recover<'a>(maps: Arc<KernelMaps>, bans: impl Iterator<Item = &'a Ban>, clocks: &Clocks) -> Result<Self, TableError> {
        let seed = maps.front.configured().map_or(0, |c| c.seed);
        let mut this = Self { maps, seed, counts: vec![0; 1 << FILTER_BITS], present: HashSet::default(), networks: 0 };
        let limit = usize::MAX;
        let found_v4 = this.maps.bans_v4.keys(limit)?;
        let found_v6 = this.maps.bans_v6.keys(limit)?;
        let found_networks = this.maps.ban_networks.keys(limit)?;
        let bans: Vec<&Ban> = bans.collect();
        let wanted: HashSet<Place, ahash::RandomState> = bans.iter().map(|b| Place::of(&b.network)).collect();
        // The filter of the earlier process stays until the new one, which has all bits of bans that go on, replaces it.
        this.put_elements(&bans, clocks)?;
        this.write_filter(0..FILTER_WORDS);
        let old_v4: Vec<u32> = found_v4.into_iter().filter(|k| !wanted.contains(&Place::V4(*k))).collect();
        this.maps.bans_v4.delete_batch(&old_v4)?;
        let old_v6: Vec<KeyV6> = found_v6.into_iter().filter(|k| !wanted.contains(&Place::V6(*k))).collect();
        this.maps.bans_v6.delete_batch(&old_v6)?;
        for key in found_networks.iter().filter(|k| !wanted.contains(&Place::Network(**k))) {
            this.maps.ban_networks.delete(key)?;
        }
        Ok(this)
    }

    /// Networks (not single addresses) that are banned.
    pub fn networks(&self) -> usize {
        self.networks
    }

    /// Puts bans in force, or changes their ends.
    ///
    /// # Errors
    /// As the kernel says: `E2BIG` when a table is full.
    pub fn put(&mut self, bans: &[&Ban], clocks: &Clocks) -> Result<(), TableError> {
        let words = self.put_elements(bans, clocks)?;
        self.write_filter(words.into_iter());
        Ok(())
    }

    /// Ends bans.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn remove(&mut self, networks: &[IpNet]) -> Result<(), TableError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut words = Vec::new();
        for place in networks.iter().map(Place::of) {
            if !self.present.remove(&place) {
                continue;
            }
            match place {
                Place::V4(key) => v4.push(key),
                Place::V6(key) => v6.push(key),
                Place::Network(key) => {
                    self.networks -= 1;
                    self.maps.ban_networks.delete(&key)?;
                }
            }
            if let Some((word, bit)) = place.filter(self.seed)
                && let Some(count) = self.counts.get_mut((word << 6 | bit) as usize)
                && *count != u8::MAX
            {
                *count = count.saturating_sub(1);
                words.push(word);
            }
        }
        self.maps.bans_v4.delete_batch(&v4)?;
        self.maps.bans_v6.delete_batch(&v6)?;
        self.write_filter(words.into_iter());
        Ok(())
    }

    /// Writes the tables and counts; the words of the filter that changed.
    fn put_elements(&mut self, bans: &[&Ban], clocks: &Clocks) -> Result<Vec<u32>, TableError> {
        let mut v4 = BTreeMap::new();
        let mut v6 = BTreeMap::new();
        let mut words = Vec::new();
        for ban in bans {
            let value = BanValue { until: clocks.boot_of(ban.until), why: why_of(ban.reason), zero: 0 };
            let place = Place::of(&ban.network);
            match place {
                Place::V4(key) => drop(v4.insert(key, value)),
                Place::V6(key) => drop(v6.insert(key, value)),
                Place::Network(key) => self.maps.ban_networks.set(&key, &value)?,
            }
            if !self.present.insert(place) {
                continue;
            }
            match place.filter(self.seed) {
                Some((word, bit)) => {
                    if let Some(count) = self.counts.get_mut((word << 6 | bit) as usize) {
                        *count = count.saturating_add(1);
                    }
                    words.push(word);
                }
                None => self.networks += 1,
            }
        }
        let (keys, values): (Vec<_>, Vec<_>) = v4.into_iter().unzip();
        self.maps.bans_v4.set_batch(&keys, &values)?;
        let (keys, values): (Vec<_>, Vec<_>) = v6.into_iter().unzip();
        self.maps.bans_v6.set_batch(&keys, &values)?;
        Ok(words)
    }

    fn write_filter(&self, words: impl Iterator<Item = u32>) {
        for word in words {
            let from = (word as usize) << 6;
            let counts = self.counts.get(from..from + 64).unwrap_or_default();
            let bits = counts.iter().enumerate().fold(0u64, |w, (bit, count)| w | u64::from(*count > 0) << bit);
            self.maps.front.set_ban_filter(word, bits);
        }
    }
}

/// The number a reason has in a ban's value; [`reason_of`] turns it back.
fn why_of(reason: Reason) -> u32 {
    Reason::ALL.iter().position(|r| *r == reason).map_or(0, |i| i as u32)
}

/// The reason with this number in samples and bans.
pub fn reason_of(why: u32) -> Option<Reason> {
    Reason::ALL.get(why as usize).copied()
}
