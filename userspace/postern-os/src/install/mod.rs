//! The installer: from the medium that this system was started from onto a disk.
//!
//! Pure: what is on a disk ([`contents`]), when it is refused ([`refusal`]), what is said ([`words`], [`dialogue`]), the answer file
//! ([`answers`]), and the [`plan`]. Thin: [`disks`] looks, [`write`] carries the plan out, [`session`] ties both to a console.
//!
//! What it must keep: nothing is written before the medium was found whole and the disk was permitted by name; a disk starts
//! something only after everything on it was read back; data that shall be kept are found by every later run, whenever this one ends.
//!
//! What it is not: an update. That writes the other slot of a running appliance, and touches neither table nor boot loader.

pub mod answers;
pub mod contents;
mod data_partition;
pub mod dialogue;
pub mod disks;
pub mod gpt;
pub mod layout;
pub mod medium;
pub mod plan;
pub mod refusal;
pub mod session;
pub mod turn;
pub mod volume;
pub mod words;
pub mod write;
