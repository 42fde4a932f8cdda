//! How many mails were accepted from an address before: a new name that writes like an old friend is
//! a sign of forgery, a known one of ham.

use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use postern_model::time::Timestamp;

use super::writer::Note;
use super::{Database, DatabaseError};

/// Addresses in memory: about 10 MB.
const MEMORY: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

pub(super) struct Memory(Mutex<LruCache<String, u64>>);

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
    /// Mails accepted from this address (any case) before.
    pub async fn mails_from(&self, address: &str) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let address = address.to_lowercase();
        if let Some(n) = shared.senders.0.lock().get(&address) {
            return Ok(*n);
        }
        let n: Option<i64> = sqlx::query_scalar("SELECT mails FROM senders WHERE address = ?")
            .bind(address.as_str())
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read a sender's history"))?;
        let n = n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        shared.senders.0.lock().put(address, n);
        Ok(n)
    }

    /// Notes that a mail from this address was accepted; never waits.
    pub fn accepted(&self, address: &str, at: Timestamp) {
        let address = address.to_lowercase();
        if let Some(n) = self.0.shared.senders.0.lock().get_mut(&address) {
            *n += 1;
        }
        self.0.note(Note::Sender { address, at });
    }

    /// Forgets addresses that were not seen since `before`.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM senders WHERE last < ?").bind(before.0).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune senders"))?.rows_affected())
    }
}
