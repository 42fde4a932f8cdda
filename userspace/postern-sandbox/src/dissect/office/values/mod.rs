//! What a document holds beside its macros, read when there are macros that may ask for it ([`Document`]).

mod binary;
pub mod forms;
mod properties;
mod word;
mod workbook;
mod xml;

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use cfb::CompoundFile;
use postern_model::sandbox::Kind;

pub use self::workbook::letters;
use crate::detonate::document::{Document, TEXT_MOST};
use crate::dissect::Walk;

/// Octets that are kept of the files of all documents of a job until it is known whether macros are there.
const KEPT: usize = 32 << 20;
/// And of one file.
const FILE: usize = 8 << 20;
/// Streams of properties (MS-OLEPS 3.1).
const PROPERTIES: [&str; 2] = ["\u{5}SummaryInformation", "\u{5}DocumentSummaryInformation"];

/// Files of documents in XML, by the number of the document's part.
#[derive(Default)]
pub struct Kept {
    files: HashMap<u32, Vec<(String, Vec<u8>)>>,
    octets: usize,
}

impl Kept {
    pub fn keep(&mut self, document: u32, name: &str, content: &[u8]) {
        if xml::is_read(name) && content.len() <= FILE && self.octets + content.len() <= KEPT {
            self.octets += content.len();
            self.files.entry(document).or_default().push((name.to_owned(), content.to_vec()));
        }
    }
}

/// Of the document that the macros of a part lie in.
pub fn of(walk: &Walk<'_>, part: u32) -> Document {
    let outer = walk.report.parts.get(part as usize).and_then(|part| part.inside);
    let outer = outer.filter(|outer| walk.report.parts.get(*outer as usize).is_some_and(|p| p.kind == Kind::OfficeXml));
    outer.and_then(|outer| walk.kept.files.get(&outer)).map(|files| xml::read(files)).unwrap_or_default()
}

type Compound<'a> = CompoundFile<Cursor<&'a [u8]>>;

/// Of a compound file itself: its forms, and in the old form all else.
pub fn of_compound(file: &mut Compound<'_>, code_page: u16) -> Document {
    let mut document = Document { forms: forms::read(file, code_page), ..Document::default() };
    for name in PROPERTIES {
        if let Some(octets) = stream(file, Path::new(name)) {
            properties::read(&octets, &mut document);
        }
    }
    for name in ["Workbook", "Book"] {
        if let Some(octets) = stream(file, Path::new(name)) {
            workbook::read(&octets, &mut document);
            break;
        }
    }
    if let Some(octets) = stream(file, Path::new("WordDocument")) {
        let table = word::table(&octets).and_then(|name| stream(file, Path::new(name)));
        word::read(&octets, &table.unwrap_or_default(), &mut document);
    }
    document
}

/// A stream, as far as it is looked at.
fn stream(file: &mut Compound<'_>, path: &Path) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    file.open_stream(path).ok()?.take(FILE as u64).read_to_end(&mut octets).ok()?;
    Some(octets)
}

/// What all texts may have together.
struct Room(usize);

impl Room {
    fn new() -> Self {
        Self(TEXT_MOST)
    }

    /// The text, when there is a place for it.
    fn take(&mut self, text: String) -> Option<String> {
        self.0 = self.0.checked_sub(text.len())?;
        Some(text)
    }
}
