//! ARJ (technical note of ARJ 2.x and the source of ARJ 3.10). Its usual methods are LHA's with a window of 26 KiB.

mod fastest;

use std::io::{self, Read};

use delharc::decode::{Decoder, Lh7Decoder};
use postern_model::sandbox::FindingName;

use super::super::octets::number;
use super::super::{Waiting, Walk};
use fastest::Fastest;

const MARK: &[u8] = b"\x60\xea";
/// Of a head without what later versions put behind it.
const LEAST: usize = 30;
const LONGEST: usize = 2600;
const GARBLED: u8 = 1;
const GOES_ON: u8 = 4;
const COMES_FROM: u8 = 8;
/// Kinds of entries: contents; 3 is a folder, others are labels.
const FILES: [u8; 2] = [0, 1];

struct Head<'a> {
    flags: u8,
    method: u8,
    kind: u8,
    packed: usize,
    length: u64,
    sum: u64,
    name: String,
    rest: &'a [u8],
}

pub fn is_one(octets: &[u8]) -> bool {
    octets.starts_with(MARK) && matches!(head(octets), Some(Some(head)) if head.kind == 2)
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let Some(Some(mut head)) = head(&part.content) else {
        return walk.find(FindingName::Damaged, part.number, "the head of an ARJ archive");
    };
    // The archive's own head has no content.
    head.packed = 0;
    loop {
        let next = head.rest.get(head.packed..).and_then(self::head);
        head = match next {
            Some(Some(head)) => head,
            Some(None) => return,
            None => return super::split::broken(walk, part, "an ARJ archive without its end"),
        };
        if walk.is_full {
            return;
        }
        let name = head.name.clone();
        if head.flags & (GOES_ON | COMES_FROM) != 0 {
            walk.find(FindingName::SplitArchive, part.number, format!("{name}: its other part is in another file"));
        } else if head.flags & GARBLED != 0 {
            walk.find(FindingName::Encrypted, part.number, name);
        } else if FILES.contains(&head.kind) {
            file(walk, part, &head);
        }
    }
}

fn file(walk: &mut Walk<'_>, part: &Waiting, head: &Head<'_>) {
    let octets = &head.rest[..head.packed.min(head.rest.len())];
    let reader: Box<dyn Read + '_> = match head.method {
        0 => Box::new(octets.take(head.length)),
        1..=3 => Box::new(Unpacked { decoder: Lh7Decoder::new(octets), left: head.length }),
        4 => Box::new(Fastest::new(octets, head.length)),
        method => return walk.find(FindingName::NotOpened, part.number, format!("{}: packed by method {method}", head.name)),
    };
    let content = walk.unpack(part, &head.name, reader, head.packed as u64);
    if content.len() as u64 == head.length && u64::from(crc32fast::hash(&content)) != head.sum {
        walk.find(FindingName::Damaged, part.number, format!("{}: its sum is another", head.name));
    }
    walk.add(Some(part), &head.name, content);
}

/// The head in front: mark, length, what it says, sum; heads of extensions. `Some(None)` is the end.
fn head(octets: &[u8]) -> Option<Option<Head<'_>>> {
    let octets = octets.strip_prefix(MARK)?;
    let (length, rest) = octets.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_le_bytes(*length));
    if length == 0 {
        return Some(None);
    }
    let (says, mut rest) = rest.split_at_checked(length).filter(|_| (LEAST..=LONGEST).contains(&length))?;
    rest = rest.get(4..)?;
    loop {
        let (extension, after) = rest.split_first_chunk::<2>()?;
        rest = match usize::from(u16::from_le_bytes(*extension)) {
            0 => after,
            length => after.get(length + 4..)?,
        };
        if *extension == [0, 0] {
            break;
        }
    }
    let word = |at| number(says, at, 4);
    let name = says.get(usize::from(says[0])..)?.split(|b| *b == 0).next()?;
    Some(Some(Head {
        flags: says[4],
        method: says[5],
        kind: says[6],
        packed: word(12)? as usize,
        length: word(16)?,
        sum: word(20)?,
        name: String::from_utf8_lossy(name).into_owned(),
        rest,
    }))
}

/// The decoder goes on for as long as it is asked.
struct Unpacked<'a> {
    decoder: Lh7Decoder<&'a [u8]>,
    left: u64,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        self.decoder.fill_buffer(&mut into[..length]).map_err(io::Error::other)?;
        self.left -= length as u64;
        Ok(length)
    }
}
