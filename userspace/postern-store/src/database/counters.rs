//! Counters by the hour, for graphs: mails by action and reason, octets, and what others count.
//!
//! Mails by the domain of a recipient are counted only for domains that a login is limited to, from then on: one counter for
//! every domain there is would be without bound.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postern_model::address::Domain;
use postern_model::journey::JourneySummary;
use postern_model::role::Reach;
use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::AssertSqlSafe;

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

const HOUR_MS: i64 = 3_600_000;

pub struct Counters<'a>(&'a Database);

/// Domains whose mails are counted by themselves.
pub(super) type Watched = Arc<BTreeSet<Domain>>;

/// What a counter of one domain's mails begins with: before `action:accept` and its like.
fn prefix(domain: &Domain) -> String {
    format!("domain:{domain}:")
}

/// Such a counter is read by logins of that domain, and is no figure of the node.
pub(super) fn is_of_domain(name: &str) -> bool {
    name.starts_with("domain:")
}

/// The counters of watched domains that a mail belongs to; to two recipients of one domain it is one mail.
pub(super) fn of_domains(summary: &JourneySummary, watched: &Watched) -> Vec<String> {
    let domains: BTreeSet<&Domain> = summary.recipients.iter().map(|r| r.domain()).filter(|d| watched.contains(*d)).collect();
    domains.into_iter().map(|d| format!("{}{}", prefix(d), of_action(&summary.action))).collect()
}

impl Database {
    /// Counts mails of exactly those domains that logins or tokens are limited to.
    pub(super) async fn watch_domains(&self) -> Result<(), DatabaseError> {
        let shared = &self.shared;
        let reaches: Vec<String> = sqlx::query_scalar("SELECT reach FROM admin_rights UNION SELECT reach FROM token_rights")
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("read what logins are limited to"))?;
        let reaches = reaches.iter().filter_map(|text| text.parse::<Reach>().ok());
        let watched = reaches.flat_map(|reach| reach.domains().cloned().unwrap_or_default()).collect();
        *shared.watched.write() = Arc::new(watched);
        Ok(())
    }

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
        self.0.shared.totals.lock().iter().filter(|(name, _)| !is_of_domain(name)).map(|(name, n)| (name.clone(), *n)).collect()
    }

    /// All counters of the hours from `from` to `to`, oldest first.
    pub async fn between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<HourCounter>, DatabaseError> {
        let rows = self.rows("name NOT LIKE 'domain:%'", from, to).await?;
        Ok(rows.into_iter().map(|((hour, name), count)| HourCounter { hour, name, count }).collect())
    }

    /// The same for mails to some domains: `action:accept` and its like; a mail to two of them counts for each. What came before
    /// a login was limited to a domain was not counted.
    pub async fn between_of(&self, domains: &BTreeSet<Domain>, from: Timestamp, to: Timestamp) -> Result<Vec<HourCounter>, DatabaseError> {
        let rows = self.rows("name LIKE 'domain:%'", from, to).await?;
        let mut sums: BTreeMap<(Timestamp, String), u64> = BTreeMap::new();
        for ((hour, name), count) in rows {
            if let Some(plain) = domains.iter().find_map(|d| name.strip_prefix(&prefix(d))) {
                *sums.entry((hour, plain.to_owned())).or_default() += count;
            }
        }
        Ok(sums.into_iter().map(|((hour, name), count)| HourCounter { hour, name, count }).collect())
    }

    /// Sums over steps of `step` milliseconds (whole hours) from `from` until before `to`: of each the step's beginning.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sums(&self, from: Timestamp, to: Timestamp, step: i64) -> Result<Vec<HourCounter>, DatabaseError> {
        let shared = &self.0.shared;
        let (first, hours) = (from.0.div_euclid(HOUR_MS), (step / HOUR_MS).max(1));
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "SELECT (hour - ?1) / ?3 AS step, name, sum(count) FROM counters WHERE hour >= ?1 AND hour < ?2 AND name NOT LIKE 'domain:%' \
             GROUP BY step, name ORDER BY step, name LIMIT 100000",
        )
        .bind(first)
        .bind((to.0 + HOUR_MS - 1).div_euclid(HOUR_MS))
        .bind(hours)
        .fetch_all(&shared.readers())
        .await
        .map_err(shared.failed("sum up the counters"))?;
        let row = |(step, name, n): (i64, String, i64)| HourCounter {
            hour: Timestamp((first + step * hours) * HOUR_MS),
            name,
            count: u64::try_from(n).unwrap_or(0),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    async fn rows(&self, which: &'static str, from: Timestamp, to: Timestamp) -> Result<Vec<((Timestamp, String), u64)>, DatabaseError> {
        let shared = &self.0.shared;
        let ask =
            format!("SELECT hour, name, count FROM counters WHERE hour >= ? AND hour <= ? AND {which} ORDER BY hour, name LIMIT 100000");
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(AssertSqlSafe(ask))
            .bind(from.0.div_euclid(HOUR_MS))
            .bind(to.0.div_euclid(HOUR_MS))
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("read the counters"))?;
        Ok(rows.into_iter().map(|(hour, name, n)| ((Timestamp(hour * HOUR_MS), name), u64::try_from(n).unwrap_or(0))).collect())
    }

    /// Forgets hours before `before`.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM counters WHERE hour < ?").bind(before.0.div_euclid(HOUR_MS)).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune counters"))?.rows_affected())
    }
}
