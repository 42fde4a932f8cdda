//! The volume with the answer file: found by its label, mounted read-only beside everything else.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};

use super::answers::{FILE, LABELS, LONGEST};
use super::disks::ANSWERS;

/// Kinds of file systems that the appliance's kernel has.
const KINDS: [&str; 3] = ["iso9660", "vfat", "ext4"];
/// A USB stick that the boot loader saw comes back to the kernel within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("{path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has no file system that is known here ({})", device.display(), KINDS.join(", "))]
    Kind { device: PathBuf },
    #[error("{FILE} has more than {LONGEST} octets")]
    Long,
    #[error("the boot loader saw an answer file, but no volume labelled {} with {FILE} appeared within {} s", LABELS.join(" or "), PATIENCE.as_secs())]
    NotThere,
}

/// The answers, when there are some. The volume stays mounted: so its disk is known to be in use.
///
/// # Errors
/// When there is a volume and it cannot be read.
pub fn find(dev: &Path) -> Result<Option<String>, VolumeError> {
    for label in LABELS {
        let link = dev.join("disk/by-label").join(label);
        if !link.exists() {
            continue;
        }
        mount_read_only(&link)?;
        match read(&Path::new(ANSWERS).join(FILE))? {
            Some(text) => return Ok(Some(text)),
            // It holds something else, as settings of the first boot.
            None => umount(ANSWERS).map_err(|e| VolumeError::Io { path: ANSWERS.into(), source: e.into() })?,
        }
    }
    Ok(None)
}

/// As [`find`], for a volume that must come.
///
/// # Errors
/// When it does not.
pub fn wait(dev: &Path) -> Result<String, VolumeError> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(text) = find(dev)? {
            return Ok(text);
        }
        if Instant::now() > until {
            return Err(VolumeError::NotThere);
        }
        std::thread::sleep(LOOK);
    }
}

fn mount_read_only(device: &Path) -> Result<(), VolumeError> {
    fs::create_dir_all(ANSWERS).map_err(|source| VolumeError::Io { path: ANSWERS.into(), source })?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let is_mounted = KINDS.iter().any(|kind| mount(Some(device), ANSWERS, Some(*kind), flags, None::<&str>).is_ok());
    if is_mounted { Ok(()) } else { Err(VolumeError::Kind { device: device.to_owned() }) }
}

fn read(path: &Path) -> Result<Option<String>, VolumeError> {
    let failed = |source| VolumeError::Io { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > LONGEST { Err(VolumeError::Long) } else { Ok(Some(text)) }
}
