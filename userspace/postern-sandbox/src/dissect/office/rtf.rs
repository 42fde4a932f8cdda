//! RTF: objects written as hexadecimal digits, and templates from elsewhere.

use postern_model::sandbox::{FindingName, Kind};

use super::super::kind::{self, find};
use super::super::{Waiting, Walk};
use super::packed::{self, Packed};
use super::{fields, tell};

const OBJECTS: usize = 64;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    if let Some(at) = find(&part.content, b"\\template ") {
        let target: Vec<u8> = part.content[at + 10..].iter().copied().take_while(|b| *b != b'}').take(200).collect();
        walk.find(FindingName::ExternalTarget, part.number, format!("template: {}", String::from_utf8_lossy(&target).trim()));
    }
    tell(walk, part, fields::of_rtf(&part.content));
    let mut rest = part.content.as_slice();
    for number in 0..OBJECTS {
        let Some(at) = find(rest, b"\\objdata") else { return };
        rest = &rest[at + b"\\objdata".len()..];
        let object = octets(rest);
        walk.find(FindingName::EmbeddedObject, part.number, class(&object).unwrap_or_else(|| "an object".to_owned()));
        if let Some(Packed::Command { label, command }) = data(&object).and_then(|data| packed::read(data, 0)) {
            packed::tell_command(walk, part, &label, &command);
            continue;
        }
        let (name, content) = native(&object).unwrap_or_else(|| (format!("object {number}"), object.clone()));
        let content = walk.unpack(part, &name, content.as_slice(), content.len() as u64 * 2);
        walk.add(Some(part), &name, content);
    }
}

/// Digits in pairs; whatever lies between them is passed over, as Word does: control words hide them.
fn octets(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut high = None;
    let mut depth = 0;
    let mut rest = text.iter().copied().peekable();
    while let Some(b) = rest.next() {
        match b {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b'\\' => {
                let word: Vec<u8> = std::iter::from_fn(|| rest.next_if(|b| b.is_ascii_alphanumeric() || *b == b'-')).collect();
                // `\bin6 ` and six octets as they are.
                if let Some(count) = word.strip_prefix(b"bin").and_then(|n| std::str::from_utf8(n).ok()?.parse().ok()) {
                    rest.next_if_eq(&b' ');
                    out.extend(rest.by_ref().take(count));
                }
            }
            _ => {
                let Some(digit) = char::from(b).to_digit(16) else { continue };
                match high.take() {
                    None => high = Some(digit),
                    Some(first) => out.push((first * 16 + digit) as u8),
                }
            }
        }
    }
    out
}

/// The class name of an embedded object (MS-OLEDS 2.2.4).
fn class(object: &[u8]) -> Option<String> {
    let length = u32::from_le_bytes(object.get(8..12)?.try_into().ok()?) as usize;
    let name = object.get(12..12 + length.checked_sub(1)?)?;
    Some(String::from_utf8_lossy(name).into_owned())
}

/// The data behind the object's header: a packed file, or whatever begins like something.
fn native(object: &[u8]) -> Option<(String, Vec<u8>)> {
    let name = class(object)?;
    let data = data(object)?;
    if let Some(Packed::File { label, content }) = packed::read(data, 0) {
        return Some((label, content));
    }
    (kind::of(data) != Kind::Unknown).then(|| (name, data.to_vec()))
}

/// Class, topic and item, each behind its length; then the length of the data.
fn data(object: &[u8]) -> Option<&[u8]> {
    let mut at = 8;
    for _ in 0..3 {
        at += 4 + u32::from_le_bytes(object.get(at..at + 4)?.try_into().ok()?) as usize;
    }
    object.get(at + 4..)
}
