//! The member list as the core sees it: who may speak, and whose rows may be passed on.

use std::collections::BTreeMap;

use super::origin::NodeId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Member,
    /// Removed for ever: nothing is taken from it. What others had from it stays and is passed on; since nobody takes
    /// more, that is the same everywhere in the end.
    Removed,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members(BTreeMap<NodeId, Standing>);

impl Members {
    /// None: never heard of. Its rows are not taken yet: the list that names it may be on its way.
    pub fn standing(&self, node: NodeId) -> Option<Standing> {
        self.0.get(&node).copied()
    }

    pub fn set(&mut self, node: NodeId, standing: Standing) {
        self.0.insert(node, standing);
    }

    pub fn may_speak(&self, node: NodeId) -> bool {
        self.standing(node) == Some(Standing::Member)
    }

    /// Nodes that take part.
    pub fn count(&self) -> usize {
        self.0.values().filter(|s| **s == Standing::Member).count()
    }
}

impl FromIterator<NodeId> for Members {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        Self(nodes.into_iter().map(|n| (n, Standing::Member)).collect())
    }
}
