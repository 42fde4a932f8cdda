//! Several consoles show the installer: one of them installs, and an answer file is followed once in a boot.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct TurnError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Held by the console that installs; it ends with its process at the latest.
#[derive(Debug)]
pub struct Turn {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Turn {
    /// None while another console has it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn take(folder: &Path) -> Result<Option<Self>, TurnError> {
        Self::lock(folder, FlockArg::LockExclusiveNonblock)
    }

    /// When another console has it, after that one.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn wait(folder: &Path) -> Result<Option<Self>, TurnError> {
        Self::lock(folder, FlockArg::LockExclusive)
    }

    fn lock(folder: &Path, how: FlockArg) -> Result<Option<Self>, TurnError> {
        let path = folder.join("lock");
        let failed = |source| TurnError { path: path.clone(), source };
        let file = fs::create_dir_all(folder).and_then(|()| File::create(&path)).map_err(failed)?;
        match Flock::lock(file, how) {
            Ok(lock) => Ok(Some(Self { folder: folder.to_owned(), _lock: lock })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, e)) => Err(failed(e.into())),
        }
    }

    /// Whether the answers may be followed now: the first time only. What becomes of it, whoever comes later does not do it again.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn begin_answers(&self) -> Result<First, TurnError> {
        let path = self.folder.join("answered");
        match File::create_new(&path) {
            Ok(_) => Ok(First::Yes),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(First::No),
            Err(source) => Err(TurnError { path, source }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Yes,
    No,
}
