//! Who serves the virtual addresses: what node tells edge, and what edge says it made of it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::node::NodeId;
use crate::settings::edge::SteerBy;

/// Nodes of one ring at most: places in the kernel's table of peers.
pub const MOST_MEMBERS: usize = 64;

/// How a node stands towards new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SteerState {
    /// Gets its share.
    Ready,
    /// Gets no new connection; those it has go on.
    Draining,
    /// Nothing is heard of it. Its connections are still sent to it, in case that only we do not hear.
    Silent,
    /// Silent for so long that nobody waits for it any more: its clients are told by a reset.
    Lost,
}

impl SteerState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Lost => "lost",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteerMember {
    pub node: NodeId,
    /// For people.
    pub name: String,
    /// It is the node that says this.
    pub this: bool,
    /// Its own addresses on the interface where peers meet, not virtual ones.
    pub addresses: Vec<IpAddr>,
    pub state: SteerState,
    /// Beside the others' weights; grows while it comes back.
    pub weight: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualAddress {
    pub address: IpAddr,
    /// This node answers ARP and neighbour solicitations for it: packets from outside come in here.
    pub owned: bool,
}

/// The whole of it; edge forgets the plan before. Told again every second, so that an edge whose node died gives its addresses up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SteerPlan {
    pub addresses: Vec<VirtualAddress>,
    pub by: SteerBy,
    /// The same on all nodes: the cluster's id.
    pub seed: [u8; 16],
    /// By id; this node is one of them.
    pub members: Vec<SteerMember>,
}

impl SteerPlan {
    /// Nodes with the same digest have the same ring. Which node owns an address is no part of it.
    pub fn digest(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed).update(&[self.by as u8]);
        let mut addresses: Vec<String> = self.addresses.iter().map(|a| a.address.to_string()).collect();
        addresses.sort_unstable();
        addresses.iter().for_each(|a| _ = hasher.update(a.as_bytes()).update(b"\n"));
        let mut members: Vec<&SteerMember> = self.members.iter().collect();
        members.sort_unstable_by_key(|m| m.node);
        for m in members {
            // A silent and a lost node have the same places.
            hasher.update(&m.node.0).update(&[m.state.min(SteerState::Silent) as u8]).update(&m.weight.to_le_bytes());
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

/// Who of some nodes answers for an address: by the address, so that several addresses come in at several nodes.
pub fn owner(address: IpAddr, of: impl IntoIterator<Item = NodeId>) -> Option<NodeId> {
    let draw = |node: &NodeId| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"postern owner").update(address.to_string().as_bytes()).update(&node.0);
        *hasher.finalize().as_bytes()
    };
    of.into_iter().max_by_key(draw)
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SteeringStatus {
    /// Of the plan in force, 16 hexadecimal digits; nodes that show the same have the same ring.
    pub digest: String,
    /// The node has not repeated its plan in time: this node owns no address until it does.
    pub stale: bool,
    pub interface: String,
    /// Why it is not as it should be.
    pub trouble: Option<String>,
    /// Octets of a TCP segment that fits into the tunnels of peers, where there are any.
    #[serde(default)]
    pub segments: Option<u32>,
    pub addresses: Vec<VirtualAddressStatus>,
    pub members: Vec<SteerMemberStatus>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VirtualAddressStatus {
    pub address: IpAddr,
    pub owned: bool,
    /// Announcements of it by others while we owned it.
    pub conflicts: u64,
    /// Who announced it last, as a MAC address.
    pub rival: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SteerMemberStatus {
    pub node: NodeId,
    /// In this node's maps.
    pub number: Option<u16>,
    pub name: String,
    pub this: bool,
    pub state: SteerState,
    pub weight: u32,
    /// Of the ring's places, 0 to 1: new connections that go to it.
    pub share: f64,
    /// `local`, `segment` (by its MAC address), `tunnel` (IP in IP), or `unreachable`.
    pub way: String,
    /// The next hop's MAC address.
    pub mac: Option<String>,
    pub trouble: Option<String>,
    /// Packets and octets steered to it from here, and packets it steered to us, since the maps were made.
    pub sent: u64,
    pub sent_octets: u64,
    pub received: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_rings_have_equal_digests_and_others_do_not() {
        let member = |n: u8, state, weight| SteerMember {
            node: NodeId([n; 16]),
            name: String::new(),
            this: n == 1,
            addresses: Vec::new(),
            state,
            weight,
        };
        let plan = |members: Vec<SteerMember>, owned| SteerPlan {
            addresses: vec![VirtualAddress { address: "198.51.100.250".parse().unwrap(), owned }],
            by: SteerBy::Source,
            seed: [7; 16],
            members,
        };
        let (ready, silent) = (SteerState::Ready, SteerState::Silent);
        let one = plan(vec![member(1, ready, 100), member(2, silent, 100)], true);
        let mut other_view = plan(vec![member(2, SteerState::Lost, 100), member(1, ready, 100)], false);
        other_view.members.iter_mut().for_each(|m| m.this = !m.this);
        assert_eq!(one.digest(), other_view.digest());
        for other in [
            plan(vec![member(1, ready, 100)], true),
            plan(vec![member(1, ready, 100), member(2, silent, 90)], true),
            plan(vec![member(1, ready, 100), member(2, SteerState::Draining, 100)], true),
        ] {
            assert_ne!(one.digest(), other.digest());
        }
    }
}
