//! Files within a text, as uuencode writes them (POSIX uuencode(1)): `begin 644 name`, lines of a length and sixes of bits, `end`; or
//! `begin-base64 644 name`, lines of base64, `====`.

use data_encoding::BASE64;
use postern_model::sandbox::FindingName;

use super::{Waiting, Walk};

const FILES: usize = 100;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut lines = part.content.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut files = 0;
    while files < FILES {
        let Some((name, is_base64)) = lines.find_map(begins) else { return };
        let mut content = Vec::new();
        let mut is_whole = false;
        for line in lines.by_ref() {
            is_whole = line == if is_base64 { &b"===="[..] } else { b"end" };
            let is_line = !is_whole && if is_base64 { decode_base64(line, &mut content) } else { decode(line, &mut content) };
            if !is_line {
                break;
            }
        }
        // "begin 100 of them" is a sentence.
        if content.is_empty() {
            continue;
        }
        files += 1;
        if !is_whole {
            walk.find(FindingName::Damaged, part.number, format!("{name}: without its end"));
        }
        let content = walk.unpack(part, &name, content.as_slice(), content.len() as u64);
        walk.add(Some(part), &name, content);
    }
}

/// The name behind the mode of three or four octal digits.
fn begins(line: &[u8]) -> Option<(String, bool)> {
    let (rest, is_base64) = match line.strip_prefix(b"begin ") {
        Some(rest) => (rest, false),
        None => (line.strip_prefix(b"begin-base64 ")?, true),
    };
    let space = rest.iter().position(|b| *b == b' ')?;
    let (mode, name) = (&rest[..space], &rest[space + 1..]);
    let is_mode = (3..=4).contains(&mode.len()) && mode.iter().all(|b| (b'0'..=b'7').contains(b));
    (is_mode && !name.is_empty()).then(|| (String::from_utf8_lossy(name).into_owned(), is_base64))
}

fn decode_base64(line: &[u8], into: &mut Vec<u8>) -> bool {
    let decoded = BASE64.decode(line.trim_ascii_end());
    into.extend(decoded.as_deref().unwrap_or_default());
    decoded.is_ok()
}

/// One line; `false` when it is none. Spaces at its end may be lost on the way.
fn decode(line: &[u8], into: &mut Vec<u8>) -> bool {
    let Some((first, digits)) = line.split_first() else { return false };
    if !(b' '..=b'`').contains(first) || !digits.iter().all(|b| (b' '..=b'`').contains(b)) {
        return false;
    }
    let six = |b: u8| (b - b' ') & 0x3f;
    let length = usize::from(six(*first));
    if digits.len() > length.div_ceil(3) * 4 + 2 {
        return false;
    }
    let end = into.len() + length;
    for four in digits.chunks(4) {
        let digit = |n: usize| four.get(n).map_or(0, |b| six(*b));
        into.extend([digit(0) << 2 | digit(1) >> 4, digit(1) << 4 | digit(2) >> 2, digit(2) << 6 | digit(3)]);
    }
    into.resize(end, 0);
    true
}
