//! The document on disk: written beside, synced, renamed over the old one. After a power cut it is the old one or the new one.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

#[derive(Clone, Debug, thiserror::Error)]
#[error("the cluster's settings cannot be written to {path}: {why}")]
pub struct DocumentFileError {
    path: PathBuf,
    why: String,
}

pub(super) struct DocumentFile {
    path: PathBuf,
    trouble: Mutex<Option<DocumentFileError>>,
}

impl DocumentFile {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), trouble: Mutex::new(None) }
    }

    /// A failure is kept until a later writing succeeds: the document in memory goes on, and is told to peers.
    pub fn write(&self, octets: &[u8]) {
        let trouble = self.try_write(octets).err().map(|e| DocumentFileError { path: self.path.clone(), why: e.to_string() });
        if let Some(trouble) = &trouble {
            tracing::error!(error = %trouble, "a change of the cluster's settings is in memory only");
        }
        *self.trouble.lock() = trouble;
    }

    pub fn trouble(&self) -> Result<(), DocumentFileError> {
        self.trouble.lock().clone().map_or(Ok(()), Err)
    }

    fn try_write(&self, octets: &[u8]) -> std::io::Result<()> {
        let young = self.path.with_extension("new");
        // Passwords of backends may stand in it.
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&young)?;
        file.write_all(octets)?;
        file.sync_all()?;
        std::fs::rename(&young, &self.path)?;
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}
