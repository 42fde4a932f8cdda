//! Who did what, when, and what it was before. Only appended to.

use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::FromRow;

use super::{Database, DatabaseError};

pub const PAGE_LIMIT: usize = 500;
/// Octets kept of `before` and of `after`.
const TEXT_LIMIT: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromRow)]
pub struct AuditEntry {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub who: String,
    /// The client's address, or `unix` for the local socket.
    pub address: String,
    /// `settings.change`, `quarantine.release`, `login.failed`, ….
    pub action: String,
    /// What it was done to: a mail's id, a setting's path, a network.
    pub subject: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// An act about to be written down.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    pub who: &'a str,
    pub address: &'a str,
    pub action: &'a str,
    pub subject: &'a str,
    pub before: Option<&'a str>,
    pub after: Option<&'a str>,
}

#[derive(Clone, Debug, Default)]
pub struct AuditSearch {
    pub who: Option<String>,
    /// An action, or its first word with a dot: `quarantine.`.
    pub action: Option<String>,
    pub subject: Option<String>,
    pub before: Option<i64>,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    pub next: Option<i64>,
}

pub struct Audit<'a>(&'a Database);

impl Database {
    pub fn audit(&self) -> Audit<'_> {
        Audit(self)
    }
}

impl Audit<'_> {
    pub async fn append(&self, act: Act<'_>, now: Timestamp) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        let cut = |text: Option<&str>| text.map(|t| t[..t.floor_char_boundary(TEXT_LIMIT)].to_owned());
        sqlx::query("INSERT INTO audit (at, who, address, action, subject, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(now.0)
            .bind(act.who)
            .bind(act.address)
            .bind(act.action)
            .bind(act.subject)
            .bind(cut(act.before))
            .bind(cut(act.after))
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("write the audit trail"))?;
        Ok(())
    }

    /// Newest first.
    pub async fn search(&self, search: &AuditSearch) -> Result<AuditPage, DatabaseError> {
        let shared = &self.0.shared;
        let limit = search.limit.clamp(1, PAGE_LIMIT);
        let mut entries: Vec<AuditEntry> = sqlx::query_as(
            "SELECT * FROM audit WHERE id < ?1 AND (?2 IS NULL OR who = ?2) \
             AND (?3 IS NULL OR action = ?3 OR (substr(?3, -1) = '.' AND substr(action, 1, length(?3)) = ?3)) \
             AND (?4 IS NULL OR subject = ?4) ORDER BY id DESC LIMIT ?5",
        )
        .bind(search.before.unwrap_or(i64::MAX))
        .bind(search.who.as_deref())
        .bind(search.action.as_deref())
        .bind(search.subject.as_deref())
        .bind(limit as i64 + 1)
        .fetch_all(&shared.readers())
        .await
        .map_err(shared.failed("read the audit trail"))?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = if more { entries.last().map(|e| e.id) } else { None };
        Ok(AuditPage { entries, next })
    }
}
