//! The disk that this system runs from: its partitions by number, and the boot loader's environment on one of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::stat::{major, minor, stat};
use parking_lot::Mutex;

use crate::grubenv::{Environment, GrubenvError};
use crate::slots::{Slot, Slots};
use crate::update::Target;

/// `image/boot/partitions.sfdisk` numbers them.
const ESP: u32 = 2;
const ESP_AT: &str = "/efi";
const GRUBENV: &str = "grub/grubenv";

#[derive(Debug, thiserror::Error)]
pub enum BootLoaderError {
    #[error("{path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{disk} has no partition {number}: this is no disk of the appliance", disk = disk.display())]
    Partition { disk: PathBuf, number: u32 },
    #[error("mount {device} for the boot loader's environment: {source}", device = device.display())]
    Mount {
        device: PathBuf,
        #[source]
        source: nix::Error,
    },
    #[error(transparent)]
    Environment(#[from] GrubenvError),
}

/// The disk of the slot that runs, and what the boot loader knows of both. Nobody else writes that while this system runs, so it is
/// read once.
#[derive(Debug)]
pub struct BootLoader {
    pub running: Slot,
    /// Its folder in /sys.
    disk: PathBuf,
    known: Mutex<Option<Slots>>,
}

impl BootLoader {
    /// The disk is the one that /var is on: another one may have partitions of the same names.
    ///
    /// # Errors
    /// When /var is on no partition.
    pub fn find(running: Slot) -> Result<Self, BootLoaderError> {
        let failed = |path: &Path, source: io::Error| BootLoaderError::Io { path: path.to_owned(), source };
        let device = stat("/var").map_err(|e| failed(Path::new("/var"), e.into()))?.st_dev;
        let data = PathBuf::from(format!("/sys/dev/block/{}:{}", major(device), minor(device)));
        let data = data.canonicalize().map_err(|e| failed(&data, e))?;
        let disk = data.parent().ok_or_else(|| failed(&data, io::ErrorKind::NotFound.into()))?;
        Ok(Self { running, disk: disk.to_owned(), known: Mutex::default() })
    }

    fn partition(&self, number: u32) -> Result<PathBuf, BootLoaderError> {
        let failed = |source| BootLoaderError::Io { path: self.disk.clone(), source };
        let is_it = |path: &Path| fs::read_to_string(path.join("partition")).is_ok_and(|n| n.trim().parse() == Ok(number));
        let found = fs::read_dir(&self.disk).map_err(failed)?.flatten().map(|e| e.path()).find(|p| is_it(p));
        let name = found.as_deref().and_then(Path::file_name);
        let name = name.ok_or_else(|| BootLoaderError::Partition { disk: self.disk.clone(), number })?;
        Ok(Path::new("/dev").join(name))
    }

    /// Where the images of the slot lie that does not run.
    ///
    /// # Errors
    /// When the disk has other partitions.
    pub fn other(&self) -> Result<Target, BootLoaderError> {
        let (boot, root) = match self.running.other() {
            Slot::A => (3, 4),
            Slot::B => (5, 6),
        };
        Ok(Target { boot: self.partition(boot)?, root: self.partition(root)? })
    }

    /// # Errors
    /// When the boot loader's partition cannot be mounted or read.
    pub fn slots(&self) -> Result<Slots, BootLoaderError> {
        let mut known = self.known.lock();
        match &*known {
            Some(slots) => Ok(slots.clone()),
            None => Ok(known.insert(self.mounted(|path| self.read(path))?).clone()),
        }
    }

    /// Changes what the boot loader knows.
    ///
    /// # Errors
    /// When its partition cannot be mounted, read or written.
    pub fn change<T>(&self, change: impl FnOnce(&mut Slots) -> T) -> Result<T, BootLoaderError> {
        // It is mounted at one place: whoever else asks waits here.
        let mut known = self.known.lock();
        *known = None;
        let (slots, told) = self.mounted(|path| {
            let mut slots = self.read(path)?;
            let told = change(&mut slots);
            slots.environment().write(path)?;
            Ok((slots, told))
        })?;
        *known = Some(slots);
        Ok(told)
    }

    fn read(&self, path: &Path) -> Result<Slots, BootLoaderError> {
        Ok(Slots::new(Environment::read(path)?, self.running))
    }

    /// For as long as this takes.
    fn mounted<T>(&self, work: impl FnOnce(&Path) -> Result<T, BootLoaderError>) -> Result<T, BootLoaderError> {
        let device = self.partition(ESP)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let failed = |source| BootLoaderError::Mount { device: device.clone(), source };
        mount(Some(&device), ESP_AT, Some("vfat"), flags, Some("umask=0077")).map_err(failed)?;
        let done = work(&Path::new(ESP_AT).join(GRUBENV));
        let freed = umount(ESP_AT).map_err(failed);
        let done = done?;
        freed.map(|()| done)
    }
}
