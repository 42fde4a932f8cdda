//! Where backups go: a folder, a server that speaks SFTP, or an object store that speaks S3's protocol.
//!
//! A backup appears under its name only when it is complete: a folder and a server get it under another name first, an object
//! store shows nothing before the parts are put together.

mod directory;
mod s3;
mod sftp;

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use bytes::Bytes;
use postern_model::settings::backup::{BackupSettings, BackupTarget};
use tokio::io::AsyncRead;
use tokio::runtime::Handle;

use crate::name::BackupName;
use crate::pipe::BlockingReader;

pub use directory::Directory;
pub use s3::S3;
pub use sftp::Sftp;

/// Whether the same again may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Helps,
    /// The settings or the target's rights must change first.
    Useless,
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("no target is set: write backup.target")]
    None,
    #[error("{what} {path}: {source}")]
    Directory {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{setting} cannot be read: {why}")]
    Pem { setting: &'static str, why: String },
    #[error("backup.sftp.host_key is no host key: write \"SHA256:...\" or \"ssh-ed25519 AAAA...\"")]
    BadHostKey,
    #[error(
        "{host} has the host key {offered}, which is not backup.sftp.host_key: nothing was sent. If it is the right one, write it there"
    )]
    HostKey { host: String, offered: String },
    #[error("{host} refuses the login of {username}")]
    Login { host: String, username: String },
    #[error("{what} on {host}: {why}")]
    Sftp { what: &'static str, host: String, why: String, retry: Retry },
    #[error("{what} in the bucket {bucket}: {source}")]
    S3 {
        what: &'static str,
        bucket: String,
        #[source]
        source: object_store::Error,
    },
    #[error("the backup is larger than what an object store takes in parts of this size ({0} octets)")]
    TooLarge(u64),
    #[error("there is no backup {0} at the target")]
    Unknown(String),
}

impl TargetError {
    pub fn retry(&self) -> Retry {
        use object_store::Error as Store;
        match self {
            Self::Directory { source, .. } => match source.kind() {
                ErrorKind::NotFound
                | ErrorKind::PermissionDenied
                | ErrorKind::ReadOnlyFilesystem
                | ErrorKind::StorageFull
                | ErrorKind::QuotaExceeded => Retry::Useless,
                _ => Retry::Helps,
            },
            Self::Sftp { retry, .. } => *retry,
            Self::S3 { source: Store::NotFound { .. } | Store::PermissionDenied { .. } | Store::Unauthenticated { .. }, .. } => {
                Retry::Useless
            }
            Self::S3 { .. } => Retry::Helps,
            _ => Retry::Useless,
        }
    }
}

/// A backup at a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    pub name: BackupName,
    pub size: u64,
}

#[derive(Debug)]
pub enum Target {
    Directory(Directory),
    Sftp(Sftp),
    S3(S3),
}

/// Octets of a backup as they come.
pub type Octets = Box<dyn AsyncRead + Send + Unpin>;

/// The same for a thread that may block, and is not the runtime's only one. To be called on a runtime.
pub fn blocking(octets: Octets) -> impl Read + Send {
    BlockingReader { runtime: Handle::current(), inner: octets }
}

impl Target {
    /// What the settings say. Opens no connection.
    ///
    /// # Errors
    /// When there is none, or a key or an address is none.
    pub fn from_settings(settings: &BackupSettings) -> Result<Self, TargetError> {
        match settings.target {
            BackupTarget::None => Err(TargetError::None),
            BackupTarget::Directory => Ok(Self::directory(&settings.directory.path)),
            BackupTarget::Sftp => Sftp::new(&settings.sftp).map(Self::Sftp),
            BackupTarget::S3 => S3::new(&settings.s3).map(Self::S3),
        }
    }

    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::Directory(Directory(path.into()))
    }

    /// All backups there, of whichever node, oldest first for each.
    ///
    /// # Errors
    /// When the target cannot be reached, or says no.
    pub async fn list(&self) -> Result<Vec<Stored>, TargetError> {
        let mut found = match self {
            Self::Directory(d) => d.list().await,
            Self::Sftp(s) => s.list().await,
            Self::S3(s) => s.list().await,
        }?;
        found.sort();
        Ok(found)
    }

    /// Reads one from its beginning.
    ///
    /// # Errors
    /// When it is not there, or the target cannot be reached.
    pub async fn read(&self, name: &BackupName) -> Result<Octets, TargetError> {
        match self {
            Self::Directory(d) => d.read(name).await,
            Self::Sftp(s) => s.read(name).await,
            Self::S3(s) => s.read(name).await,
        }
    }

    /// # Errors
    /// When it is not there, or the target says no.
    pub async fn remove(&self, name: &BackupName) -> Result<(), TargetError> {
        match self {
            Self::Directory(d) => d.remove(name).await,
            Self::Sftp(s) => s.remove(name).await,
            Self::S3(s) => s.remove(name).await,
        }
    }

    pub(crate) async fn begin(&self, name: &BackupName) -> Result<Upload, TargetError> {
        match self {
            Self::Directory(d) => d.begin(name).await.map(Upload::Directory),
            Self::Sftp(s) => s.begin(name).await.map(|upload| Upload::Sftp(Box::new(upload))),
            Self::S3(s) => s.begin(name).await.map(Upload::S3),
        }
    }
}

/// A backup on its way.
pub(crate) enum Upload {
    Directory(directory::Upload),
    Sftp(Box<sftp::Upload>),
    S3(s3::Upload),
}

impl Upload {
    pub async fn write(&mut self, piece: Bytes) -> Result<(), TargetError> {
        match self {
            Self::Directory(u) => u.write(piece).await,
            Self::Sftp(u) => u.write(piece).await,
            Self::S3(u) => u.write(piece).await,
        }
    }

    /// Makes it durable there and gives it its name.
    pub async fn finish(self) -> Result<(), TargetError> {
        match self {
            Self::Directory(u) => u.finish().await,
            Self::Sftp(u) => u.finish().await,
            Self::S3(u) => u.finish().await,
        }
    }

    /// Removes what has come of it, if the target can be reached.
    pub async fn give_up(self) {
        match self {
            Self::Directory(u) => u.give_up().await,
            Self::Sftp(u) => u.give_up().await,
            Self::S3(u) => u.give_up().await,
        }
    }
}

/// The name under which a backup grows; no list shows it.
fn young(name: &BackupName) -> String {
    format!(".{name}.new")
}

/// Whether a file was begun by the same node and never finished.
fn is_left_over(file: &str, name: &BackupName) -> bool {
    let inner = file.strip_prefix('.').and_then(|f| f.strip_suffix(".new"));
    inner.and_then(|f| f.parse::<BackupName>().ok()).is_some_and(|other| other.is_of_same_node(name))
}
