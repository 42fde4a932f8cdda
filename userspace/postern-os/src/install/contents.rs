//! What a disk holds: a table of partitions, another Postern, something that is not known, or nothing. Read by its own octets;
//! nothing on it is mounted.

use std::io;
use std::os::unix::fs::FileExt;

use uuid::Uuid;

use super::gpt::{self, Found, SECTOR, Table};
use super::layout::Layout;

/// How much of a beginning must be zeros where there is nothing; postern-init asks the same of a data partition before it makes
/// a file system there.
pub const BLANK: usize = 1 << 20;
/// More of a slot's boot partition is not looked at for its version.
const LONGEST_SEARCH: u64 = 96 << 20;
const LONGEST_VERSION: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// No table, and its first MiB is zeros.
    Blank,
    /// The kernel or the disk refuses.
    Unreadable(String),
    Postern(Postern),
    /// By a table of either kind.
    Partitions(Vec<Partition>),
    /// There is something, and not a table that is whole.
    Unknown(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postern {
    pub guid: Uuid,
    pub partitions: Vec<Partition>,
    /// Versions in slots a and b, where they can be read.
    pub versions: Vec<(char, String)>,
    pub data: Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// No such partition, or one that was never booted: its first MiB is zeros.
    None,
    /// This one can be kept: it begins where the new layout has it.
    Kept(gpt::Entry),
    /// It lies where the new layout has something else.
    Elsewhere,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub number: u32,
    /// In sectors.
    pub start: u64,
    pub sectors: u64,
    /// Its name, or what its kind is called.
    pub name: String,
}

impl Contents {
    pub fn partitions(&self) -> &[Partition] {
        match self {
            Contents::Postern(Postern { partitions, .. }) | Contents::Partitions(partitions) => partitions,
            _ => &[],
        }
    }
}

pub fn read(disk: &impl FileExt, sectors: u64, layout: &Layout) -> Contents {
    look(disk, sectors, layout).unwrap_or_else(|e| Contents::Unreadable(e.to_string()))
}

fn look(disk: &impl FileExt, sectors: u64, layout: &Layout) -> io::Result<Contents> {
    Ok(match gpt::read(disk, sectors)? {
        Found::Table(table) => match of_postern(disk, sectors, &table, layout)? {
            Some(postern) => Contents::Postern(postern),
            None => Contents::Partitions(partitions(&table)),
        },
        Found::Damaged => Contents::Unknown("a partition table that is damaged"),
        Found::None => {
            let mut sector = [0; SECTOR as usize];
            disk.read_exact_at(&mut sector, 0)?;
            let partitions = of_dos(&sector);
            match partitions.is_empty() {
                false => Contents::Partitions(partitions),
                true if is_blank(disk, 0, sectors * SECTOR)? => Contents::Blank,
                true => Contents::Unknown("data without a partition table"),
            }
        }
    })
}

/// # Errors
/// When it cannot be read.
pub fn is_blank(disk: &impl FileExt, at: u64, length: u64) -> io::Result<bool> {
    let mut beginning = vec![0; BLANK.min(usize::try_from(length).unwrap_or(BLANK))];
    disk.read_exact_at(&mut beginning, at)?;
    Ok(beginning.iter().all(|o| *o == 0))
}

fn partitions(table: &Table) -> Vec<Partition> {
    let name = |e: &gpt::Entry| match e.name.is_empty() {
        true => kind(&e.kind),
        false => printable(&e.name),
    };
    table.entries.iter().map(|e| Partition { number: e.number, start: e.first, sectors: e.sectors(), name: name(e) }).collect()
}

/// None when the table is another system's. A table with our data alone is what an installation leaves that was cut short
/// while it kept them.
fn of_postern(disk: &impl FileExt, sectors: u64, table: &Table, layout: &Layout) -> io::Result<Option<Postern>> {
    let data = table.named("data");
    let has_slots = table.named("boot-a").is_some() && table.named("root-a").is_some();
    let has_data_only = table.entries.len() == 1 && data.is_some_and(|d| d.first == layout.data().start);
    let Some(data) = data.filter(|_| has_slots || has_data_only) else { return Ok(None) };
    // The copy of the table that will be written must not reach into it.
    let is_in_place = data.first == layout.data().start && data.kind == layout.data().kind && data.last < sectors.saturating_sub(gpt::TAIL);
    let data = if is_blank(disk, data.first * SECTOR, data.sectors().saturating_mul(SECTOR))? {
        Data::None
    } else if is_in_place {
        Data::Kept(data.clone())
    } else {
        Data::Elsewhere
    };
    let mut versions = Vec::new();
    for (slot, name) in [('a', "boot-a"), ('b', "boot-b")] {
        if let Some(version) = table.named(name).and_then(|e| version(disk, e)) {
            versions.push((slot, version));
        }
    }
    Ok(Some(Postern { guid: table.guid, partitions: partitions(table), versions, data }))
}

/// `set version=` of a slot's slot.cfg. The builder leaves the files of that squashfs uncompressed (`-noD -noF`, for GRUB), so the
/// line stands there as it is, and no file system of a stranger is taken apart for it.
fn version(disk: &impl FileExt, entry: &gpt::Entry) -> Option<String> {
    const MARK: &[u8] = b"set version=";
    const STEP: usize = 1 << 20;
    let start = entry.first * SECTOR;
    let mut header = [0; 96];
    disk.read_exact_at(&mut header, start).ok()?;
    // The superblock of squashfs: its magic, and at 40 how much is used.
    let used = u64::from_le_bytes(*header[40..].first_chunk()?);
    if &header[..4] != b"hsqs" || used > entry.sectors().saturating_mul(SECTOR) {
        return None;
    }
    let used = used.min(LONGEST_SEARCH);
    // Each look overlaps the last one by what a line may have.
    let mut window = vec![0; STEP + MARK.len() + LONGEST_VERSION];
    let mut at = 0;
    while at < used {
        let length = window.len().min(usize::try_from(used - at).ok()?);
        disk.read_exact_at(&mut window[..length], start + at).ok()?;
        if let Some(found) = window[..length].windows(MARK.len()).position(|w| w == MARK) {
            let rest = &window[found + MARK.len()..length];
            let line = rest.split(|o| *o == b'\n').next()?;
            let text = std::str::from_utf8(line).ok()?.trim();
            let is_version = (1..=LONGEST_VERSION).contains(&text.len()) && text.bytes().all(|o| o.is_ascii_graphic());
            return is_version.then(|| text.to_owned());
        }
        at += STEP as u64;
    }
    None
}

/// The four primary partitions of the older table. None when it is none: the same sector may be the start of a file system.
fn of_dos(sector: &[u8]) -> Vec<Partition> {
    if sector[510..] != [0x55, 0xaa] {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(sector[446..510].chunks_exact(16)) {
        let numbers = |at: usize| entry[at..].first_chunk().map_or(0, |o| u32::from_le_bytes(*o));
        let (start, sectors) = (numbers(8), numbers(12));
        // The only two values of the boot flag; anything else is code or text of a boot sector.
        if !matches!(entry[0], 0 | 0x80) {
            return Vec::new();
        }
        if entry[4] != 0 && start > 0 && sectors > 0 {
            found.push(Partition { number, start: start.into(), sectors: sectors.into(), name: dos_kind(entry[4]) });
        }
    }
    found
}

fn dos_kind(kind: u8) -> String {
    match kind {
        0x05 | 0x0f => "extended".into(),
        0x07 => "NTFS or exFAT".into(),
        0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e => "FAT".into(),
        0x82 => "Linux swap".into(),
        0x83 => "Linux".into(),
        0x8e => "LVM".into(),
        0xee => "protective".into(),
        0xef => "EFI system".into(),
        0xfd => "RAID".into(),
        other => format!("kind {other:02x}"),
    }
}

fn kind(kind: &Uuid) -> String {
    match kind.to_string().as_str() {
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "EFI system".into(),
        "21686148-6449-6e6f-744e-656564454649" => "BIOS boot".into(),
        "0fc63daf-8483-4772-8e79-3d69d8477de4" => "Linux".into(),
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => "Linux swap".into(),
        "e6d6d379-f507-44c2-a23c-238f2a3df928" => "LVM".into(),
        "a19d880f-05fc-4d3b-a006-743f0f84911e" => "RAID".into(),
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" => "Windows data".into(),
        "e3c9e316-0b5c-4db8-817d-f92df00215ae" => "Windows reserved".into(),
        other => format!("kind {other}"),
    }
}

/// Names come from a disk that anybody may have made, and are shown on a terminal.
pub fn printable(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SCRIPT: &str = include_str!("../../../../image/boot/partitions.sfdisk");
    const SECTORS: u64 = 4096;

    fn seen(sector: &[u8]) -> Contents {
        let disk = tempfile::tempfile().unwrap();
        disk.set_len(SECTORS * SECTOR).unwrap();
        disk.write_all_at(sector, 0).unwrap();
        read(&disk, SECTORS, &Layout::parse(SCRIPT).unwrap())
    }

    #[test]
    fn a_boot_sector_of_a_file_system_is_no_table() {
        let mut sector = vec![0x90; 512];
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(seen(&sector), Contents::Unknown("data without a partition table"));
        assert_eq!(seen(&[0; 512]), Contents::Blank);
    }

    proptest! {
        /// A stranger's first sector has an answer, and it is never that nothing is there.
        #[test]
        fn any_sector_has_an_answer(mut sector in proptest::collection::vec(any::<u8>(), 510), flags in proptest::collection::vec(0..2_u8, 4)) {
            sector.extend([0x55, 0xaa]);
            for (at, flag) in flags.iter().enumerate() {
                sector[446 + 16 * at] = flag * 0x80;
            }
            prop_assert_ne!(seen(&sector), Contents::Blank);
        }
    }
}
