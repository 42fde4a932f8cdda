//! `postern-install.toml`: an installation without questions. Strict, since nobody looks on: a key that is not known, a disk that
//! is not the only one meant, or anything that [`super::refusal`] refuses ends it before a sector is written.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use uuid::{Builder, Uuid};

use super::contents::Contents;
use super::dialogue::Then;
use super::disks::{Disk, System};
use super::layout::Layout;
use super::plan::Wanted;
use super::refusal::{Intent, Refusal, refusal, unusable};
use crate::machine::{BadMachine, Machine};
use crate::setup;

pub const FILE: &str = "postern-install.toml";
/// Labels of the volume. FAT has room for eleven letters, so there it is the second or third.
pub const LABELS: [&str; 3] = ["POSTERN-ANSWERS", "cidata", "CIDATA"];
/// Some lines, and a network with many VLANs.
pub const LONGEST: u64 = 256 << 10;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The only disk that could be taken.
    Only,
    Serial(String),
    /// `/dev/vda`, or a link to it as below /dev/disk.
    Path(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    disk: Which,
    #[serde(default)]
    erase: bool,
    #[serde(default)]
    keep_data: bool,
    #[serde(default)]
    then: Then,
    machine: Option<Machine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    pub disk: Which,
    pub intent: Intent,
    pub then: Then,
    /// machine.toml, checked.
    pub machine: Option<String>,
    /// Of the file as it is.
    /// SHA-256 of the file.
    digest: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswers {
    #[error("{FILE}: {0}")]
    Syntax(String),
    #[error("{FILE}: erase and keep_data cannot both be true")]
    Both,
    #[error("{FILE}: [machine] is for a data partition that is made; with keep_data the old one stays, and its settings with it")]
    MachineOfKept,
    #[error("{FILE}: [machine]: {0}")]
    Machine(#[from] BadMachine),
    #[error("{FILE}: [machine]: time_zone: there is no time zone {0}")]
    TimeZone(String),
    #[error("{FILE}: disk: {what} there is no such disk; there are {there}")]
    NoSuchDisk { what: String, there: String },
    #[error("{FILE}: disk: {what} {count} disks could be meant: {which}")]
    Several { what: String, count: usize, which: String },
    #[error("{FILE}: disk {disk}: {refusal}")]
    Refused { disk: String, refusal: Refusal },
}

impl Answers {
    /// `zones` is the folder of time zones, /usr/share/zoneinfo.
    ///
    /// # Errors
    /// The first thing that is wrong with the file.
    pub fn parse(text: &str, zones: &Path) -> Result<Self, BadAnswers> {
        let file: File = toml::from_str(text).map_err(|e| BadAnswers::Syntax(e.to_string()))?;
        let intent = match (file.erase, file.keep_data) {
            (true, true) => return Err(BadAnswers::Both),
            (true, false) => Intent::Erase,
            (false, true) => Intent::KeepData,
            (false, false) => Intent::Unsaid,
        };
        let machine = match file.machine {
            None => None,
            Some(_) if intent == Intent::KeepData => return Err(BadAnswers::MachineOfKept),
            Some(machine) => {
                let text = setup::rendered(&machine).map_err(BadAnswers::Syntax)?;
                Machine::parse(&text)?;
                if !machine.time_zone.is_empty() && !zones.join(&machine.time_zone).is_file() {
                    return Err(BadAnswers::TimeZone(machine.time_zone));
                }
                Some(text)
            }
        };
        Ok(Self { disk: file.disk, intent, then: file.then, machine, digest: digest(&SHA256, text.as_bytes()).as_ref().to_vec() })
    }

    /// The disk that is meant, whether or not it can be written to.
    ///
    /// # Errors
    /// When it is none, or not the only one.
    pub fn choose<'a>(&self, disks: &'a [Disk], layout: &Layout, system: &System) -> Result<&'a Disk, BadAnswers> {
        let (what, meant): (String, Vec<&Disk>) = match &self.disk {
            Which::Only => {
                let is_meant = |d: &&Disk| unusable(d, layout).is_none();
                ("of disks that can be taken,".into(), disks.iter().filter(is_meant).collect())
            }
            Which::Serial(serial) => (format!("with serial `{serial}`"), disks.iter().filter(|d| d.serial == *serial).collect()),
            Which::Path(path) => {
                let name = system.name_of(path);
                (format!("at {}", path.display()), disks.iter().filter(|d| Some(&d.name) == name.as_ref()).collect())
            }
        };
        let names = |disks: &mut dyn Iterator<Item = &Disk>| {
            let names: Vec<String> = disks.map(super::words::title).collect();
            if names.is_empty() { "none".into() } else { names.join("; ") }
        };
        match meant[..] {
            [disk] => Ok(disk),
            [] => Err(BadAnswers::NoSuchDisk { what, there: names(&mut disks.iter()) }),
            _ => Err(BadAnswers::Several { what, count: meant.len(), which: names(&mut meant.iter().copied()) }),
        }
    }

    /// # Errors
    /// Why this disk is not written to.
    pub fn permit(&self, disk: &Disk, layout: &Layout) -> Result<(), BadAnswers> {
        let refused = |refusal| BadAnswers::Refused { disk: disk.name.clone(), refusal };
        refusal(disk, layout, self.intent).map_or(Ok(()), |why| Err(refused(why)))
    }

    /// The GUID that a disk has once these answers installed it (RFC 9562 §5.8). A machine that starts the medium again, with the
    /// same answers, knows by it that its work is done.
    pub fn guid(&self, disk: &Disk) -> Uuid {
        let named = [b"postern answers", &self.digest[..], disk.serial.as_bytes()].concat();
        Builder::from_custom_bytes(digest(&SHA256, &named).as_ref().first_chunk().copied().unwrap_or_default()).into_uuid()
    }

    pub fn wanted<'a>(&'a self, disk: &Disk, fresh: &'a mut dyn FnMut() -> Uuid) -> Wanted<'a> {
        Wanted { intent: self.intent, machine: self.machine.as_deref(), guid: self.guid(disk), fresh }
    }

    pub fn is_done(&self, disk: &Disk) -> bool {
        matches!(&disk.contents, Contents::Postern(postern) if postern.guid == self.guid(disk))
    }
}
