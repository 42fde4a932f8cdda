//! What the replication core asks of the store, and pages it reads.

use super::origin::{Head, History, Origin};
use super::row::{Bucket, Row};

/// A change to the store.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Keep each unless a row of the same `(origin, kind, key)` has a higher `seq`.
    Put {
        origin: Origin,
        rows: Vec<Row>,
    },
    /// Keep apart: not visible, not applied.
    Stage {
        origin: Origin,
        rows: Vec<Row>,
    },
    /// What is staged of this origin becomes visible, as by [`Step::Put`].
    Promote {
        origin: Origin,
    },
    /// Forget what is staged of this origin.
    Discard {
        origin: Origin,
    },
    Head {
        origin: Origin,
        head: Head,
        history: History,
    },
    /// This is our own origin from now on.
    Own {
        origin: Origin,
    },
    /// Visible rows of `from` become rows of `to`.
    Move {
        from: Origin,
        to: Origin,
    },
    /// Forget visible rows.
    Forget {
        origin: Origin,
    },
    /// Forget all rows, visible or staged, whose bucket is over.
    Expire {
        now: Bucket,
    },
}

/// Rows, and the head of their origin, from one snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub rows: Vec<Row>,
    pub more: More,
    pub head: Head,
    pub history: History,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum More {
    #[default]
    Nothing,
    Follows,
}
