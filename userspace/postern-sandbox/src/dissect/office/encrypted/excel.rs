//! Workbooks of the old form (MS-XLS 2.2.10): the record `FilePass` says how, and the octets of all records but a few are encrypted.

use std::ops::Range;

use super::{DOCUMENT, Key, Lock, Why, rc4, xor};
use crate::dissect::octets::number;

const END: u64 = 0x000a;
const FILE_PASS: u64 = 0x002f;
const BOUND_SHEET: u64 = 0x0085;
/// Records that stay as they are: begin of a part, `FilePass`, who uses it, locks, the code page of menus, revisions.
const PLAIN: &[u64] = &[0x0009, 0x0209, 0x0409, 0x0809, FILE_PASS, 0x0194, 0x0195, 0x00e1, 0x0196, 0x0138];
/// Where a sheet begins stays readable, too.
const SHEET_PLACE: usize = 4;
/// Octets that RC4 has one key for.
const BLOCK: usize = 1024;
const RECORDS: usize = 5_000_000;

/// Each record's number, and where its octets are.
fn records(stream: &[u8]) -> impl Iterator<Item = (u64, Range<usize>)> + '_ {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        let (id, length) = (number(stream, at as u64, 2)?, number(stream, at as u64 + 2, 2)? as usize);
        let begin = at + 4;
        at = (begin + length).min(stream.len());
        Some((id, begin..at))
    })
    .take(RECORDS)
}

/// `None` where it is not encrypted.
pub fn lock(stream: &[u8]) -> Option<Result<Lock, Why>> {
    let (_, place) = records(stream).take_while(|(id, _)| *id != END).find(|(id, _)| *id == FILE_PASS)?;
    let data = stream.get(place)?;
    Some(match (data.len(), number(data, 0, 2)) {
        // As Excel 5 has it: without a number in front.
        (4, _) => xor_lock(data),
        (_, Some(0)) => xor_lock(data.get(2..).unwrap_or_default()),
        (_, Some(1)) => rc4::Lock::read(data.get(2..).unwrap_or_default()).map(Lock::Rc4),
        _ => Err(format!("{DOCUMENT} that does not say how it is encrypted")),
    })
}

fn xor_lock(octets: &[u8]) -> Result<Lock, Why> {
    xor::Lock::read(octets).map(Lock::Xor).ok_or_else(|| format!("{DOCUMENT} that does not say how it is encrypted"))
}

/// The stream as it would be without a password, of the same length.
pub fn decrypted(stream: &[u8], key: &Key) -> Option<Vec<u8>> {
    let mut out = stream.to_vec();
    let plain = match key {
        Key::Rc4(key) => Some(key.stream(BLOCK, stream)?),
        _ => None,
    };
    let mut is_open = false;
    for (id, place) in records(stream) {
        if id == FILE_PASS && !is_open {
            is_open = true;
            // A record that says nothing.
            out.get_mut(place.start.checked_sub(4)?..place.start - 2)?.fill(0);
        }
        if PLAIN.contains(&id) {
            continue;
        }
        let skip = if id == BOUND_SHEET { SHEET_PLACE } else { 0 };
        let Some(octets) = out.get_mut(place.start + skip..place.end) else { continue };
        match (key, &plain) {
            (Key::Rc4(_), Some(plain)) => octets.copy_from_slice(plain.get(place.start + skip..place.end)?),
            // It begins anew with each record, by where that ends.
            (Key::Xor(key), _) => key.apply(place.end + skip, octets),
            _ => return None,
        }
    }
    Some(out)
}
