//! What people and programs are shown of the cluster; the names are those of the API.

use std::net::SocketAddr;

use postern_model::node::{NodeId, NodeKey};
use postern_model::settings::Problem;
use postern_model::time::Timestamp;
use serde::Serialize;

/// The cluster as this node sees it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClusterView {
    /// False: this node is in no cluster, and everything else is empty.
    pub member: bool,
    /// 32 hexadecimal digits.
    pub id: String,
    pub name: String,
    /// This node.
    pub node: Option<NodeId>,
    pub members: Vec<MemberView>,
    pub removed: Vec<RemovedView>,
    /// Settings that were set on two nodes at the same time.
    pub conflicts: usize,
    /// Shared settings that a later version set and this node's does not know: kept and passed on, not in force here.
    pub unknown_settings: Vec<String>,
    /// The shared settings cannot be used as they are now; the last good ones are in force.
    pub refused: Option<RefusedView>,
    pub copies: CopiesView,
    pub ledger: LedgerView,
    /// What was refused at the cluster's port since the start, by reason.
    pub refusals: Vec<CountView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct MemberView {
    pub id: NodeId,
    pub key: NodeKey,
    pub name: String,
    pub addresses: Vec<SocketAddr>,
    /// It is the node that answers.
    pub this: bool,
    pub connected: bool,
    /// Why it is not connected, when that is known.
    pub trouble: Option<String>,
    pub joined: Timestamp,
    pub joined_by: String,
    /// The address in use.
    pub address: Option<SocketAddr>,
    pub round_trip_ms: Option<f64>,
    /// `serving`, `draining`, `drained`, or `unknown` when it was not heard of lately.
    pub duty: String,
    /// Version of its software.
    pub version: String,
    /// Version of the protocol that is spoken with it; none while it is not connected.
    pub protocol: Option<u16>,
    /// When it last said how it is.
    pub heard: Option<Timestamp>,
    /// How far its clock is ahead of this node's, by what it said last; none when it was not heard of lately.
    pub clock_ahead_ms: Option<i64>,
    pub queued: u64,
    /// Octets free where its spool lies.
    pub free: u64,
    /// What is wrong there, as names.
    pub problems: Vec<String>,
    /// Rows of its ledger that we know of and do not have yet.
    pub behind: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct RemovedView {
    pub key: NodeKey,
    pub name: String,
    pub at: Timestamp,
    pub by: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct RefusedView {
    pub problems: Vec<Problem>,
    /// Who wrote it.
    pub author: String,
    /// On which node.
    pub node: Option<NodeId>,
    pub at: Timestamp,
}

/// Copies of mails, since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CopiesView {
    /// Mails accepted with a copy on a peer.
    pub shadowed: u64,
    /// Mails accepted on this node alone.
    pub unshadowed: u64,
    /// Mails put off because no peer took a copy.
    pub deferred: u64,
    /// Open mails of this node that have fewer copies than they should, now.
    pub lacking: u64,
    /// Mails of others that this node holds now.
    pub held: u64,
    /// Mails taken over from nodes that were gone or drained.
    pub taken_over: u64,
    /// Mails of this node that others took over.
    pub given_away: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct LedgerView {
    pub rows: u64,
    pub origins: usize,
    /// Odd things peers did, by name, when any.
    pub oddities: Vec<CountView>,
}

#[derive(Clone, Debug, Serialize)]
pub struct CountView {
    pub name: String,
    pub count: u64,
}

/// An invitation that may still be used.
#[derive(Clone, Debug, Serialize)]
pub struct InvitationView {
    pub id: String,
    pub issued: Timestamp,
    pub expires: Timestamp,
}

#[derive(Clone, Debug, Serialize)]
pub struct NewInvitation {
    /// To be given to `postern cluster join` on the new node. It is shown once.
    pub token: String,
    pub expires: Timestamp,
}

/// One change of the shared settings or of the members.
#[derive(Clone, Debug, Serialize)]
pub struct VersionView {
    /// Hexadecimal.
    pub hash: String,
    pub at: Timestamp,
    pub author: String,
    pub message: String,
    /// The node it was made on.
    pub node: Option<NodeId>,
}

#[derive(Clone, Debug, Serialize)]
pub struct DifferenceView {
    pub path: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ConflictView {
    pub path: String,
    /// The one in force comes first.
    pub values: Vec<ConflictingValue>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ConflictingValue {
    pub value: serde_json::Value,
    pub author: String,
    pub at: Timestamp,
    pub node: Option<NodeId>,
}
