//! The store of the replication core: rows of all origins and how far each is here, in an SQLite file of their own.
//!
//! What it is not: it judges nothing and merges nothing; it carries out [`Step`]s and reads pages.
//!
//! Invariants: the steps of a commit happen together or not at all, and are on the disk when [`LedgerStore::commit`] returns
//! (`synchronous=FULL`: a row that was told to a peer and then lost in a power cut would give its number to another row). One
//! commit runs at a time; reads run beside it, each on one snapshot. A file that is damaged, deleted or replaced is
//! never written again: the caller opens the store anew and the node takes a new incarnation, since nobody can say what
//! the lost file had told.
//!
//! Read first: [`step`], then [`write`].

pub mod origin;
pub mod row;
pub mod step;

mod read;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use origin::{Head, History, Origin};
use parking_lot::Mutex;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;
use step::Step;

use crate::database::migrations;
use crate::sqlite;
pub use crate::sqlite::OpenError;

/// Pages read for peers and for the application at a time.
const READERS: u32 = 4;
/// What is lost with the file, for the log.
const LOSS: &str = "the node takes a new incarnation and fetches from its peers what they have of it";
const MIGRATIONS: &[(&str, &str)] = &[("0001-ledger", include_str!("schema.sql"))];

/// Why a commit or a read did not succeed. Of a commit, nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerStoreError {
    /// The disk's fault (it is full, or fails). A retry helps when the disk does.
    #[error("ledger: {what} failed")]
    Failed {
        what: &'static str,
        #[source]
        source: sqlx::Error,
    },
    /// The file's fault: it is damaged, or no longer the one that was opened. Only [`LedgerStore::open_again`] helps.
    #[error("the ledger's file {path} is lost: {why}")]
    Lost { path: PathBuf, why: String },
}

/// What a node finds when it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// `None`: a new file.
    pub own: Option<Origin>,
    pub heads: BTreeMap<Origin, (Head, History)>,
}

#[derive(Debug)]
pub struct LedgerStore {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    identity: sqlite::Identity,
    /// Numbers of origins in the file. Emptied when a commit fails, as it may have given new ones.
    numbers: Mutex<HashMap<Origin, i64>>,
}

impl LedgerStore {
    /// Opens or makes the file. Staged rows of an earlier life are forgotten.
    ///
    /// # Errors
    /// When the file can neither be opened nor made. A damaged file is no error: it is moved aside.
    pub async fn open(path: &Path) -> Result<(Self, Found), OpenError> {
        match Self::try_open(path).await {
            Err(OpenError::Open { source, .. }) if sqlite::is_damage(&source) => {
                sqlite::move_aside(path, &source.to_string(), LOSS)?;
                Self::try_open(path).await
            }
            other => other,
        }
    }

    /// After [`LedgerStoreError::Lost`]: moves what is left aside and begins anew. A file that somebody put in its place is opened
    /// as it is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_again(&self, why: &str) -> Result<(Self, Found), OpenError> {
        self.close().await;
        let now = sqlite::identity(&self.path);
        if now == self.identity || now == (0, 0) {
            sqlite::move_aside(&self.path, why, LOSS)?;
        }
        Self::open(&self.path).await
    }

    /// Carries out all steps or none. When it returns they are on the disk. Call it again only when it has returned.
    ///
    /// # Errors
    /// See [`LedgerStoreError`].
    pub async fn commit(&self, steps: &[Step]) -> Result<(), LedgerStoreError> {
        let work = async {
            let mut tx = sqlite::begin(&self.writer).await?;
            for step in steps {
                self.carry_out(&mut tx, step).await?;
            }
            tx.commit().await
        };
        if let Err(source) = work.await {
            self.numbers.lock().clear();
            return Err(self.error("a commit")(source));
        }
        // What went into a deleted file is gone with it.
        match sqlite::identity(&self.path) == self.identity {
            true => Ok(()),
            false => Err(LedgerStoreError::Lost { path: self.path.clone(), why: "it was deleted or replaced".to_owned() }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn try_open(path: &Path) -> Result<(Self, Found), OpenError> {
        let open = |source| OpenError::Open { path: path.to_owned(), source };
        let options = sqlite::options(path, SqliteSynchronous::Full)?;
        let writer = sqlite::writer(&options).await.map_err(open)?;
        migrations::apply(&writer, MIGRATIONS).await.map_err(open)?;
        let readers = sqlite::readers(&options, READERS);
        let store = Self { path: path.to_owned(), writer, readers, identity: sqlite::identity(path), numbers: Mutex::default() };
        let found = store.begin().await.map_err(open)?;
        Ok((store, found))
    }

    fn error(&self, what: &'static str) -> impl FnOnce(sqlx::Error) -> LedgerStoreError + '_ {
        move |source| {
            if sqlite::is_damage(&source) {
                LedgerStoreError::Lost { path: self.path.clone(), why: source.to_string() }
            } else {
                LedgerStoreError::Failed { what, source }
            }
        }
    }
}
