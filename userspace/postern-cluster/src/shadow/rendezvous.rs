//! Who holds copies of whose mails: each origin has its own order of peers, the same on every node.

use postern_model::node::NodeId;

/// The smaller, the earlier a peer is asked to hold copies of the origin's mails.
pub fn place(origin: NodeId, peer: NodeId) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&origin.0).update(&peer.0);
    *hasher.finalize().as_bytes()
}

/// The peers in the origin's order.
pub fn order(origin: NodeId, peers: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
    let mut peers: Vec<NodeId> = peers.into_iter().filter(|p| *p != origin).collect();
    peers.sort_by_cached_key(|peer| place(origin, *peer));
    peers
}
