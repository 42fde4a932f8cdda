//! Tracking: what happened to each mail, and the search over it.
//!
//! A search asks for whole words: an address, its local part, its domain or a domain above it; words
//! of a subject or of a display name; a whole message id. Results come newest first; a page ends with
//! a cursor for the next one. One call reads at most [`READ_LIMIT`] rows, whatever is asked.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use postern_model::address::{Address, Domain};
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, Step};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::terms::{self, BUCKETS, Field, SEGMENT, Term};
use super::writer::Note;
use super::{Database, DatabaseError, Shared};
use crate::sqlite;

/// Rows of a page at most.
pub const PAGE_LIMIT: usize = 500;
/// Rows that one call looks at; the page it returns may be short and still have a next one.
const READ_LIMIT: usize = 20_000;
/// Segments whose postings are read in one go.
const STRIDE: usize = 64;

/// What is asked; everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JourneySearch {
    /// In the envelope or the From header.
    pub sender: Option<String>,
    pub recipient: Option<String>,
    /// Only mails with a recipient at one of these domains; `None`: all.
    #[serde(default)]
    pub within: Option<BTreeSet<Domain>>,
    pub subject: Option<String>,
    pub message_id: Option<String>,
    pub client: Option<IpAddr>,
    /// `accept`, `tag`, `hold`, `quarantine`, `defer`, `reject`, `discard`.
    pub action: Option<String>,
    pub reason: Option<Reason>,
    /// `inbound`, `outbound`.
    pub direction: Option<String>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// The cursor of the page before.
    pub before: Option<i64>,
    /// 1 to [`PAGE_LIMIT`].
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyPage {
    pub journeys: Vec<JourneySummary>,
    /// The cursor of each: the page that begins behind it.
    pub rows: Vec<i64>,
    /// To be given as `before` for the next page; `None`: this was the last.
    pub next: Option<i64>,
}

/// A mail with all that happened to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// `None` when the mail never got as far as a judgement.
    pub summary: Option<JourneySummary>,
    pub steps: Vec<JourneyStep>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyStep {
    pub at: Timestamp,
    #[serde(flatten)]
    pub step: Step,
}

pub struct Journeys<'a>(&'a Database);

impl Database {
    pub fn journeys(&self) -> Journeys<'_> {
        Journeys(self)
    }
}

impl Journeys<'_> {
    /// Notes a step; never waits.
    pub fn record(&self, event: JourneyEvent) {
        self.0.note(Note::Event(event));
    }

    /// Notes what the search will look at; never waits.
    pub fn summarise(&self, summary: JourneySummary) {
        self.0.note(Note::Summary(Box::new(summary)));
    }

    /// Notes what was decided later about a mail that was held; never waits.
    pub fn decide(&self, summary: JourneySummary) {
        self.0.note(Note::Decided(Box::new(summary)));
    }

    /// One mail with all its steps, oldest first.
    pub async fn one(&self, mail: MailId) -> Result<Option<Journey>, DatabaseError> {
        let shared = &self.0.shared;
        let key = mail.to_bytes().to_vec();
        let row: Option<(String, String)> = sqlx::query_as("SELECT summary, steps FROM journeys WHERE mail = ?")
            .bind(key.clone())
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read a journey"))?;
        let late: Vec<String> = sqlx::query_scalar("SELECT steps FROM journey_steps WHERE mail = ? ORDER BY seq")
            .bind(key)
            .fetch_all(&shared.readers())
            .await
            .map_err(shared.failed("read a journey's later steps"))?;
        if row.is_none() && late.is_empty() {
            return Ok(None);
        }
        let (summary, first) = row.map_or((None, String::new()), |(s, steps)| (serde_json::from_str(&s).ok(), steps));
        let lines = first.lines().chain(late.iter().flat_map(|l| l.lines()));
        let mut steps: Vec<JourneyStep> = lines.filter_map(|l| serde_json::from_str(l).ok()).collect();
        steps.sort_by_key(|s| s.at);
        Ok(Some(Journey { summary, steps }))
    }

    pub async fn search(&self, search: &JourneySearch) -> Result<JourneyPage, DatabaseError> {
        let limit = search.limit.clamp(1, PAGE_LIMIT);
        let mut walk = Walk { shared: &self.0.shared, search, wanted: limit + 1, found: Vec::new(), read: 0, stopped_at: None };
        walk.run().await?;
        let mut found = walk.found;
        let next = if found.len() > limit {
            found.truncate(limit);
            found.last().map(|(id, _)| *id)
        } else {
            walk.stopped_at
        };
        let (rows, journeys) = found.into_iter().unzip();
        Ok(JourneyPage { journeys, rows, next })
    }

    /// Forgets mails older than `before`, a segment at a time; returns how many.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let failed = || shared.failed("prune journeys");
        let mut pruned = 0;
        loop {
            let segment: Option<i64> = sqlx::query_scalar("SELECT id FROM journey_segments WHERE latest < ? ORDER BY id LIMIT 1")
                .bind(before.0)
                .fetch_optional(&shared.readers())
                .await
                .map_err(failed())?;
            let Some(segment) = segment else { break };
            let mut tx = sqlite::begin(&shared.writer()).await.map_err(failed())?;
            let rows = sqlx::query("DELETE FROM journeys WHERE id >= ? AND id < ?").bind(segment * SEGMENT).bind((segment + 1) * SEGMENT);
            pruned += rows.execute(&mut *tx).await.map_err(failed())?.rows_affected();
            let terms =
                sqlx::query("DELETE FROM journey_terms WHERE id >= ? AND id < ?").bind(segment * BUCKETS).bind((segment + 1) * BUCKETS);
            terms.execute(&mut *tx).await.map_err(failed())?;
            sqlx::query("DELETE FROM journey_segments WHERE id = ?").bind(segment).execute(&mut *tx).await.map_err(failed())?;
            tx.commit().await.map_err(failed())?;
        }
        let oldest = MailId::new(before, 0).to_bytes().to_vec();
        sqlx::query("DELETE FROM journey_steps WHERE mail < ?").bind(oldest).execute(&shared.writer()).await.map_err(failed())?;
        Ok(pruned)
    }
}

/// One search on its way from the newest row to the oldest.
struct Walk<'a> {
    shared: &'a Shared,
    search: &'a JourneySearch,
    wanted: usize,
    found: Vec<(i64, JourneySummary)>,
    read: usize,
    /// The read limit was reached here: the next page goes on below.
    stopped_at: Option<i64>,
}

impl Walk<'_> {
    async fn run(&mut self) -> Result<(), DatabaseError> {
        let failed = self.shared.failed("search journeys");
        let closed: Option<i64> =
            sqlx::query_scalar("SELECT max(id) FROM journey_segments").fetch_one(&self.shared.readers()).await.map_err(failed)?;
        let open_from = closed.map_or(0, |c| (c + 1) * SEGMENT);
        let start = self.search.before.unwrap_or(i64::MAX);
        if self.scan(open_from, start).await? {
            return Ok(());
        }
        let alternatives = alternatives(self.search);
        let mut below = start.min(open_from);
        let mut stride = 4;
        loop {
            let segments: Vec<i64> = sqlx::query_scalar(
                "SELECT id FROM journey_segments WHERE id * 4096 < ?1 AND latest >= ?2 AND earliest <= ?3 AND id <= ?1 / 4096 ORDER BY id DESC LIMIT ?4",
            )
            .bind(below)
            .bind(self.search.from.map_or(i64::MIN, |t| t.0))
            .bind(self.search.to.map_or(i64::MAX, |t| t.0))
            .bind(stride as i64)
            .fetch_all(&self.shared.readers())
            .await
            .map_err(self.shared.failed("search journeys"))?;
            let Some(last) = segments.last().copied() else { return Ok(()) };
            let done = if alternatives.is_empty() {
                let mut done = false;
                for segment in &segments {
                    done = self.scan(segment * SEGMENT, start.min((segment + 1) * SEGMENT)).await?;
                    if done {
                        break;
                    }
                }
                done
            } else {
                self.candidates(&segments, &alternatives, start).await?
            };
            if done {
                return Ok(());
            }
            below = last * SEGMENT;
            stride = (stride * 4).min(STRIDE);
        }
    }

    /// Looks at every row from `from` up to `before`, newest first. True: the page is full, or the limit reached.
    async fn scan(&mut self, from: i64, mut before: i64) -> Result<bool, DatabaseError> {
        const CHUNK: i64 = 512;
        loop {
            let rows: Vec<(i64, String)> =
                sqlx::query_as("SELECT id, summary FROM journeys WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?")
                    .bind(from)
                    .bind(before)
                    .bind(CHUNK)
                    .fetch_all(&self.shared.readers())
                    .await
                    .map_err(self.shared.failed("search journeys"))?;
            let Some(last) = rows.last().map(|(id, _)| *id) else { return Ok(false) };
            let short = rows.len() < CHUNK as usize;
            if self.look_at(rows) {
                return Ok(true);
            }
            if short {
                return Ok(false);
            }
            before = last;
        }
    }

    /// Looks at the rows that the index names.
    async fn candidates(&mut self, segments: &[i64], alternatives: &[Vec<Vec<Term>>], start: i64) -> Result<bool, DatabaseError> {
        let mut keys: Vec<i64> =
            alternatives.iter().flatten().flatten().flat_map(|term| segments.iter().map(move |s| s * BUCKETS + term.bucket())).collect();
        keys.sort_unstable();
        keys.dedup();
        let list = serde_json::to_string(&keys).unwrap_or_default();
        let rows: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT id, postings FROM journey_terms WHERE id IN (SELECT value FROM json_each(?))")
                .bind(list)
                .fetch_all(&self.shared.readers())
                .await
                .map_err(self.shared.failed("search journeys"))?;
        let postings: HashMap<i64, Vec<u8>> = rows.into_iter().collect();
        let mut ids = Vec::new();
        for segment in segments {
            let rows_of = |t: &Term| postings.get(&(segment * BUCKETS + t.bucket())).map(|p| terms::rows_with(p, *t)).unwrap_or_default();
            let each = alternatives.iter().map(|ways| union(ways.iter().map(|all| intersection(all.iter().map(rows_of)))));
            ids.extend(intersection(each).into_iter().rev().map(|row| segment * SEGMENT + i64::from(row)).filter(|id| *id < start));
        }
        for chunk in ids.chunks(256) {
            let list = serde_json::to_string(chunk).unwrap_or_default();
            let rows: Vec<(i64, String)> =
                sqlx::query_as("SELECT id, summary FROM journeys WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC")
                    .bind(list)
                    .fetch_all(&self.shared.readers())
                    .await
                    .map_err(self.shared.failed("search journeys"))?;
            if self.look_at(rows) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn look_at(&mut self, rows: Vec<(i64, String)>) -> bool {
        for (id, text) in rows {
            self.read += 1;
            if let Ok(summary) = serde_json::from_str::<JourneySummary>(&text)
                && matches(self.search, &summary)
            {
                self.found.push((id, summary));
                if self.found.len() >= self.wanted {
                    return true;
                }
            }
            if self.read >= READ_LIMIT {
                self.stopped_at = Some(id);
                return true;
            }
        }
        false
    }
}

fn intersection(lists: impl Iterator<Item = Vec<u16>>) -> Vec<u16> {
    lists.reduce(|a, b| a.into_iter().filter(|row| b.binary_search(row).is_ok()).collect()).unwrap_or_default()
}

fn union(lists: impl Iterator<Item = Vec<u16>>) -> Vec<u16> {
    let mut all: Vec<u16> = lists.flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// For each thing asked: the ways in which it can stand in the index, each a set of terms that are all there.
fn alternatives(search: &JourneySearch) -> Vec<Vec<Vec<Term>>> {
    let mut out = Vec::new();
    for (field, text) in [(Field::Sender, &search.sender), (Field::Recipient, &search.recipient)] {
        let Some(asked) = text.as_deref().and_then(asked_address) else { continue };
        let words: Vec<Term> = terms::words(&asked).map(|w| Term::new(field, &w)).collect();
        let mut ways = vec![vec![Term::new(field, &asked)]];
        if !words.is_empty() && field == Field::Sender {
            ways.push(words);
        }
        out.push(ways);
    }
    if let Some(domains) = &search.within {
        out.push(domains.iter().map(|d| vec![Term::new(Field::Recipient, d.as_str())]).collect());
    }
    let subject: Vec<Term> =
        search.subject.as_deref().map(terms::words).into_iter().flatten().map(|w| Term::new(Field::Subject, &w)).collect();
    if !subject.is_empty() {
        out.push(vec![subject]);
    }
    let single = [
        (Field::MessageId, search.message_id.as_deref().map(|m| terms::bare_message_id(m).to_owned())),
        (Field::Client, search.client.map(|c| c.to_canonical().to_string())),
        (Field::Action, search.action.clone()),
        (Field::Reason, search.reason.map(|r| r.name().to_owned())),
        (Field::Direction, search.direction.clone()),
    ];
    for (field, text) in single {
        if let Some(text) = text {
            out.push(vec![vec![Term::new(field, &text)]]);
        }
    }
    out
}

/// An address or a part of one, as the index knows it: lower case, domains as A-labels.
fn asked_address(text: &str) -> Option<String> {
    let bare = text.trim().trim_start_matches('@').trim_matches(['<', '>']);
    match bare.parse::<Address>() {
        Ok(address) => Some(address.key()),
        Err(_) if bare.is_empty() => None,
        Err(_) => Some(bare.parse::<postern_model::address::Domain>().map_or_else(|_| bare.to_lowercase(), |d| d.to_string())),
    }
}

fn matches(search: &JourneySearch, summary: &JourneySummary) -> bool {
    let address_matches = |a: &Address, asked: &str| {
        a.key() == asked
            || a.local().to_lowercase() == asked
            || a.domain().as_str() == asked
            || a.domain().as_str().strip_suffix(asked).is_some_and(|head| head.ends_with('.'))
    };
    let sender_matches = |asked: &str| {
        let from = summary.from_header.as_deref().unwrap_or_default();
        summary.mail_from.address().is_some_and(|a| address_matches(a, asked))
            || terms::address_in(from).is_some_and(|a| address_matches(&a, asked))
            || (!from.is_empty() && has_words(from, asked))
    };
    search.sender.as_deref().and_then(asked_address).is_none_or(|asked| sender_matches(&asked))
        && search
            .recipient
            .as_deref()
            .and_then(asked_address)
            .is_none_or(|asked| summary.recipients.iter().any(|r| address_matches(r, &asked) && is_within(search, r)))
        && (search.within.is_none() || summary.recipients.iter().any(|r| is_within(search, r)))
        && search.subject.as_deref().is_none_or(|asked| has_words(summary.subject.as_deref().unwrap_or_default(), asked))
        && search
            .message_id
            .as_deref()
            .is_none_or(|m| summary.message_id.as_deref().map(terms::bare_message_id) == Some(terms::bare_message_id(m)))
        && search.client.is_none_or(|c| c.to_canonical() == summary.client.to_canonical())
        && search.action.as_deref().is_none_or(|a| summary.action == a)
        && search.reason.is_none_or(|r| summary.reason == r)
        && search.direction.as_deref().is_none_or(|d| terms::direction(summary) == d)
        && search.from.is_none_or(|t| summary.at >= t)
        && search.to.is_none_or(|t| summary.at <= t)
}

fn is_within(search: &JourneySearch, recipient: &Address) -> bool {
    search.within.as_ref().is_none_or(|domains| domains.contains(recipient.domain()))
}

fn has_words(text: &str, asked: &str) -> bool {
    let there: Vec<String> = terms::words(text).collect();
    terms::words(asked).all(|w| there.contains(&w))
}
