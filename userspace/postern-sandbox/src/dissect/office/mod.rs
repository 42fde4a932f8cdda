//! Office documents: compound files, macros, and what the XML form refers to.

pub mod compound;
mod encrypted;
mod links;
pub mod packed;
mod powerpoint;
pub mod rtf;
pub mod values;
pub mod vba;
pub mod xlm;
pub mod xml;

use std::io::Cursor;
use std::time::Duration;

use postern_model::sandbox::Kind;

use crate::limits::Limits;

pub type Compound<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

pub fn is_opened(kind: Kind) -> bool {
    matches!(kind, Kind::Compound | Kind::Rtf)
}

/// What trying words on a job's documents may take.
pub fn time_for_words(limits: &Limits) -> Duration {
    encrypted::time(limits)
}
