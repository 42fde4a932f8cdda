//! Who may log in: name, argon2 hash and rights. The hashing is the console's.

use postern_model::role::Rights;
use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::{AssertSqlSafe, FromRow, SqliteConnection};

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
    /// As it is kept.
    pub role: String,
    /// As it is kept.
    pub reach: String,
}

impl Admin {
    pub fn rights(&self) -> Rights {
        Rights::read(&self.role, &self.reach)
    }
}

const ROWS: &str = "SELECT a.*, coalesce(r.role, 'admin') AS role, coalesce(r.reach, '*') AS reach FROM admins a LEFT JOIN admin_rights r ON r.name = a.name";

pub struct Admins<'a>(&'a Database);

impl Database {
    pub fn admins(&self) -> Admins<'_> {
        Admins(self)
    }
}

impl Admins<'_> {
    pub async fn one(&self, name: &str) -> Result<Option<Admin>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as(AssertSqlSafe(format!("{ROWS} WHERE a.name = ?")))
            .bind(name)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read an admin"))
    }

    pub async fn all(&self) -> Result<Vec<Admin>, DatabaseError> {
        let shared = &self.0.shared;
        let rows = sqlx::query_as(AssertSqlSafe(format!("{ROWS} ORDER BY a.name"))).fetch_all(&shared.readers()).await;
        rows.map_err(shared.failed("list admins"))
    }

    /// False: there is one of that name already.
    pub async fn add(
        &self,
        name: &str,
        password_hash: &str,
        one_time: bool,
        rights: &Rights,
        now: Timestamp,
    ) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let add = "INSERT INTO admins (name, password, one_time, created) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING";
            let done = sqlx::query(add).bind(name).bind(password_hash).bind(one_time).bind(now.0).execute(&mut *tx).await?;
            let is_new = done.rows_affected() > 0;
            if is_new {
                put_rights(&mut tx, name, rights).await?;
            }
            tx.commit().await?;
            Ok(is_new)
        };
        let is_new = work.await.map_err(shared.failed("add an admin"))?;
        self.0.watch_domains().await?;
        Ok(is_new)
    }

    /// Gives other rights. Open logins have them from their next request on; tokens go, for they had been given what their maker
    /// could do then. False: there is no such admin.
    pub async fn set_rights(&self, name: &str, rights: &Rights) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let mut tx = sqlite::begin(&shared.writer()).await?;
            let is_there: Option<i64> =
                sqlx::query_scalar("SELECT 1 FROM admins WHERE name = ?").bind(name).fetch_optional(&mut *tx).await?;
            if is_there.is_some() {
                put_rights(&mut tx, name, rights).await?;
                remove_tokens(&mut tx, name).await?;
            }
            tx.commit().await?;
            Ok(is_there.is_some())
        };
        let is_there = work.await.map_err(shared.failed("set an admin's rights"))?;
        self.0.watch_domains().await?;
        Ok(is_there)
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
        sqlx::query("DELETE FROM second_factors WHERE name = ?").bind(name).execute(&mut *tx).await.map_err(failed())?;
        sqlx::query("DELETE FROM admin_rights WHERE name = ?").bind(name).execute(&mut *tx).await.map_err(failed())?;
        remove_tokens(&mut tx, name).await.map_err(failed())?;
        tx.commit().await.map_err(failed())?;
        Ok(done.rows_affected() > 0)
    }
}

async fn put_rights(tx: &mut SqliteConnection, name: &str, rights: &Rights) -> Result<(), sqlx::Error> {
    let put = sqlx::query("INSERT OR REPLACE INTO admin_rights (name, role, reach) VALUES (?, ?, ?)");
    put.bind(name).bind(rights.role.name()).bind(rights.reach.to_string()).execute(tx).await.map(drop)
}

async fn remove_tokens(tx: &mut SqliteConnection, admin: &str) -> Result<(), sqlx::Error> {
    let rights = sqlx::query("DELETE FROM token_rights WHERE id IN (SELECT id FROM api_tokens WHERE admin = ?)");
    rights.bind(admin).execute(&mut *tx).await?;
    sqlx::query("DELETE FROM api_tokens WHERE admin = ?").bind(admin).execute(&mut *tx).await.map(drop)
}
