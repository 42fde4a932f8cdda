//! Which disks this machine has, by /sys/block, and what stands in the way of each. It reads; it changes nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::contents::{self, Contents, printable};
use super::layout::Layout;

/// Where the kernel shows things; a test has folders of its own.
#[derive(Clone, Debug)]
pub struct System {
    pub sys: PathBuf,
    pub dev: PathBuf,
    /// /proc/self/mountinfo
    pub mounts: PathBuf,
}

impl Default for System {
    fn default() -> Self {
        Self { sys: "/sys".into(), dev: "/dev".into(), mounts: "/proc/self/mountinfo".into() }
    }
}

/// Where the medium is mounted that this system runs from, by postern-init.
pub const MEDIUM: &str = "/run/postern-medium";
/// And where the installer mounts the volume with the answers.
pub const ANSWERS: &str = "/run/postern-answers";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    ReadOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    Fixed,
    Removable,
}

/// Why it cannot be written to now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    Free,
    /// This system was started from it.
    Medium,
    /// The answer file is on it.
    Answers,
    Mounted(String),
    /// By another device, as of LVM or RAID.
    Held(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `vda`, `nvme0n1`
    pub name: String,
    pub node: PathBuf,
    /// Of 512 octets, whatever the disk's own sectors are: so the kernel counts.
    pub sectors: u64,
    /// Octets in a sector of the disk.
    pub sector: u64,
    pub model: String,
    pub serial: String,
    pub seat: Seat,
    pub access: Access,
    pub in_use: Use,
    pub contents: Contents,
}

impl Disk {
    pub fn octets(&self) -> u64 {
        self.sectors.saturating_mul(super::gpt::SECTOR)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct NoDisks {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl System {
    /// In the order of their names.
    ///
    /// # Errors
    /// When the kernel does not show them.
    pub fn disks(&self, layout: &Layout) -> Result<Vec<Disk>, NoDisks> {
        let read = |path: PathBuf| fs::read_to_string(&path).map_err(|source| NoDisks { path, source });
        let mounts = read(self.mounts.clone())?;
        let folder = self.sys.join("block");
        let entries = fs::read_dir(&folder).map_err(|source| NoDisks { path: folder.clone(), source })?;
        let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|n| is_disk(n));
        names.sort();
        Ok(names.iter().filter_map(|name| self.disk(name, &mounts, layout)).collect())
    }

    fn disk(&self, name: &str, mounts: &str, layout: &Layout) -> Option<Disk> {
        let folder = self.sys.join("block").join(name);
        let sectors: u64 = number(&folder.join("size"))?;
        // A card reader without a card.
        if sectors == 0 {
            return None;
        }
        // The kernel writes `cciss!c0d0` for /dev/cciss/c0d0.
        let node = self.dev.join(name.replace('!', "/"));
        let contents = match File::open(&node) {
            Ok(disk) => contents::read(&disk, sectors, layout),
            Err(e) => Contents::Unreadable(e.to_string()),
        };
        Some(Disk {
            name: name.into(),
            node,
            sectors,
            sector: number(&folder.join("queue/logical_block_size")).unwrap_or(super::gpt::SECTOR),
            model: model(&folder),
            serial: serial(&folder),
            seat: if number(&folder.join("removable")) == Some(1) { Seat::Removable } else { Seat::Fixed },
            access: if number(&folder.join("ro")) == Some(1) { Access::ReadOnly } else { Access::ReadWrite },
            in_use: in_use(&folder, name, mounts),
            contents,
        })
    }

    /// The disk that a path means: `/dev/vda` itself, or a link of udev to it.
    pub fn name_of(&self, path: &Path) -> Option<String> {
        let node = path.canonicalize().ok()?;
        (node.parent()? == self.dev.canonicalize().ok()?).then(|| node.file_name().map(|n| n.to_string_lossy().into_owned()))?
    }
}

/// Not loop devices, memory, mapped devices, CD drives, floppies, and the boot areas of cards.
fn is_disk(name: &str) -> bool {
    let is_other = ["loop", "ram", "dm-", "zram", "fd", "sr", "md", "nbd", "mtdblock"].iter().any(|p| name.starts_with(p));
    !is_other && !["boot0", "boot1", "rpmb"].iter().any(|end| name.ends_with(end))
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|t| printable(&t)).filter(|t| !t.is_empty())
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

fn model(folder: &Path) -> String {
    let words = ["device/vendor", "device/model", "device/name"].map(|f| text(&folder.join(f)));
    // A virtio disk has the number of its maker only.
    let words: Vec<String> = words.into_iter().flatten().filter(|w| !w.starts_with("0x")).collect();
    words.join(" ")
}

fn serial(folder: &Path) -> String {
    let plain = ["serial", "device/serial"].iter().find_map(|f| text(&folder.join(f)));
    // SCSI: page 80h of its vital product data has it behind four octets of header (SPC-4 §7.8.18).
    let page = || {
        let page = fs::read(folder.join("device/vpd_pg80")).ok()?;
        Some(printable(&String::from_utf8_lossy(page.get(4..)?)))
    };
    plain.or_else(page).unwrap_or_default()
}

fn in_use(folder: &Path, name: &str, mounts: &str) -> Use {
    let mut devices = vec![folder.to_owned()];
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    devices.extend(entries.filter(|e| e.file_name().to_string_lossy().starts_with(name)).map(|e| e.path()));
    let mut found = Use::Free;
    for device in devices {
        let number = text(&device.join("dev")).unwrap_or_default();
        for at in mounted_at(mounts, &number) {
            match at.as_str() {
                MEDIUM => return Use::Medium,
                ANSWERS => return Use::Answers,
                _ => found = Use::Mounted(at),
            }
        }
        if let Some(holder) = fs::read_dir(device.join("holders")).into_iter().flatten().flatten().next()
            && found == Use::Free
        {
            found = Use::Held(holder.file_name().to_string_lossy().into_owned());
        }
    }
    found
}

/// proc(5), mountinfo: the third field is the device, the fifth where it is mounted.
fn mounted_at(mounts: &str, device: &str) -> Vec<String> {
    let fields = mounts.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    fields.filter(|f| f.get(2) == Some(&device)).filter_map(|f| f.get(4).map(|at| (*at).to_owned())).collect()
}
