//! Office documents that are one file of XML: Word's and Excel's of 2003, and the ZIP of today with its parts as elements (`pkg:package`).

use data_encoding::BASE64_MIME_PERMISSIVE;
use postern_model::sandbox::FindingName;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::super::kind::find;
use super::super::{Waiting, Walk};
use super::fields::{self, Found};
use super::marks::{Mark, attribute, marks};
use super::{dde, tell};

const PACKAGE: &[u8] = b"schemas.microsoft.com/office/2006/xmlPackage";
const OF_2003: &[&[u8]] = &[b"schemas.microsoft.com/office/word/2003/wordml", b"urn:schemas-microsoft-com:office:spreadsheet"];
/// Of a text, what is looked at.
const START: usize = 4096;

pub fn is_one(content: &[u8]) -> bool {
    names(content, PACKAGE) || OF_2003.iter().any(|form| names(content, form))
}

/// Whether its beginning has the name of this form.
fn names(content: &[u8], form: &[u8]) -> bool {
    content.get(..START.min(content.len())).is_some_and(|start| find(start, form).is_some())
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    if names(&part.content, PACKAGE) {
        return package(walk, part);
    }
    tell(walk, part, fields::of_xml(&part.content));
    tell(walk, part, of_2003(&part.content));
    for (name, text) in objects(&part.content) {
        object(walk, part, &name, &text);
    }
}

/// Names and texts in base64 of what is enclosed.
fn objects(content: &[u8]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_object = false;
    marks(content, |mark| {
        match mark {
            Mark::Open(tag, "binData") => {
                is_object = true;
                found.push((attribute(tag, "name").unwrap_or_default(), String::new()));
            }
            Mark::Close("binData") => is_object = false,
            Mark::Text(more) if is_object => {
                if let Some((_, text)) = found.last_mut() {
                    text.push_str(more);
                }
            }
            _ => {}
        }
        true
    });
    found
}

fn object(walk: &mut Walk<'_>, part: &Waiting, name: &str, base64: &str) {
    let digits: Vec<u8> = base64.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let name = name.rsplit("://").next().unwrap_or(name).trim_start_matches('/');
    match BASE64_MIME_PERMISSIVE.decode(&digits) {
        Ok(content) => {
            let content = walk.unpack(part, name, content.as_slice(), digits.len() as u64);
            walk.add(Some(part), name, content);
        }
        Err(error) => walk.find(FindingName::Damaged, part.number, format!("{name}: {error}")),
    }
}

/// What Excel asks other programs for, in a list and in formulas; the template that Word loads.
fn of_2003(content: &[u8]) -> Found {
    let mut found = Found::new();
    let mut is_path = false;
    marks(content, |mark| {
        match mark {
            Mark::Open(_, "Path") => is_path = true,
            Mark::Close("Path") => is_path = false,
            Mark::Text(path) if is_path && path.contains('|') => found.push((FindingName::Dde, path.to_owned())),
            Mark::Open(tag, "Cell") => {
                let asked = attribute(tag, "Formula").map(|formula| dde::of_text(formula.as_bytes())).unwrap_or_default();
                found.extend(asked.into_iter().filter(|finding| !found.contains(finding)).collect::<Vec<_>>());
            }
            Mark::Open(tag, "attachedTemplate") => {
                let target = attribute(tag, "val").filter(|target| fields::is_elsewhere(target));
                found.extend(target.map(|target| (FindingName::ExternalTarget, format!("template: {target}"))));
            }
            _ => {}
        }
        found.len() < 64
    });
    found
}

/// The parts of a package: XML as it stands there, all else in base64.
fn package(walk: &mut Walk<'_>, part: &Waiting) {
    let mut reader = Reader::from_reader(part.content.as_slice());
    let (mut name, mut begin, mut base64) = (String::new(), 0, None::<String>);
    loop {
        let before = reader.buffer_position() as usize;
        match reader.read_event() {
            Ok(Event::Start(tag)) => match tag.local_name().as_ref() {
                "part" => name = attribute(&tag, "name").unwrap_or_default().trim_start_matches('/').to_owned(),
                "xmlData" => begin = reader.buffer_position() as usize,
                "binaryData" => base64 = Some(String::new()),
                _ => {}
            },
            Ok(Event::Text(text)) => {
                if let Some(base64) = &mut base64 {
                    base64.push_str(&text.xml10_content());
                }
            }
            Ok(Event::End(tag)) => match tag.local_name().as_ref() {
                "xmlData" => super::part(walk, part, &name, part.content.get(begin..before).unwrap_or_default()),
                "binaryData" => {
                    if let Some(base64) = base64.take() {
                        object(walk, part, &name, &base64);
                    }
                }
                _ => {}
            },
            Ok(Event::Eof) => return,
            Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
            Ok(_) => {}
        }
    }
}
