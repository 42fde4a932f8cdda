//! Partition tables: MBR with its chain of logical drives, and GPT (UEFI 2.10 §5).

use super::source::{Disk, Volume};

const MARK: u64 = 0xaa55;
const TABLE: u64 = 446;
const GPT: u64 = 0xee;
const EXTENDED: [u64; 3] = [0x05, 0x0f, 0x85];
/// Drives in a chain, and entries of a GPT, that are looked at.
const LOGICAL: usize = 64;
const ENTRIES: u64 = 256;

/// All of them, in the order of the tables; the disk itself is none.
#[derive(Default)]
pub struct Partitions<'a> {
    pub volumes: Vec<Volume<'a>>,
    /// One begins behind the disk's end: not all of the disk is here.
    pub is_cut: bool,
}

pub fn of<'a>(disk: &'a Disk<'a>) -> Partitions<'a> {
    let whole = Volume { disk, start: 0, length: disk.length };
    let entries = table(&whole, 0);
    // A table for GPT in front of one that is gone: the second one stands at the end (UEFI 2.10 §5.3.1).
    if entries.iter().any(|e| e.kind == GPT) || is_gpt(&whole, disk.sector) {
        let places = [disk.sector, 512, 4096, disk.length.saturating_sub(disk.sector)];
        if let Some(at) = places.into_iter().find(|at| is_gpt(&whole, *at)) {
            return gpt(&whole, at);
        }
    }
    let mut found = Partitions::default();
    for entry in entries {
        if EXTENDED.contains(&entry.kind) {
            logical(&whole, entry.first, &mut found);
        } else {
            found.add(disk, entry.first, entry.count);
        }
    }
    found
}

struct Entry {
    kind: u64,
    first: u64,
    count: u64,
}

fn table(whole: &Volume<'_>, sector: u64) -> Vec<Entry> {
    let at = sector * whole.disk.sector;
    let number = |at, width| whole.number(at, width).unwrap_or(0);
    if number(at + 510, 2) != MARK {
        return Vec::new();
    }
    let entries = (0..4).map(|n| at + TABLE + n * 16).filter(|at| number(*at, 1) & 0x7f == 0);
    let entries = entries.map(|at| Entry { kind: number(at + 4, 1), first: number(at + 8, 4), count: number(at + 12, 4) });
    entries.filter(|e| e.kind != 0 && e.count != 0).collect()
}

/// Whether sector 0 has a table of partitions, one of which begins on what there is of the disk.
pub fn has_table(disk: &Disk<'_>) -> bool {
    let whole = Volume { disk, start: 0, length: disk.length };
    let entries = table(&whole, 0);
    let is_within = |e: &Entry| e.first > 0 && e.first * disk.sector < disk.length;
    let statuses = (0..4).map(|n| whole.number(TABLE + n * 16, 1)).all(|status| matches!(status, Some(0 | 0x80)));
    is_gpt(&whole, disk.sector) || (statuses && entries.iter().any(is_within))
}

/// Each has a table of its own with itself, counted from there, and the next, counted from the first (and it may lead back).
fn logical<'a>(whole: &Volume<'a>, base: u64, found: &mut Partitions<'a>) {
    let mut next = Some(base);
    for _ in 0..LOGICAL {
        let Some(at) = next.take() else { return };
        found.is_cut |= at * whole.disk.sector >= whole.length;
        for entry in table(whole, at) {
            if EXTENDED.contains(&entry.kind) {
                next = Some(base + entry.first);
            } else {
                found.add(whole.disk, at + entry.first, entry.count);
            }
        }
    }
}

fn is_gpt(whole: &Volume<'_>, at: u64) -> bool {
    whole.octets(at, 8).is_some_and(|octets| octets == b"EFI PART")
}

fn gpt<'a>(whole: &Volume<'a>, header: u64) -> Partitions<'a> {
    let disk = whole.disk;
    let number = |at: u64, width| whole.number(at, width).unwrap_or(0);
    let (first, count, size) = (number(header + 72, 8), number(header + 80, 4), number(header + 84, 4));
    // Where the header of a disk with small sectors stands on one with large ones, its numbers are those of the small.
    let sector = if header == 512 || header == 4096 { header } else { disk.sector };
    let Some(table) = first.checked_mul(sector).filter(|at| *at < disk.length && (128..=4096).contains(&size)) else {
        return Partitions::default();
    };
    let entries = (0..count.min(ENTRIES)).filter_map(|n| table.checked_add(n * size));
    let used = entries.filter(|at| number(*at, 8) | number(at + 8, 8) != 0).map(|at| (number(at + 32, 8), number(at + 40, 8)));
    let mut found = Partitions::default();
    for (first, last) in used {
        let (Some(start), Some(end)) = (first.checked_mul(sector), last.checked_add(1).and_then(|end| end.checked_mul(sector))) else {
            continue;
        };
        found.is_cut |= end > disk.length;
        let end = end.min(disk.length);
        if start < end {
            found.volumes.push(Volume { disk, start, length: end - start });
        }
    }
    found
}

impl<'a> Partitions<'a> {
    fn add(&mut self, disk: &'a Disk<'a>, first: u64, count: u64) {
        let start = first.saturating_mul(disk.sector);
        // Cut images are mounted as far as they go.
        let length = count.saturating_mul(disk.sector).min(disk.length.saturating_sub(start));
        self.is_cut |= length < disk.sector;
        if length > 0 {
            self.volumes.push(Volume { disk, start, length });
        }
    }
}
