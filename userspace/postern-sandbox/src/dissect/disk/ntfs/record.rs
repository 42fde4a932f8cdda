//! A record of the table of files: attributes, which say the file's names and where its streams lie.

use crate::dissect::octets::number;
use crate::dissect::text::utf16;

const IN_USE: u64 = 1;
const FOLDER: u64 = 2;
const SECTOR: usize = 512;
/// Of a record's number the rest is how often it was used anew.
const NUMBER: u64 = 0xffff_ffff_ffff;

const FILE_NAME: u64 = 0x30;
const DATA: u64 = 0x80;
const REPARSE: u64 = 0xc0;
const END: u64 = 0xffff_ffff;
const ATTRIBUTES: usize = 200;
/// Clusters of a packed stream that are one unit, as a power of two: NTFS makes 16.
const UNIT_MOST: u64 = 8;

pub enum Attribute {
    Name(Name),
    Stream { name: String, stream: Segment },
    Reparse(u32),
}

pub struct Name {
    pub parent: u64,
    pub text: String,
    pub is_short: bool,
}

/// Clusters that lie together; without a place they are a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub place: Option<u64>,
    pub clusters: u64,
}

/// A stream, or a part of one whose runs need more than one record.
pub struct Segment {
    pub first: u64,
    pub content: Content,
    /// Octets, and those of them that were ever written; said by the first segment.
    pub length: u64,
    pub written: u64,
    /// Clusters that are packed as one.
    pub unit: u64,
    pub is_encrypted: bool,
}

pub enum Content {
    Resident(Vec<u8>),
    Runs(Vec<Run>),
}

impl Segment {
    pub fn runs(&self) -> Vec<Run> {
        match &self.content {
            Content::Runs(runs) => runs.clone(),
            Content::Resident(_) => Vec::new(),
        }
    }
}

/// A record with the last two octets of each sector put back, which stand in front while it lies on the disk; `None` when not all of it was written.
pub fn whole(mut octets: Vec<u8>) -> Option<Vec<u8>> {
    if !octets.starts_with(b"FILE") {
        return None;
    }
    let at = number(&octets, 4, 2)? as usize;
    let count = number(&octets, 6, 2)? as usize;
    let mark: [u8; 2] = octets.get(at..at + 2)?.try_into().ok()?;
    for n in 1..count {
        let end = n * SECTOR;
        let kept: [u8; 2] = octets.get(at + n * 2..at + n * 2 + 2)?.try_into().ok()?;
        let place = octets.get_mut(end - 2..end)?;
        if *place != mark {
            return None;
        }
        place.copy_from_slice(&kept);
    }
    Some(octets)
}

pub fn is_used(record: &[u8]) -> bool {
    record.starts_with(b"FILE") && number(record, 22, 2).unwrap_or(0) & IN_USE != 0
}

pub fn is_folder(record: &[u8]) -> bool {
    number(record, 22, 2).unwrap_or(0) & FOLDER != 0
}

/// The file's first record, when this is another one.
pub fn base(record: &[u8]) -> u64 {
    number(record, 32, 8).unwrap_or(0) & NUMBER
}

pub fn attributes(record: &[u8]) -> Vec<Attribute> {
    let mut found = Vec::new();
    let mut at = number(record, 20, 2).unwrap_or(0);
    for _ in 0..ATTRIBUTES {
        let (Some(kind), Some(length)) = (number(record, at, 4), number(record, at + 4, 4)) else { break };
        let octets = record.get(at as usize..(at + length) as usize);
        let Some(octets) = octets.filter(|octets| kind != END && octets.len() >= 24) else { break };
        found.extend(match kind {
            FILE_NAME => resident(octets).and_then(name).map(Attribute::Name),
            REPARSE => resident(octets).and_then(|r| number(r, 0, 4)).map(|tag| Attribute::Reparse(tag as u32)),
            DATA => stream(octets),
            _ => None,
        });
        at += length;
    }
    found
}

fn resident(attribute: &[u8]) -> Option<&[u8]> {
    if attribute[8] != 0 {
        return None;
    }
    let (length, at) = (number(attribute, 16, 4)? as usize, number(attribute, 20, 2)? as usize);
    attribute.get(at..at + length)
}

fn name(value: &[u8]) -> Option<Name> {
    let length = usize::from(*value.get(64)?) * 2;
    let text = utf16(value.get(66..66 + length)?);
    Some(Name { parent: number(value, 0, 8)? & NUMBER, text, is_short: value[65] == 2 })
}

fn stream(attribute: &[u8]) -> Option<Attribute> {
    let n = |at, width| number(attribute, at, width);
    let (letters, at) = (n(9, 1)? as usize, n(10, 2)? as usize);
    let name = utf16(attribute.get(at..at + 2 * letters)?);
    let flags = n(12, 2)?;
    let is_encrypted = flags & 0x4000 != 0;
    if let Some(octets) = resident(attribute) {
        let length = octets.len() as u64;
        let content = Content::Resident(octets.to_vec());
        return Some(Attribute::Stream { name, stream: Segment { first: 0, content, length, written: length, unit: 1, is_encrypted } });
    }
    let first = n(16, 8)?;
    let runs = runs(attribute.get(n(32, 2)? as usize..)?);
    let (length, written) = if first == 0 { (n(48, 8)?, n(56, 8)?) } else { (0, 0) };
    let unit = if flags & 1 == 0 { 1 } else { 1 << n(34, 2)?.min(UNIT_MOST) };
    Some(Attribute::Stream { name, stream: Segment { first, content: Content::Runs(runs), length, written, unit, is_encrypted } })
}

/// Each by two numbers, as long as a first octet says: how many clusters, and how far from the run before.
fn runs(mut octets: &[u8]) -> Vec<Run> {
    let mut found = Vec::new();
    let mut place = 0_i64;
    while let Some((head, rest)) = octets.split_first().filter(|(head, _)| **head != 0) {
        let (count, distance) = (usize::from(head & 15), usize::from(head >> 4));
        let (Some(clusters), true) = (number(rest, 0, count), count <= 8 && distance <= 8) else { break };
        let Some(far) = number(rest, count as u64, distance) else { break };
        found.push(if distance == 0 {
            Run { place: None, clusters }
        } else {
            let unused = 64 - 8 * distance as u32;
            place = place.wrapping_add((far << unused) as i64 >> unused);
            Run { place: u64::try_from(place).ok(), clusters }
        });
        octets = &rest[count + distance..];
    }
    found
}
