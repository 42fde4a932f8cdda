//! `[cluster]`: how equal peers look after each other's mail. The same on all nodes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WithoutPeer {
    /// The mail is taken on this node alone, and counted as unshadowed.
    #[default]
    Accept,
    /// The client is told to come again (451).
    Defer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterSettings {
    /// Nodes that hold an accepted or quarantined mail, the one that accepted it included: 1 to 3. With 1 a mail that is not
    /// delivered yet is lost with its node.
    pub copies: usize,
    /// How long an answer of the node that is asked to hold a copy is waited for, before the next one is asked.
    pub copy_timeout: Span,
    /// What becomes of a mail while no live peer takes a copy. For five seconds after a start mail waits for peers that may come; a
    /// peer that was slow or full is tried with one mail at a time while there is no other.
    pub without_peer: WithoutPeer,
    /// How long nothing may be heard of a node until those that hold copies of its mails deliver them. After a longer cut a
    /// mail that was still queued may be delivered twice.
    pub takeover_after: Span,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self { copies: 2, copy_timeout: Span::seconds(2), without_peer: WithoutPeer::Accept, takeover_after: Span::minutes(5) }
    }
}
