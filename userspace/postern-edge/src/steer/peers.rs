//! From the plan and what the kernel knows of the neighbours to the ring of the maps. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use postern_ebpf_abi::steer::ring::{NOBODY, Peer, Ring, Router, Slot as MapSlot, flag, peer};
use postern_model::node::NodeId;
use postern_model::settings::edge::SteerBy;
use postern_model::steering::{MOST_MEMBERS, SteerMember, SteerMemberStatus, SteerPlan, SteerState};

use super::ring::{self, Seat};
use super::wire::{Link, Mac, Way};
use crate::kernel::steer::{address_of, empty_ring};

/// Numbers of members in the maps: each keeps its own as long as it is a member, since connections are remembered by it.
#[derive(Debug, Default)]
pub struct Numbers(BTreeMap<NodeId, u16>);

impl Numbers {
    /// Gives every member a number, those of others are free again. Members beyond [`MOST_MEMBERS`], by id, get none.
    pub fn assign(&mut self, members: &[SteerMember]) {
        self.0.retain(|node, _| members.iter().any(|m| m.node == *node));
        let mut sorted: Vec<NodeId> = members.iter().map(|m| m.node).collect();
        sorted.sort_unstable();
        for node in sorted {
            let free = (0..MOST_MEMBERS as u16).find(|n| !self.0.values().any(|taken| taken == n));
            if let (false, Some(number)) = (self.0.contains_key(&node), free) {
                self.0.insert(node, number);
            }
        }
    }

    pub fn of(&self, node: NodeId) -> Option<u16> {
        self.0.get(&node).copied()
    }
}

/// What the kernel said of the members' addresses.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// By the address that was asked for; those without a route are missing.
    pub ways: HashMap<IpAddr, Way>,
    pub neighbours: HashMap<(u32, IpAddr), Mac>,
    /// Of IPv4 and IPv6.
    pub routers: [Option<Way>; 2],
}

/// A ring that can be put in force, and what it is made of.
pub struct Resolved {
    pub ring: Box<Ring>,
    pub members: Vec<SteerMemberStatus>,
    /// Own addresses where tunnels of peers end.
    pub outer: Vec<IpAddr>,
    /// Members on the segment, by MAC address.
    pub neighbours: HashMap<Mac, NodeId>,
    /// Neighbours that are to be asked for: their MAC address is missing, or it may have changed.
    pub ask: Vec<(u32, IpAddr)>,
}

/// How a member is reached.
struct Reached {
    peer: Peer,
    way: &'static str,
    mac: Option<Mac>,
    own: Option<IpAddr>,
    ask: Vec<(u32, IpAddr)>,
    trouble: Option<String>,
}

/// `slots` were planned from the plan's members in their order.
pub fn resolve(plan: &SteerPlan, slots: &[ring::Slot], version: u64, link: &Link, around: &Surroundings, numbers: &Numbers) -> Resolved {
    let mut ring = empty_ring();
    ring.version = version;
    let half = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| plan.seed[at + i]));
    ring.seed = [half(0), half(8)];
    ring.flags = if plan.by == SteerBy::Connection { flag::PORTS } else { 0 };
    for (to, way) in ring.routers.iter_mut().zip(around.routers) {
        // An answer to a client that a peer sent us goes by the router, when it is on the segment.
        let mac = way.filter(|w| w.interface == link.index).and_then(|w| around.neighbours.get(&(w.interface, w.gateway?)));
        *to = mac.map_or(Router::default(), |mac| Router { interface: link.index, mac: *mac, own_mac: link.mac });
    }
    let by_position: Vec<u16> = plan.members.iter().map(|m| numbers.of(m.node).unwrap_or(NOBODY)).collect();
    let number = |position: Option<u16>| position.and_then(|p| by_position.get(usize::from(p)).copied()).unwrap_or(NOBODY);
    for (to, from) in ring.slots.iter_mut().zip(slots) {
        *to = MapSlot { primary: number(from.primary), secondary: number(from.secondary) };
    }
    let shares = ring::shares(slots, plan.members.len());
    let mut resolved = Resolved { ring, members: Vec::new(), outer: Vec::new(), neighbours: HashMap::new(), ask: Vec::new() };
    for (member, share) in plan.members.iter().zip(shares) {
        let mut reached = reach(member, link, around);
        match numbers.of(member.node) {
            Some(number) => resolved.ring.peers[usize::from(number)] = reached.peer,
            None => reached.trouble = Some(format!("more than {MOST_MEMBERS} members: this one gets nothing")),
        }
        resolved.ask.extend(reached.ask);
        resolved.neighbours.extend(reached.mac.filter(|_| reached.way == "segment").map(|mac| (mac, member.node)));
        resolved.outer.extend(reached.own.filter(|_| reached.peer.is(peer::TUNNEL)));
        resolved.members.push(SteerMemberStatus {
            node: member.node,
            number: numbers.of(member.node),
            name: member.name.clone(),
            this: member.this,
            state: member.state,
            weight: member.weight,
            share,
            way: reached.way.into(),
            mac: reached.mac.map(mac_text),
            trouble: reached.trouble,
            sent: 0,
            sent_octets: 0,
            received: 0,
        });
    }
    resolved.outer.sort_unstable();
    resolved.outer.dedup();
    resolved
}

pub fn seats(plan: &SteerPlan) -> Vec<Seat> {
    plan.members.iter().map(|m| Seat { node: m.node, state: m.state, weight: m.weight }).collect()
}

fn reach(member: &SteerMember, link: &Link, around: &Surroundings) -> Reached {
    let unreachable =
        |why: String| Reached { peer: Peer::default(), way: "unreachable", mac: None, own: None, ask: Vec::new(), trouble: Some(why) };
    if member.this {
        let peer = Peer { flags: peer::SELF, ..Peer::default() };
        return Reached { peer, way: "local", mac: None, own: None, ask: Vec::new(), trouble: None };
    }
    let hop_of = |address: IpAddr, way: &Way| way.gateway.unwrap_or(address);
    let here: Vec<(IpAddr, &Way, Option<Mac>)> = member
        .addresses
        .iter()
        .filter_map(|a| around.ways.get(a).map(|w| (*a, w)))
        .filter(|(_, w)| w.interface == link.index)
        .map(|(a, w)| (a, w, around.neighbours.get(&(w.interface, hop_of(a, w))).copied()))
        .collect();
    // One that answers, and on the segment if possible; else the first.
    let best = here.iter().min_by_key(|(_, way, mac)| (mac.is_none(), way.gateway.is_some()));
    let Some((address, way, mac)) = best.copied() else {
        let elsewhere = member.addresses.iter().find(|a| around.ways.get(a).is_some_and(|w| w.interface != 0));
        return unreachable(match (member.addresses.is_empty(), elsewhere) {
            (true, _) => "it has not said yet where it can be reached".into(),
            (_, Some(address)) => format!("{address} is reached by another interface: set edge.steering.interface"),
            (_, None) => format!("no route to {}", list(&member.addresses)),
        });
    };
    let hop = hop_of(address, way);
    let ask = here.iter().map(|(a, w, _)| (w.interface, hop_of(*a, w))).collect();
    let is_tunnel = way.gateway.is_some();
    let Some(own) = way.own.filter(|o| o.is_ipv4() == address.is_ipv4()) else {
        return unreachable(format!("no own address to reach {address} from"));
    };
    let mut flags = if is_tunnel { peer::TUNNEL } else { 0 };
    if mac.is_some() && member.state != SteerState::Lost {
        flags |= peer::USABLE;
    }
    let peer = Peer {
        address: if is_tunnel { address_of(address) } else { Default::default() },
        own: if is_tunnel { address_of(own) } else { Default::default() },
        flags,
        interface: way.interface,
        mtu: link.mtu,
        mac: mac.unwrap_or_default(),
        own_mac: link.mac,
        ..Peer::default()
    };
    let trouble = mac.is_none().then(|| format!("{hop} does not answer to {}", if hop.is_ipv4() { "ARP" } else { "neighbour discovery" }));
    Reached { peer, way: if is_tunnel { "tunnel" } else { "segment" }, mac, own: Some(own), ask, trouble }
}

pub fn mac_text(mac: Mac) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use postern_model::steering::VirtualAddress;

    use super::*;

    const LINK: Link = Link { index: 7, mac: [2, 0, 0, 0, 0, 1], mtu: 1500 };

    fn member(n: u8, state: SteerState, addresses: &[&str]) -> SteerMember {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        SteerMember { node: NodeId([n; 16]), name: format!("node{n}"), this: n == 1, addresses, state, weight: 100 }
    }

    fn plan(members: Vec<SteerMember>) -> SteerPlan {
        let addresses = vec![VirtualAddress { address: "198.51.100.250".parse().unwrap(), owned: true }];
        SteerPlan { addresses, by: SteerBy::Source, seed: std::array::from_fn(|i| i as u8), members }
    }

    /// address, interface, gateway, own, MAC address of the next hop
    fn around(table: &[(&str, u32, &str, &str, Option<u8>)]) -> Surroundings {
        let mut around = Surroundings::default();
        for (address, interface, gateway, own, mac) in table {
            let way = Way { interface: *interface, gateway: gateway.parse().ok(), own: own.parse().ok() };
            around.ways.insert(address.parse().unwrap(), way);
            if let Some(mac) = mac {
                let hop = way.gateway.unwrap_or(address.parse().unwrap());
                around.neighbours.insert((*interface, hop), [2, 0, 0, 0, 1, *mac]);
            }
        }
        around
    }

    fn resolved(plan: &SteerPlan, around: &Surroundings, numbers: &Numbers) -> Resolved {
        resolve(plan, &ring::plan(plan.seed, &seats(plan)), 1, &LINK, around, numbers)
    }

    #[test]
    fn each_member_is_reached_as_it_can_be() {
        let ready = SteerState::Ready;
        let plan = plan(vec![
            member(1, ready, &["198.51.100.1"]),
            member(2, ready, &["198.51.100.2", "2001:db8::2"]),
            member(3, ready, &["203.0.113.3"]),
            member(4, ready, &["198.51.100.4"]),
            member(5, SteerState::Lost, &["198.51.100.5"]),
            member(6, ready, &["192.0.2.6"]),
            member(7, ready, &[]),
            // By the gateway in one family and on the segment in the other: the segment.
            member(8, ready, &["203.0.113.8", "2001:db8::8"]),
            member(9, ready, &["203.0.113.9"]),
            member(10, ready, &["198.51.100.10", "2001:db8:1::10"]),
        ]);
        let around = around(&[
            ("198.51.100.2", 7, "", "198.51.100.1", Some(2)),
            ("203.0.113.3", 7, "198.51.100.254", "198.51.100.1", Some(254)),
            ("198.51.100.4", 7, "", "198.51.100.1", None),
            ("198.51.100.5", 7, "", "198.51.100.1", Some(5)),
            ("203.0.113.8", 7, "198.51.100.254", "198.51.100.1", Some(254)),
            ("2001:db8::8", 7, "", "2001:db8::1", Some(8)),
            ("203.0.113.9", 3, "", "203.0.113.1", Some(9)),
            // The segment does not answer, the router does.
            ("198.51.100.10", 7, "", "198.51.100.1", None),
            ("2001:db8:1::10", 7, "2001:db8::fe", "2001:db8::1", Some(253)),
        ]);
        let mut numbers = Numbers::default();
        numbers.assign(&plan.members);
        let resolved = resolved(&plan, &around, &numbers);
        let found: Vec<_> = resolved
            .members
            .iter()
            .map(|m| {
                let peer = &resolved.ring.peers[usize::from(m.number.unwrap())];
                (m.way.as_str(), peer.flags, peer.mac[5], m.trouble.as_deref().unwrap_or(""))
            })
            .collect();
        assert_eq!(
            found,
            [
                ("local", peer::SELF, 0, ""),
                ("segment", peer::USABLE, 2, ""),
                ("tunnel", peer::USABLE | peer::TUNNEL, 254, ""),
                ("segment", 0, 0, "198.51.100.4 does not answer to ARP"),
                ("segment", 0, 5, ""),
                ("unreachable", 0, 0, "no route to 192.0.2.6"),
                ("unreachable", 0, 0, "it has not said yet where it can be reached"),
                ("segment", peer::USABLE, 8, ""),
                ("unreachable", 0, 0, "203.0.113.9 is reached by another interface: set edge.steering.interface"),
                ("tunnel", peer::USABLE | peer::TUNNEL, 253, ""),
            ]
        );
        assert_eq!(resolved.outer, ["198.51.100.1", "2001:db8::1"].map(|a| a.parse::<IpAddr>().unwrap()));
        assert!(resolved.ring.slots.iter().all(|s| s.primary != NOBODY && s.secondary != NOBODY));
        assert_eq!(resolved.ring.seed, [0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f]);
    }

    #[test]
    fn a_member_keeps_its_number_and_a_free_one_is_used_again() {
        let all = |nodes: &[u8]| nodes.iter().map(|n| member(*n, SteerState::Ready, &[])).collect::<Vec<_>>();
        let mut numbers = Numbers::default();
        numbers.assign(&all(&[1, 2, 3]));
        assert_eq!([1, 2, 3].map(|n| numbers.of(NodeId([n; 16]))), [Some(0), Some(1), Some(2)]);
        numbers.assign(&all(&[3, 1, 9]));
        assert_eq!([1, 9, 3].map(|n| numbers.of(NodeId([n; 16]))), [Some(0), Some(1), Some(2)]);
        let crowd: Vec<u8> = (1..=70).collect();
        numbers.assign(&all(&crowd));
        assert_eq!((numbers.of(NodeId([1; 16])), numbers.of(NodeId([70; 16]))), (Some(0), None));
    }
}
