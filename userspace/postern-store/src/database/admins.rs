//! Administrators: name and argon2 hash. The hashing is the console's.

use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::{Database, DatabaseError};
use crate::sqlite;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct Admin {
    pub name: String,
    /// argon2id in PHC form; never leaves the process.
    #[serde(skip)]
    pub password: String,
    /// The password was made by us and printed; it should be changed.
    pub one_time: bool,
    /// Milliseconds since 1970.
    pub created: i64,
}

pub struct Admins<'a>(&'a Database);

impl Database {
    pub fn admins(&self) -> Admins<'_> {
        Admins(self)
    }
}

impl Admins<'_> {
    pub async fn one(&self, name: &str) -> Result<Option<Admin>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as("SELECT * FROM admins WHERE name = ?")
            .bind(name)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read an admin"))
    }

    pub async fn all(&self) -> Result<Vec<Admin>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as("SELECT * FROM admins ORDER BY name").fetch_all(&shared.readers()).await.map_err(shared.failed("list admins"))
    }

    /// False: there is one of that name already.
    pub async fn add(&self, name: &str, password_hash: &str, one_time: bool, now: Timestamp) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("INSERT INTO admins (name, password, one_time, created) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(password_hash)
            .bind(one_time)
            .bind(now.0)
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("add an admin"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Sets a password and ends all sessions of that admin but `keep`. False: there is no such admin.
    pub async fn set_password(&self, name: &str, password_hash: &str, one_time: bool, keep: Option<&[u8]>) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let failed = || shared.failed("set a password");
        let mut tx = sqlite::begin(&shared.writer()).await.map_err(failed())?;
        let done = sqlx::query("UPDATE admins SET password = ?, one_time = ? WHERE name = ?")
            .bind(password_hash)
            .bind(one_time)
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        sqlx::query("DELETE FROM sessions WHERE admin = ? AND id <> ?")
            .bind(name)
            .bind(keep.unwrap_or_default().to_vec())
            .execute(&mut *tx)
            .await
            .map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        Ok(done.rows_affected() > 0)
    }

    /// Removes an admin with all sessions and tokens. False: there is no such admin.
    pub async fn remove(&self, name: &str) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let failed = || shared.failed("remove an admin");
        let mut tx = sqlite::begin(&shared.writer()).await.map_err(failed())?;
        let done = sqlx::query("DELETE FROM admins WHERE name = ?").bind(name).execute(&mut *tx).await.map_err(failed())?;
        sqlx::query("DELETE FROM sessions WHERE admin = ?").bind(name).execute(&mut *tx).await.map_err(failed())?;
        sqlx::query("DELETE FROM api_tokens WHERE admin = ?").bind(name).execute(&mut *tx).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        Ok(done.rows_affected() > 0)
    }
}
