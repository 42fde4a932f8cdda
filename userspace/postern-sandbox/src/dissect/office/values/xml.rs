//! Documents in XML (ECMA-376): settings, properties, text, sheets.

use std::collections::HashMap;

use super::{Room, binary};
use crate::detonate::document::{CELLS_MOST, Document, Sheet, Value};
use crate::dissect::office::marks::{Mark, attribute, marks};

const CORE: &[(&str, &str)] = &[
    ("title", "title"),
    ("subject", "subject"),
    ("creator", "author"),
    ("keywords", "keywords"),
    ("description", "comments"),
    ("lastModifiedBy", "last author"),
    ("revision", "revision number"),
    ("category", "category"),
    ("contentStatus", "content status"),
    ("Template", "template"),
    ("Application", "application name"),
    ("Manager", "manager"),
    ("Company", "company"),
    ("HyperlinkBase", "hyperlink base"),
];

/// Reads a sheet's cells, by the texts that all sheets share.
type ReadSheet = fn(&[u8], &[String], &mut Room, &mut Sheet);

pub fn is_read(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("docprops/")
        || matches!(name.as_str(), "word/settings.xml" | "word/document.xml" | "xl/_rels/workbook.xml.rels" | "xl/_rels/workbook.bin.rels")
        || matches!(name.as_str(), "xl/workbook.xml" | "xl/workbook.bin" | "xl/sharedstrings.xml" | "xl/sharedstrings.bin")
        || (name.starts_with("xl/worksheets/") && (name.ends_with(".xml") || name.ends_with(".bin")))
}

pub fn read(files: &[(String, Vec<u8>)]) -> Document {
    let mut document = Document::default();
    let mut room = Room::new();
    let file = |name: &str| files.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, content)| content.as_slice());
    for (name, content) in files {
        match name.to_ascii_lowercase().as_str() {
            "docprops/core.xml" | "docprops/app.xml" => properties(content, &mut room, &mut document),
            "docprops/custom.xml" => own_properties(content, &mut room, &mut document),
            "word/settings.xml" => variables(content, &mut room, &mut document),
            "word/document.xml" => document.text = text(content, &mut room),
            _ => {}
        }
    }
    let relations = file("xl/_rels/workbook.xml.rels").or_else(|| file("xl/_rels/workbook.bin.rels")).map(relations).unwrap_or_default();
    let place = |relation: &str| {
        let target = relations.get(relation)?;
        Some(target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), ToOwned::to_owned))
    };
    let (texts, sheets, read_sheet): (_, _, ReadSheet) = if let Some(workbook) = file("xl/workbook.xml") {
        let texts = file("xl/sharedStrings.xml").map(|content| shared_texts(content, &mut room));
        (texts, sheets(workbook, &mut document), read_sheet)
    } else if let Some(workbook) = file("xl/workbook.bin") {
        let texts = file("xl/sharedStrings.bin").map(|content| binary::shared_texts(content, &mut room));
        (texts, binary::sheets(workbook), binary::read_sheet)
    } else {
        return document;
    };
    let texts = texts.unwrap_or_default();
    for (relation, name) in sheets {
        let mut sheet = Sheet { name, ..Sheet::default() };
        if let Some(content) = place(&relation).and_then(|place| file(&place)) {
            read_sheet(content, &texts, &mut room, &mut sheet);
        }
        document.sheets.push(sheet);
    }
    document
}

/// `_x000D_` is a letter that XML cannot hold (ECMA-376 part 1 §22.9.2.19).
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let letter = from.get(2..6).filter(|_| from.as_bytes().get(6) == Some(&b'_'));
        match letter.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
            Some(letter) => {
                out.push(letter);
                rest = &from[7..];
            }
            None => {
                out.push_str("_x");
                rest = &from[2..];
            }
        }
    }
    out + rest
}

fn properties(content: &[u8], room: &mut Room, document: &mut Document) {
    let mut text = String::new();
    marks(content, |mark| {
        match mark {
            Mark::Open(..) => text.clear(),
            Mark::Text(more) => text.push_str(more),
            Mark::Close(name) => {
                let known = CORE.iter().find(|(element, _)| *element == name);
                if let (Some((_, name)), Some(value)) = (known, room.take(unescaped(&text))) {
                    document.properties.insert((*name).to_owned(), value);
                }
            }
        }
        true
    });
}

fn own_properties(content: &[u8], room: &mut Room, document: &mut Document) {
    let (mut name, mut text) = (String::new(), String::new());
    marks(content, |mark| {
        match mark {
            Mark::Open(tag, "property") => {
                name = attribute(tag, "name").unwrap_or_default().to_lowercase();
                text.clear();
            }
            Mark::Text(more) => text.push_str(more),
            Mark::Close("property") => {
                if let Some(value) = room.take(unescaped(text.trim_matches(['\r', '\n']))) {
                    document.custom.insert(std::mem::take(&mut name), value);
                }
            }
            _ => {}
        }
        true
    });
}

fn variables(content: &[u8], room: &mut Room, document: &mut Document) {
    marks(content, |mark| {
        if let Mark::Open(tag, "docVar") = mark
            && let (Some(name), Some(value)) =
                (attribute(tag, "name"), attribute(tag, "val").and_then(|value| room.take(unescaped(&value))))
        {
            document.variables.insert(name.to_lowercase(), value);
        }
        true
    });
}

/// A paragraph ends with a carriage return, as Word gives it.
fn text(content: &[u8], room: &mut Room) -> String {
    let mut out = String::new();
    let mut is_text = false;
    marks(content, |mark| {
        match mark {
            Mark::Open(_, name) => is_text = name == "t",
            Mark::Text(more) if is_text => out.push_str(more),
            Mark::Close("p") => out.push('\r'),
            Mark::Close("tab") => out.push('\t'),
            Mark::Close("br") => out.push('\u{b}'),
            Mark::Close(_) => is_text = false,
            Mark::Text(_) => {}
        }
        out.len() <= room.0
    });
    room.take(out).unwrap_or_default()
}

fn relations(content: &[u8]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    marks(content, |mark| {
        if let Mark::Open(tag, "Relationship") = mark {
            found.extend(attribute(tag, "Id").zip(attribute(tag, "Target")));
        }
        true
    });
    found
}

/// Relation and name of each sheet; and the names of places.
fn sheets(content: &[u8], document: &mut Document) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut name = None;
    marks(content, |mark| {
        match mark {
            Mark::Open(tag, "sheet") => found.extend(attribute(tag, "id").zip(attribute(tag, "name"))),
            Mark::Open(tag, "definedName") => name = attribute(tag, "name"),
            Mark::Text(place) => drop(name.take().map(|name| document.names.insert(name.to_lowercase(), place.to_owned()))),
            _ => {}
        }
        true
    });
    found
}

fn shared_texts(content: &[u8], room: &mut Room) -> Vec<String> {
    let mut found = Vec::new();
    let mut text = String::new();
    // How a reader says a word (`rPh`) is no text of the cell.
    let (mut is_text, mut is_sound) = (false, false);
    marks(content, |mark| {
        match mark {
            Mark::Open(_, "si") => text.clear(),
            Mark::Open(_, "rPh") => is_sound = true,
            Mark::Close("rPh") => is_sound = false,
            Mark::Open(_, name) => is_text = name == "t",
            Mark::Text(more) if is_text && !is_sound => text.push_str(more),
            Mark::Close("t") => is_text = false,
            Mark::Close("si") => match room.take(unescaped(&text)) {
                Some(text) => found.push(text),
                None => return false,
            },
            _ => {}
        }
        true
    });
    found
}

fn read_sheet(content: &[u8], texts: &[String], room: &mut Room, sheet: &mut Sheet) {
    let (mut place, mut kind, mut text) = (None, String::new(), String::new());
    let mut is_value = false;
    marks(content, |mark| {
        match mark {
            Mark::Open(tag, "sheetPr") => sheet.code_name = attribute(tag, "codeName").unwrap_or_default(),
            Mark::Open(tag, "c") => {
                place = attribute(tag, "r").and_then(|r| self::place(&r));
                kind = attribute(tag, "t").unwrap_or_default();
                text.clear();
            }
            Mark::Open(_, name) => is_value = name == "v" || name == "t",
            Mark::Text(more) if is_value => text.push_str(more),
            Mark::Close("v" | "t") => is_value = false,
            Mark::Close("c") if !text.is_empty() => {
                let value = match kind.as_str() {
                    "s" => text
                        .trim()
                        .parse()
                        .ok()
                        .and_then(|of: usize| texts.get(of))
                        .and_then(|text| room.take(text.clone()))
                        .map(Value::Text),
                    "b" => Some(Value::Truth(text.trim() == "1")),
                    "str" | "inlineStr" | "e" => room.take(unescaped(&text)).map(Value::Text),
                    _ => text.trim().parse().ok().filter(|n: &f64| n.is_finite()).map(Value::Number),
                };
                if let (Some((row, column)), Some(value)) = (place.take(), value) {
                    sheet.cells.push((row, column, value));
                }
            }
            _ => {}
        }
        sheet.cells.len() < CELLS_MOST
    });
}

/// `AB12`: row 12, column 28.
fn place(text: &str) -> Option<(u32, u32)> {
    let digits = text.find(|c: char| c.is_ascii_digit())?;
    let (letters, row) = text.split_at(digits);
    let column = letters.bytes().try_fold(0_u32, |sum, b| {
        let letter = u32::from(b.to_ascii_uppercase()).checked_sub(64).filter(|n| (1..=26).contains(n))?;
        sum.checked_mul(26)?.checked_add(letter)
    });
    Some((row.parse().ok()?, column.filter(|column| *column > 0)?))
}
