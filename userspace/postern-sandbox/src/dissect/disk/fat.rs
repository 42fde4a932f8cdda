//! FAT12, FAT16 and FAT32 (Microsoft's FAT specification 1.03), as Windows mounts them: what others take for damage and it does not care about
//! is passed over.

use std::collections::HashSet;
use std::io;

use super::Look;
use super::clusters::Clusters;
use super::source::{Piece, Pieces, Volume};
use crate::dissect::octets::number;

const ENTRY: usize = 32;
const FOLDER: u8 = 0x10;
const LABEL: u8 = 0x08;
const LONG_NAME: u8 = 0x0f;
/// Octets of a folder: 65,536 entries.
const FOLDER_MOST: u64 = 2 << 20;

struct Fat<'a> {
    clusters: Clusters<'a>,
    table: u64,
    bits: u64,
}

/// What the boot sector says, when it is one.
struct Boot {
    sector: u64,
    cluster: u64,
    reserved: u64,
    tables: u64,
    root_entries: u64,
    sectors: u64,
    table_sectors: u64,
    is_wide: bool,
}

/// Whether this could be a boot sector: a jump, and numbers that fit each other.
pub fn is_boot(sector: &[u8]) -> bool {
    matches!(sector.first(), Some(0xeb | 0xe9)) && boot(sector).is_some()
}

fn boot(octets: &[u8]) -> Option<Boot> {
    let n = |at, width| number(octets, at, width);
    let either = |narrow: u64, wide: u64| if narrow == 0 { wide } else { narrow };
    let boot = Boot {
        sector: n(11, 2)?,
        cluster: n(13, 1)? * n(11, 2)?,
        reserved: n(14, 2)?,
        tables: n(16, 1)?,
        root_entries: n(17, 2)?,
        sectors: either(n(19, 2)?, n(32, 4)?),
        table_sectors: either(n(22, 2)?, n(36, 4)?),
        is_wide: n(22, 2)? == 0,
    };
    let is_sound = matches!(boot.sector, 512 | 1024 | 2048 | 4096)
        && boot.cluster.is_power_of_two()
        && boot.reserved > 0
        && (1..=4).contains(&boot.tables)
        && boot.sectors > 0
        && boot.table_sectors > 0
        && n(21, 1)? >= 0xf0;
    is_sound.then_some(boot)
}

pub fn open(look: &mut Look<'_, '_>, volume: Volume<'_>) {
    let Some(boot) = volume.octets(0, 512).as_deref().and_then(boot) else { return look.damaged("the begin of a FAT volume") };
    look.measure(volume, boot.sectors * boot.sector);
    let table = boot.reserved * boot.sector;
    let root = table + boot.tables * boot.table_sectors * boot.sector;
    let root_length = boot.root_entries * ENTRY as u64;
    let data = root + root_length.next_multiple_of(boot.sector);
    let clusters = (boot.sectors * boot.sector).saturating_sub(data) / boot.cluster;
    let bits = if boot.is_wide {
        32
    } else if clusters < 4085 {
        12
    } else {
        16
    };
    let fat = Fat { clusters: Clusters { volume, data, size: boot.cluster, end: clusters + 2 }, table, bits };
    let content = if boot.is_wide {
        let first = volume.number(44, 4).unwrap_or(0);
        look.folder("", fat.pieces(first), FOLDER_MOST)
    } else {
        let pieces = Pieces::new(volume, std::iter::once(Ok(Piece { at: Some(root), length: root_length })), root_length);
        look.folder("", pieces, FOLDER_MOST)
    };
    let mut folders = vec![(String::new(), content)];
    let mut seen = HashSet::new();
    while let Some((path, content)) = folders.pop() {
        for entry in entries(&content) {
            if look.is_over() {
                return;
            }
            let name = format!("{path}{}", entry.name);
            if !entry.is_folder {
                let content = Pieces::new(volume, fat.chain(entry.first), entry.length);
                look.file(&name, content, entry.length);
            } else if seen.insert(entry.first) {
                let content = look.folder(&name, fat.pieces(entry.first), FOLDER_MOST);
                folders.push((format!("{name}/"), content));
            }
        }
    }
}

impl<'a> Fat<'a> {
    /// A folder's: it ends where its chain does.
    fn pieces(&self, first: u64) -> Pieces<'a, impl Iterator<Item = io::Result<Piece>>> {
        Pieces::all(self.clusters.volume, self.chain(first))
    }

    fn chain(&self, first: u64) -> impl Iterator<Item = io::Result<Piece>> + use<'a> {
        let Self { clusters, table, bits } = *self;
        clusters.chain(first, move |cluster| after(&clusters.volume, table, bits, cluster))
    }
}

fn after(volume: &Volume<'_>, table: u64, bits: u64, cluster: u64) -> Option<u64> {
    match bits {
        12 => {
            let pair = volume.number(table + cluster * 3 / 2, 2)?;
            Some(if cluster.is_multiple_of(2) { pair & 0xfff } else { pair >> 4 })
        }
        16 => volume.number(table + cluster * 2, 2),
        _ => Some(volume.number(table + cluster * 4, 4)? & 0x0fff_ffff),
    }
}

struct Entry {
    name: String,
    is_folder: bool,
    first: u64,
    length: u64,
}

fn entries(folder: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut long = LongName::default();
    for slot in folder.chunks_exact(ENTRY) {
        match slot[0] {
            0 => break,
            0xe5 => long = LongName::default(),
            _ if slot[11] & 0x3f == LONG_NAME => long.add(slot),
            _ if slot[11] & LABEL != 0 => long = LongName::default(),
            _ => {
                let name = std::mem::take(&mut long).of(slot).unwrap_or_else(|| short_name(slot));
                let first = u64::from(u16::from_le_bytes([slot[26], slot[27]])) | u64::from(u16::from_le_bytes([slot[20], slot[21]])) << 16;
                let length = number(slot, 28, 4).unwrap_or(0);
                if name != "." && name != ".." {
                    found.push(Entry { name, is_folder: slot[11] & FOLDER != 0, first, length });
                }
            }
        }
    }
    found
}

/// The slots in front of an entry that hold its long name, the last piece first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    next: u8,
    sum: u8,
}

impl LongName {
    fn add(&mut self, slot: &[u8]) {
        let order = slot[0] & 0x3f;
        if slot[0] & 0x40 != 0 {
            *self = Self { units: Vec::new(), next: order, sum: slot[13] };
        }
        if order == 0 || order != self.next || slot[13] != self.sum {
            *self = Self::default();
            return;
        }
        let text = [&slot[1..11], &slot[14..26], &slot[28..32]].concat();
        let mut units: Vec<u16> = text.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
        units.append(&mut self.units);
        self.units = units;
        self.next -= 1;
    }

    /// The name, when it is the one of this entry.
    fn of(self, slot: &[u8]) -> Option<String> {
        let sum = slot[..11].iter().fold(0_u8, |sum, b| sum.rotate_right(1).wrapping_add(*b));
        if self.units.is_empty() || self.next != 0 || sum != self.sum {
            return None;
        }
        let end = self.units.iter().position(|unit| *unit == 0).unwrap_or(self.units.len());
        Some(String::from_utf16_lossy(&self.units[..end]))
    }
}

/// Eight and three letters; Windows NT keeps in two bits that one half is in small letters.
fn short_name(slot: &[u8]) -> String {
    let half = |octets: &[u8], is_small: bool| {
        // 0x05 stands for 0xe5, which would say that the entry is gone.
        let text: String = octets.iter().enumerate().map(|(n, b)| char::from(if n == 0 && *b == 5 { 0xe5 } else { *b })).collect();
        let text = text.trim_end().to_owned();
        if is_small { text.to_lowercase() } else { text }
    };
    let (stem, ending) = (half(&slot[..8], slot[12] & 0x08 != 0), half(&slot[8..11], slot[12] & 0x10 != 0));
    if ending.is_empty() { stem } else { format!("{stem}.{ending}") }
}
