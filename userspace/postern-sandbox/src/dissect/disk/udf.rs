//! UDF (ECMA-167 with OSTA's UDF 1.02 to 2.01) on a CD: alone, or beside ISO 9660, where Windows shows this one.

use std::collections::HashSet;
use std::io;

use super::Look;
use super::source::{Disk, Piece, Pieces, Volume};
use crate::dissect::octets::number;
use crate::dissect::text::utf16_be;

const SECTOR: u64 = 2048;
/// Where the description of the volumes is said to be (ECMA-167 3/8.4.2.1).
const ANCHOR: u64 = 256;
const DESCRIPTORS: u64 = 64;
const MAPS: usize = 8;

/// Marks of descriptors (ECMA-167 3/7.2.1, 4/7.2.1).
const ANCHOR_TAG: u64 = 2;
const PARTITION: u64 = 5;
const LOGICAL_VOLUME: u64 = 6;
const END: u64 = 8;
const FILE_SET: u64 = 256;
const FILE_NAME: u64 = 257;
const FILE: u64 = 261;
const EXTENDED_FILE: u64 = 266;

const IS_FOLDER: u8 = 4;
/// Of a name: it is a folder's.
const NAMES_FOLDER: u64 = 2;
const DELETED: u64 = 4;
const PARENT: u64 = 8;
const FOLDER_MOST: u64 = 8 << 20;
const PIECES: usize = 10_000;
/// Octets of a description of an extent, by the kind that an entry names.
const WIDTHS: [u64; 2] = [8, 16];

/// What lies on a partition: which one, and the block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    partition: usize,
    block: u64,
}

struct Udf<'a> {
    block: u64,
    partitions: Vec<Volume<'a>>,
}

/// Whether it has one that could be read.
pub fn open(look: &mut Look<'_, '_>, disk: &Disk<'_>) -> bool {
    let whole = Volume { disk, start: 0, length: disk.length };
    if tag(&whole, ANCHOR * SECTOR) != Some(ANCHOR_TAG) {
        return false;
    }
    let Some((udf, set)) = volumes(&whole) else {
        look.damaged("the descriptors of a UDF volume");
        return true;
    };
    let root = udf.octets(set, 512).filter(|octets| number(octets, 0, 2) == Some(FILE_SET)).and_then(|octets| place(&octets, 404));
    let Some(root) = root.and_then(|root| udf.file(root)) else {
        look.damaged("the root of a UDF volume");
        return true;
    };
    let mut folders = vec![(String::new(), root)];
    let mut seen = HashSet::new();
    while let Some((path, folder)) = folders.pop() {
        let content = look.folder(&path, folder.content(), FOLDER_MOST);
        for (name, is_folder, place) in entries(&content) {
            if look.is_over() {
                return true;
            }
            let name = format!("{path}{name}");
            if is_folder && !seen.insert(place) {
                continue;
            }
            match udf.file(place) {
                Some(file) if is_folder || file.is_folder => folders.push((format!("{name}/"), file)),
                Some(file) => look.file(&name, file.content(), file.length),
                None => look.damaged(&name),
            }
        }
    }
    true
}

fn tag(volume: &Volume<'_>, at: u64) -> Option<u64> {
    // The sum of the tag is its own fifth octet (ECMA-167 3/7.2.3).
    let octets = volume.octets(at, 16)?;
    let sum = octets.iter().enumerate().filter(|(n, _)| *n != 4).fold(0_u8, |sum, (_, b)| sum.wrapping_add(*b));
    (sum == octets[4]).then(|| number(&octets, 0, 2)).flatten()
}

/// The partitions by their numbers in the logical volume, and where its set of files is.
fn volumes<'a>(whole: &Volume<'a>) -> Option<(Udf<'a>, Place)> {
    let n = |at, width| whole.number(at, width);
    let begin = n(ANCHOR * SECTOR + 20, 4)? * SECTOR;
    let mut partitions = Vec::new();
    let mut logical = None;
    for at in (0..DESCRIPTORS).map(|of| begin + of * SECTOR) {
        match tag(whole, at) {
            Some(PARTITION) => partitions.push((n(at + 22, 2)?, n(at + 188, 4)? * SECTOR, n(at + 192, 4)? * SECTOR)),
            Some(LOGICAL_VOLUME) => logical = Some(at),
            Some(END) | None => break,
            Some(_) => {}
        }
    }
    let logical = logical?;
    let block = n(logical + 212, 4).filter(|block| matches!(block, 512 | 1024 | 2048 | 4096))?;
    let mut maps = Vec::new();
    let mut at = logical + 440;
    for _ in 0..n(logical + 268, 4)?.min(MAPS as u64) {
        let (kind, length) = (n(at, 1)?, n(at + 1, 1)?);
        // Of the second kind are those whose blocks are found by a table, and those with spare ones; the latter are in their place.
        let number = n(at + if kind == 1 { 4 } else { 38 }, 2)?;
        let (_, start, length_there) = partitions.iter().find(|(of, _, _)| *of == number).or(partitions.first())?;
        maps.push(Volume { disk: whole.disk, start: *start, length: *length_there });
        at += length.max(1);
    }
    let set = whole.octets(logical + 248, 16).and_then(|octets| place(&octets, 4))?;
    Some((Udf { block, partitions: maps }, set))
}

/// Block and partition, as a long description of an extent has them behind its length (ECMA-167 4/14.14.2).
fn place(octets: &[u8], at: u64) -> Option<Place> {
    Some(Place { partition: number(octets, at + 4, 2)? as usize, block: number(octets, at, 4)? })
}

struct File<'a> {
    volume: Volume<'a>,
    is_folder: bool,
    length: u64,
    /// A small one lies in its own entry.
    pieces: Vec<Piece>,
}

impl<'a> File<'a> {
    fn content(&self) -> Pieces<'a, impl Iterator<Item = io::Result<Piece>> + use<'a>> {
        Pieces::new(self.volume, self.pieces.clone().into_iter().map(Ok), self.length)
    }
}

impl<'a> Udf<'a> {
    fn octets(&self, place: Place, length: usize) -> Option<Vec<u8>> {
        self.partitions.get(place.partition)?.octets(place.block * self.block, length)
    }

    fn file(&self, place: Place) -> Option<File<'a>> {
        let octets = self.octets(place, usize::try_from(self.block).ok()?)?;
        let n = |at, width| number(&octets, at, width);
        // Attributes stand before what says where it lies.
        let (more, length_at) = match n(0, 2)? {
            FILE => (n(168, 4)?, 172),
            EXTENDED_FILE => (n(208, 4)?, 212),
            _ => return None,
        };
        let begin = length_at + 4 + more;
        let (kind, length) = (n(34, 2)? & 7, n(56, 8)?);
        let partition = self.partitions.get(place.partition)?;
        let at = place.block * self.block + begin;
        let mut pieces = Vec::new();
        let volume = match kind {
            3 => {
                pieces.push(Piece { at: Some(at), length: n(length_at, 4)? });
                *partition
            }
            0 | 1 => self.pieces(place, at, n(length_at, 4)?, WIDTHS[kind as usize], &mut pieces)?,
            _ => return None,
        };
        Some(File { volume, is_folder: octets.get(27) == Some(&IS_FOLDER), length, pieces })
    }

    /// Extents, each with its length and its state in the two highest bits: 3 leads to more of them (ECMA-167 4/12.1).
    fn pieces(&self, of: Place, mut at: u64, mut length: u64, width: u64, found: &mut Vec<Piece>) -> Option<Volume<'a>> {
        let mut volume = *self.partitions.get(of.partition)?;
        let table = volume;
        while length >= width && found.len() < PIECES {
            let head = table.number(at, 4)?;
            let block = table.number(at + 4, 4)?;
            if width == WIDTHS[1] {
                volume = *self.partitions.get(table.number(at + 8, 2)? as usize)?;
            }
            let (state, octets) = (head >> 30, head & 0x3fff_ffff);
            (at, length) = (at + width, length - width);
            match state {
                _ if octets == 0 => break,
                // A block of descriptors of its own: behind its tag the length of what follows.
                3 => {
                    at = block * self.block + 24;
                    length = table.number(block * self.block + 20, 4)?.min(self.block);
                    found.push(Piece { at: None, length: 0 });
                }
                0 => found.push(Piece { at: Some(block * self.block), length: octets }),
                _ => found.push(Piece { at: None, length: octets }),
            }
        }
        Some(volume)
    }
}

/// Names with what they name (ECMA-167 4/14.4).
fn entries(folder: &[u8]) -> Vec<(String, bool, Place)> {
    let mut found = Vec::new();
    let mut at = 0;
    while number(folder, at, 2) == Some(FILE_NAME) {
        let n = |skip, width| number(folder, at + skip, width);
        let (Some(flags), Some(letters), Some(more), Some(place)) = (n(18, 1), n(19, 1), n(36, 2), place(folder, at + 24)) else { break };
        let name = usize::try_from(at + 38 + more).ok().and_then(|from| folder.get(from..from + letters as usize));
        if flags & (DELETED | PARENT) == 0
            && let Some(name) = name.and_then(text)
        {
            found.push((name, flags & NAMES_FOLDER != 0, place));
        }
        at += (38 + more + letters).next_multiple_of(4);
    }
    found
}

/// Letters of one octet or of two with the big end first, by the octet in front (UDF 2.1.1).
fn text(octets: &[u8]) -> Option<String> {
    let (form, letters) = octets.split_first()?;
    Some(match form {
        16 | 255 => utf16_be(letters),
        _ => letters.iter().map(|b| char::from(*b)).collect(),
    })
}
