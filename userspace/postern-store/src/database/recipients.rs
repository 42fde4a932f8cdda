//! What backends answered about recipients, kept over a restart. The call-out has a cache in memory of
//! its own and asks here only about what is not in it.

use postern_model::time::Timestamp;

use super::writer::Note;
use super::{Database, DatabaseError};

pub struct Recipients<'a>(&'a Database);

impl Database {
    pub fn recipients(&self) -> Recipients<'_> {
        Recipients(self)
    }
}

impl Recipients<'_> {
    /// `Some(exists)` while an answer is still believed. `address` is in the form of `Address::key`.
    pub async fn known(&self, address: &str, now: Timestamp) -> Result<Option<bool>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_scalar("SELECT present FROM recipients WHERE address = ? AND until > ?")
            .bind(address)
            .bind(now.0)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read a recipient's answer"))
    }

    /// Notes an answer; never waits.
    pub fn remember(&self, address: &str, present: bool, until: Timestamp) {
        self.0.note(Note::Recipient { address: address.to_owned(), present, until });
    }

    /// Answers still believed, newest last: to warm a cache at start.
    pub async fn all(&self, now: Timestamp, limit: usize) -> Result<Vec<(String, bool, Timestamp)>, DatabaseError> {
        let shared = &self.0.shared;
        let rows: Vec<(String, bool, i64)> =
            sqlx::query_as("SELECT address, present, until FROM recipients WHERE until > ? ORDER BY until LIMIT ?")
                .bind(now.0)
                .bind(limit as i64)
                .fetch_all(&shared.readers())
                .await
                .map_err(shared.failed("read recipients' answers"))?;
        Ok(rows.into_iter().map(|(a, p, u)| (a, p, Timestamp(u))).collect())
    }

    /// Forgets what is no longer believed.
    pub async fn prune(&self, now: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM recipients WHERE until <= ?").bind(now.0).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune recipients"))?.rows_affected())
    }
}
