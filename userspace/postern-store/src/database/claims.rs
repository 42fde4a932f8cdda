//! What can be had once: the first who takes it has it.

use postern_model::time::Timestamp;

use super::{Database, DatabaseError};
use crate::sqlite;

pub struct Claims<'a>(&'a Database);

impl Database {
    pub fn claims(&self) -> Claims<'_> {
        Claims(self)
    }
}

impl Claims<'_> {
    /// Takes `what` of `name`; it is remembered until then, and must be of no use to anybody from then on. False: it was taken before.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is taken then.
    pub async fn take(&self, name: &str, what: &str, until: Timestamp, now: Timestamp) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            sqlx::query("DELETE FROM claims WHERE until < ?").bind(now.0).execute(&mut *tx).await?;
            let add = sqlx::query("INSERT INTO claims (name, what, until) VALUES (?, ?, ?) ON CONFLICT (name, what) DO NOTHING");
            let is_first = add.bind(name).bind(what).bind(until.0).execute(&mut *tx).await?.rows_affected() > 0;
            tx.commit().await?;
            Ok(is_first)
        };
        work.await.map_err(shared.failed("note what was taken"))
    }
}
