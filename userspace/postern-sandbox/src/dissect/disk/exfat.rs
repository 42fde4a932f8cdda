//! exFAT (Microsoft's exFAT specification 1.00).

use std::collections::HashSet;
use std::io;

use super::Look;
use super::clusters::Clusters;
use super::source::{Piece, Pieces, Volume};
use crate::dissect::octets::number;
use crate::dissect::text::utf16;

pub const NAME: &[u8; 8] = b"EXFAT   ";
const ENTRY: usize = 32;
const FILE: u8 = 0x85;
const STREAM: u8 = 0xc0;
const FILE_NAME: u8 = 0xc1;
const IS_FOLDER: u8 = 0x10;
/// Octets of a folder; the specification knows 256 MiB.
const FOLDER_MOST: u64 = 8 << 20;

struct ExFat<'a> {
    clusters: Clusters<'a>,
    table: u64,
}

pub fn open(look: &mut Look<'_, '_>, volume: Volume<'_>) {
    let n = |at, width| volume.number(at, width).unwrap_or(0);
    let (sector, per_cluster) = (n(108, 1), n(109, 1));
    if !(9..=12).contains(&sector) || sector + per_cluster > 25 {
        return look.damaged("the begin of an exFAT volume");
    }
    look.measure(volume, n(72, 8).saturating_mul(1 << sector));
    let clusters = Clusters { volume, data: n(88, 4) << sector, size: 1 << (sector + per_cluster), end: n(92, 4) + 2 };
    let fat = ExFat { clusters, table: n(80, 4) << sector };
    let root = look.folder("", Pieces::all(volume, fat.chain(n(96, 4))), FOLDER_MOST);
    let mut folders = vec![(String::new(), root)];
    let mut seen = HashSet::new();
    while let Some((path, content)) = folders.pop() {
        for entry in entries(&content) {
            if look.is_over() {
                return;
            }
            let name = format!("{path}{}", entry.name);
            if entry.is_folder && !seen.insert(entry.first) {
                continue;
            }
            // Beyond what was ever written it is zeros.
            let written = entry.written.min(entry.length);
            let rest = Piece { at: None, length: entry.length - written };
            let pieces = fat.pieces(&entry, written).chain(std::iter::once(Ok(rest)).filter(|_| rest.length > 0));
            let content = Pieces::new(volume, pieces, entry.length);
            if entry.is_folder {
                let content = look.folder(&name, content, FOLDER_MOST);
                folders.push((format!("{name}/"), content));
            } else {
                look.file(&name, content, entry.length);
            }
        }
    }
}

impl<'a> ExFat<'a> {
    /// So many octets of a file.
    fn pieces(&self, entry: &Entry, length: u64) -> Box<dyn Iterator<Item = io::Result<Piece>> + 'a> {
        let mut left = length;
        if entry.is_in_one_piece {
            let piece = self.clusters.place(entry.first).map(|at| Ok(Piece { at: Some(at), length }));
            return Box::new(piece.filter(|_| length > 0).into_iter());
        }
        Box::new(self.chain(entry.first).map_while(move |piece| {
            let piece = piece.map(|piece| Piece { length: piece.length.min(left), ..piece });
            left -= piece.as_ref().map_or(0, |piece| piece.length);
            piece.as_ref().map_or(true, |piece| piece.length > 0).then_some(piece)
        }))
    }

    fn chain(&self, first: u64) -> impl Iterator<Item = io::Result<Piece>> + use<'a> {
        let Self { clusters, table } = *self;
        clusters.chain(first, move |cluster| clusters.volume.number(table + cluster * 4, 4))
    }
}

struct Entry {
    name: String,
    is_folder: bool,
    is_in_one_piece: bool,
    first: u64,
    written: u64,
    length: u64,
}

/// Sets of slots: the file, where it is, its name in pieces.
fn entries(folder: &[u8]) -> Vec<Entry> {
    let mut slots = folder.chunks_exact(ENTRY);
    let mut found = Vec::new();
    while let Some(slot) = slots.next() {
        match slot[0] {
            0 => break,
            FILE => {
                let set: Vec<&[u8]> = slots.clone().take(usize::from(slot[1])).collect();
                found.extend(entry(slot, &set));
            }
            _ => {}
        }
    }
    found
}

fn entry(file: &[u8], set: &[&[u8]]) -> Option<Entry> {
    let stream = set.first().filter(|slot| slot[0] == STREAM)?;
    let pieces = set[1..].iter().take_while(|slot| slot[0] == FILE_NAME);
    let mut name = utf16(&pieces.flat_map(|slot| &slot[2..]).copied().collect::<Vec<u8>>());
    let end = name.char_indices().nth(usize::from(stream[3])).map_or(name.len(), |(at, _)| at);
    name.truncate(end);
    Some(Entry {
        name: name.trim_end_matches('\0').to_owned(),
        is_folder: file[4] & IS_FOLDER != 0,
        is_in_one_piece: stream[1] & 2 != 0,
        first: number(stream, 20, 4)?,
        written: number(stream, 8, 8)?,
        length: number(stream, 24, 8)?,
    })
}
