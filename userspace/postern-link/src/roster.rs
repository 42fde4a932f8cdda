//! Who belongs to the cluster, as this node knows it: the only source of keys that are let in and of addresses that are dialed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use postern_model::node::{NodeId, NodeKey};

/// Members that a link connects to. Above it the roster is cut, by id, with a line in the log: one connection each is held.
pub const MOST_MEMBERS: usize = 256;

/// Addresses of one member that are dialed; further ones are not.
pub const MOST_ADDRESSES: usize = 8;

/// A member's key and where it can be reached; without an address it has to dial us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    pub key: NodeKey,
    pub addresses: Vec<SocketAddr>,
}

/// The members except ourselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(pub BTreeMap<NodeId, PeerAddress>);

impl Roster {
    /// The id of the member with this key; the whole key counts, not only the part that the id is made of.
    pub fn member(&self, key: NodeKey) -> Option<NodeId> {
        self.0.get(&key.id()).filter(|peer| peer.key == key).map(|_| key.id())
    }
}

impl FromIterator<(NodeKey, Vec<SocketAddr>)> for Roster {
    fn from_iter<T: IntoIterator<Item = (NodeKey, Vec<SocketAddr>)>>(peers: T) -> Self {
        Self(peers.into_iter().map(|(key, addresses)| (key.id(), PeerAddress { key, addresses })).collect())
    }
}
