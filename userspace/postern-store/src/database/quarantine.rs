//! The index of the quarantine; the mails themselves are files kept by the spool.
//!
//! States only ever rise: held, then deleted or released; released wins over deleted, so that two
//! nodes that heard different commands agree on the one that lost nothing.

use std::collections::BTreeSet;

use postern_model::address::{Address, Domain};
use postern_model::id::MailId;
use postern_model::node::NodeId;
pub use postern_model::quarantine::QuarantineState;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::changes::Change;
use super::{Database, DatabaseError};

pub const PAGE_LIMIT: usize = 500;
/// Every column of an entry.
const ENTRIES: &str = "SELECT q.*, (SELECT holder FROM quarantine_peers p WHERE p.mail = q.mail) AS holder FROM quarantine q";

/// A mail's recipients as one row `r`.
const ALL_RECIPIENTS: &str = "(SELECT recipients AS value) r WHERE TRUE";
/// Each recipient as a row `r`.
pub(super) const EACH_RECIPIENT: &str =
    r#"json_each('["' || replace(replace(replace(recipients, '\', '\\'), '"', '\"'), char(10), '","') || '"]') r"#;
/// Of these, those at one of the domains `?10` (a JSON array): a search within domains cannot ask about any other.
pub(super) const WITHIN: &str =
    "WHERE EXISTS (SELECT 1 FROM json_each(?10) d WHERE substr(r.value, -1 - length(d.value)) = '@' || d.value)";
/// Of these, the one address in `?10`.
const ONLY: &str = "WHERE r.value = json_extract(?10, '$[0]') COLLATE NOCASE";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuarantineEntry {
    pub mail: MailId,
    pub at: Timestamp,
    /// Envelope sender; empty for the null path.
    pub sender: String,
    pub recipients: Vec<String>,
    pub from_header: Option<String>,
    pub subject: Option<String>,
    pub score: Score,
    pub reason: Reason,
    pub size: u64,
    pub expires: Timestamp,
    pub state: QuarantineState,
    pub state_by: Option<String>,
    pub state_at: Option<Timestamp>,
    /// The peer whose quarantine the mail lies in; `None`: ours.
    #[serde(default)]
    pub holder: Option<NodeId>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuarantineSearch {
    /// `None`: all states.
    pub state: Option<QuarantineState>,
    /// Found anywhere in sender, recipients, From or subject, without regard to ASCII case.
    pub text: Option<String>,
    pub recipient: Option<String>,
    /// Only mails for this address; `None`: all.
    pub only_for: Option<Address>,
    /// Only mails with a recipient at one of these domains; `None`: all. What is asked of a recipient is asked of one of these.
    pub within: Option<BTreeSet<Domain>>,
    pub reason: Option<Reason>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// The last mail of the page before; newest come first.
    pub before: Option<MailId>,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuarantinePage {
    pub mails: Vec<QuarantineEntry>,
    pub next: Option<MailId>,
}

pub struct Quarantine<'a>(pub(super) &'a Database);

impl Database {
    pub fn quarantine(&self) -> Quarantine<'_> {
        Quarantine(self)
    }
}

impl FromRow<'_, SqliteRow> for QuarantineEntry {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let mail: Vec<u8> = row.try_get("mail")?;
        let mail = <[u8; 16]>::try_from(mail.as_slice()).map_err(|e| sqlx::Error::Decode(e.into()))?;
        let reason: String = row.try_get("reason")?;
        Ok(Self {
            mail: MailId::from_bytes(mail),
            at: Timestamp(row.try_get("at")?),
            sender: row.try_get("sender")?,
            recipients: row.try_get::<String, _>("recipients")?.split('\n').map(str::to_owned).collect(),
            from_header: row.try_get("from_header")?,
            subject: row.try_get("subject")?,
            score: Score::new(row.try_get("score")?),
            reason: reason.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
            size: u64::try_from(row.try_get::<i64, _>("size")?).unwrap_or(0),
            expires: Timestamp(row.try_get("expires")?),
            state: match row.try_get::<i64, _>("state")? {
                0 => QuarantineState::Held,
                1 => QuarantineState::Deleted,
                _ => QuarantineState::Released,
            },
            state_by: row.try_get("state_by")?,
            state_at: row.try_get::<Option<i64>, _>("state_at")?.map(Timestamp),
            holder: row.try_get::<Option<Vec<u8>>, _>("holder")?.and_then(|h| h.as_slice().try_into().ok()).map(NodeId),
        })
    }
}

impl Quarantine<'_> {
    /// Adds a mail; adding it again changes nothing (its state may have risen since).
    pub async fn add(&self, entry: &QuarantineEntry) -> Result<(), DatabaseError> {
        if self.insert(entry).await? {
            self.0.shared.outlet.tell(|| Change::Quarantined(Box::new(entry.clone())));
        }
        Ok(())
    }

    /// Adds a mail that a peer holds, and nobody is told again. What peers did with it before counts.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn merge(&self, entry: &QuarantineEntry) -> Result<(), DatabaseError> {
        let shared = &self.0.shared;
        if let Some(holder) = entry.holder {
            // Before the entry: a crash in between must not leave a peer's mail that looks like ours.
            sqlx::query(
                "INSERT INTO quarantine_peers (mail, holder) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM quarantine WHERE mail = ?1) \
                 ON CONFLICT (mail) DO NOTHING",
            )
            .bind(entry.mail.to_bytes().to_vec())
            .bind(holder.0.to_vec())
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("add a peer's mail to the quarantine"))?;
        }
        if !self.insert(entry).await? {
            return Ok(());
        }
        let early: Option<(i64, Option<String>, i64)> =
            sqlx::query_as("SELECT state, state_by, state_at FROM quarantine_early WHERE mail = ?")
                .bind(entry.mail.to_bytes().to_vec())
                .fetch_optional(&shared.writer())
                .await
                .map_err(shared.failed("read what peers did with a mail"))?;
        if let Some((state, by, at)) = early {
            let to = if state == QuarantineState::Released as i64 { QuarantineState::Released } else { QuarantineState::Deleted };
            self.raise_here(entry.mail, to, by.as_deref().unwrap_or_default(), Timestamp(at)).await?;
        }
        Ok(())
    }

    /// What a peer did with a mail; nobody is told again. True: the state rose, or will when the mail's entry arrives.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn merge_action(&self, mail: MailId, to: QuarantineState, by: &str, at: Timestamp) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        if self.raise_here(mail, to, by, at).await? {
            return Ok(true);
        }
        let done = sqlx::query(
            "INSERT INTO quarantine_early (mail, state, state_by, state_at) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS \
             (SELECT 1 FROM quarantine WHERE mail = ?1) ON CONFLICT (mail) DO UPDATE SET state = excluded.state, \
             state_by = excluded.state_by, state_at = excluded.state_at WHERE excluded.state > state",
        )
        .bind(mail.to_bytes().to_vec())
        .bind(to as i64)
        .bind(by)
        .bind(at.0)
        .execute(&shared.writer())
        .await
        .map_err(shared.failed("note what a peer did with a mail"))?;
        Ok(done.rows_affected() > 0)
    }

    async fn insert(&self, entry: &QuarantineEntry) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query(
            "INSERT INTO quarantine (mail, at, sender, recipients, from_header, subject, score, reason, size, expires, state) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (mail) DO NOTHING",
        )
        .bind(entry.mail.to_bytes().to_vec())
        .bind(entry.at.0)
        .bind(entry.sender.as_str())
        .bind(entry.recipients.join("\n"))
        .bind(entry.from_header.as_deref())
        .bind(entry.subject.as_deref())
        .bind(entry.score.get())
        .bind(entry.reason.name())
        .bind(i64::try_from(entry.size).unwrap_or(i64::MAX))
        .bind(entry.expires.0)
        .bind(entry.state as i64)
        .execute(&shared.writer())
        .await
        .map_err(shared.failed("add to the quarantine"))?;
        Ok(done.rows_affected() > 0)
    }

    pub async fn one(&self, mail: MailId) -> Result<Option<QuarantineEntry>, DatabaseError> {
        let shared = &self.0.shared;
        sqlx::query_as(AssertSqlSafe(format!("{ENTRIES} WHERE mail = ?")))
            .bind(mail.to_bytes().to_vec())
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read the quarantine"))
    }

    pub async fn search(&self, search: &QuarantineSearch) -> Result<QuarantinePage, DatabaseError> {
        let shared = &self.0.shared;
        let limit = search.limit.clamp(1, PAGE_LIMIT);
        let like = |text: &Option<String>| {
            text.as_deref().map(|t| format!("%{}%", t.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")))
        };
        let (recipients, named) = match (&search.only_for, &search.within) {
            (Some(address), _) => (format!("{EACH_RECIPIENT} {ONLY}"), vec![address.to_string()]),
            (None, Some(domains)) => (format!("{EACH_RECIPIENT} {WITHIN}"), domains.iter().map(ToString::to_string).collect()),
            (None, None) => (ALL_RECIPIENTS.to_owned(), Vec::new()),
        };
        let mut mails: Vec<QuarantineEntry> = sqlx::query_as(AssertSqlSafe(format!(
            "{ENTRIES} WHERE mail < ?1 AND mail >= ?2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR reason = ?4) \
             AND at >= ?5 AND at <= ?6 AND EXISTS (SELECT 1 FROM {recipients} AND (?7 IS NULL OR r.value LIKE ?7 ESCAPE '\\') \
             AND (?8 IS NULL OR sender LIKE ?8 ESCAPE '\\' OR r.value LIKE ?8 ESCAPE '\\' OR from_header LIKE ?8 ESCAPE '\\' \
             OR subject LIKE ?8 ESCAPE '\\')) AND ?10 IS NOT NULL ORDER BY mail DESC LIMIT ?9",
        )))
        .bind(search.before.map_or([0xff; 16], MailId::to_bytes).to_vec())
        .bind(search.from.map_or([0; 16], |t| MailId::new(t, 0).to_bytes()).to_vec())
        .bind(search.state.map(|s| s as i64))
        .bind(search.reason.map(Reason::name))
        .bind(search.from.map_or(i64::MIN, |t| t.0))
        .bind(search.to.map_or(i64::MAX, |t| t.0))
        .bind(like(&search.recipient))
        .bind(like(&search.text))
        .bind(limit as i64 + 1)
        .bind(serde_json::to_string(&named).unwrap_or_default())
        .fetch_all(&shared.readers())
        .await
        .map_err(shared.failed("search the quarantine"))?;
        let more = mails.len() > limit;
        mails.truncate(limit);
        let next = if more { mails.last().map(|m| m.mail) } else { None };
        Ok(QuarantinePage { mails, next })
    }

    /// Raises the state. False: it was not in the index, or already as high.
    pub async fn raise(&self, mail: MailId, to: QuarantineState, by: &str, at: Timestamp) -> Result<bool, DatabaseError> {
        let rose = self.raise_here(mail, to, by, at).await?;
        if rose {
            self.0.shared.outlet.tell(|| Change::QuarantineRaised { mail, to, by: by.to_owned(), at });
        }
        Ok(rose)
    }

    async fn raise_here(&self, mail: MailId, to: QuarantineState, by: &str, at: Timestamp) -> Result<bool, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("UPDATE quarantine SET state = ?1, state_by = ?2, state_at = ?3 WHERE mail = ?4 AND state < ?1")
            .bind(to as i64)
            .bind(by)
            .bind(at.0)
            .bind(mail.to_bytes().to_vec())
            .execute(&shared.writer())
            .await
            .map_err(shared.failed("change the quarantine"))?;
        Ok(done.rows_affected() > 0)
    }

    /// Mails held here whose time is over, oldest first: their files can be deleted, then [`Self::raise`] them.
    pub async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<MailId>, DatabaseError> {
        let shared = &self.0.shared;
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT mail FROM quarantine WHERE state = 0 AND expires <= ? AND mail NOT IN (SELECT mail FROM quarantine_peers) ORDER BY expires LIMIT ?")
                .bind(now.0)
                .bind(limit as i64)
                .fetch_all(&shared.readers())
                .await
                .map_err(shared.failed("look for expired mails in the quarantine"))?;
        Ok(rows.iter().filter_map(|b| Some(MailId::from_bytes(b.as_slice().try_into().ok()?))).collect())
    }

    /// How many are held.
    pub async fn held(&self) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let n: i64 = sqlx::query_scalar("SELECT count(*) FROM quarantine WHERE state = 0")
            .fetch_one(&shared.readers())
            .await
            .map_err(shared.failed("count the quarantine"))?;
        Ok(u64::try_from(n).unwrap_or(0))
    }

    /// Forgets entries that were done with before `before`, and those of peers that ended then without a word of their holder.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let work = async {
            let writer = shared.writer();
            let over = "DELETE FROM quarantine WHERE (state > 0 AND state_at < ?1) OR (expires < ?1 AND mail IN (SELECT mail FROM quarantine_peers))";
            let done = sqlx::query(over).bind(before.0).execute(&writer).await?;
            sqlx::query("DELETE FROM quarantine_peers WHERE mail NOT IN (SELECT mail FROM quarantine)").execute(&writer).await?;
            sqlx::query("DELETE FROM quarantine_early WHERE state_at < ?").bind(before.0).execute(&writer).await?;
            Ok(done.rows_affected())
        };
        work.await.map_err(shared.failed("prune the quarantine"))
    }
}
