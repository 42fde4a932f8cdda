//! Logins of the console. The cookie itself is not kept, only its BLAKE3.

use postern_model::time::Timestamp;
use sqlx::FromRow;

use super::{Database, DatabaseError};

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Session {
    pub admin: String,
    /// What each changing request must carry in a header (a page of another site cannot read it).
    pub csrf: String,
    pub address: String,
    pub created: i64,
    /// Last use, to half a minute.
    pub used: i64,
}

/// A use is written again after this long; a write for every request would be waste.
const USE_GRAIN_MS: i64 = 30_000;

pub struct Sessions<'a>(&'a Database);

impl Database {
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }
}

impl Sessions<'_> {
    pub async fn begin(&self, digest: &[u8; 32], admin: &str, csrf: &str, address: &str, now: Timestamp) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query("INSERT INTO sessions (id, admin, csrf, address, created, used) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(digest.to_vec())
            .bind(admin)
            .bind(csrf)
            .bind(address)
            .bind(now.0)
            .bind(now.0)
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("begin a session"))?;
        Ok(())
    }

    /// The session, when it was used since `idle_since`; its use is noted.
    pub async fn find(&self, digest: &[u8; 32], idle_since: Timestamp, now: Timestamp) -> Result<Option<Session>, DatabaseError> {
        let shared = &self.0.shared;
        let found: Option<Session> = sqlx::query_as("SELECT admin, csrf, address, created, used FROM sessions WHERE id = ? AND used >= ?")
            .bind(digest.to_vec())
            .bind(idle_since.0)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("find a session"))?;
        if found.as_ref().is_some_and(|s| now.0 - s.used > USE_GRAIN_MS) {
            sqlx::query("UPDATE sessions SET used = ? WHERE id = ?")
                .bind(now.0)
                .bind(digest.to_vec())
                .execute(&shared.writer())
                .await
                .map_err(shared.failed("note a session's use"))?;
        }
        Ok(found)
    }

    /// Whether the session was used since `idle_since`. Asking is no use of it: a page that is only open keeps nobody logged in.
    pub async fn is_alive(&self, digest: &[u8; 32], idle_since: Timestamp) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let found: Option<(i64,)> = sqlx::query_as("SELECT used FROM sessions WHERE id = ? AND used >= ?")
            .bind(digest.to_vec())
            .bind(idle_since.0)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("look for a session"))?;
        Ok(found.is_some())
    }

    pub async fn end(&self, digest: &[u8; 32]) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query("DELETE FROM sessions WHERE id = ?")
            .bind(digest.to_vec())
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("end a session"))?;
        Ok(())
    }

    /// Forgets sessions not used since `idle_since`.
    pub async fn prune(&self, idle_since: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM sessions WHERE used < ?").bind(idle_since.0).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune sessions"))?.rows_affected())
    }
}
