//! What went into the quarantine and out of it in a time, of all nodes, and who wrote what was held back to whom.

use std::collections::BTreeSet;

use postern_model::address::Domain;
use postern_model::id::MailId;
use postern_model::quarantine::QuarantineState;
use postern_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow};

use super::DatabaseError;
use super::quarantine::{EACH_RECIPIENT, Quarantine, WITHIN};

/// The quarantine over a time, in steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Held at its beginning and at its end.
    pub held: [u64; 2],
    /// By step from the beginning on.
    pub added: Vec<u64>,
    pub released: Vec<u64>,
    /// By somebody, or because their time was over.
    pub deleted: Vec<u64>,
    /// Envelope senders of what came in, those of the most first; the null path is empty.
    pub senders: Vec<(String, u64)>,
    pub recipients: Vec<(String, u64)>,
}

/// From when (inclusive) until when, in steps of so many milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub from: Timestamp,
    pub to: Timestamp,
    pub step: i64,
}

impl Steps {
    pub fn count(&self) -> usize {
        let whole = (self.to.0 - self.from.0).max(0);
        usize::try_from((whole + self.step.max(1) - 1) / self.step.max(1)).unwrap_or(0)
    }
}

/// `?1`, `?2`: the time; `?3`: a step; `?4`: the least id of a mail in it; `?5`: a moment; `?6`: the domains, as JSON.
struct Asked {
    steps: Steps,
    moment: Timestamp,
    /// Each recipient that counts as a row `r`; `None`: all do.
    within: Option<String>,
    domains: String,
}

impl Asked {
    /// Only mails with a recipient that counts.
    fn condition(&self) -> String {
        let exists =
            self.within.as_ref().map_or_else(String::new, |within| format!("AND EXISTS (SELECT 1 FROM {EACH_RECIPIENT} {within})"));
        format!("{exists} AND ?6 IS NOT NULL")
    }
}

/// The index finds the mails of a time by their ids, which begin with it.
const CAME: &str = "quarantine WHERE at >= ?1 AND at < ?2 AND mail >= ?4";

impl Quarantine<'_> {
    /// `within`: only mails with a recipient at one of these domains; of recipients these only. `most`: senders and recipients named.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn flow(&self, steps: Steps, within: Option<&BTreeSet<Domain>>, most: usize) -> Result<Flow, DatabaseError> {
        let domains: Vec<String> = within.map_or_else(Vec::new, |d| d.iter().map(ToString::to_string).collect());
        let mut asked = Asked {
            steps,
            moment: steps.from,
            within: within.map(|_| WITHIN.replace("?10", "?6")),
            domains: serde_json::to_string(&domains).unwrap_or_default(),
        };
        let went = |state: QuarantineState| format!("quarantine WHERE state = {} AND state_at >= ?1 AND state_at < ?2", state as i64);
        let before = self.held_at(&asked).await?;
        asked.moment = steps.to;
        Ok(Flow {
            held: [before, self.held_at(&asked).await?],
            added: self.by_step("at", CAME, &asked).await?,
            released: self.by_step("state_at", &went(QuarantineState::Released), &asked).await?,
            deleted: self.by_step("state_at", &went(QuarantineState::Deleted), &asked).await?,
            senders: self.most("sender", &format!("{CAME} {}", asked.condition()), most, &asked).await?,
            recipients: {
                let each = asked.within.as_deref().unwrap_or("WHERE TRUE");
                self.most("r.value", &format!("(SELECT * FROM {CAME}), {EACH_RECIPIENT} {each} AND ?6 IS NOT NULL"), most, &asked).await?
            },
        })
    }

    async fn held_at(&self, asked: &Asked) -> Result<u64, DatabaseError> {
        let sql = format!("SELECT count(*) FROM quarantine WHERE at < ?5 AND (state = 0 OR state_at >= ?5) {}", asked.condition());
        let n: Vec<(i64,)> = self.rows(sql, asked).await?;
        Ok(n.first().map_or(0, |(n,)| u64::try_from(*n).unwrap_or(0)))
    }

    async fn by_step(&self, column: &'static str, which: &str, asked: &Asked) -> Result<Vec<u64>, DatabaseError> {
        let sql = format!("SELECT ({column} - ?1) / ?3 AS step, count(*) FROM {which} {} GROUP BY step", asked.condition());
        let rows: Vec<(i64, i64)> = self.rows(sql, asked).await?;
        let mut counts = vec![0; asked.steps.count()];
        for (step, n) in rows {
            if let Some(slot) = usize::try_from(step).ok().and_then(|s| counts.get_mut(s)) {
                *slot = u64::try_from(n).unwrap_or(0);
            }
        }
        Ok(counts)
    }

    async fn most(&self, what: &'static str, from: &str, most: usize, asked: &Asked) -> Result<Vec<(String, u64)>, DatabaseError> {
        let sql = format!("SELECT lower({what}) AS name, count(*) AS n FROM {from} GROUP BY name ORDER BY n DESC, name LIMIT {most}");
        let rows: Vec<(String, i64)> = self.rows(sql, asked).await?;
        Ok(rows.into_iter().map(|(name, n)| (name, u64::try_from(n).unwrap_or(0))).collect())
    }

    async fn rows<R>(&self, sql: String, asked: &Asked) -> Result<Vec<R>, DatabaseError>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let (shared, Steps { from, to, step }) = (&self.0.shared, asked.steps);
        sqlx::query_as(AssertSqlSafe(sql))
            .bind(from.0)
            .bind(to.0)
            .bind(step.max(1))
            .bind(MailId::new(from, 0).to_bytes().to_vec())
            .bind(asked.moment.0)
            .bind(asked.domains.as_str())
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("look at what went through the quarantine"))
    }
}
