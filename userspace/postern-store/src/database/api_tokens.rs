//! Tokens for programs. The token itself is shown once; only its BLAKE3 is kept.

use postern_model::role::Rights;
use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow};

use super::{Database, DatabaseError};
use crate::sqlite;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct ApiToken {
    pub id: i64,
    pub name: String,
    /// Who made it; it acts in this name.
    pub admin: String,
    /// `full`, `read`, `metrics`.
    pub scope: String,
    /// Milliseconds since 1970, as are the next two.
    pub created: i64,
    pub used: Option<i64>,
    pub expires: Option<i64>,
    /// As it is kept.
    pub role: String,
    /// As it is kept.
    pub reach: String,
}

impl ApiToken {
    pub fn rights(&self) -> Rights {
        Rights::read(&self.role, &self.reach)
    }
}

/// What a token is made of.
#[derive(Clone, Debug)]
pub struct NewApiToken<'a> {
    pub name: &'a str,
    /// BLAKE3 of the token.
    pub digest: &'a [u8; 32],
    pub admin: &'a str,
    /// `full`, `read`, `metrics`.
    pub scope: &'a str,
    pub rights: &'a Rights,
    pub expires: Option<Timestamp>,
}

pub struct ApiTokens<'a>(&'a Database);

const ROWS: &str = "SELECT t.id, t.name, t.admin, t.scope, t.created, t.used, t.expires, coalesce(r.role, 'admin') AS role, \
     coalesce(r.reach, '*') AS reach FROM api_tokens t LEFT JOIN token_rights r ON r.id = t.id";
/// A use is written again after this long.
const USE_GRAIN_MS: i64 = 60_000;

impl Database {
    pub fn api_tokens(&self) -> ApiTokens<'_> {
        ApiTokens(self)
    }
}

impl ApiTokens<'_> {
    /// Returns the new token's number.
    pub async fn add(&self, new: &NewApiToken<'_>, now: Timestamp) -> Result<i64, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let done = sqlx::query("INSERT INTO api_tokens (name, digest, admin, scope, created, expires) VALUES (?, ?, ?, ?, ?, ?)")
                .bind(new.name)
                .bind(new.digest.to_vec())
                .bind(new.admin)
                .bind(new.scope)
                .bind(now.0)
                .bind(new.expires.map(|e| e.0))
                .execute(&mut *tx)
                .await?;
            let id = done.last_insert_rowid();
            let rights = sqlx::query("INSERT OR REPLACE INTO token_rights (id, role, reach) VALUES (?, ?, ?)");
            rights.bind(id).bind(new.rights.role.name()).bind(new.rights.reach.to_string()).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(id)
        };
        let id = work.await.map_err(shared.failed("add an API token"))?;
        self.0.watch_domains().await?;
        Ok(id)
    }

    pub async fn all(&self) -> Result<Vec<ApiToken>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as(AssertSqlSafe(format!("{ROWS} ORDER BY t.id")))
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("list API tokens"))
    }

    /// The token that is still good; its use is noted.
    pub async fn find(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<ApiToken>, DatabaseError> {
        let shared = &self.0.shared;
        let found: Option<ApiToken> =
            sqlx::query_as(AssertSqlSafe(format!("{ROWS} WHERE t.digest = ? AND (t.expires IS NULL OR t.expires > ?)")))
                .bind(digest.to_vec())
                .bind(now.0)
                .fetch_optional(&shared.readers())
                .await
                .map_err(shared.failed("find an API token"))?;
        if let Some(token) = &found
            && token.used.is_none_or(|used| now.0 - used > USE_GRAIN_MS)
        {
            sqlx::query("UPDATE api_tokens SET used = ? WHERE id = ?")
                .bind(now.0)
                .bind(token.id)
                .execute(&shared.writer())
                .await
                .map_err(shared.failed("note an API token's use"))?;
        }
        Ok(found)
    }

    /// False: there is no such token.
    pub async fn remove(&self, id: i64) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let done = sqlx::query("DELETE FROM api_tokens WHERE id = ?").bind(id).execute(&mut *tx).await?;
            sqlx::query("DELETE FROM token_rights WHERE id = ?").bind(id).execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(done.rows_affected() > 0)
        };
        work.await.map_err(shared.failed("remove an API token"))
    }
}
