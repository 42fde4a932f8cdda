//! Which state of the document is in force: the last one that the validator took.
//!
//! A bad setting must not take down a fleet. It can come from a node of a later version, or from two edits that are good each
//! and contradict each other together. Such a state stays in the document (taking it out would be an edit that nobody made),
//! but what was in force stays in force, and everybody can see what is wrong and who wrote it, until a good state comes.

use postern_model::settings::Problem;
use postern_model::time::Timestamp;
use serde_json::Value;

use crate::document::{By, Change, Document, VersionId, WriteError};
use crate::history::Version;
use crate::plan::Plan;

/// Versions named in a refusal, the newest; a node that was away for a year does not list them all.
pub const MAX_SUSPECTS: usize = 50;

/// Says what is wrong with shared settings on this node.
pub type Validator<'v> = dyn Fn(&Value) -> Result<(), Vec<Problem>> + 'v;

/// The settings that the node runs with, and the state of the document that they are from.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    pub settings: Value,
    pub heads: Vec<VersionId>,
}

/// A state that is not in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub problems: Vec<Problem>,
    /// The versions since the last good state, the newest first: one of them did it.
    pub suspects: Vec<Version>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// What is in force was in force before.
    Same,
    /// There are new settings in force.
    Applied,
    /// The state of the document is not put in force.
    Refused,
}

#[derive(Debug, thiserror::Error)]
pub enum OwnChangeError {
    #[error("the change would make settings that cannot be used: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Keeps apart what is in the document and what is in force.
#[derive(Clone, Debug)]
pub struct LastGood {
    in_force: InForce,
    refused: Option<Refused>,
}

impl LastGood {
    /// Begins with what the node runs with: after a start that is its own file, rendered from `heads` when it last ran (none:
    /// it is not known).
    pub fn new(settings: Value, heads: Vec<VersionId>) -> Self {
        Self { in_force: InForce { settings, heads }, refused: None }
    }

    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// What is wrong with the document's present state, if it is not in force.
    pub fn refused(&self) -> Option<&Refused> {
        self.refused.as_ref()
    }

    /// Looks at the document after it has changed.
    pub fn look(&mut self, document: &Document, validator: &Validator<'_>, now: Timestamp) -> Verdict {
        let settings = document.settings();
        match validator(&settings) {
            Ok(()) => {
                self.refused = None;
                let same = settings == self.in_force.settings;
                self.in_force = InForce { settings, heads: document.heads() };
                if same { Verdict::Same } else { Verdict::Applied }
            }
            Err(problems) => {
                let suspects = document.since(&self.in_force.heads, MAX_SUSPECTS, now);
                self.refused = Some(Refused { problems, suspects });
                Verdict::Refused
            }
        }
    }

    /// Makes a change of this node's own, if what comes of it is good. A change that mends a refused state is one.
    ///
    /// # Errors
    /// Nothing was written.
    pub fn change(&mut self, document: &mut Document, plan: Plan, by: By<'_>, validator: &Validator<'_>) -> Result<Change, OwnChangeError> {
        validator(&document.preview(&plan)).map_err(OwnChangeError::Invalid)?;
        let change = document.carry_out(plan, by)?;
        self.look(document, validator, by.at);
        Ok(change)
    }
}
