//! All maps of the program, opened with their types.

use std::os::fd::{AsFd, OwnedFd};

use postern_ebpf_abi::Plain;
use postern_ebpf_abi::address::{KeyV6, Prefix};
use postern_ebpf_abi::ban::BanValue;
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4};
use postern_ebpf_abi::feed::v6::FeedsV6;
use postern_ebpf_abi::front::Front;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::sample::{Count, Sampling};
use postern_ebpf_abi::steer::address::Address;
use postern_ebpf_abi::steer::ring::PeerCount;

use super::front::FrontMap;
use super::steer::SteerMaps;
use super::table::{Kind, Maps, PerCpuTable, Table, TableError, zeroed};

/// Names of all maps, as in `ebpf/postern-ebpf`.
pub const NAMES: [&str; 19] = [
    "FRONT",
    "ALLOW",
    "BANS_V4",
    "BANS_V6",
    "BAN_NETWORKS",
    "FEEDS_V4",
    "FEED_TABLE_V4",
    "FEEDS_V6",
    "FEED_TABLE_V6",
    "RATE_ROW_0",
    "RATE_ROW_1",
    "RATE_TOTAL",
    "COUNTERS",
    "SAMPLING",
    "SAMPLES",
    "RING",
    "CONNECTIONS",
    "ADDRESSES",
    "PEERS",
];

#[derive(Debug)]
pub struct KernelMaps {
    pub front: FrontMap,
    pub allow: Table<Prefix, u32>,
    pub bans_v4: Table<u32, BanValue>,
    pub bans_v6: Table<KeyV6, BanValue>,
    pub ban_networks: Table<Prefix, BanValue>,
    /// One slot each: the generation in force.
    pub feeds_v4: Maps,
    pub feeds_v6: Maps,
    /// Two slots each: the generation's table, and an empty one.
    pub feed_table_v4: Maps,
    pub feed_table_v6: Maps,
    pub rate_rows: [Table<u32, u64>; 2],
    pub rate_total: Table<u32, u64>,
    pub counters: PerCpuTable<Count>,
    pub sampling: PerCpuTable<Sampling>,
    pub steer: SteerMaps,
    /// What the feeds' slots hold while nothing is loaded.
    empty: EmptyFeeds,
}

#[derive(Debug)]
struct EmptyFeeds {
    feeds_v4: Table<u32, FeedsV4>,
    table_v4: Table<u32, Bucket>,
    feeds_v6: Table<u32, FeedsV6>,
    table_v6: Table<KeyV6, u32>,
}

/// Packets and octets of one reason over all CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub reason: Reason,
    pub packets: u64,
    pub octets: u64,
}

impl KernelMaps {
    /// Opens all maps through `take`, which gives the descriptor for a name.
    ///
    /// # Errors
    /// When one is missing or of another layout.
    pub fn open(mut take: impl FnMut(&str) -> Result<OwnedFd, TableError>) -> Result<Self, TableError> {
        macro_rules! table {
            ($name:literal) => {
                Table::from_fd($name, take($name)?)?
            };
        }
        macro_rules! maps {
            ($name:literal) => {
                Maps::from_fd($name, take($name)?)
            };
        }
        let empty = EmptyFeeds {
            feeds_v4: Table::create(Kind::Array, "no_feeds_v4", 1)?,
            table_v4: Table::create(Kind::Mapped, "no_table_v4", 1)?,
            feeds_v6: Table::create(Kind::Array, "no_feeds_v6", 1)?,
            table_v6: Table::create(Kind::Hash, "no_table_v6", 1)?,
        };
        let maps = Self {
            front: FrontMap::open(take("FRONT")?)?,
            allow: table!("ALLOW"),
            bans_v4: table!("BANS_V4"),
            bans_v6: table!("BANS_V6"),
            ban_networks: table!("BAN_NETWORKS"),
            feeds_v4: maps!("FEEDS_V4"),
            feeds_v6: maps!("FEEDS_V6"),
            feed_table_v4: maps!("FEED_TABLE_V4"),
            feed_table_v6: maps!("FEED_TABLE_V6"),
            rate_rows: [table!("RATE_ROW_0"), table!("RATE_ROW_1")],
            rate_total: table!("RATE_TOTAL"),
            counters: PerCpuTable::from_fd("COUNTERS", take("COUNTERS")?)?,
            sampling: PerCpuTable::from_fd("SAMPLING", take("SAMPLING")?)?,
            steer: SteerMaps::open(take)?,
            empty,
        };
        Ok(maps)
    }

    /// Fills the slots of feeds that hold nothing yet.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn prepare_feeds(&self) -> Result<(), TableError> {
        for slot in 0..2 {
            if self.feed_table_v4.open(slot)?.is_none() {
                self.clear_v4(slot)?;
            }
            if self.feed_table_v6.open(slot)?.is_none() {
                self.clear_v6(slot)?;
            }
        }
        if self.feeds_v4.open(0)?.is_none() {
            self.feeds_v4.put(0, self.empty.feeds_v4.fd())?;
        }
        if self.feeds_v6.open(0)?.is_none() {
            self.feeds_v6.put(0, self.empty.feeds_v6.fd())?;
        }
        Ok(())
    }

    /// Waits until every packet that is now on its way through a program has left it.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn wait_for_packets(&self) -> Result<(), TableError> {
        // The kernel waits for a grace period whenever a map in an array of maps is exchanged, be it by itself.
        match self.feeds_v4.open(0)? {
            Some(fd) => self.feeds_v4.put(0, fd.as_fd()),
            None => Ok(()),
        }
    }

    /// Empties a table and frees its memory. It must not belong to the generation in force.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn clear_v4(&self, table: u32) -> Result<(), TableError> {
        self.feed_table_v4.put(table, self.empty.table_v4.fd())
    }

    /// Empties a table and frees its memory. It must not belong to the generation in force.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn clear_v6(&self, table: u32) -> Result<(), TableError> {
        self.feed_table_v6.put(table, self.empty.table_v6.fd())
    }

    /// # Errors
    /// As the kernel says.
    pub fn feeds_v4_in_force(&self) -> Result<Box<FeedsV4>, TableError> {
        in_force("FEEDS_V4", &self.feeds_v4)
    }

    /// # Errors
    /// As the kernel says.
    pub fn feeds_v6_in_force(&self) -> Result<Box<FeedsV6>, TableError> {
        in_force("FEEDS_V6", &self.feeds_v6)
    }

    /// # Errors
    /// As the kernel says.
    pub fn counters(&self) -> Result<Vec<Counted>, TableError> {
        let mut counted = Vec::with_capacity(Reason::ALL.len());
        for reason in Reason::ALL {
            let values = self.counters.get(*reason as u32)?;
            let (packets, octets) = values.iter().fold((0, 0), |(p, o), c| (p + c.packets, o + c.octets));
            counted.push(Counted { reason: *reason, packets, octets });
        }
        Ok(counted)
    }

    /// Samples lost to the cap or to a full ring.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn samples_lost(&self) -> Result<u64, TableError> {
        Ok(self.sampling.get(0)?.iter().map(|s| s.lost).sum())
    }
}

fn in_force<V: Plain>(name: &str, maps: &Maps) -> Result<Box<V>, TableError> {
    match maps.open(0)? {
        Some(fd) => Ok(Table::<u32, V>::from_fd(name, fd)?.get_boxed(&0)?.unwrap_or_else(zeroed)),
        None => Ok(zeroed()),
    }
}

/// Which kind of map each is, its key and its value, to judge pins of an earlier process.
pub(super) fn fits(name: &str, found: super::table::Shape) -> bool {
    let (key, value) = match name {
        "FRONT" => (4, size_of::<Front>()),
        "ALLOW" => (size_of::<Prefix>(), 4),
        "BAN_NETWORKS" => (size_of::<Prefix>(), size_of::<BanValue>()),
        "BANS_V4" => (4, size_of::<BanValue>()),
        "BANS_V6" => (size_of::<KeyV6>(), size_of::<BanValue>()),
        "COUNTERS" => (4, size_of::<Count>()),
        "SAMPLING" => (4, size_of::<Sampling>()),
        "SAMPLES" => (0, 0),
        "ADDRESSES" => (size_of::<Address>(), 4),
        "PEERS" => (4, size_of::<PeerCount>()),
        "RING" | "CONNECTIONS" | "FEEDS_V4" | "FEED_TABLE_V4" | "FEEDS_V6" | "FEED_TABLE_V6" => (4, 4),
        _ => (4, 8),
    };
    (found.key_size as usize, found.value_size as usize) == (key, value)
}

pub(crate) fn duplicate(map: &aya::maps::Map) -> std::io::Result<OwnedFd> {
    use aya::maps::Map;
    let (Map::Array(data) | Map::ArrayOfMaps(data) | Map::HashMap(data) | Map::LpmTrie(data) | Map::PerCpuArray(data) | Map::RingBuf(data)) =
        map
    else {
        return Err(std::io::Error::other("a kind of map that the program does not use"));
    };
    data.fd().as_fd().try_clone_to_owned()
}
