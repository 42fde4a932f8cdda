//! Logins of the console. The cookie itself is not kept, only its BLAKE3.

use postern_model::role::Rights;
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
    /// The admin's, as it is kept now.
    pub role: String,
    /// The admin's, as it is kept now.
    pub reach: String,
}

/// One of all, for a list.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct OpenSession {
    /// Digest of the cookie: not to be shown.
    pub id: Vec<u8>,
    pub admin: String,
    pub address: String,
    /// Milliseconds since 1970, as is the next.
    pub created: i64,
    pub used: i64,
}

impl Session {
    pub fn rights(&self) -> Rights {
        Rights::read(&self.role, &self.reach)
    }
}

const ROW: &str = "SELECT s.admin, s.csrf, s.address, s.created, s.used, coalesce(r.role, 'admin') AS role, coalesce(r.reach, '*') AS reach \
     FROM sessions s LEFT JOIN admin_rights r ON r.name = s.admin WHERE s.id = ? AND s.used >= ?";

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
        let found = self.look(digest, idle_since).await?;
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

    /// The session, when it was used since `idle_since`. Asking is no use of it: a page that is only open keeps nobody logged in.
    pub async fn look(&self, digest: &[u8; 32], idle_since: Timestamp) -> Result<Option<Session>, DatabaseError> {
        let shared = &self.0.shared;
        let found = sqlx::query_as(ROW).bind(digest.to_vec()).bind(idle_since.0).fetch_optional(&shared.readers()).await;
        found.map_err(shared.failed("find a session"))
    }

    /// All that were used since `idle_since`, the last used first, each with the digest of its cookie.
    pub async fn all(&self, idle_since: Timestamp) -> Result<Vec<OpenSession>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as("SELECT id, admin, address, created, used FROM sessions WHERE used >= ? ORDER BY used DESC, created DESC")
            .bind(idle_since.0)
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("list sessions"))
    }

    /// Ends all of one admin's.
    pub async fn end_all(&self, admin: &str) -> Result<(), DatabaseError> {
        self.end_others(admin, &[]).await
    }

    /// Ends all of one admin's but the one with the digest `keep`.
    pub async fn end_others(&self, admin: &str, keep: &[u8]) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM sessions WHERE admin = ? AND id <> ?").bind(admin).bind(keep.to_vec());
        done.execute(&shared.writer()).await.map(drop).map_err(shared.failed("end sessions"))
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
