//! Archives in several files. Attachments are opened one by one: what lies across them is not seen, and that is said.

use postern_model::sandbox::FindingName;

use super::super::octets::number;
use super::super::{Waiting, Walk};

/// What an archive's name ends with in front of a number.
const ARCHIVES: &[&str] = &["7z", "zip", "rar", "tar", "gz", "tgz", "bz2", "xz", "zst", "arj", "ace", "exe"];
/// Where the directory of a ZIP may begin: its end with the longest comment.
const ZIP_END: usize = 22 + 65_535;

/// Archives that say nothing of it by their content, by their name.
pub fn is_named_so(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let Some((stem, ending)) = name.rsplit_once('.') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let before = stem.rsplit_once('.').map_or("", |(_, before)| before);
    match ending.as_bytes() {
        // archive.7z.001
        [_, _, _] if is_number(ending) => ARCHIVES.contains(&before),
        // archive.z01, archive.r00, archive.a01, archive.c00 (ZIP, RAR, ARJ, ACE)
        [b'z' | b'r' | b'a' | b'c', _, _] if is_number(&ending[1..]) => true,
        // archive.part2.rar
        _ => matches!(ending, "rar" | "exe" | "zip") && before.strip_prefix("part").is_some_and(is_number),
    }
}

/// An archive that cannot be read to its end: the rest may be in another file.
pub fn broken(walk: &mut Walk<'_>, part: &Waiting, evidence: impl Into<String>) {
    let name = walk.report.parts.get(part.number as usize).map_or("", |part| part.name.as_str());
    let finding = if is_named_so(name) || is_zip(&part.content) || is_seven_zip(&part.content) {
        FindingName::SplitArchive
    } else {
        FindingName::Damaged
    };
    walk.find(finding, part.number, evidence);
}

/// The first of several begins with a mark of its own (APPNOTE 8.5.3), the last ends with its number (4.3.16).
fn is_zip(octets: &[u8]) -> bool {
    octets.starts_with(b"PK\x07\x08") || is_last_of_zip(octets)
}

pub fn is_last_of_zip(octets: &[u8]) -> bool {
    let end = octets.len().saturating_sub(ZIP_END);
    let number = octets[end..].windows(6).rev().find(|w| w.starts_with(b"PK\x05\x06")).map(|w| u16::from_le_bytes([w[4], w[5]]));
    number.is_some_and(|number| number != 0 && number != u16::MAX)
}

/// The head says where the directory is (7zFormat.txt, "SignatureHeader"), and is right by its own sum: it is not here.
fn is_seven_zip(octets: &[u8]) -> bool {
    let Some(head) = octets.get(..32).filter(|head| head.starts_with(b"7z\xbc\xaf\x27\x1c")) else { return false };
    let n = |at, width| number(head, at, width);
    let (Some(sum), Some(at), Some(length)) = (n(8, 4), n(12, 8), n(20, 8)) else { return false };
    u64::from(crc32fast::hash(&head[12..32])) == sum && at.saturating_add(length).saturating_add(32) > octets.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_files() {
        for name in ["a.7z.001", "A.ZIP.002", "a.z01", "a.r00", "a.part2.rar", "a.part01.exe", "b/c.tar.014"] {
            assert!(is_named_so(name), "{name}");
        }
        for name in ["a.7z", "report.001", "a.zip", "part1.rar", "a.partly.rar", "a.z", "a.zoo", "a.7z.0001", ""] {
            assert!(!is_named_so(name), "{name}");
        }
    }
}
