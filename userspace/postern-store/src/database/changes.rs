//! The database's door to a cluster: what changed here and is to be told to peers, and how far theirs was applied.
//!
//! What peers told goes in by `merge` methods beside each table, which tell nobody again. Nothing is told while nobody listens, and
//! nothing waits for a listener.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::quarantine::QuarantineState;
use postern_model::time::Timestamp;
use tokio::sync::mpsc;

use super::quarantine::QuarantineEntry;
use super::tokens::Lesson;
use super::user_lists::UserChoice;
use super::{Database, DatabaseError};
use crate::ledger::origin::Origin;

/// Changes that may wait for the listener: some seconds of the fastest traffic.
const WAITING: usize = 16_384;

#[derive(Clone, Debug)]
pub enum Change {
    /// A client passed the greylist.
    GreylistPass {
        client: [u8; 16],
        passed: Timestamp,
    },
    Quarantined(Box<QuarantineEntry>),
    QuarantineRaised {
        mail: MailId,
        to: QuarantineState,
        by: String,
        at: Timestamp,
    },
    Learned {
        lesson: Box<Lesson>,
        at: Timestamp,
    },
    /// A user allowed or blocked a sender, or took that back.
    UserChoice(Box<UserChoice>),
    /// Mails accepted from a sender on a day, since this process opened the database.
    Sender {
        subject: [u8; 16],
        day: u16,
        mails: u64,
    },
}

#[derive(Default)]
pub(super) struct Outlet {
    listener: Mutex<Option<mpsc::Sender<Change>>>,
    lost: AtomicU64,
}

impl Outlet {
    pub(super) fn is_heard(&self) -> bool {
        self.listener.lock().as_ref().is_some_and(|l| !l.is_closed())
    }

    pub(super) fn tell(&self, change: impl FnOnce() -> Change) {
        let listener = self.listener.lock();
        if let Some(listener) = listener.as_ref().filter(|l| !l.is_closed())
            && listener.try_send(change()).is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Database {
    /// What changes here from now on; in place of an earlier listener.
    pub fn changes(&self) -> mpsc::Receiver<Change> {
        let (listener, changes) = mpsc::channel(WAITING);
        *self.shared.outlet.listener.lock() = Some(listener);
        changes
    }

    /// Changes that were not told because the listener did not keep up, since the start.
    pub fn lost_changes(&self) -> u64 {
        self.shared.outlet.lost.load(Ordering::Relaxed)
    }

    /// How often a damaged or deleted file was replaced since the start: what was merged before is gone then.
    pub fn replacements(&self) -> u64 {
        self.shared.replacements.load(Ordering::Relaxed)
    }

    /// How far the rows of each origin were applied.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ledger_marks(&self) -> Result<BTreeMap<Origin, u64>, DatabaseError> {
        let shared = &self.shared;
        let rows: Vec<(Vec<u8>, i64, i64)> = sqlx::query_as("SELECT node, incarnation, through FROM ledger_marks")
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("read how far peers' rows were applied"))?;
        let mark = |(node, incarnation, through): (Vec<u8>, i64, i64)| {
            let node = NodeId(node.as_slice().try_into().ok()?);
            Some((Origin { node, incarnation: incarnation.cast_unsigned() }, through.cast_unsigned()))
        };
        Ok(rows.into_iter().filter_map(mark).collect())
    }

    /// This node knows these kinds of rows, a bit each. When it knew fewer until now, marks are forgotten: an earlier version passed over
    /// rows that mean something to this one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn know_ledger_kinds(&self, kinds: u32) -> Result<(), DatabaseError> {
        let shared = &self.shared;
        let failed = || shared.failed("note which kinds of rows this version knows");
        let mut tx = shared.writer().begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let before: Option<i64> = sqlx::query_scalar("SELECT kinds FROM ledger_kinds").fetch_optional(&mut *tx).await.map_err(failed())?;
        if before.is_none_or(|before| i64::from(kinds) & !before != 0) {
            sqlx::query("DELETE FROM ledger_marks").execute(&mut *tx).await.map_err(failed())?;
        }
        sqlx::query("INSERT OR REPLACE INTO ledger_kinds (only, kinds) VALUES (0, ?)")
            .bind(i64::from(kinds))
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        tx.commit().await.map_err(failed())
    }

    /// Notes that an origin's rows were applied up to this one; `None`: they come again from the beginning.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_ledger_mark(&self, origin: Origin, through: Option<u64>) -> Result<(), DatabaseError> {
        let shared = &self.shared;
        sqlx::query("INSERT OR REPLACE INTO ledger_marks (node, incarnation, through) VALUES (?, ?, ?)")
            .bind(origin.node.0.to_vec())
            .bind(origin.incarnation.cast_signed())
            .bind(through.unwrap_or(0).cast_signed())
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("note how far peers' rows were applied"))?;
        Ok(())
    }
}
