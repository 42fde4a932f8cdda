//! SQLite: tracking, quarantine index, greylist, senders, logins, audit, settings history.
//!
//! Nothing here is needed to deliver an accepted mail: a database that is damaged or was deleted is
//! moved aside with a loud log line, a new one is made, and mail goes on.
//!
//! Invariants: one connection writes (no writer ever waits for another, `SQLITE_BUSY` cannot be
//! seen); what comes at the rate of mail goes through a bounded channel to the writer task, which
//! commits it in batches ([`writer`]); readers never block it (WAL). `synchronous=NORMAL`: a power cut may take the last
//! moments of tracking, never the file's integrity.
//!
//! Read first: [`journeys`], then [`writer`].

pub mod admins;
pub mod alerts;
pub mod api_tokens;
pub mod audit;
pub mod changes;
pub mod claims;
pub mod counters;
pub mod days;
pub mod flow;
pub mod greylist;
pub mod journeys;
pub mod migrations;
pub mod quarantine;
pub mod recipients;
pub mod reports;
pub mod retention;
pub mod second_factors;
pub mod senders;
pub mod sessions;
pub mod settings;
pub mod terms;
pub mod tokens;
pub mod user_lists;
pub mod users;
pub mod writer;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::sqlite;
pub use crate::sqlite::OpenError;
use writer::Note;

/// Readers at a time: searches of the console and look-ups of the journey.
const READERS: u32 = 4;
/// Notes that may wait for the writer: some seconds of the fastest traffic. More are dropped and counted.
const NOTES: usize = 65_536;
/// What is lost with the file, for the log.
const LOSS: &str = "mail goes on; tracking, quarantine index, greylist and logins begin anew (`postern admin add` makes a login)";

/// A question or a change that did not succeed. A retry helps when the disk does.
#[derive(Debug, thiserror::Error)]
#[error("database: {what} failed: {source}")]
pub struct DatabaseError {
    /// `list the quarantine`
    pub what: &'static str,
    #[source]
    pub source: sqlx::Error,
}

/// Cheap to clone; all clones are one database. Call [`Database::close`] before the process ends, or
/// the last 200 ms of tracking are lost.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
    notes: mpsc::Sender<Note>,
}

/// What the writer task and all handles share.
pub struct Shared {
    path: PathBuf,
    pools: RwLock<Pools>,
    /// Device and inode of the open file: a deleted file is noticed by them.
    identity: Mutex<sqlite::Identity>,
    /// A reader saw damage; the writer looks into it.
    suspect: AtomicBool,
    /// Flush now instead of at the next tick.
    hurry: Notify,
    /// Notes dropped because the writer did not keep up.
    lost: AtomicU64,
    /// What was counted since the start, for metrics.
    totals: Mutex<BTreeMap<Cow<'static, str>, u64>>,
    watched: RwLock<counters::Watched>,
    greylist: greylist::Memory,
    senders: senders::Memory,
    outlet: changes::Outlet,
    replacements: AtomicU64,
}

#[derive(Clone)]
struct Pools {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens or makes the database and starts its writer task. Takes a few milliseconds whatever its size.
    ///
    /// # Errors
    /// When the file can neither be opened nor made (permissions, read-only disk). A damaged file is no
    /// error: it is moved aside.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let pools = match connect(path).await {
            Err(OpenError::Open { source, .. }) if sqlite::is_damage(&source) => {
                sqlite::move_aside(path, &source.to_string(), LOSS)?;
                connect(path).await?
            }
            other => other?,
        };
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            pools: RwLock::new(pools),
            identity: Mutex::new(sqlite::identity(path)),
            suspect: AtomicBool::new(false),
            hurry: Notify::new(),
            lost: AtomicU64::new(0),
            totals: Mutex::default(),
            watched: RwLock::default(),
            greylist: greylist::Memory::default(),
            senders: senders::Memory::default(),
            outlet: changes::Outlet::default(),
            replacements: AtomicU64::new(0),
        });
        let (notes, inbox) = mpsc::channel(NOTES);
        tokio::spawn(writer::run(Arc::clone(&shared), inbox));
        let database = Self { shared, notes };
        retention::keep(&database);
        if let Err(error) = database.watch_domains().await {
            tracing::warn!(%error, "mails of single domains are not counted until a login changes");
        }
        Ok(database)
    }

    /// Waits until everything noted before this call is committed.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.notes.send(Note::Flush(done)).await.is_ok() {
            self.shared.hurry.notify_one();
            let _ = wait.await;
        }
    }

    /// Flushes and closes the file. Other clones get errors from then on.
    pub async fn close(&self) {
        self.flush().await;
        let pools = self.shared.pools.read().clone();
        pools.readers.close().await;
        pools.writer.close().await;
    }

    /// Notes dropped since the start because the writer did not keep up.
    pub fn lost_notes(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The one connection that writes, for owners of other tables in this crate.
    pub fn writer_pool(&self) -> SqlitePool {
        self.shared.writer()
    }

    /// Read-only connections.
    pub fn reader_pool(&self) -> SqlitePool {
        self.shared.readers()
    }

    /// Hands a note to the writer; never waits.
    fn note(&self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn writer(&self) -> SqlitePool {
        self.pools.read().writer.clone()
    }

    fn readers(&self) -> SqlitePool {
        self.pools.read().readers.clone()
    }

    /// Wraps an error, and has the writer look when it smells of damage.
    fn failed(&self, what: &'static str) -> impl Fn(sqlx::Error) -> DatabaseError + '_ {
        move |source| {
            if sqlite::is_damage(&source) {
                self.suspect.store(true, Ordering::Relaxed);
                self.hurry.notify_one();
            }
            DatabaseError { what, source }
        }
    }

    /// The file under our feet was deleted or replaced.
    fn is_gone(&self) -> bool {
        sqlite::identity(&self.path) != *self.identity.lock()
    }

    /// Moves a damaged or deleted file aside and opens a new one in its place.
    async fn replace(&self, why: &str) -> Result<(), OpenError> {
        let old = self.pools.read().clone();
        sqlite::move_aside(&self.path, why, LOSS)?;
        let fresh = connect(&self.path).await?;
        *self.pools.write() = fresh;
        *self.identity.lock() = sqlite::identity(&self.path);
        self.suspect.store(false, Ordering::Relaxed);
        self.greylist.clear();
        self.senders.clear();
        self.replacements.fetch_add(1, Ordering::Relaxed);
        // Not awaited: a reader in the middle of a search may hold a connection of the old file.
        tokio::spawn(async move {
            old.readers.close().await;
            old.writer.close().await;
        });
        Ok(())
    }
}

async fn connect(path: &Path) -> Result<Pools, OpenError> {
    let open = |source| OpenError::Open { path: path.to_owned(), source };
    let options = sqlite::options(path, SqliteSynchronous::Normal)?;
    let writer = sqlite::writer(&options).await.map_err(open)?;
    migrations::apply(&writer, migrations::ALL).await.map_err(open)?;
    senders::begin_life(&writer).await.map_err(open)?;
    Ok(Pools { writer, readers: sqlite::readers(&options, READERS) })
}
