//! With whom octets are exchanged on the UDP sockets: a table of bounded size, and the only way to an address.
//!
//! The QUIC engine does not know addresses. It knows numbers of places in this table, and what it sends to a number goes to
//! the address that stands there, if that address may be written to: it is a member's, or it wrote to us a moment ago. So
//! whatever the engine thinks of, and whatever a peer asks of it (paths to further addresses, for instance), no packet goes
//! to anybody else. The size is bounded as every packet's source would take memory for ever: sources are forged for free.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use iroh_base::CustomAddr;

/// Places. Members take at most 256 × 8 of them, the rest is for peers that come from elsewhere, and for strangers.
pub const PLACES: usize = 8192;

/// A source that was not heard of for so long may lose its place, and is not written to. A peer with a connection is heard
/// of every second.
pub const FRESH: Duration = Duration::from_secs(30);

/// How many places are looked at to find a stale one, for each packet from a new source: a flood costs so much each.
const LOOKS: usize = 16;

/// The number of our transport among iroh's; it is seen by nobody else.
const TRANSPORT: u64 = 0x706f_7374;

/// A place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(u32);

impl Place {
    pub fn to_custom(self) -> CustomAddr {
        CustomAddr::from_parts(TRANSPORT, &self.0.to_le_bytes())
    }

    pub fn from_custom(address: &CustomAddr) -> Option<Self> {
        let octets = address.data().try_into().ok()?;
        (address.id() == TRANSPORT).then(|| Self(u32::from_le_bytes(octets)))
    }

    /// The place of packets that are thrown away; nobody ever stands there.
    pub const NOBODY: Self = Self(u32::MAX);
}

struct Correspondent {
    address: SocketAddr,
    /// The socket that the address wrote to last.
    socket: Option<usize>,
    heard: Option<Instant>,
    /// A member's address: never evicted, always written to.
    named: bool,
}

impl Correspondent {
    fn is_fresh(&self, now: Instant) -> bool {
        self.heard.is_some_and(|heard| now.duration_since(heard) < FRESH)
    }
}

#[derive(Default)]
pub struct Correspondents {
    places: Vec<Correspondent>,
    by_address: HashMap<SocketAddr, u32>,
    /// Where the search for a stale place goes on.
    hand: usize,
}

impl Correspondents {
    /// A packet came from there; `None`: the table is full of others.
    pub fn heard(&mut self, address: SocketAddr, socket: usize, now: Instant) -> Option<Place> {
        let place = self.place(address, now)?;
        let at = &mut self.places[place.0 as usize];
        at.socket = Some(socket);
        at.heard = Some(now);
        Some(place)
    }

    /// The address and the socket that a packet for a place goes to; `None`: to nobody.
    pub fn route(&self, place: Place, now: Instant) -> Option<(SocketAddr, Option<usize>)> {
        let at = self.places.get(place.0 as usize)?;
        (at.named || at.is_fresh(now)).then_some((at.address, at.socket))
    }

    pub fn address(&self, place: Place) -> Option<SocketAddr> {
        self.places.get(place.0 as usize).map(|at| at.address)
    }

    /// Whether a member is said to be there.
    pub fn is_named(&self, place: Place) -> bool {
        self.places.get(place.0 as usize).is_some_and(|at| at.named)
    }

    /// These, and only these, are addresses of members from now on. Returns the places, in the same order.
    pub fn name(&mut self, addresses: &[SocketAddr], now: Instant) -> Vec<Place> {
        for at in &mut self.places {
            at.named = false;
        }
        let places = addresses.iter().map(|a| {
            let place = self.place(*a, now)?;
            self.places[place.0 as usize].named = true;
            Some(place)
        });
        places.flatten().collect()
    }

    /// The place of an address that was given one.
    pub fn place_of(&self, address: SocketAddr) -> Option<Place> {
        self.by_address.get(&address).copied().map(Place)
    }

    fn place(&mut self, address: SocketAddr, now: Instant) -> Option<Place> {
        if let Some(place) = self.by_address.get(&address) {
            return Some(Place(*place));
        }
        let new = Correspondent { address, socket: None, heard: None, named: false };
        let place = if self.places.len() < PLACES {
            self.places.push(new);
            self.places.len() - 1
        } else {
            let stale = (0..LOOKS).map(|i| (self.hand + i) % PLACES).find(|i| {
                let at = &self.places[*i];
                !at.named && !at.is_fresh(now)
            });
            self.hand = (stale.unwrap_or(self.hand + LOOKS - 1) + 1) % PLACES;
            let stale = stale?;
            self.by_address.remove(&self.places[stale].address);
            self.places[stale] = new;
            stale
        };
        let place = u32::try_from(place).ok()?;
        self.by_address.insert(address, place);
        Some(Place(place))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(n: u32) -> SocketAddr {
        SocketAddr::from((std::net::Ipv4Addr::from(n), 7425))
    }

    #[test]
    fn only_members_and_who_wrote_a_moment_ago_are_written_to() {
        let mut table = Correspondents::default();
        let start = Instant::now();
        let member = table.name(&[at(1)], start)[0];
        let stranger = table.heard(at(2), 3, start).unwrap();
        assert_eq!(table.route(member, start + FRESH * 9), Some((at(1), None)));
        assert_eq!(table.route(stranger, start + FRESH / 2), Some((at(2), Some(3))));
        assert_eq!(table.route(stranger, start + FRESH), None);
        assert_eq!(table.route(Place(77), start), None);
        assert_eq!(table.route(Place::NOBODY, start), None);
        // A member that left is a stranger.
        table.name(&[], start);
        assert_eq!(table.route(member, start), None);
        assert_eq!(Place::from_custom(&member.to_custom()), Some(member));
    }

    #[test]
    fn a_flood_of_forged_sources_takes_no_more_places_and_none_of_a_member() {
        let mut table = Correspondents::default();
        let start = Instant::now();
        let member = table.name(&[at(1)], start)[0];
        let peer = table.heard(at(2), 0, start).unwrap();
        let taken = (10..100_000).filter(|n| table.heard(at(*n), 0, start).is_some()).count();
        assert_eq!(taken, PLACES - 2);
        assert_eq!(table.by_address.len(), PLACES);
        assert_eq!(table.heard(at(2), 0, start + FRESH / 2), Some(peer), "who is there stays");
        // The flood goes on later: it takes places of the first flood, and not of those who speak.
        let later = start + FRESH;
        for n in 200_000..300_000 {
            table.heard(at(n), 0, later);
        }
        assert_eq!(table.by_address.len(), PLACES);
        assert_eq!(table.address(member), Some(at(1)));
        assert_eq!(table.address(peer), Some(at(2)));
        assert_eq!(table.places.len(), PLACES);
    }
}
