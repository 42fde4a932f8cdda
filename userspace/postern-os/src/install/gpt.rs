//! The GUID partition table (UEFI 2.10 §5.3): read from disks that anybody made, written for ours.
//!
//! What is read is a stranger's: every number in it is checked before it is used, and no more than [`MOST_ENTRIES`] entries are
//! looked at.

use std::io;
use std::os::unix::fs::FileExt;

use uuid::Uuid;

pub const SECTOR: u64 = 512;
/// Tables of 128 are what every tool makes; some make them larger.
const MOST_ENTRIES: u32 = 1024;
/// Of the tables that we write, as of nearly all.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
/// The specification allows 128 times a power of two.
const LARGEST_ENTRY: u32 = 4096;
const HEADER: usize = 92;
const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// What lies at either end beside header (and protective table): the entries.
const ENTRY_SECTORS: u64 = (ENTRIES * ENTRY) as u64 / SECTOR;
/// Sectors at the beginning: protective table, header, entries. At the end the first of these is missing.
pub const HEAD: u64 = 2 + ENTRY_SECTORS;
pub const TAIL: u64 = 1 + ENTRY_SECTORS;
/// Where a BIOS' boot code ends and the protective table begins (§5.2.1).
pub const CODE: usize = 440;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From 1.
    pub number: u32,
    pub kind: Uuid,
    pub guid: Uuid,
    /// In sectors; both belong to it.
    pub first: u64,
    pub last: u64,
    pub attributes: u64,
    pub name: String,
}

impl Entry {
    pub fn sectors(&self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub guid: Uuid,
    pub entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Table(Table),
    /// A header is there, and neither it nor its copy at the end is whole.
    Damaged,
    None,
}

/// The table of a disk with so many sectors: its first header, or the copy in its last sector.
///
/// # Errors
/// When the disk cannot be read.
pub fn read(disk: &impl FileExt, sectors: u64) -> io::Result<Found> {
    let mut is_there = false;
    for at in [1, sectors.saturating_sub(1)] {
        if at == 0 || at >= sectors {
            continue;
        }
        let mut header = [0; SECTOR as usize];
        disk.read_exact_at(&mut header, at * SECTOR)?;
        if !header.starts_with(SIGNATURE) {
            continue;
        }
        is_there = true;
        let Some(header) = Header::parse(&header, at, sectors) else { continue };
        let mut entries = vec![0; header.count as usize * header.size as usize];
        disk.read_exact_at(&mut entries, header.entries_at * SECTOR)?;
        if crc32fast::hash(&entries) != header.crc {
            continue;
        }
        if let Some(entries) = parse_entries(&entries, header.size as usize, sectors) {
            return Ok(Found::Table(Table { guid: header.guid, entries }));
        }
    }
    Ok(if is_there { Found::Damaged } else { Found::None })
}

struct Header {
    guid: Uuid,
    entries_at: u64,
    count: u32,
    size: u32,
    crc: u32,
}

impl Header {
    fn parse(sector: &[u8], at: u64, sectors: u64) -> Option<Self> {
        let length = u32_at(sector, 12) as usize;
        if !(HEADER..=SECTOR as usize).contains(&length) {
            return None;
        }
        let mut checked = sector[..length].to_vec();
        checked[16..20].fill(0);
        let header = Self {
            guid: guid_at(sector, 56),
            entries_at: u64_at(sector, 72),
            count: u32_at(sector, 80),
            size: u32_at(sector, 84),
            crc: u32_at(sector, 88),
        };
        let is_size = header.size >= 128 && header.size.is_power_of_two() && header.size <= LARGEST_ENTRY;
        let is_whole = crc32fast::hash(&checked) == u32_at(sector, 16) && u64_at(sector, 24) == at;
        let end = header.entries_at.checked_add((u64::from(header.count) * u64::from(header.size)).div_ceil(SECTOR))?;
        (is_whole && is_size && (1..=MOST_ENTRIES).contains(&header.count) && end <= sectors).then_some(header)
    }
}

/// None when one of them lies beyond the disk, or ends before it begins.
fn parse_entries(entries: &[u8], size: usize, sectors: u64) -> Option<Vec<Entry>> {
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(entries.chunks_exact(size)) {
        let kind = guid_at(entry, 0);
        if kind.is_nil() {
            continue;
        }
        let units = entry[56..128].chunks_exact(2).map(|u| u16::from_le_bytes([u[0], u[1]])).take_while(|u| *u != 0);
        let entry = Entry {
            number,
            kind,
            guid: guid_at(entry, 16),
            first: u64_at(entry, 32),
            last: u64_at(entry, 40),
            attributes: u64_at(entry, 48),
            name: char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect(),
        };
        if entry.first > entry.last || entry.last >= sectors {
            return None;
        }
        found.push(entry);
    }
    Some(found)
}

impl Table {
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| e.name == name)
    }

    /// The first [`HEAD`] sectors of a disk, with this boot code before the protective table.
    pub fn head(&self, sectors: u64, code: &[u8; CODE]) -> Vec<u8> {
        let mut head = protective(sectors, code);
        head.extend(self.header(1, sectors - 1, 2, sectors));
        head.extend(self.entries());
        head
    }

    /// The last [`TAIL`] sectors: the copy.
    pub fn tail(&self, sectors: u64) -> Vec<u8> {
        let mut tail = self.entries();
        tail.extend(self.header(sectors - 1, 1, sectors - TAIL, sectors));
        tail
    }

    fn header(&self, at: u64, other: u64, entries_at: u64, sectors: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(SECTOR as usize);
        header.extend(SIGNATURE);
        header.extend(REVISION.to_le_bytes());
        header.extend((HEADER as u32).to_le_bytes());
        header.extend([0; 8]);
        for number in [at, other, HEAD, sectors - TAIL - 1] {
            header.extend(number.to_le_bytes());
        }
        header.extend(self.guid.to_bytes_le());
        header.extend(entries_at.to_le_bytes());
        for number in [ENTRIES as u32, ENTRY as u32, crc32fast::hash(&self.entries())] {
            header.extend(number.to_le_bytes());
        }
        let crc = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        header.resize(SECTOR as usize, 0);
        header
    }

    fn entries(&self) -> Vec<u8> {
        let mut octets = vec![0; ENTRIES * ENTRY];
        for entry in &self.entries {
            let at = (entry.number as usize).saturating_sub(1) * ENTRY;
            let Some(to) = octets.get_mut(at..at + ENTRY) else { continue };
            to[..16].copy_from_slice(&entry.kind.to_bytes_le());
            to[16..32].copy_from_slice(&entry.guid.to_bytes_le());
            for (from, number) in [(32, entry.first), (40, entry.last), (48, entry.attributes)] {
                to[from..from + 8].copy_from_slice(&number.to_le_bytes());
            }
            for (unit, to) in entry.name.encode_utf16().zip(to[56..].chunks_exact_mut(2)) {
                to.copy_from_slice(&unit.to_le_bytes());
            }
        }
        octets
    }
}

/// §5.2.3: one partition of kind EE over all of the disk, as far as its numbers reach.
fn protective(sectors: u64, code: &[u8; CODE]) -> Vec<u8> {
    let mut sector = vec![0; SECTOR as usize];
    sector[..CODE].copy_from_slice(code);
    let size = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    sector[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]);
    sector[458..462].copy_from_slice(&size.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn u32_at(octets: &[u8], at: usize) -> u32 {
    octets[at..].first_chunk().map_or(0, |o| u32::from_le_bytes(*o))
}

fn u64_at(octets: &[u8], at: usize) -> u64 {
    octets[at..].first_chunk().map_or(0, |o| u64::from_le_bytes(*o))
}

fn guid_at(octets: &[u8], at: usize) -> Uuid {
    octets[at..].first_chunk().map_or(Uuid::nil(), |o| Uuid::from_bytes_le(*o))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::fs::File;

    const SECTORS: u64 = 8192;

    fn table() -> Table {
        let entry = |number, name: &str| Entry {
            number,
            kind: Uuid::from_u128(7),
            guid: Uuid::from_u128(u128::from(number)),
            first: u64::from(number) * 1000,
            last: u64::from(number) * 1000 + 9,
            attributes: 0,
            name: name.into(),
        };
        Table { guid: Uuid::from_u128(99), entries: vec![entry(2, "esp"), entry(7, "größte Daten")] }
    }

    fn disk(table: &Table) -> File {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(SECTORS * SECTOR).unwrap();
        disk.write_all_at(&table.head(SECTORS, &[0; CODE]), 0).unwrap();
        disk.write_all_at(&table.tail(SECTORS), (SECTORS - TAIL) * SECTOR).unwrap();
        disk
    }

    #[test]
    fn what_was_written_is_read_with_its_numbers() {
        assert_eq!(read(&disk(&table()), SECTORS).unwrap(), Found::Table(table()));
    }

    #[test]
    fn the_copy_counts_when_the_first_is_damaged_and_nothing_when_both_are() {
        let disk = disk(&table());
        disk.write_all_at(b"x", 2 * SECTOR + 130).unwrap();
        assert_eq!(read(&disk, SECTORS).unwrap(), Found::Table(table()));
        disk.write_all_at(b"x", SECTORS * SECTOR - 450).unwrap();
        assert_eq!(read(&disk, SECTORS).unwrap(), Found::Damaged);
        disk.write_all_at(&[0; 8], SECTOR).unwrap();
        disk.write_all_at(&[0; 8], (SECTORS - 1) * SECTOR).unwrap();
        assert_eq!(read(&disk, SECTORS).unwrap(), Found::None);
    }

    #[test]
    fn a_partition_beyond_the_disk_is_no_table() {
        let mut wrong = table();
        wrong.entries[1].last = SECTORS;
        assert_eq!(read(&disk(&wrong), SECTORS).unwrap(), Found::Damaged);
    }

    proptest! {
        /// A stranger's header with a right checksum and any numbers: an answer and no more memory than a thousand entries need.
        #[test]
        fn any_header_has_an_answer(octets in proptest::collection::vec(any::<u8>(), 72), length in 0..600_u32) {
            let mut header = vec![0; SECTOR as usize];
            header[..8].copy_from_slice(SIGNATURE);
            header[12..16].copy_from_slice(&length.to_le_bytes());
            header[24..96].copy_from_slice(&octets);
            header[24..32].copy_from_slice(&1_u64.to_le_bytes());
            if (HEADER..=512).contains(&(length as usize)) {
                let crc = crc32fast::hash(&header[..length as usize]);
                header[16..20].copy_from_slice(&crc.to_le_bytes());
            }
            let disk = tempfile::tempfile().unwrap();
            disk.set_len(SECTORS * SECTOR).unwrap();
            disk.write_all_at(&header, SECTOR).unwrap();
            prop_assert_ne!(read(&disk, SECTORS).unwrap(), Found::None);
        }
    }
}
