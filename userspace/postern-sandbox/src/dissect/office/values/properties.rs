//! Properties of a document in the old form (MS-OLEPS): sections of numbered values, and one whose numbers have names of their own.

use super::Room;
use crate::detonate::document::Document;
use crate::dissect::octets::number;
use crate::dissect::office::vba;
use crate::dissect::text::utf16;

const SUMMARY: &[u8] = b"\xe0\x85\x9f\xf2\xf9\x4f\x68\x10\xab\x91\x08\x00\x2b\x27\xb3\xd9";
const MORE: &[u8] = b"\x02\xd5\xcd\xd5\x9c\x2e\x1b\x10\x93\x97\x08\x00\x2b\x2c\xf9\xae";
const OWN: &[u8] = b"\x05\xd5\xcd\xd5\x9c\x2e\x1b\x10\x93\x97\x08\x00\x2b\x2c\xf9\xae";
/// MS-OSHARED 2.3.3.2.1, 2.3.3.2.2.
const SUMMARY_NAMES: &[(u64, &str)] = &[
    (2, "title"),
    (3, "subject"),
    (4, "author"),
    (5, "keywords"),
    (6, "comments"),
    (7, "template"),
    (8, "last author"),
    (9, "revision number"),
    (18, "application name"),
];
const MORE_NAMES: &[(u64, &str)] = &[(2, "category"), (14, "manager"), (15, "company"), (26, "content type"), (27, "content status")];
const CODE_PAGE: u64 = 1;
const NAMES: u64 = 0;
const SECTIONS: u64 = 2;
const VALUES: u64 = 1000;

pub fn read(octets: &[u8], document: &mut Document) {
    let mut room = Room::new();
    for section in 0..number(octets, 24, 4).unwrap_or(0).min(SECTIONS) {
        let begin = 28 + section * 20;
        let id = octets.get(begin as usize..begin as usize + 16).unwrap_or_default();
        let section = number(octets, begin + 16, 4).and_then(|at| octets.get(at as usize..)).unwrap_or_default();
        let values = values(section);
        let code_page =
            values.iter().find(|(id, _)| *id == CODE_PAGE).and_then(|(_, at)| number(section, at + 4, 2)).unwrap_or(1252) as u16;
        let own = if id == OWN { names(section, &values, code_page) } else { Vec::new() };
        for (number, at) in values {
            let Some(value) = value(section, at, code_page).and_then(|value| room.take(value)) else { continue };
            let known = |names: &[(u64, &'static str)]| names.iter().find(|(n, _)| *n == number).map(|(_, name)| (*name).to_owned());
            match id {
                SUMMARY => drop(known(SUMMARY_NAMES).map(|name| document.properties.insert(name, value))),
                MORE => drop(known(MORE_NAMES).map(|name| document.properties.insert(name, value))),
                _ => drop(own.iter().find(|(n, _)| *n == number).map(|(_, name)| document.custom.insert(name.to_lowercase(), value))),
            }
        }
    }
}

/// Numbers, and where their values are in the section.
fn values(section: &[u8]) -> Vec<(u64, u64)> {
    let count = number(section, 4, 4).unwrap_or(0).min(VALUES);
    (0..count).filter_map(|n| Some((number(section, 8 + n * 8, 4)?, number(section, 12 + n * 8, 4)?))).collect()
}

/// Of the types that hold something to read (MS-OLEPS 2.15): whole numbers, doubles, truth, texts.
fn value(section: &[u8], at: u64, code_page: u16) -> Option<String> {
    let n = |skip, width| number(section, at + skip, width);
    Some(match n(0, 2)? {
        2 => (n(4, 2)? as i16).to_string(),
        3 => (n(4, 4)? as i32).to_string(),
        5 => f64::from_bits(n(4, 8)?).to_string(),
        11 => if n(4, 2)? == 0 { "False" } else { "True" }.to_owned(),
        30 => text(section, at + 8, n(4, 4)?, code_page)?,
        31 => utf16(section.get(at as usize + 8..)?.get(..n(4, 4)? as usize * 2)?).trim_end_matches('\0').to_owned(),
        _ => return None,
    })
}

fn text(section: &[u8], at: u64, length: u64, code_page: u16) -> Option<String> {
    let octets = section.get(at as usize..)?.get(..length as usize)?;
    let text = if code_page == 1200 { utf16(octets) } else { vba::text(octets, code_page) };
    Some(text.trim_end_matches('\0').to_owned())
}

/// Number, length, letters; in UTF-16 the length is one of letters, and each name ends at a multiple of four.
fn names(section: &[u8], values: &[(u64, u64)], code_page: u16) -> Vec<(u64, String)> {
    let Some((_, at)) = values.iter().find(|(id, _)| *id == NAMES) else { return Vec::new() };
    let mut found = Vec::new();
    let mut next = at + 4;
    for _ in 0..number(section, *at, 4).unwrap_or(0).min(VALUES) {
        let (Some(id), Some(length)) = (number(section, next, 4), number(section, next + 4, 4)) else { break };
        let length = if code_page == 1200 { (length * 2).next_multiple_of(4) } else { length };
        let Some(name) = text(section, next + 8, length, code_page) else { break };
        found.push((id, name));
        next += 8 + length;
    }
    found
}
