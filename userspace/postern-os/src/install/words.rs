//! What is said about disks: a line for the list, and what an installation takes away.

use std::fmt::Write as _;

use super::contents::{Contents, Data, Postern};
use super::disks::{Disk, Seat};
use super::gpt::SECTOR;
use super::refusal::Intent;

/// Lines about partitions; a disk may have hundreds.
const SHOWN: usize = 12;

/// `16.0 GiB`
pub fn size(octets: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (octets as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `vda, 16.0 GiB, QEMU HARDDISK, serial QM00001`
pub fn title(disk: &Disk) -> String {
    let mut line = format!("{}, {}", disk.name, size(disk.octets()));
    if !disk.model.is_empty() {
        let _ = write!(line, ", {}", disk.model);
    }
    if !disk.serial.is_empty() {
        let _ = write!(line, ", serial {}", disk.serial);
    }
    if disk.seat == Seat::Removable {
        line += ", removable";
    }
    line
}

/// One line.
pub fn holds(disk: &Disk) -> String {
    match &disk.contents {
        Contents::Blank => "empty".into(),
        Contents::Unreadable(why) => format!("cannot be read: {why}"),
        Contents::Unknown(what) => format!("holds {what}"),
        Contents::Partitions(partitions) => format!("holds {} of another system", counted(partitions.len())),
        Contents::Postern(postern) => format!("holds Postern{}{}", versions(postern), data(postern)),
    }
}

fn counted(partitions: usize) -> String {
    if partitions == 1 { "1 partition".into() } else { format!("{partitions} partitions") }
}

fn versions(postern: &Postern) -> String {
    postern.versions.iter().map(|(slot, version)| format!(", version {version} in slot {slot}")).collect()
}

fn data(postern: &Postern) -> String {
    match &postern.data {
        Data::None => ", without data".into(),
        Data::Kept(entry) => format!(", with {} of data", size(entry.sectors().saturating_mul(SECTOR))),
        Data::Elsewhere => ", with data that this version cannot keep".into(),
    }
}

/// What an installation takes away, and what it leaves.
pub fn losses(disk: &Disk, intent: Intent) -> String {
    let mut text = match (&disk.contents, intent) {
        (Contents::Blank, _) => format!("{} is empty: nothing is lost.\n", disk.name),
        (Contents::Unreadable(_) | Contents::Unknown(_), _) => format!("Everything on {} is lost: it {}.\n", disk.name, holds(disk)),
        (_, Intent::KeepData) => {
            format!("Both slots and the boot loader on {} are replaced. The data partition stays: settings, keys, mails.\n", disk.name)
        }
        (Contents::Postern(postern), _) if postern.data != Data::None => {
            format!("Everything on {} is lost, with all settings, keys and mails of the Postern on it:\n", disk.name)
        }
        _ => format!("Everything on {} is lost:\n", disk.name),
    };
    let partitions = disk.contents.partitions();
    let kept = match &disk.contents {
        Contents::Postern(Postern { data: Data::Kept(entry), .. }) if intent == Intent::KeepData => Some(entry.number),
        _ => None,
    };
    for partition in partitions.iter().take(SHOWN) {
        let fate = if kept == Some(partition.number) { "  (stays)" } else { "" };
        let octets = size(partition.sectors.saturating_mul(SECTOR));
        let _ = writeln!(text, "  {:>3}  {octets:>10}  {}{fate}", partition.number, partition.name);
    }
    if partitions.len() > SHOWN {
        let _ = writeln!(text, "  and {} more", partitions.len() - SHOWN);
    }
    text
}
