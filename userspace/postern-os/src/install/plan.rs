//! An installation as a list of steps that can be printed. The order is what keeps a disk from being half of one: first the old
//! table goes (or becomes one with the data partition alone, when that is kept), then everything is written and read back, and
//! only then come boot code and table.

use std::fmt;
use std::path::PathBuf;

use uuid::Uuid;

use super::contents::{Contents, Data};
use super::disks::Disk;
use super::gpt::{CODE, Entry, HEAD, SECTOR, TAIL, Table};
use super::layout::MEBIBYTE;
use super::medium::{IMAGES, Medium};
use super::refusal::{Intent, Refusal, refusal};
use super::words::size;

/// What begins a file system or a volume, and more: this much at the beginning of a partition is made zeros.
pub const BEGINNING: u64 = 1 << 20;

/// Both ends of a disk: the first MiB, and the copy of the table in its last sectors.
#[derive(Clone, PartialEq, Eq)]
pub struct Ends {
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
    /// In sectors.
    pub tail_at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Every image of the medium is read and compared, before anything is lost.
    CheckMedium,
    /// From now on the disk does not start.
    Clear {
        ends: Ends,
        keeps: Keeps,
    },
    /// The beginning of an old partition, so that nothing finds a file system there later.
    Wipe {
        number: u32,
        at: u64,
        octets: u64,
    },
    /// The beginning of a new partition. postern-init makes a data partition anew that begins with zeros.
    Zero {
        partition: &'static str,
        at: u64,
        octets: u64,
    },
    Copy {
        image: &'static str,
        partition: &'static str,
        at: u64,
        octets: u64,
    },
    /// A file system with the machine's settings in it.
    MakeData {
        at: u64,
        sectors: u64,
        machine: String,
    },
    /// All that was written, from the disk itself.
    ReadBack,
    /// Boot code and table.
    Finish {
        ends: Ends,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    Nothing,
    Data,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub node: PathBuf,
    pub steps: Vec<Step>,
}

/// What was chosen, and what is new in this installation.
pub struct Wanted<'a> {
    pub intent: Intent,
    /// machine.toml, for a data partition that is made.
    pub machine: Option<&'a str>,
    /// The new disk's GUID.
    pub guid: Uuid,
    /// Those of partitions: two disks with the same ones in one machine could not be told apart at boot.
    pub fresh: &'a mut dyn FnMut() -> Uuid,
}

impl Plan {
    /// # Errors
    /// Why this disk is not written to.
    pub fn new(disk: &Disk, medium: &Medium, wanted: Wanted<'_>) -> Result<Self, Refusal> {
        let (layout, fresh) = (&medium.layout, wanted.fresh);
        if let Some(refusal) = refusal(disk, layout, wanted.intent) {
            return Err(refusal);
        }
        let kept = match (&disk.contents, wanted.intent) {
            (Contents::Postern(postern), Intent::KeepData) => match &postern.data {
                Data::Kept(entry) => Some(entry.clone()),
                _ => return Err(Refusal::NothingToKeep),
            },
            (_, Intent::KeepData) => return Err(Refusal::NothingToKeep),
            _ => None,
        };
        let mut steps = vec![Step::CheckMedium];
        steps.push(match &kept {
            None => Step::Clear { ends: Ends::empty(disk.sectors), keeps: Keeps::Nothing },
            Some(data) => {
                let table = Table { guid: fresh(), entries: vec![data.clone()] };
                Step::Clear { ends: Ends::of(&table, disk.sectors, &[0; CODE]), keeps: Keeps::Data }
            }
        });
        if kept.is_none() {
            steps.extend(disk.contents.partitions().iter().filter_map(|old| {
                let end = old.start.saturating_add(old.sectors.min(BEGINNING / SECTOR)).min(disk.sectors);
                let octets = end.saturating_sub(old.start) * SECTOR;
                (octets > 0).then_some(Step::Wipe { number: old.number, at: old.start, octets })
            }));
        }
        let mut entries = Vec::new();
        for (number, place) in (1..).zip(layout.places()) {
            let is_data = place.name == layout.data().name;
            let last = match is_data {
                // To the last full MiB before the copy of the table.
                true => (disk.sectors - TAIL) / MEBIBYTE * MEBIBYTE - 1,
                false => place.start + place.size - 1,
            };
            let new = Entry { number, kind: place.kind, guid: fresh(), first: place.start, last, attributes: 0, name: place.name.into() };
            let entry = match &kept {
                Some(old) if is_data => Entry { number, ..old.clone() },
                _ => new,
            };
            let is_filled = IMAGES.iter().any(|(_, to)| *to == place.name) || is_data && kept.is_some();
            if !is_filled {
                let octets = BEGINNING.min(entry.sectors() * SECTOR);
                steps.push(Step::Zero { partition: place.name, at: place.start, octets });
            }
            if let (true, None, Some(machine)) = (is_data, &kept, wanted.machine) {
                steps.push(Step::MakeData { at: place.start, sectors: entry.sectors(), machine: machine.into() });
            }
            entries.push(entry);
        }
        for (image, partition) in IMAGES {
            if let (Some(place), Some(content)) = (layout.place(partition), medium.content(image)) {
                steps.push(Step::Copy { image, partition: place.name, at: place.start, octets: content.size });
            }
        }
        steps.push(Step::ReadBack);
        let table = Table { guid: wanted.guid, entries };
        steps.push(Step::Finish { ends: Ends::of(&table, disk.sectors, &medium.boot_code) });
        Ok(Self { node: disk.node.clone(), steps })
    }
}

impl Ends {
    /// Of a disk that nothing starts from and nothing is found on.
    fn empty(sectors: u64) -> Self {
        Self { head: vec![0; BEGINNING as usize], tail: vec![0; (TAIL * SECTOR) as usize], tail_at: sectors - TAIL }
    }

    fn of(table: &Table, sectors: u64, code: &[u8; CODE]) -> Self {
        let mut head = table.head(sectors, code);
        debug_assert_eq!(head.len() as u64, HEAD * SECTOR);
        // What stood between table and first partition was another boot loader's.
        head.resize(BEGINNING as usize, 0);
        Self { head, tail: table.tail(sectors), tail_at: sectors - TAIL }
    }
}

impl fmt::Debug for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ends").field("tail_at", &self.tail_at).finish_non_exhaustive()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::CheckMedium => f.write_str("check the medium"),
            Step::Clear { keeps: Keeps::Nothing, .. } => f.write_str("take the old partition table away"),
            Step::Clear { keeps: Keeps::Data, .. } => f.write_str("take the old partition table away but for the data partition"),
            Step::Wipe { number, at, octets } => write!(f, "wipe the beginning of old partition {number} ({}, sector {at})", size(*octets)),
            Step::Zero { partition, at, octets } => write!(f, "zero the beginning of {partition} ({}, sector {at})", size(*octets)),
            Step::Copy { image, partition, at, octets } => write!(f, "write {image} to {partition} ({}, sector {at})", size(*octets)),
            Step::MakeData { at, sectors, .. } => {
                write!(f, "make the data partition with the machine's settings ({}, sector {at})", size(sectors.saturating_mul(SECTOR)))
            }
            Step::ReadBack => f.write_str("read everything back"),
            Step::Finish { .. } => f.write_str("write boot code and partition table"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>3}. {step}")?;
        }
        Ok(())
    }
}
