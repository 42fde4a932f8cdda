//! A consistent copy of an SQLite file that is in use, by anybody, in this process or another one.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the copy {path} of a database cannot be made: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the database {path} cannot be copied: {source}")]
    Copy {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
}

/// Copies the database at `from`, as it is at one moment, to the new file `to`, and syncs it.
///
/// `VACUUM INTO` reads in one transaction: nobody who writes waits for it (WAL), only the log cannot be cut meanwhile. The
/// backup API would copy page by page and begin anew whenever another connection wrote, which under a mail's load is always.
/// The source is opened read-only: a copy changes nothing, not even the version of its schema.
///
/// # Errors
/// When the source cannot be read or is damaged, or the copy cannot be written. What was written of it is removed.
pub async fn copy(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let file = |source| SnapshotError::File { path: to.to_owned(), source };
    // SQLite writes into an empty file that is there: so the copy is for its owner only from its first octet.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(file)?;
    let copied = vacuum(from, to).await;
    if let Err(error) = copied {
        let _ = std::fs::remove_file(to);
        return Err(error);
    }
    File::open(to).and_then(|f| f.sync_all()).map_err(file)
}

async fn vacuum(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let failed = |source| SnapshotError::Copy { path: from.to_owned(), source };
    let name =
        to.to_str().ok_or_else(|| SnapshotError::File { path: to.to_owned(), source: std::io::ErrorKind::InvalidFilename.into() })?;
    let options = SqliteConnectOptions::new()
        .filename(from)
        .read_only(true)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(failed);
    let closed = connection.close().await.map_err(failed);
    copied.and(closed)
}
