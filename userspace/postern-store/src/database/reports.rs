//! Reports that were sent, the latest. What a report is, is the console's.

use super::{Database, DatabaseError};

/// Reports that are kept: daily ones of a quarter, monthly ones of eight years.
pub const KEPT: usize = 100;

pub struct Reports<'a>(&'a Database);

impl Database {
    pub fn reports(&self) -> Reports<'_> {
        Reports(self)
    }
}

impl Reports<'_> {
    /// Keeps one, and forgets the oldest of too many. `id` is in order of time. One that is there stays as it is.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put(&self, id: &str, body: &str) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = crate::sqlite::begin(&shared.writer()).await?;
            sqlx::query("INSERT INTO reports (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING")
                .bind(id)
                .bind(body)
                .execute(&mut *tx)
                .await?;
            let prune = "DELETE FROM reports WHERE id NOT IN (SELECT id FROM reports ORDER BY id DESC LIMIT ?)";
            sqlx::query(prune).bind(KEPT as i64).execute(&mut *tx).await?;
            tx.commit().await
        };
        work.await.map_err(shared.failed("keep a report"))
    }

    /// Bodies of all, the newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn all(&self) -> Result<Vec<String>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_scalar("SELECT body FROM reports ORDER BY id DESC")
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("list reports"))
    }

    /// # Errors
    /// When the database cannot be read.
    pub async fn one(&self, id: &str) -> Result<Option<String>, DatabaseError> {
        let shared = &self.0.shared;
        let ask = sqlx::query_scalar("SELECT body FROM reports WHERE id = ?").bind(id);
        ask.fetch_optional(&shared.readers()).await.map_err(shared.failed("read a report"))
    }
}
