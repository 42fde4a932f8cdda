//! The verdict on one mail for one recipient.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;
use crate::score::Score;
use crate::symbol::Hit;

/// What is done with a mail, from the mildest to the hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Delivered as it came, with our headers.
    Accept,
    /// Delivered with a mark in the subject or a header.
    Tag,
    /// Answered with 250, delivered or kept when the sandbox has looked at its attachments.
    Hold,
    /// Answered with 250, kept here until somebody releases or deletes it.
    Quarantine,
    /// Answered with 4xx: the sender tries again.
    Defer,
    /// Answered with 5xx.
    Reject,
    /// Answered with 250 and dropped: only where an admin's rule says so.
    Discard,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Tag => "tag",
            Self::Hold => "hold",
            Self::Quarantine => "quarantine",
            Self::Defer => "defer",
            Self::Reject => "reject",
            Self::Discard => "discard",
        }
    }
}

/// The judgement with everything that led to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub action: Action,
    /// The one reason that decided (threshold reached, virus, policy of the sender's domain, …).
    pub reason: Reason,
    /// Sum of the hits after the caps of their groups.
    pub score: Score,
    /// All symbols that fired, heaviest first.
    pub hits: Vec<Hit>,
}
