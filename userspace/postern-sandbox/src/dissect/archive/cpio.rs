//! cpio in its three forms: binary, octal digits (POSIX.1 odc), hexadecimal digits (SVR4 newc, which RPM and initramfs have).

use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk};

const LAST: &str = "TRAILER!!!";
/// Of a mode, what kind of file it is.
const KIND: u64 = 0o170_000;
const FILE: u64 = 0o100_000;
const LINK: u64 = 0o120_000;

pub fn is_one(octets: &[u8]) -> bool {
    [&b"070701"[..], b"070702", b"070707"].iter().any(|mark| octets.starts_with(mark))
        || (octets.starts_with(b"\xc7\x71") && binary(octets).is_some())
}

struct Entry<'a> {
    name: String,
    mode: u64,
    content: &'a [u8],
    rest: &'a [u8],
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut rest = part.content.as_slice();
    while !walk.is_full {
        let Some(entry) = entry(rest) else { return walk.find(FindingName::Damaged, part.number, "a cpio archive without its end") };
        if entry.name == LAST {
            return;
        }
        if entry.mode & KIND == FILE {
            let content = walk.unpack(part, &entry.name, entry.content, entry.content.len() as u64);
            walk.add(Some(part), &entry.name, content);
        } else if entry.mode & KIND == LINK {
            let target = String::from_utf8_lossy(entry.content);
            if target.starts_with('/') || target.split('/').any(|step| step == "..") {
                walk.find(FindingName::PathEscape, part.number, format!("{} leads to {target}", entry.name));
            }
        }
        rest = entry.rest;
    }
}

fn entry(octets: &[u8]) -> Option<Entry<'_>> {
    let digits = |at: usize, width: usize, base| u64::from_str_radix(std::str::from_utf8(octets.get(at..at + width)?).ok()?, base).ok();
    match octets.get(..6)? {
        b"070701" | b"070702" => cut(octets, digits(14, 8, 16)?, 110, digits(94, 8, 16)?, digits(54, 8, 16)?, 4),
        b"070707" => cut(octets, digits(18, 6, 8)?, 76, digits(59, 6, 8)?, digits(65, 11, 8)?, 1),
        _ => binary(octets),
    }
}

/// Words of two octets, with the little end first; those of four have their higher half in front.
fn binary(octets: &[u8]) -> Option<Entry<'_>> {
    let word = |at: usize| Some(u64::from(u16::from_le_bytes(octets.strip_prefix(b"\xc7\x71")?.get(at - 2..at)?.try_into().ok()?)));
    cut(octets, word(6)?, 26, word(20)?, word(22)? << 16 | word(24)?, 2)
}

/// Name and content behind a head, each to the next multiple.
fn cut(octets: &[u8], mode: u64, head: usize, name: u64, content: u64, multiple: usize) -> Option<Entry<'_>> {
    let name_end = head.checked_add(usize::try_from(name).ok()?)?;
    let begin = name_end.checked_next_multiple_of(multiple)?;
    let end = begin.checked_add(usize::try_from(content).ok()?)?;
    let name = octets.get(head..name_end)?;
    let name = String::from_utf8_lossy(name.strip_suffix(b"\0")?).into_owned();
    let rest = octets.get(end.checked_next_multiple_of(multiple)?..).unwrap_or_default();
    Some(Entry { name, mode, content: octets.get(begin..end)?, rest })
}
