//! The ring: which peer is first and which second for a client, and how peers are reached.
//!
//! One value of one map behind an array of maps: a packet reads the pointer once and is steered wholly by one ring. All nodes make
//! the same slots from the same members and the same seed; only the peers' numbers are each node's own.

use super::address::Address;
use crate::address::mix;

/// A prime, so that Maglev's permutations reach every slot.
pub const SLOTS: usize = 65_537;
pub const PEERS: usize = 64;
/// In a [`Slot`]: nobody.
pub const NOBODY: u16 = u16::MAX;
/// Entries in each index of peers.
pub const INDEX: usize = 4096;

/// Numbers of peers, or [`NOBODY`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub primary: u16,
    pub secondary: u16,
}

/// Bits of [`Peer::flags`].
pub mod peer {
    /// This node itself. Slots that name it mean "here"; nothing else of it is read.
    pub const SELF: u32 = 1;
    /// Packets may be sent there. Without it neither ring nor connections nor a second chance send any; its marks are still believed.
    pub const USABLE: u32 = 2;
    /// Reached by IP in IP ([`Peer::address`]), not by its own MAC address.
    pub const TUNNEL: u32 = 4;
}

/// Octets of the header that a tunnel puts before a packet.
pub const OUTER_V4: usize = 20;
pub const OUTER_V6: usize = 40;
/// The path of a tunnel whose peer names none.
const USUAL_MTU: usize = 1500;
/// What the length field of IPv4 can say.
const LARGEST: usize = 65_535;

/// A member of the cluster as this node reaches it. Its number stays the same from ring to ring as long as it is a member, since
/// connections are remembered by it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where its packets in a tunnel come from and go to; its family is the outer one.
    pub address: Address,
    /// Own address for the outer header.
    pub own: Address,
    pub flags: u32,
    /// Index of the interface it is reached by; 0: by that on which the packet came.
    pub interface: u32,
    /// Largest outer packet on the way there, for tunnels; 0: 1500.
    pub mtu: u32,
    pub zero: u32,
    /// Its MAC address; for a tunnel that of the next hop towards it.
    pub mac: [u8; 6],
    /// Own MAC address on that interface: the source of what is sent to it, and where frames that are steered must have been sent to. All
    /// zeros: that of the frame, whatever it is, which is only right when `interface` is 0 and nothing is promiscuous.
    pub own_mac: [u8; 6],
    pub padding: u32,
}

/// Bits of [`Ring::flags`].
pub mod flag {
    /// The hash takes the client's and the service's port in, too. Then fragments cannot be placed and are dropped, and an ICMP error
    /// goes by the ports it quotes.
    pub const PORTS: u32 = 1;
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// 0: no ring is in force, every packet stays.
    pub version: u64,
    /// The cluster's; whoever knows it could choose which node takes his connections.
    pub seed: [u64; 2],
    /// Chosen by [`Ring::index`].
    pub index_seed: u64,
    /// Bits of [`flag`].
    pub flags: u32,
    pub zero: u32,
    /// The way back to clients, IPv4 and IPv6: what the program itself answers to a packet that a peer forwarded goes there.
    pub routers: [Router; 2],
    pub peers: [Peer; PEERS],
    /// Peers by MAC address: number plus 1, 0 for none. No two peers meet in one entry.
    pub by_mac: [u8; INDEX],
    /// Peers by tunnel address, likewise.
    pub by_address: [u8; INDEX],
    pub slots: [Slot; SLOTS],
    pub padding: u32,
}

/// The next hop towards clients.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Router {
    /// Index of the interface; 0: unknown, then the network stack answers.
    pub interface: u32,
    pub mac: [u8; 6],
    pub own_mac: [u8; 6],
}

/// What is wrong with a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Two peers have the same MAC address, or the same tunnel address.
    Twins(u16, u16),
    /// The peer is to be reached by an interface whose own MAC address is missing.
    NoOwnMac(u16),
    /// The peer's tunnel lacks an address, or its ends are of different families.
    Tunnel(u16),
}

impl Peer {
    #[inline(always)]
    pub fn is(&self, bits: u32) -> bool {
        self.flags & bits == bits
    }

    #[inline(always)]
    pub fn overhead(&self) -> usize {
        if self.address.is_v4() { OUTER_V4 } else { OUTER_V6 }
    }

    /// The largest packet that fits into its tunnel.
    #[inline(always)]
    pub fn inner_mtu(&self) -> usize {
        let outer = if self.mtu == 0 { USUAL_MTU } else { self.mtu as usize };
        let outer = if outer > LARGEST { LARGEST } else { outer };
        outer.saturating_sub(self.overhead())
    }

    /// Whether it is another node to which packets may be sent.
    #[inline(always)]
    pub fn takes(&self) -> bool {
        self.flags & (peer::SELF | peer::USABLE) == peer::USABLE
    }
}

/// A MAC address as a number.
#[inline(always)]
pub fn mac_number(mac: [u8; 6]) -> u64 {
    u64::from_be_bytes([0, 0, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]])
}

#[inline(always)]
fn mac_entry(seed: u64, mac: u64) -> usize {
    (mix(seed, mac) & (INDEX as u64 - 1)) as usize
}

#[inline(always)]
fn address_entry(seed: u64, address: &Address) -> usize {
    (mix(mix(seed, address.high), address.low) & (INDEX as u64 - 1)) as usize
}

impl Ring {
    #[inline(always)]
    pub fn peer(&self, number: u32) -> &Peer {
        &self.peers[(number as usize) & (PEERS - 1)]
    }

    /// The peers of a client.
    #[inline(always)]
    pub fn slot(&self, hash: u64) -> Slot {
        let index = ((hash >> 32) * SLOTS as u64) >> 32;
        match self.slots.get(index as usize) {
            Some(slot) => *slot,
            None => Slot { primary: NOBODY, secondary: NOBODY },
        }
    }

    /// Number of the peer with this MAC address that is not behind a tunnel.
    #[inline(always)]
    pub fn peer_by_mac(&self, mac: u64) -> Option<u32> {
        let number = (self.by_mac[mac_entry(self.index_seed, mac) & (INDEX - 1)] as u32).checked_sub(1)?;
        if mac_number(self.peer(number).mac) == mac { Some(number) } else { None }
    }

    /// Number of the peer whose tunnel begins at this address.
    #[inline(always)]
    pub fn peer_by_address(&self, address: &Address) -> Option<u32> {
        let number = (self.by_address[address_entry(self.index_seed, address) & (INDEX - 1)] as u32).checked_sub(1)?;
        if self.peer(number).address == *address { Some(number) } else { None }
    }

    /// Fills the indices from the peers: those with any flag but [`peer::SELF`] alone.
    ///
    /// # Errors
    /// When two peers could not be told apart, or one not be reached.
    pub fn index(&mut self) -> Result<(), Fault> {
        for a in 0..PEERS {
            let p = &self.peers[a];
            if p.takes() && p.interface != 0 && p.own_mac == [0; 6] {
                return Err(Fault::NoOwnMac(a as u16));
            }
            if p.is(peer::TUNNEL) && (p.address.is_none() || p.own.is_none() || p.address.is_v4() != p.own.is_v4()) {
                return Err(Fault::Tunnel(a as u16));
            }
            for b in 0..a {
                let (x, y) = (&self.peers[a], &self.peers[b]);
                let both = |bits: u32| x.flags & bits != 0 && y.flags & bits != 0;
                let neighbours = is_neighbour(x) && is_neighbour(y) && x.mac == y.mac;
                let tunnels = both(peer::TUNNEL) && x.address == y.address;
                if neighbours || tunnels {
                    return Err(Fault::Twins(b as u16, a as u16));
                }
            }
        }
        // 64 peers in 4096 entries: every second seed or so keeps them apart.
        let mut seed = self.index_seed | 1;
        while !self.fill(seed) {
            seed = mix(seed, 1) | 1;
        }
        Ok(())
    }

    fn fill(&mut self, seed: u64) -> bool {
        self.index_seed = seed;
        self.by_mac = [0; INDEX];
        self.by_address = [0; INDEX];
        for number in 0..PEERS {
            let p = self.peers[number];
            let entry = if p.flags & peer::TUNNEL != 0 {
                &mut self.by_address[address_entry(seed, &p.address)]
            } else if is_neighbour(&p) {
                &mut self.by_mac[mac_entry(seed, mac_number(p.mac))]
            } else {
                continue;
            };
            if *entry != 0 {
                return false;
            }
            *entry = number as u8 + 1;
        }
        true
    }
}

fn is_neighbour(p: &Peer) -> bool {
    p.flags & (peer::TUNNEL | peer::SELF) == 0 && mac_number(p.mac) != 0
}

/// Packets and octets of one peer on one CPU: values of the map `PEERS`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCount {
    /// Sent to it, all octets of the frames.
    pub sent_packets: u64,
    pub sent_octets: u64,
    /// Its marked packets that were believed.
    pub received_packets: u64,
    pub received_octets: u64,
}
