//! How many mails were accepted from an address before: a new name that writes like an old friend is
//! a sign of forgery, a known one of ham.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use postern_model::time::Timestamp;
use sqlx::SqlitePool;

use super::writer::Note;
use super::{Database, DatabaseError};
use crate::sqlite::{self, insert};

/// Addresses in memory: about 8 MB.
const MEMORY: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// An address: 16 octets of BLAKE3 over it in lower case.
pub type Subject = [u8; 16];

/// Mails a peer accepted from an address on a day, in one of its lives; rises only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderCell {
    pub subject: Subject,
    pub day: u16,
    pub life: u64,
    pub mails: u64,
}

pub(super) fn subject(address: &str) -> Subject {
    let mut subject = [0; 16];
    subject.copy_from_slice(&blake3::hash(address.to_lowercase().as_bytes()).as_bytes()[..16]);
    subject
}

/// Our own cells begin at zero with each start.
pub(super) async fn begin_life(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM sender_own").execute(writer).await?;
    Ok(())
}

pub(super) struct Memory(Mutex<LruCache<Subject, u64>>);

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MEMORY)))
    }
}

impl Memory {
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

pub struct Senders<'a>(&'a Database);

impl Database {
    pub fn senders(&self) -> Senders<'_> {
        Senders(self)
    }
}

impl Senders<'_> {
    /// Mails accepted from this address (any case) before, here and by peers.
    pub async fn mails_from(&self, address: &str) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let (address, subject) = (address.to_lowercase(), subject(address));
        if let Some(n) = shared.senders.0.lock().get(&subject) {
            return Ok(*n);
        }
        let n: i64 = sqlx::query_scalar(
            "SELECT coalesce((SELECT mails FROM senders WHERE address = ?), 0) + \
             coalesce((SELECT sum(mails) FROM sender_cells WHERE subject = ?), 0)",
        )
        .bind(address.as_str())
        .bind(subject.to_vec())
        .fetch_one(&shared.readers())
        .await
        .map_err(shared.failed("read a sender's history"))?;
        let n = u64::try_from(n).unwrap_or(0);
        shared.senders.0.lock().put(subject, n);
        Ok(n)
    }

    /// Notes that a mail from this address was accepted; never waits.
    pub fn accepted(&self, address: &str, at: Timestamp) {
        let address = address.to_lowercase();
        if let Some(n) = self.0.shared.senders.0.lock().get_mut(&subject(&address)) {
            *n += 1;
        }
        self.0.note(Note::Sender { address, at });
    }

    /// What peers counted; telling it twice changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn merge(&self, cells: &[SenderCell]) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            insert(
                &mut tx,
                "INSERT INTO sender_cells (subject, day, life, mails) VALUES ",
                4,
                " ON CONFLICT (subject, day, life) DO UPDATE SET mails = max(mails, excluded.mails)",
                cells.to_vec(),
                |q, cell| {
                    q.bind(cell.subject.to_vec()).bind(i64::from(cell.day)).bind(cell.life.cast_signed()).bind(cell.mails.cast_signed())
                },
            )
            .await?;
            tx.commit().await
        };
        work.await.map_err(shared.failed("note what peers counted"))?;
        let mut memory = shared.senders.0.lock();
        for cell in cells {
            memory.pop(&cell.subject);
        }
        Ok(())
    }

    /// Forgets addresses that were not seen since `before`.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let done = sqlx::query("DELETE FROM senders WHERE last < ?").bind(before.0).execute(&shared.writer()).await?;
            let day = before.0.div_euclid(86_400_000);
            sqlx::query("DELETE FROM sender_cells WHERE day < ?").bind(day).execute(&shared.writer()).await?;
            sqlx::query("DELETE FROM sender_own WHERE day < ?").bind(day).execute(&shared.writer()).await?;
            Ok(done.rows_affected())
        };
        work.await.map_err(shared.failed("prune senders"))
    }
}
