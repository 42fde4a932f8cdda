//! An update on its way in, from an admin's upload, an address or a peer: one at a time, bounded, on disk, and gone when nobody needs it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::sync::OwnedMutexGuard;

use crate::state::Console;

/// Both images of a slot and what stands before them (docs/adr/0027).
pub const LARGEST: u64 = 512 << 20;

#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    #[error("no update has more than {} MiB", LARGEST >> 20)]
    TooLarge,
    #[error("{path}: {source}", path = path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// While it comes.
pub struct Incoming {
    file: File,
    octets: u64,
    kept: Kept,
}

/// All of it is there, until this is dropped. The role `os` has it open by then, or does not want it.
pub struct Kept {
    path: PathBuf,
    _alone: OwnedMutexGuard<()>,
}

impl Incoming {
    /// # Errors
    /// When its file cannot be made.
    pub async fn begin(console: &Console, alone: OwnedMutexGuard<()>) -> Result<Self, IncomingError> {
        let path = console.update_file();
        let failed = |source| IncomingError::Disk { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = File::create(&path).await.map_err(failed)?;
        Ok(Self { file, octets: 0, kept: Kept { path, _alone: alone } })
    }

    /// Octets that are there.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// # Errors
    /// When it grows beyond [`LARGEST`], or the disk refuses.
    pub async fn append(&mut self, piece: &[u8]) -> Result<(), IncomingError> {
        self.octets += piece.len() as u64;
        if self.octets > LARGEST {
            return Err(IncomingError::TooLarge);
        }
        let path = &self.kept.path;
        self.file.write_all(piece).await.map_err(|source| IncomingError::Disk { path: path.clone(), source })
    }

    /// # Errors
    /// When the disk refuses.
    pub async fn end(mut self) -> Result<Kept, IncomingError> {
        let written = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        match written.await {
            Ok(()) => Ok(self.kept),
            Err(source) => Err(IncomingError::Disk { path: self.kept.path.clone(), source }),
        }
    }
}

impl Kept {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_file(&self.path) {
            tracing::warn!("{}: {e}", self.path.display());
        }
    }
}
