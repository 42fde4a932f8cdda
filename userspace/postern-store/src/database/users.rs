//! People who receive mail: links that are good once, and logins by them. Neither link nor cookie is kept, only its BLAKE3.

use postern_model::time::Timestamp;
use sqlx::FromRow;

use super::{Database, DatabaseError};

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct UserSession {
    pub address: String,
    pub csrf: String,
    /// Last use, to half a minute.
    pub used: i64,
}

/// A use is written again after this long.
const USE_GRAIN_MS: i64 = 30_000;

pub struct Users<'a>(&'a Database);

impl Database {
    pub fn users(&self) -> Users<'_> {
        Users(self)
    }
}

impl Users<'_> {
    /// Keeps a link until it is used, or its time is over.
    pub async fn add_link(&self, digest: &[u8; 32], address: &str, until: Timestamp, now: Timestamp) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            sqlx::query("DELETE FROM user_links WHERE until < ?").bind(now.0).execute(&shared.writer()).await?;
            let add = sqlx::query("INSERT INTO user_links (digest, address, until) VALUES (?, ?, ?)");
            add.bind(digest.to_vec()).bind(address).bind(until.0).execute(&shared.writer()).await
        };
        work.await.map(drop).map_err(shared.failed("keep a link"))
    }

    /// Uses a link up: whose it was. `None`: it is not known here, was used, or its time is over.
    pub async fn spend_link(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<String>, DatabaseError> {
        let shared = &self.0.shared;
        // One statement on the one connection that writes: two clicks at once cannot both get it.
        let spent: Option<(String, i64)> = sqlx::query_as("DELETE FROM user_links WHERE digest = ? RETURNING address, until")
            .bind(digest.to_vec())
            .fetch_optional(&shared.writer())
            .await
            .map_err(shared.failed("use a link"))?;
        Ok(spent.filter(|(_, until)| *until >= now.0).map(|(address, _)| address))
    }

    pub async fn begin(&self, digest: &[u8; 32], address: &str, csrf: &str, now: Timestamp) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let add = sqlx::query("INSERT INTO user_sessions (id, address, csrf, used) VALUES (?, ?, ?, ?)");
        let done = add.bind(digest.to_vec()).bind(address).bind(csrf).bind(now.0).execute(&shared.writer()).await;
        done.map(drop).map_err(shared.failed("begin a user's session"))
    }

    /// The session, when it was used since `idle_since`; its use is noted.
    pub async fn find(&self, digest: &[u8; 32], idle_since: Timestamp, now: Timestamp) -> Result<Option<UserSession>, DatabaseError> {
        let shared = &self.0.shared;
        let found: Option<UserSession> = sqlx::query_as("SELECT address, csrf, used FROM user_sessions WHERE id = ? AND used >= ?")
            .bind(digest.to_vec())
            .bind(idle_since.0)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("find a user's session"))?;
        if found.as_ref().is_some_and(|s| now.0 - s.used > USE_GRAIN_MS) {
            let use_it = sqlx::query("UPDATE user_sessions SET used = ? WHERE id = ?").bind(now.0).bind(digest.to_vec());
            use_it.execute(&shared.writer()).await.map_err(shared.failed("note a use"))?;
        }
        Ok(found)
    }

    pub async fn end(&self, digest: &[u8; 32]) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM user_sessions WHERE id = ?").bind(digest.to_vec()).execute(&shared.writer()).await;
        done.map(drop).map_err(shared.failed("end a user's session"))
    }

    /// Forgets sessions not used since `idle_since`.
    pub async fn prune(&self, idle_since: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM user_sessions WHERE used < ?").bind(idle_since.0).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune users' sessions"))?.rows_affected())
    }
}
