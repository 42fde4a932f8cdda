//! Authenticators of logins.

use postern_model::second_factor::SecondFactor;

use super::{Database, DatabaseError};

pub struct SecondFactors<'a>(&'a Database);

impl Database {
    pub fn second_factors(&self) -> SecondFactors<'_> {
        SecondFactors(self)
    }
}

impl SecondFactors<'_> {
    pub async fn one(&self, name: &str) -> Result<Option<SecondFactor>, DatabaseError> {
        let shared = &self.0.shared;
        let found: Option<String> = sqlx::query_scalar("SELECT factor FROM second_factors WHERE name = ?")
            .bind(name)
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read a second factor"))?;
        Ok(found.and_then(|text| text.parse().ok()))
    }

    /// Who has one.
    pub async fn names(&self) -> Result<Vec<String>, DatabaseError> {
        let shared = &self.0.shared;
        let names = sqlx::query_scalar("SELECT name FROM second_factors").fetch_all(&shared.readers()).await;
        names.map_err(shared.failed("list second factors"))
    }

    /// Sets or removes one.
    pub async fn set(&self, name: &str, factor: Option<&SecondFactor>) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            match factor {
                Some(factor) => {
                    let put = sqlx::query("INSERT OR REPLACE INTO second_factors (name, factor) VALUES (?, ?)");
                    put.bind(name).bind(factor.to_string()).execute(&shared.writer()).await
                }
                None => sqlx::query("DELETE FROM second_factors WHERE name = ?").bind(name).execute(&shared.writer()).await,
            }
        };
        work.await.map(drop).map_err(shared.failed("set a second factor"))
    }
}
