//! An update into the slot that does not run: check, write, read back. What the boot loader is told before and after is
//! [`crate::slots`]' matter: while this writes, the slot counts as empty.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde::{Deserialize, Serialize};

use crate::bundle::{BadBundle, Bundle, Image};
use crate::manifest::Hash;

/// How far it is: each stage goes over all octets of both images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Checking,
    Writing,
    ReadingBack,
}

/// The partitions of a slot.
#[derive(Clone, Debug)]
pub struct Target {
    pub boot: PathBuf,
    pub root: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error(transparent)]
    Bundle(#[from] BadBundle),
    #[error("{path}: {source}", path = path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{name} has {size} octets and its partition {path} only {room}", path = path.display())]
    Room { name: &'static str, path: PathBuf, size: u64, room: u64 },
    #[error("{path} does not give back what was written to it: the disk is failing", path = path.display())]
    ReadBack { path: PathBuf },
}

impl Target {
    fn parts<'a>(&'a self, bundle: &'a Bundle) -> [(&'a Path, &'a Image); 2] {
        // What the boot loader reads last: a slot whose root is half written has no new kernel either.
        [(&self.root, &bundle.root), (&self.boot, &bundle.boot)]
    }
}

/// Everything that can be known before an octet is written.
///
/// # Errors
/// When the bundle is not what was signed, or the partitions are too small.
pub fn check(bundle: &Bundle, target: &Target, mut progress: impl FnMut(Stage, u64)) -> Result<(), UpdateError> {
    for (path, image) in target.parts(bundle) {
        let room = File::open(path).and_then(|mut f| f.seek(SeekFrom::End(0))).map_err(at(path))?;
        if room < image.size {
            return Err(UpdateError::Room { name: image.name, path: path.to_owned(), size: image.size, room });
        }
    }
    Ok(bundle.check(|n| progress(Stage::Checking, n))?)
}

/// # Errors
/// When the disk refuses, or does not hold what it took.
pub fn write(bundle: &Bundle, target: &Target, mut progress: impl FnMut(Stage, u64)) -> Result<(), UpdateError> {
    for (path, image) in target.parts(bundle) {
        let mut device = File::options().write(true).open(path).map_err(at(path))?;
        bundle.pieces::<UpdateOrIo>(image, |piece| {
            device.write_all(piece).map_err(at(path))?;
            progress(Stage::Writing, piece.len() as u64);
            Ok(())
        })?;
        device.sync_all().map_err(at(path))?;
        // So that what is read below comes from the disk.
        posix_fadvise(device.as_fd(), 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|e| at(path)(e.into()))?;
    }
    for (path, image) in target.parts(bundle) {
        let device = File::open(path).map_err(at(path))?;
        let hash = Hash::of(device, image.size, |n| progress(Stage::ReadingBack, n)).map_err(at(path))?;
        if hash != image.sha256 {
            return Err(UpdateError::ReadBack { path: path.to_owned() });
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl Fn(io::Error) -> UpdateError {
    let path = path.to_owned();
    move |source| UpdateError::Disk { path: path.clone(), source }
}

/// Of writing and of reading the bundle at once.
struct UpdateOrIo(UpdateError);

impl From<io::Error> for UpdateOrIo {
    fn from(error: io::Error) -> Self {
        Self(BadBundle::Io(error).into())
    }
}

impl From<UpdateError> for UpdateOrIo {
    fn from(error: UpdateError) -> Self {
        Self(error)
    }
}

impl From<UpdateOrIo> for UpdateError {
    fn from(error: UpdateOrIo) -> Self {
        error.0
    }
}
