//! The history of the settings: every version that was in force, whole.

use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::{Database, DatabaseError};
use crate::sqlite;

/// Versions kept.
const KEPT: i64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct SettingsVersion {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub author: String,
    pub message: String,
    /// BLAKE3 of the text, in hex: the ETag.
    pub digest: String,
}

pub struct SettingsHistory<'a>(&'a Database);

impl Database {
    pub fn settings_history(&self) -> SettingsHistory<'_> {
        SettingsHistory(self)
    }
}

impl SettingsHistory<'_> {
    /// Adds a version unless it is the newest already.
    pub async fn add(&self, text: &str, digest: &str, author: &str, message: &str, now: Timestamp) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let failed = || shared.failed("write the history of the settings");
        let mut tx = sqlite::begin(&shared.writer()).await.map_err(failed())?;
        let newest: Option<String> = sqlx::query_scalar("SELECT digest FROM settings_history ORDER BY id DESC LIMIT 1")
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed())?;
        if newest.as_deref() != Some(digest) {
            let insert = sqlx::query("INSERT INTO settings_history (at, author, message, digest, text) VALUES (?, ?, ?, ?, ?)")
                .bind(now.0)
                .bind(author)
                .bind(message)
                .bind(digest)
                .bind(text);
            let id = insert.execute(&mut *tx).await.map_err(failed())?.last_insert_rowid();
            sqlx::query("DELETE FROM settings_history WHERE id <= ?").bind(id - KEPT).execute(&mut *tx).await.map_err(failed())?;
        }
        tx.commit().await.map_err(failed())
    }

    /// Newest first, without their texts.
    pub async fn list(&self, before: Option<i64>, limit: usize) -> Result<Vec<SettingsVersion>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as("SELECT id, at, author, message, digest FROM settings_history WHERE id < ? ORDER BY id DESC LIMIT ?")
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit.clamp(1, 500) as i64)
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("list the history of the settings"))
    }

    pub async fn text(&self, id: i64) -> Result<Option<String>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_scalar("SELECT text FROM settings_history WHERE id = ?")
            .bind(id)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read a version of the settings"))
    }
}
