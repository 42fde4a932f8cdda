//! Files within a text, as yEnc writes them (yEnc draft 1.3): `=ybegin`, octets moved by 42, `=yend`.

use postern_model::sandbox::FindingName;

use super::{Waiting, Walk};

const FILES: usize = 100;
const BEGIN: &[u8] = b"=ybegin ";
const PART: &[u8] = b"=ypart ";
const END: &[u8] = b"=yend";
/// Octets in which the first file has to begin.
const BEGINS_WITHIN: usize = 1 << 20;

pub fn is_one(octets: &[u8]) -> bool {
    let octets = &octets[..BEGINS_WITHIN.min(octets.len())];
    super::kind::find(octets, BEGIN).is_some_and(|at| at == 0 || octets[at - 1] == b'\n')
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut lines = part.content.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).peekable();
    for _ in 0..FILES {
        let Some(begin) = lines.find(|line| line.starts_with(BEGIN)) else { return };
        let begin = String::from_utf8_lossy(begin).into_owned();
        // The name stands last, and may have spaces in it.
        let name = begin.split_once("name=").map_or("yEnc", |(_, name)| name.trim()).to_owned();
        if lines.next_if(|line| line.starts_with(PART)).is_some() && !begin.contains(" total=1 ") {
            walk.find(FindingName::SplitArchive, part.number, format!("{name}: its other parts are in other messages"));
        }
        let mut content = Vec::new();
        let mut is_whole = false;
        for line in lines.by_ref() {
            if line.starts_with(END) {
                is_whole = true;
                break;
            }
            decode(line, &mut content);
        }
        if !is_whole {
            walk.find(FindingName::Damaged, part.number, format!("{name}: without its end"));
        }
        let content = walk.unpack(part, &name, content.as_slice(), content.len() as u64);
        walk.add(Some(part), &name, content);
    }
}

/// A mark is followed by an octet that would break lines, moved by 64 more. A line may begin with two dots for one (RFC 3977 §3.1.1).
fn decode(line: &[u8], into: &mut Vec<u8>) {
    let line = if line.starts_with(b"..") { &line[1..] } else { line };
    let mut is_marked = false;
    for b in line {
        if *b == b'=' && !is_marked {
            is_marked = true;
            continue;
        }
        into.push(b.wrapping_sub(if is_marked { 42 + 64 } else { 42 }));
        is_marked = false;
    }
}
