//! When a disk is not written to, and what would have to be said or done first.

use super::contents::{Contents, Data};
use super::disks::{Access, Disk, Use};
use super::gpt::SECTOR;
use super::layout::Layout;
use super::words::size;

/// What shall become of what is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Nothing was said: only a blank disk will do.
    Unsaid,
    Erase,
    /// The data partition of a Postern stays.
    KeepData,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("this system was started from it")]
    Medium,
    #[error("the answer file is on it")]
    Answers,
    #[error("it is read-only: look for a switch on it")]
    ReadOnly,
    #[error("it is mounted on {0}")]
    Mounted(String),
    #[error("{0} uses it (LVM or RAID)")]
    Held(String),
    #[error("it has {}, and {} are needed", size(*.has), size(*.needs))]
    TooSmall { has: u64, needs: u64 },
    #[error("its sectors have {0} octets: Postern needs a disk with sectors of 512")]
    SectorSize(u64),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it holds the data of a Postern: say whether they are kept or erased")]
    HoldsData,
    #[error("it is not empty: say that it may be erased")]
    NotEmpty,
    #[error("there are no data of a Postern on it that could be kept")]
    NothingToKeep,
    #[error("its data partition lies where this version has another one: back it up (postern backup), then erase")]
    OtherLayout,
}

/// What holds whatever shall become of its contents.
pub fn unusable(disk: &Disk, layout: &Layout) -> Option<Refusal> {
    let needs = layout.smallest_disk();
    Some(match (&disk.in_use, &disk.contents) {
        (Use::Medium, _) => Refusal::Medium,
        (Use::Answers, _) => Refusal::Answers,
        (Use::Mounted(at), _) => Refusal::Mounted(at.clone()),
        (Use::Held(by), _) => Refusal::Held(by.clone()),
        _ if disk.access == Access::ReadOnly => Refusal::ReadOnly,
        _ if disk.sector != SECTOR => Refusal::SectorSize(disk.sector),
        _ if disk.octets() < needs => Refusal::TooSmall { has: disk.octets(), needs },
        (_, Contents::Unreadable(why)) => Refusal::Unreadable(why.clone()),
        _ => return None,
    })
}

pub fn refusal(disk: &Disk, layout: &Layout, intent: Intent) -> Option<Refusal> {
    unusable(disk, layout).or_else(|| {
        let data = match &disk.contents {
            Contents::Postern(postern) => &postern.data,
            _ => &Data::None,
        };
        match (intent, &disk.contents, data) {
            (Intent::Erase, ..) | (Intent::Unsaid, Contents::Blank, _) | (Intent::KeepData, _, Data::Kept(_)) => None,
            (Intent::Unsaid, _, Data::None) => Some(Refusal::NotEmpty),
            (Intent::Unsaid, ..) => Some(Refusal::HoldsData),
            (Intent::KeepData, _, Data::Elsewhere) => Some(Refusal::OtherLayout),
            (Intent::KeepData, _, Data::None) => Some(Refusal::NothingToKeep),
        }
    })
}
