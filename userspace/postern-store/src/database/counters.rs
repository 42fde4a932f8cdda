//! Counters by the hour, for graphs: mails by action and reason, octets, and what others count.

use std::borrow::Cow;

use postern_model::time::Timestamp;
use serde::Serialize;

use super::writer::Note;
use super::{Database, DatabaseError};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HourCounter {
    /// The hour's beginning.
    pub hour: Timestamp,
    /// `action:reject`, `reason:score-reject`, `octets`, ….
    pub name: String,
    pub count: u64,
}

pub struct Counters<'a>(&'a Database);

impl Database {
    pub fn counters(&self) -> Counters<'_> {
        Counters(self)
    }
}

pub(super) fn of_action(action: &str) -> Cow<'static, str> {
    Cow::Borrowed(match action {
        "accept" => "action:accept",
        "tag" => "action:tag",
        "hold" => "action:hold",
        "quarantine" => "action:quarantine",
        "defer" => "action:defer",
        "reject" => "action:reject",
        "discard" => "action:discard",
        _ => "action:other",
    })
}

impl Counters<'_> {
    /// Adds to a counter of the hour of `at`; never waits. Names are kebab-case, from a closed set.
    pub fn add(&self, name: impl Into<Cow<'static, str>>, n: u64, at: Timestamp) {
        self.0.note(Note::Count { name: name.into(), n, at });
    }

    /// Everything counted since this process opened the database, by name.
    pub fn since_start(&self) -> Vec<(Cow<'static, str>, u64)> {
        self.0.shared.totals.lock().iter().map(|(name, n)| (name.clone(), *n)).collect()
    }

    /// All counters of the hours from `from` to `to`, oldest first.
    pub async fn between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<HourCounter>, DatabaseError> {
        let shared = &self.0.shared;
        let rows: Vec<(i64, String, i64)> =
            sqlx::query_as("SELECT hour, name, count FROM counters WHERE hour >= ? AND hour <= ? ORDER BY hour, name LIMIT 100000")
                .bind(from.0.div_euclid(3_600_000))
                .bind(to.0.div_euclid(3_600_000))
                .fetch_all(&shared.readers())
                .await
                .map_err(shared.failed("read the counters"))?;
        Ok(rows
            .into_iter()
            .map(|(hour, name, n)| HourCounter { hour: Timestamp(hour * 3_600_000), name, count: u64::try_from(n).unwrap_or(0) })
            .collect())
    }

    /// Forgets hours before `before`.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM counters WHERE hour < ?").bind(before.0.div_euclid(3_600_000)).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune counters"))?.rows_affected())
    }
}
