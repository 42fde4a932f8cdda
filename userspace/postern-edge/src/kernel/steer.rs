//! The maps of steering: the ring in force, the addresses that are steered, connections, counters of peers.
//!
//! Order for who fills them: [`SteerMaps::set_capacity`] once, [`SteerMaps::put_ring`], then [`SteerMaps::set_addresses`]; the program's
//! feature bit `STEER` at last ([`super::guard::Guard::set_features`]). Every call may be repeated while packets pass.

use std::net::IpAddr;
use std::os::fd::OwnedFd;

use postern_ebpf_abi::steer::address::{Address, FILTER_WORDS, filter_v4, role};
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::ring::{Fault, NOBODY, PEERS, PeerCount, Ring, Slot};

use super::front::FrontMap;
use super::table::{Kind, Maps, PerCpuTable, Table, TableError, zeroed};

#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    #[error("the ring is not put in force, the one before stays: {}", said(.0))]
    Fault(Fault),
    #[error(transparent)]
    Table(#[from] TableError),
}

fn said(fault: &Fault) -> String {
    match fault {
        Fault::Twins(a, b) => format!("peers {a} and {b} have the same address, so nobody could tell whose packets are whose"),
        Fault::NoOwnMac(a) => format!("peer {a} is reached by an interface whose own MAC address is not given"),
        Fault::Tunnel(a) => format!("the tunnel of peer {a} needs two addresses of one family"),
    }
}

/// What an address is to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Shared by the nodes: packets to it are steered.
    Virtual,
    /// This node's own, where tunnels of peers end.
    Outer,
}

#[derive(Debug)]
pub struct SteerMaps {
    ring: Maps,
    connections: Maps,
    addresses: Table<Address, u32>,
    peers: PerCpuTable<PeerCount>,
}

impl SteerMaps {
    /// # Errors
    /// When a map is missing or of another layout.
    pub fn open(mut take: impl FnMut(&str) -> Result<OwnedFd, TableError>) -> Result<Self, TableError> {
        Ok(Self {
            ring: Maps::from_fd("RING", take("RING")?),
            connections: Maps::from_fd("CONNECTIONS", take("CONNECTIONS")?),
            addresses: Table::from_fd("ADDRESSES", take("ADDRESSES")?)?,
            peers: PerCpuTable::from_fd("PEERS", take("PEERS")?)?,
        })
    }

    /// Puts a ring in force in place of the one before. When it returns, no packet is steered by the old one any more. Its indices of
    /// peers are filled here.
    ///
    /// # Errors
    /// When two peers cannot be told apart, or as the kernel says; then the old one stays.
    pub fn put_ring(&self, mut ring: Box<Ring>) -> Result<(), SteerError> {
        ring.index().map_err(SteerError::Fault)?;
        let map = Table::<u32, Ring>::create(Kind::Array, "ring", 1)?;
        map.set(&0, &ring)?;
        Ok(self.ring.put(0, map.fd())?)
    }

    /// The ring in force; `None` where there is none.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn ring(&self) -> Result<Option<Box<Ring>>, TableError> {
        let Some(fd) = self.ring.open(0)? else { return Ok(None) };
        Ok(Table::<u32, Ring>::from_fd("RING", fd)?.get_boxed(&0)?.filter(|r| r.version != 0))
    }

    /// Makes these the addresses with a role, instead of those before.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn set_addresses(&self, front: &FrontMap, addresses: &[(IpAddr, Role)]) -> Result<(), TableError> {
        let mut wanted = std::collections::BTreeMap::<Address, u32>::new();
        for (ip, role) in addresses {
            *wanted.entry(address_of(*ip)).or_default() |= match role {
                Role::Virtual => role::VIRTUAL,
                Role::Outer => role::OUTER,
            };
        }
        let mut bits = [0u64; FILTER_WORDS as usize];
        for address in wanted.keys().filter(|a| a.is_v4()) {
            let (word, bit) = filter_v4(address.low as u32);
            bits[word as usize] |= 1 << bit;
        }
        // The filter says yes to both the old and the new ones until the table is right.
        let both: Vec<u64> = (0..FILTER_WORDS).map(|w| front.destination_bits(w) | bits[w as usize]).collect();
        front.set_destination_bits(&both);
        for key in self.addresses.keys(usize::MAX)? {
            if !wanted.contains_key(&key) {
                self.addresses.delete_batch(&[key])?;
            }
        }
        for (address, roles) in &wanted {
            self.addresses.set(address, roles)?;
        }
        front.set_destination_bits(&bits);
        Ok(())
    }

    /// Bits of [`role`] of an address; 0 for all others.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn roles(&self, address: &Address) -> Result<u32, TableError> {
        Ok(self.addresses.get(address)?.unwrap_or(0))
    }

    /// Remembers up to so many connections; those known are forgotten. Each takes about 120 octets.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn set_capacity(&self, connections: u32) -> Result<(), TableError> {
        let map = Table::<Connection, u32>::create(Kind::Recent, "connections", connections.max(1))?;
        self.connections.put(0, map.fd())
    }

    /// Number of the peer that has this connection, as far as is remembered.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn connection(&self, connection: &Connection) -> Result<Option<u32>, TableError> {
        match self.connections()? {
            Some(table) => table.get(connection),
            None => Ok(None),
        }
    }

    /// Remembers that a peer has this connection, as the program does by itself.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn remember(&self, connection: &Connection, peer: u32) -> Result<(), TableError> {
        match self.connections()? {
            Some(table) => table.set(connection, &peer),
            None => Ok(()),
        }
    }

    /// # Errors
    /// As the kernel says; one that is not remembered is no error.
    pub fn forget(&self, connection: &Connection) -> Result<(), TableError> {
        match self.connections()? {
            Some(table) => table.delete_batch(std::slice::from_ref(connection)),
            None => Ok(()),
        }
    }

    /// Up to `limit` connections that are remembered, with their peers.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn remembered(&self, limit: usize) -> Result<Vec<(Connection, u32)>, TableError> {
        let Some(table) = self.connections()? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for key in table.keys(limit)? {
            // It may have made room meanwhile.
            found.extend(table.get(&key)?.map(|peer| (key, peer)));
        }
        Ok(found)
    }

    /// What was sent to and came from each peer, by its number, over all CPUs.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn peer_counts(&self) -> Result<Vec<PeerCount>, TableError> {
        (0..PEERS as u32).map(|number| self.peer_count(number)).collect()
    }

    /// # Errors
    /// As the kernel says.
    pub fn peer_count(&self, number: u32) -> Result<PeerCount, TableError> {
        Ok(self.peers.get(number)?.iter().fold(PeerCount::default(), |sum, c| PeerCount {
            sent_packets: sum.sent_packets + c.sent_packets,
            sent_octets: sum.sent_octets + c.sent_octets,
            received_packets: sum.received_packets + c.received_packets,
            received_octets: sum.received_octets + c.received_octets,
        }))
    }

    fn connections(&self) -> Result<Option<Table<Connection, u32>>, TableError> {
        self.connections.open(0)?.map(|fd| Table::from_fd("CONNECTIONS", fd)).transpose()
    }
}

/// A ring without peers whose slots name nobody; give it a version before it is put in force.
pub fn empty_ring() -> Box<Ring> {
    let mut ring = zeroed::<Ring>();
    ring.slots.fill(Slot { primary: NOBODY, secondary: NOBODY });
    ring
}

pub fn address_of(ip: IpAddr) -> Address {
    match ip {
        IpAddr::V4(ip) => Address::v4(ip.into()),
        IpAddr::V6(ip) => Address::from_octets(ip.octets()),
    }
}

pub fn ip_of(address: &Address) -> IpAddr {
    if address.is_v4() { IpAddr::V4((address.low as u32).into()) } else { IpAddr::V6(address.octets().into()) }
}
