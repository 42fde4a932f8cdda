//! What the core asks of its shell: work for the store, news for the application.

use std::collections::BTreeMap;

pub use postern_store::ledger::step::{More, Page, Step};

use super::fact::Fact;
use super::origin::{Head, History, Life, NodeId, Origin};
use super::row::Bucket;

/// Carry these out in order. Commits one after the other; reads may run beside them, each as one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// All steps or none, durable before [`Done::Committed`] is said.
    Commit { id: u64, steps: Vec<Step> },
    /// Visible rows of `origin` with `seq > after`, ascending, up to these bounds (one row at least).
    Read { id: u64, origin: Origin, after: u64, rows: usize, octets: usize },
    /// Own rows up to this number are durable.
    Saved { seq: u64 },
    /// Own rows from..=to could not be stored. They were told to nobody.
    NotSaved { from: u64, to: u64 },
    /// These are stored. Applying one twice must change nothing.
    Applied { origin: Origin, facts: Vec<Applied> },
    /// A long delta is stored: read `seq > after` of this origin from the store and apply it.
    Adopted { origin: Origin, after: u64 },
    /// Forget what was applied of this origin, and read it again from the store.
    Reread { origin: Origin },
    /// The peers know rows of our own origin that we do not: this node was restored from a backup, or lost its last commits.
    /// The shell draws 64 random bits and calls [`super::machine::Ledger::re_origin`].
    Overtaken { by: NodeId },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    pub seq: u64,
    pub at: postern_model::time::Timestamp,
    pub bucket: Bucket,
    pub fact: Fact,
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    Committed {
        id: u64,
    },
    /// Nothing of it was kept (full disk, damaged database).
    Failed {
        id: u64,
    },
    Read {
        id: u64,
        page: Page,
    },
    /// A read that did not succeed. The peer asks again.
    NotRead {
        id: u64,
    },
}

/// What the store holds when the node starts. Staged rows are forgotten before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// `None`: a new store. The node takes a new incarnation.
    pub own: Option<Origin>,
    pub heads: BTreeMap<Origin, (Head, History)>,
    /// From the rows of kind void-lives, by the origin they speak of.
    pub voids: BTreeMap<Origin, Vec<Life>>,
}
