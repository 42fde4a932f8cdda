//! What was wrong with this node and its cluster: what goes on, and the last that are over. What an alert is, is the console's.

use postern_model::time::Timestamp;
use sqlx::FromRow;

use super::{Database, DatabaseError};

/// Alerts that are over are kept, the latest so many.
pub const KEPT: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct AlertRow {
    pub id: String,
    /// Milliseconds since 1970; with the id it names one of several times.
    pub raised: i64,
    /// Milliseconds since 1970; `None`: it goes on.
    pub ended: Option<i64>,
    /// JSON.
    pub body: String,
}

pub struct Alerts<'a>(&'a Database);

impl Database {
    pub fn alerts(&self) -> Alerts<'_> {
        Alerts(self)
    }
}

impl Alerts<'_> {
    /// Writes them down as they are now.
    ///
    /// # Errors
    /// When the database cannot be written; none is written then.
    pub async fn put(&self, rows: &[AlertRow]) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = crate::sqlite::begin(&shared.writer()).await?;
            for row in rows {
                let put = sqlx::query("INSERT OR REPLACE INTO alerts (id, raised, ended, body) VALUES (?, ?, ?, ?)");
                put.bind(&row.id).bind(row.raised).bind(row.ended).bind(&row.body).execute(&mut *tx).await?;
            }
            // The index finds the oldest that stays; it is seldom that anything lies below.
            let prune = "DELETE FROM alerts WHERE ended IS NOT NULL AND raised < \
                         (SELECT raised FROM alerts WHERE ended IS NOT NULL ORDER BY raised DESC LIMIT 1 OFFSET ?)";
            sqlx::query(prune).bind(KEPT as i64 - 1).execute(&mut *tx).await?;
            tx.commit().await
        };
        work.await.map_err(shared.failed("write down alerts"))
    }

    /// Those that go on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open(&self) -> Result<Vec<AlertRow>, DatabaseError> {
        let shared = &self.0.shared;
        let rows = sqlx::query_as("SELECT * FROM alerts WHERE ended IS NULL ORDER BY raised").fetch_all(&shared.readers()).await;
        rows.map_err(shared.failed("read open alerts"))
    }

    /// Those that are over and began before `before`, the last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn past(&self, before: Option<Timestamp>, limit: usize) -> Result<Vec<AlertRow>, DatabaseError> {
        let shared = &self.0.shared;
        let ask = sqlx::query_as("SELECT * FROM alerts WHERE ended IS NOT NULL AND raised < ? ORDER BY raised DESC LIMIT ?");
        let rows = ask.bind(before.map_or(i64::MAX, |t| t.0)).bind(limit.min(KEPT) as i64).fetch_all(&shared.readers()).await;
        rows.map_err(shared.failed("read past alerts"))
    }
}
