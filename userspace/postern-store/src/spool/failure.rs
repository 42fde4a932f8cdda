//! Errors of the spool. One that stops the spool has many receivers, so it has a form that can be copied.

use std::io;
use std::path::{Path, PathBuf};

use postern_model::id::MailId;

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("the disk below {0} has less than the reserve left")]
    Full(PathBuf),
    #[error("{what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("mail {0} is not in the spool")]
    Unknown(MailId),
    #[error("mail {0} is in the spool already")]
    Duplicate(MailId),
    #[error("mail {0} is damaged on disk")]
    Damaged(MailId),
    /// No other node takes a copy, and the policy is not to accept without one.
    #[error("no other node keeps a copy of the mail now")]
    NoCopy,
    /// A write failed before; the spool takes nothing new until a write succeeds again, which it tries by itself.
    #[error("the spool stopped taking mail: {0}")]
    Stopped(String),
}

impl SpoolError {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::Unknown(_) | Self::Duplicate(_) | Self::Damaged(_))
    }
}

/// For `map_err`: a disk that is full is told apart from one that fails.
pub(super) fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SpoolError {
    move |source| match source.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => SpoolError::Full(path.parent().unwrap_or(path).to_owned()),
        _ => SpoolError::Io { what, path: path.to_owned(), source },
    }
}

/// A [`SpoolError`] for many receivers.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    Full(PathBuf),
    Io { what: &'static str, path: PathBuf, code: Option<i32>, kind: io::ErrorKind },
    Unknown(MailId),
    Duplicate(MailId),
    Damaged(MailId),
    NoCopy,
    Stopped(String),
}

impl Failure {
    pub fn of(error: &SpoolError) -> Self {
        match error {
            SpoolError::Full(path) => Self::Full(path.clone()),
            SpoolError::Io { what, path, source } => {
                Self::Io { what, path: path.clone(), code: source.raw_os_error(), kind: source.kind() }
            }
            SpoolError::Unknown(id) => Self::Unknown(*id),
            SpoolError::Duplicate(id) => Self::Duplicate(*id),
            SpoolError::Damaged(id) => Self::Damaged(*id),
            SpoolError::NoCopy => Self::NoCopy,
            SpoolError::Stopped(why) => Self::Stopped(why.clone()),
        }
    }

    pub fn closed() -> Self {
        Self::Stopped("it is being closed".to_owned())
    }

    pub fn error(&self) -> SpoolError {
        match self {
            Self::Full(path) => SpoolError::Full(path.clone()),
            Self::Io { what, path, code, kind } => SpoolError::Io {
                what,
                path: path.clone(),
                source: code.map_or_else(|| io::Error::from(*kind), io::Error::from_raw_os_error),
            },
            Self::Unknown(id) => SpoolError::Unknown(*id),
            Self::Duplicate(id) => SpoolError::Duplicate(*id),
            Self::Damaged(id) => SpoolError::Damaged(*id),
            Self::NoCopy => SpoolError::NoCopy,
            Self::Stopped(why) => SpoolError::Stopped(why.clone()),
        }
    }

    /// What those hear who come after it happened.
    pub fn standing(&self) -> SpoolError {
        match self {
            Self::Full(path) => SpoolError::Full(path.clone()),
            other => SpoolError::Stopped(other.error().to_string()),
        }
    }
}
