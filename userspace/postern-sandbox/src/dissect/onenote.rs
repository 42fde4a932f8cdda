//! OneNote (MS-ONESTORE): the files that lie in a section. Its pages are not read: what is opened by a click is here.

use postern_model::sandbox::{FindingName, Kind};

use super::kind::{self, find};
use super::{Waiting, Walk};

/// Begins a file (MS-ONESTORE 2.6.13, `guidHeader`): {BDE316E7-2665-4511-A4C4-8D4D0B7A9EAC}.
const HEADER: &[u8; 16] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
/// Behind it: the length in eight octets, twelve that are not used.
const BEFORE_FILE: usize = 20;
const FILES: usize = 500;
/// Names are texts in UTF-16 somewhere in the section; so long at the most.
const NAME_MOST: usize = 128;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let octets = part.content.as_slice();
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(header) = octets.get(at..).and_then(|rest| find(rest, HEADER)) {
        let begin = at + header + HEADER.len();
        let Some(Ok(length)) = octets.get(begin..begin + 8).map(<[u8; 8]>::try_from) else { break };
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        let data = octets.get(begin + BEFORE_FILE..).unwrap_or_default();
        if length > data.len() {
            walk.find(FindingName::Damaged, part.number, "a file in it is longer than the section");
        }
        if files.len() >= FILES {
            break;
        }
        let data = &data[..length.min(data.len())];
        at = begin + BEFORE_FILE + data.len();
        files.push(data);
    }
    // Which file has which name only its pages tell. When there are as many names as files that are no pictures, they are in order.
    let is_picture = |data: &[u8]| kind::of(data) == Kind::Image;
    let names = names(octets);
    let others = files.iter().filter(|data| !is_picture(data)).count();
    let mut names = if names.len() == others { names.into_iter() } else { Vec::new().into_iter() };
    for (number, data) in files.into_iter().enumerate() {
        let name = if is_picture(data) { None } else { names.next() }.unwrap_or_else(|| format!("file {number}"));
        if !is_picture(data) {
            walk.find(FindingName::EmbeddedObject, part.number, &name);
        }
        let content = walk.unpack(part, &name, data, data.len() as u64);
        walk.add(Some(part), &name, content);
    }
}

/// Texts in UTF-16 that end like a file's name, each once.
fn names(octets: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for start in [0, 1] {
        let mut text = String::new();
        let units = octets.get(start..).unwrap_or_default().chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
        for unit in units.chain([0]) {
            match char::from_u32(u32::from(unit)).filter(|c| !c.is_control() && (c.is_ascii() || c.is_alphabetic())) {
                Some(c) if text.len() < NAME_MOST => text.push(c),
                _ => {
                    if is_name(&text) && !found.contains(&text) && found.len() < FILES {
                        found.push(std::mem::take(&mut text));
                    }
                    text.clear();
                }
            }
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    let Some((stem, ending)) = text.rsplit_once('.') else { return false };
    !stem.is_empty()
        && (2..=4).contains(&ending.len())
        && ending.chars().all(|c| c.is_ascii_alphanumeric())
        && ending.chars().any(|c| c.is_ascii_alphabetic())
        && !text.contains(['/', '\\', '<', '>', '|', '"', ':', '*', '?'])
        && !ending.eq_ignore_ascii_case("one")
}
