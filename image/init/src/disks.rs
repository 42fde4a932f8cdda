//! Which block device holds the root and the data. Devices appear when their driver is loaded and has looked: this waits for them.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use crate::cmdline::Slot;
use crate::gpt::{self, Guid};
use crate::modules::Modules;

/// Controllers with many disks spin them up one after another.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
/// The volume's name in ISO 9660 (ECMA-119 §8.4.7), at its place in the descriptor.
const VOLUME: &[u8] = b"POSTERN";
/// Where a medium is mounted. /run is moved into the new root, so it stays there: the installer reads it, and knows by it which disk
/// is the medium's (`userspace/postern-os/src/install/disks.rs`).
const LIVE: &str = "/run/postern-medium";

#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("no disk with the partition that the boot loader started from appeared within {} s; disks: {seen}", PATIENCE.as_secs())]
    NotFound { seen: String },
    #[error("{disk} has no partition `{name}`")]
    NoPartition { disk: String, name: String },
    #[error("{path}: {source}", path = path.display())]
    Live {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

pub struct DataPartition {
    /// `vda`
    pub disk: String,
    pub number: usize,
    /// `vda7`
    pub name: String,
}

impl DataPartition {
    pub fn node(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }
}

pub struct Found {
    pub root: PathBuf,
    pub data: Option<DataPartition>,
}

pub fn wait_for_slot(modules: &mut Modules, boot: &Guid, slot: Slot) -> Result<Found, DiskError> {
    let until = Instant::now() + PATIENCE;
    loop {
        modules.load_for_devices();
        for disk in disks() {
            let partitions = gpt::partitions(&Path::new("/dev").join(&disk)).unwrap_or_default();
            if !partitions.iter().any(|p| p.guid == *boot) {
                continue;
            }
            let named = |name: &str| {
                let partition = partitions.iter().find(|p| p.name == name)?;
                Some((partition.number, partition_device(&disk, partition.number)?))
            };
            let name = format!("root-{slot}");
            let (_, root) = named(&name).ok_or_else(|| DiskError::NoPartition { disk: disk.clone(), name })?;
            let data = named("data").map(|(number, name)| DataPartition { disk, number, name });
            return Ok(Found { root: Path::new("/dev").join(root), data });
        }
        wait(until)?;
    }
}

pub fn wait_for_live(modules: &mut Modules) -> Result<Found, DiskError> {
    let until = Instant::now() + PATIENCE;
    loop {
        modules.load_for_devices();
        for disk in disks() {
            let node = Path::new("/dev").join(&disk);
            if is_live_volume(&node).unwrap_or(false) {
                return Ok(Found { root: attach_live(&node)?, data: None });
            }
        }
        wait(until)?;
    }
}

fn wait(until: Instant) -> Result<(), DiskError> {
    if Instant::now() > until {
        let seen = disks().join(", ");
        return Err(DiskError::NotFound { seen: if seen.is_empty() { "none".into() } else { seen } });
    }
    std::thread::sleep(LOOK);
    Ok(())
}

/// Whole disks and CD drives.
fn disks() -> Vec<String> {
    let names = fs::read_dir("/sys/block").into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|n| !["loop", "ram", "dm-", "zram", "fd"].iter().any(|p| n.starts_with(p))).collect();
    names.sort();
    names
}

/// `vda` and 4 give `vda4`, `nvme0n1` and 4 give `nvme0n1p4`: the kernel says which.
fn partition_device(disk: &str, number: usize) -> Option<String> {
    fs::read_dir(Path::new("/sys/block").join(disk)).ok()?.flatten().find_map(|entry| {
        let said = fs::read_to_string(entry.path().join("partition")).ok()?;
        (said.trim().parse() == Ok(number)).then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

fn is_live_volume(node: &Path) -> io::Result<bool> {
    let mut descriptor = [0; 128];
    File::open(node)?.read_exact_at(&mut descriptor, 16 * 2048)?;
    Ok(&descriptor[1..6] == b"CD001" && descriptor[40..72].trim_ascii_end() == VOLUME)
}

/// Mounts the medium and gives its root image a block device.
fn attach_live(node: &Path) -> Result<PathBuf, DiskError> {
    const LOOP_SET_FD: libc::Ioctl = 0x4C00;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| DiskError::Live { path, source }
    };
    fs::create_dir_all(LIVE).map_err(failed(Path::new(LIVE)))?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some(node), LIVE, Some("iso9660"), flags, None::<&str>).map_err(|e| failed(node)(e.into()))?;
    let image = Path::new(LIVE).join("live/root.img");
    let device = PathBuf::from("/dev/loop0");
    let file = File::open(&image).map_err(failed(&image))?;
    let target = File::open(&device).map_err(failed(&device))?;
    // SAFETY: both descriptors are open; the request takes the second by value.
    if unsafe { libc::ioctl(target.as_raw_fd(), LOOP_SET_FD, file.as_raw_fd()) } != 0 {
        return Err(failed(&device)(io::Error::last_os_error()));
    }
    Ok(device)
}
