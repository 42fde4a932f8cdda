//! A backup that is to be put in place at the next start, before the node runs. It is tried once: whatever happens to it, the machine
//! starts, with the old state or with the restored one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use postern_model::os::Unlock;
use serde::{Deserialize, Serialize};

use crate::secret_file;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOrder {
    pub backup: PathBuf,
    pub unlock: Unlock,
}

#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error("{backup} cannot be restored: {source}")]
    Backup {
        backup: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl RestoreOrder {
    /// Keeps it for the next start, for root alone.
    ///
    /// # Errors
    /// When there is no such backup, or the disk refuses.
    pub fn keep(&self, path: &Path) -> Result<(), OrderError> {
        File::open(&self.backup).map_err(|source| OrderError::Backup { backup: self.backup.clone(), source })?;
        let kept = serde_json::to_vec(self).map_err(Into::into).and_then(|octets| secret_file::put(path, &octets));
        kept.map_err(|source| OrderError::File { path: path.to_owned(), source })
    }

    /// Takes it: its file is overwritten, for the key that is in it, and gone before anything is restored.
    ///
    /// # Errors
    /// When it cannot be read or removed.
    pub fn take(path: &Path) -> Result<Option<Self>, OrderError> {
        let work = || -> io::Result<Option<Self>> {
            let text = match fs::read(path) {
                Ok(text) => text,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(e),
            };
            secret_file::remove(path)?;
            Ok(Some(serde_json::from_slice(&text)?))
        };
        work().map_err(|source| OrderError::File { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_order_is_taken_once_and_read_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (backup, path) = (folder.path().join("backup"), folder.path().join("restore.json"));
        let order = RestoreOrder { backup: backup.clone(), unlock: Unlock::Passphrase("correct horse".into()) };
        assert!(order.keep(&path).unwrap_err().to_string().contains("backup"));
        assert!(RestoreOrder::take(&path).unwrap().is_none());

        fs::write(&backup, "").unwrap();
        order.keep(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{order:?}").contains("horse"));
        assert_eq!(RestoreOrder::take(&path).unwrap(), Some(order));
        assert!(!path.exists());

        fs::write(&path, "not what we write").unwrap();
        assert!(RestoreOrder::take(&path).is_err());
        assert!(!path.exists(), "it would be refused at each start");
    }
}
