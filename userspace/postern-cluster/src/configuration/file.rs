//! The document on disk: after a power cut it is the old one or the new one.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use postern_link::file::write_anew;

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
        // Passwords of backends may stand in it.
        let trouble = write_anew(&self.path, octets).err().map(|e| DocumentFileError { path: self.path.clone(), why: e.to_string() });
        if let Some(trouble) = &trouble {
            tracing::error!(error = %trouble, "a change of the cluster's settings is in memory only");
        }
        *self.trouble.lock() = trouble;
    }

    pub fn trouble(&self) -> Result<(), DocumentFileError> {
        self.trouble.lock().clone().map_or(Ok(()), Err)
    }
}
