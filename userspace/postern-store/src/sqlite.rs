//! An SQLite file: how it is opened, how damage is told from a bad disk, and how it is moved aside.
//!
//! Both databases of a node stand on this: [`crate::database`] and [`crate::ledger`].

use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postern_model::time::Timestamp;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Sqlite, SqliteConnection, SqlitePool, Transaction};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the database {path} cannot be opened")]
    Open {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error("the database file {path} cannot be made or moved")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// Device and inode of an open file: a deleted or replaced one is noticed by them.
pub(crate) type Identity = (u64, u64);

/// Makes the file when it is not there, for the owner only (settings history may hold passwords); SQLite gives its side
/// files the same mode.
pub(crate) fn options(path: &Path, synchronous: SqliteSynchronous) -> Result<SqliteConnectOptions, OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(file)?;
    }
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(file)?;
    Ok(SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .busy_timeout(Duration::from_secs(5))
        .pragma("temp_store", "memory")
        .disable_statement_logging())
}

/// The one connection that writes.
pub(crate) async fn writer(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    // A checkpoint after 16 MiB of log rather than 4: fewer syncs under load.
    let options =
        options.clone().pragma("wal_autocheckpoint", "4000").pragma("journal_size_limit", "67108864").pragma("cache_size", "-16384");
    SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options).await
}

pub(crate) fn readers(options: &SqliteConnectOptions, most: u32) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(most)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options.clone().pragma("query_only", "on").pragma("cache_size", "-4096"))
}

/// Begins a transaction that writes.
///
/// When the disk is full SQLite rolls back by itself, and the connection's driver goes on to count a transaction that is gone:
/// it never begins another one. Such a connection is closed, and the pool makes a new one.
pub(crate) async fn begin(writer: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match writer.begin_with(BEGIN).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            // Closing complains of the same.
            let _ = writer.acquire().await?.close().await;
            writer.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

/// SQLITE_CORRUPT, SQLITE_NOTADB and short reads: the file's content, not the disk, is wrong.
pub(crate) fn is_damage(error: &sqlx::Error) -> bool {
    const IOERR_SHORT_READ: i64 = 522;
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i64>().ok());
    code.is_some_and(|c| matches!(c & 0xff, 11 | 26) || c == IOERR_SHORT_READ)
}

pub(crate) fn identity(path: &Path) -> Identity {
    std::fs::metadata(path).map_or((0, 0), |m| (m.dev(), m.ino()))
}

/// Moves the file and what stands beside it aside. `loss` says what that costs.
pub(crate) fn move_aside(path: &Path, why: &str, loss: &str) -> Result<(), OpenError> {
    let stamp = Timestamp::from_system(SystemTime::now()).0;
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = with(&format!(".damaged-{stamp}"));
    tracing::error!(path = %path.display(), kept_as = %aside.display(), why, loss,
        "THE DATABASE IS DAMAGED OR GONE: it is moved aside and a new one made");
    for side in ["", "-wal", "-shm"] {
        let from = with(side);
        let to = with(&format!(".damaged-{stamp}{side}"));
        match std::fs::rename(&from, &to) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(OpenError::File { path: from, source: e }),
            _ => {}
        }
    }
    Ok(())
}

pub(crate) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Rows to a statement, so that a few texts serve any number of rows. 64 of 8 columns stay far below SQLite's bound.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// Inserts rows, many to a statement, in sizes that the statement cache keeps.
pub(crate) async fn insert<R>(
    tx: &mut SqliteConnection,
    head: &str,
    columns: usize,
    tail: &str,
    rows: Vec<R>,
    bind: impl for<'q> Fn(Query<'q>, R) -> Query<'q>,
) -> Result<(), sqlx::Error> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    for size in SIZES {
        if left < size {
            continue;
        }
        let row = format!("({})", vec!["?"; columns].join(","));
        let text: Arc<str> = format!("{head}{}{tail}", vec![row.as_str(); size].join(",")).into();
        while left >= size {
            let mut query = sqlx::query(AssertSqlSafe(Arc::clone(&text)));
            for row in rows.by_ref().take(size) {
                query = bind(query, row);
            }
            query.execute(&mut *tx).await?;
            left -= size;
        }
    }
    Ok(())
}
