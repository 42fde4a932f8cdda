//! Office documents: compound files, macros, and what the XML form refers to.

pub mod compound;
mod links;
pub mod packed;
mod powerpoint;
pub mod rtf;
pub mod values;
pub mod vba;
pub mod xlm;
pub mod xml;

use std::io::Cursor;

use postern_model::sandbox::Kind;

pub type Compound<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

pub fn is_opened(kind: Kind) -> bool {
    matches!(kind, Kind::Compound | Kind::Rtf)
}
