//! Tokens for programs. The token itself is shown once; only its BLAKE3 is kept.

use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::{Database, DatabaseError};

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
}

pub struct ApiTokens<'a>(&'a Database);

const COLUMNS_OF_ALL: &str = "SELECT id, name, admin, scope, created, used, expires FROM api_tokens ORDER BY id";
const COLUMNS_BY_DIGEST: &str =
    "SELECT id, name, admin, scope, created, used, expires FROM api_tokens WHERE digest = ? AND (expires IS NULL OR expires > ?)";
/// A use is written again after this long.
const USE_GRAIN_MS: i64 = 60_000;

impl Database {
    pub fn api_tokens(&self) -> ApiTokens<'_> {
        ApiTokens(self)
    }
}

impl ApiTokens<'_> {
    /// Returns the new token's number.
    pub async fn add(
        &self,
        name: &str,
        digest: &[u8; 32],
        admin: &str,
        scope: &str,
        now: Timestamp,
        expires: Option<Timestamp>,
    ) -> Result<i64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("INSERT INTO api_tokens (name, digest, admin, scope, created, expires) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(name)
            .bind(digest.to_vec())
            .bind(admin)
            .bind(scope)
            .bind(now.0)
            .bind(expires.map(|e| e.0))
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("add an API token"))?;
        Ok(done.last_insert_rowid())
    }

    pub async fn all(&self) -> Result<Vec<ApiToken>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as(COLUMNS_OF_ALL).fetch_all(&shared.readers()).await.map_err(shared.failed("list API tokens"))
    }

    /// The token that is still good; its use is noted.
    pub async fn find(&self, digest: &[u8; 32], now: Timestamp) -> Result<Option<ApiToken>, DatabaseError> {
        let shared = &self.0.shared;
        let found: Option<ApiToken> = sqlx::query_as(COLUMNS_BY_DIGEST)
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
        let done = sqlx::query("DELETE FROM api_tokens WHERE id = ?").bind(id).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("remove an API token"))?.rows_affected() > 0)
    }
}
