//! Office documents: compound files, macros, what they ask other programs for, and what the forms in XML refer to.

mod active_mime;
pub mod compound;
mod dde;
mod encrypted;
mod fields;
mod flat;
mod links;
mod marks;
pub mod packed;
mod powerpoint;
mod records;
pub mod rtf;
mod sylk;
pub mod values;
pub mod vba;
mod xlm;
mod xml;

use std::io::Cursor;
use std::time::Duration;

use postern_model::sandbox::{FindingName, Kind};

use self::fields::Found;
use super::{Waiting, Walk, scripts};
use crate::limits::Limits;

pub type Compound<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

pub fn is_opened(kind: Kind) -> bool {
    matches!(kind, Kind::Compound | Kind::Rtf)
}

/// A file of a document in XML.
pub fn part(walk: &mut Walk<'_>, part: &Waiting, name: &str, content: &[u8]) {
    xml::check(walk, part, name, content);
    walk.kept.keep(part.number, name, content);
    tell(walk, part, xlm::part(name, content));
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("word/") && lower.ends_with(".xml") {
        tell(walk, part, fields::of_xml(content));
    } else if lower.starts_with("xl/externallinks/") && !lower.contains("/_rels/") {
        tell(walk, part, dde::of_link(&lower, content));
    }
}

/// A file of a document of OpenDocument, or of any other ZIP.
pub fn plain_part(walk: &mut Walk<'_>, part: &Waiting, name: &str, content: &[u8]) {
    if name == "content.xml" {
        tell(walk, part, dde::of_open_document(content));
    }
}

/// Texts that Office opens: tables, documents of one file; and what macros lie in beside such.
pub fn open_text(walk: &mut Walk<'_>, part: &Waiting) {
    match part.kind {
        _ if active_mime::is_one(&part.content) => active_mime::open(walk, part),
        Kind::Text if flat::is_one(&part.content) => flat::open(walk, part),
        Kind::Text => {
            if sylk::is_one(&part.content) {
                tell(walk, part, sylk::read(&part.content));
            }
            tell(walk, part, dde::of_text(&part.content));
        }
        _ => {}
    }
}

/// Findings of a document; what it starts is looked at as a command line.
fn tell(walk: &mut Walk<'_>, part: &Waiting, found: Found) {
    for (finding, evidence) in found {
        if finding == FindingName::Dde {
            scripts::command_line(walk, part, &evidence);
        }
        walk.find(finding, part.number, evidence);
    }
}

/// What trying words on a job's documents may take.
pub fn time_for_words(limits: &Limits) -> Duration {
    encrypted::time(limits)
}
