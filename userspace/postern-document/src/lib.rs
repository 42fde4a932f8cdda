//! The configuration document of a cluster: shared settings, members, removals and logins, edited on any node at any time.
//!
//! What it is: one automerge document with its own rules on top. Every edit is a change with author, time and message;
//! documents that have met are equal; edits of different fields all survive; edits of one field that did not know of each other
//! are a conflict, decided in the same way everywhere and shown until somebody settles it. What it is not: there is no IO, no
//! clock and no task here. Octets and facts in, octets and facts out.
//!
//! Invariants: a document never takes anything of another cluster. A removed node stays removed. A message is taken whole or
//! not at all. Settings that this version does not know are kept. Only settings that the validator took are in force.
//!
//! Read first: [`document`], then [`plan`] (how an edit becomes the fewest writes), [`flat`] (how settings lie in the document),
//! [`local`] (whose setting is whose), [`sync`], [`last_good`].

pub mod conflict;
pub mod document;
pub mod flat;
pub mod history;
pub mod last_good;
pub mod local;
pub mod members;
pub mod path;
pub mod plan;
mod scalar;
pub mod shape;
pub mod sync;

pub use conflict::{Claim, Conflict};
pub use document::{Area, By, Change, ClusterId, Document, OpenError, VersionId, WriteError, Writer};
pub use history::{Difference, Version};
pub use last_good::{InForce, LastGood, OwnChangeError, Refused, Verdict};
pub use members::{Admin, Member, MemberError, Removal, Standing};
pub use plan::{Plan, PlanError};
pub use sync::{ReceiveError, Received, SyncSession};
