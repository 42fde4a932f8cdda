//! The writer task: takes notes from a bounded channel and commits them in batches.
//!
//! A batch is what came in [`TICK`]; most of a mail's steps come within it, so that a mail is one row
//! written once. One transaction for a batch, several rows for a statement: at 5,000 mails a second a
//! mail costs some microseconds.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::AHashMap;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, Step};
use postern_model::time::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::changes::Change;
use super::counters::Watched;
use super::days::{Counting, DAY_MS};
use super::senders;
use super::terms::{self, Gathered, SEGMENT};
use crate::sqlite::{self, insert, is_damage};

/// How long notes are gathered before they are committed.
const TICK: Duration = Duration::from_millis(200);
/// Steps of one mail in one batch, in octets; later ones are left out.
const MAX_STEPS: usize = 256 * 1024;
/// How often an idle writer looks whether its file is still there.
const LOOK: Duration = Duration::from_secs(5);
/// Times a batch is tried before it is given up.
const TRIES: u32 = 3;

/// What comes at the rate of mail.
pub enum Note {
    Event(JourneyEvent),
    Summary(Box<JourneySummary>),
    /// Another decision about a mail that was counted when it came.
    Decided(Box<JourneySummary>),
    /// A mail from this address (lower case) was accepted.
    Sender {
        address: String,
        at: Timestamp,
    },
    Greylist {
        key: [u8; 16],
        first: Timestamp,
        passed: Option<Timestamp>,
        at: Timestamp,
    },
    Recipient {
        address: String,
        present: bool,
        until: Timestamp,
    },
    Count {
        name: Cow<'static, str>,
        n: u64,
        at: Timestamp,
    },
    Flush(oneshot::Sender<()>),
}

#[derive(Default)]
struct MailNotes {
    summary: Option<Box<JourneySummary>>,
    steps: String,
}

#[derive(Default)]
struct Batch {
    mails: Vec<(MailId, MailNotes)>,
    places: AHashMap<MailId, usize>,
    senders: AHashMap<String, (i64, i64)>,
    greylist: AHashMap<[u8; 16], (i64, Option<i64>, i64)>,
    recipients: AHashMap<String, (bool, i64)>,
    counters: AHashMap<(i64, Cow<'static, str>), i64>,
    days: AHashMap<(i64, String), i64>,
    waiting: Vec<oneshot::Sender<()>>,
}

/// The open segment of the search index.
struct Tail {
    next: i64,
    gathered: Gathered,
    earliest: i64,
    latest: i64,
}

pub(super) async fn run(shared: Arc<Shared>, mut inbox: mpsc::Receiver<Note>) {
    let mut tail: Option<Tail> = None;
    let mut batch = Batch::default();
    let mut counting = Counting::default();
    loop {
        let first = tokio::time::timeout(LOOK, inbox.recv()).await;
        let ended = matches!(first, Ok(None));
        let watched = shared.watched.read().clone();
        if let Ok(Some(note)) = first {
            batch.take(note, &watched, &mut counting);
            if batch.waiting.is_empty() {
                tokio::select! { () = tokio::time::sleep(TICK) => {}, () = shared.hurry.notified() => {} }
            }
            while let Ok(note) = inbox.try_recv() {
                batch.take(note, &watched, &mut counting);
            }
        }
        look(&shared, &mut tail).await;
        if !batch.is_empty() {
            commit(&shared, &mut tail, &batch).await;
        }
        let mut totals = shared.totals.lock();
        for ((_, name), n) in batch.counters.drain() {
            *totals.entry(name).or_default() += u64::try_from(n).unwrap_or(0);
        }
        drop(totals);
        for done in batch.waiting.drain(..) {
            let _ = done.send(());
        }
        batch = Batch::default();
        if ended {
            return;
        }
    }
}

/// Replaces a file that was deleted, or that a reader found damaged.
async fn look(shared: &Shared, tail: &mut Option<Tail>) {
    // Its file is somebody else's by now, or nobody's.
    if shared.writer().is_closed() {
        return;
    }
    let gone = shared.is_gone();
    if !gone && !shared.suspect.swap(false, std::sync::atomic::Ordering::Relaxed) {
        return;
    }
    let why = if gone {
        "its file was deleted or replaced".to_owned()
    } else {
        match sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&shared.writer()).await {
            Ok(answer) if answer == "ok" => return,
            Ok(answer) => answer,
            Err(e) => e.to_string(),
        }
    };
    *tail = None;
    if let Err(e) = shared.replace(&why).await {
        tracing::error!(error = %e, "no new database could be made; tracking is lost until one can");
    }
}

async fn commit(shared: &Shared, tail: &mut Option<Tail>, batch: &Batch) {
    for attempt in 1..=TRIES {
        let Err(error) = try_commit(shared, tail, batch).await else { return };
        // What the tail gathered may not be in the file: it is read again.
        *tail = None;
        if is_damage(&error) {
            if let Err(e) = shared.replace(&error.to_string()).await {
                tracing::error!(error = %e, "no new database could be made; tracking is lost until one can");
            }
        } else if attempt < TRIES {
            tokio::time::sleep(TICK).await;
        }
        if attempt == TRIES {
            tracing::error!(%error, mails = batch.mails.len(), "tracking of these mails could not be written and is lost; the mails are not");
        }
    }
}

async fn try_commit(shared: &Shared, tail: &mut Option<Tail>, batch: &Batch) -> Result<(), sqlx::Error> {
    let mut tx = sqlite::begin(&shared.writer()).await?;
    let mut open = match tail.take() {
        Some(open) => open,
        None => load_tail(&mut tx).await?,
    };
    write_mails(&mut tx, &mut open, &batch.mails).await?;
    write_memory(&mut tx, batch).await?;
    let own = if shared.outlet.is_heard() { count_own(&mut tx, batch).await? } else { Vec::new() };
    tx.commit().await?;
    *tail = Some(open);
    own.into_iter().for_each(|change| shared.outlet.tell(|| change));
    Ok(())
}

async fn load_tail(tx: &mut SqliteConnection) -> Result<Tail, sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM journeys").fetch_one(&mut *tx).await?;
    // Rows may have been pruned away to nothing while segments before them are known.
    let closed: Option<i64> = sqlx::query_scalar("SELECT max(id) FROM journey_segments").fetch_one(&mut *tx).await?;
    let next = last.map_or(0, |l| l + 1).max(closed.map_or(0, |c| (c + 1) * SEGMENT));
    let mut tail = Tail { next, gathered: Gathered::default(), earliest: i64::MAX, latest: i64::MIN };
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, summary FROM journeys WHERE id >= ?").bind(next / SEGMENT * SEGMENT).fetch_all(&mut *tx).await?;
    for (id, text) in rows {
        if let Ok(summary) = serde_json::from_str::<JourneySummary>(&text) {
            tail.gather(id, &summary);
        }
    }
    Ok(tail)
}

impl Tail {
    fn gather(&mut self, id: i64, summary: &JourneySummary) {
        let row = u16::try_from(id.rem_euclid(SEGMENT)).unwrap_or(0);
        terms::of_summary(summary, |t| self.gathered.add(row, t));
        self.earliest = self.earliest.min(summary.at.0);
        self.latest = self.latest.max(summary.at.0);
    }
}

async fn write_mails(tx: &mut SqliteConnection, tail: &mut Tail, mails: &[(MailId, MailNotes)]) -> Result<(), sqlx::Error> {
    let mut rows = Vec::with_capacity(mails.len());
    let mut late = Vec::new();
    let mut closed = Vec::new();
    for (mail, notes) in mails {
        let Some(summary) = &notes.summary else {
            late.push((mail, &notes.steps));
            continue;
        };
        let Ok(text) = serde_json::to_string(summary) else { continue };
        let id = tail.next;
        tail.next += 1;
        tail.gather(id, summary);
        rows.push((id, mail.to_bytes().to_vec(), summary.at.0, text, &notes.steps));
        if tail.next % SEGMENT == 0 {
            closed.push((id / SEGMENT, tail.earliest, tail.latest, tail.gathered.close()));
            (tail.earliest, tail.latest) = (i64::MAX, i64::MIN);
        }
    }
    insert(
        tx,
        "INSERT INTO journeys (id, mail, at, summary, steps) VALUES ",
        5,
        " ON CONFLICT (mail) DO UPDATE SET summary = excluded.summary, steps = steps || excluded.steps",
        rows,
        |q, (id, mail, at, text, steps)| q.bind(id).bind(mail).bind(at).bind(text).bind(steps.as_str()),
    )
    .await?;
    let seq = Timestamp::from_system(SystemTime::now()).0;
    insert(
        tx,
        "INSERT INTO journey_steps (mail, seq, steps) VALUES ",
        3,
        " ON CONFLICT (mail, seq) DO UPDATE SET steps = steps || excluded.steps",
        late,
        |q, (mail, steps)| q.bind(mail.to_bytes().to_vec()).bind(seq).bind(steps.as_str()),
    )
    .await?;
    for (segment, earliest, latest, buckets) in closed {
        sqlx::query("INSERT OR REPLACE INTO journey_segments (id, earliest, latest) VALUES (?, ?, ?)")
            .bind(segment)
            .bind(earliest)
            .bind(latest)
            .execute(&mut *tx)
            .await?;
        insert(tx, "INSERT OR REPLACE INTO journey_terms (id, postings) VALUES ", 2, "", buckets, |q, (bucket, postings)| {
            q.bind(segment * terms::BUCKETS + bucket).bind(postings)
        })
        .await?;
    }
    Ok(())
}

async fn write_memory(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    insert(
        tx,
        "INSERT INTO senders (address, mails, last) VALUES ",
        3,
        " ON CONFLICT (address) DO UPDATE SET mails = mails + excluded.mails, last = max(last, excluded.last)",
        batch.senders.iter().collect(),
        |q, (address, (mails, last))| q.bind(address.as_str()).bind(*mails).bind(*last),
    )
    .await?;
    insert(
        tx,
        "INSERT OR REPLACE INTO greylist (key, first, passed, last) VALUES ",
        4,
        "",
        batch.greylist.iter().collect(),
        |q, (key, (first, passed, last))| q.bind(key.to_vec()).bind(*first).bind(*passed).bind(*last),
    )
    .await?;
    insert(
        tx,
        "INSERT OR REPLACE INTO recipients (address, present, until) VALUES ",
        3,
        "",
        batch.recipients.iter().collect(),
        |q, (address, (present, until))| q.bind(address.as_str()).bind(*present).bind(*until),
    )
    .await?;
    insert(
        tx,
        "INSERT INTO counters (hour, name, count) VALUES ",
        3,
        " ON CONFLICT (hour, name) DO UPDATE SET count = count + excluded.count",
        batch.counters.iter().collect(),
        |q, ((hour, name), n)| q.bind(*hour).bind(name.as_ref()).bind(*n),
    )
    .await?;
    insert(
        tx,
        "INSERT INTO day_counters (day, name, count) VALUES ",
        3,
        " ON CONFLICT (day, name) DO UPDATE SET count = count + excluded.count",
        batch.days.iter().collect(),
        |q, ((day, name), n)| q.bind(*day).bind(name.as_str()).bind(*n),
    )
    .await
}

/// Our own cells of senders, as peers shall know them.
async fn count_own(tx: &mut SqliteConnection, batch: &Batch) -> Result<Vec<Change>, sqlx::Error> {
    let mut changes = Vec::with_capacity(batch.senders.len());
    for (address, (mails, last)) in &batch.senders {
        let subject = senders::subject(address);
        let day = u16::try_from(last.div_euclid(86_400_000)).unwrap_or(0);
        let mails: i64 = sqlx::query_scalar(
            "INSERT INTO sender_own (subject, day, mails) VALUES (?, ?, ?) ON CONFLICT (subject, day) DO UPDATE SET \
             mails = mails + excluded.mails RETURNING mails",
        )
        .bind(subject.to_vec())
        .bind(i64::from(day))
        .bind(*mails)
        .fetch_one(&mut *tx)
        .await?;
        changes.push(Change::Sender { subject, day, mails: mails.cast_unsigned() });
    }
    Ok(changes)
}

/// A step as it is stored: without the mail's id, which is the row's.
#[derive(Serialize)]
struct Line<'a> {
    at: Timestamp,
    #[serde(flatten)]
    step: &'a Step,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.mails.is_empty()
            && self.senders.is_empty()
            && self.greylist.is_empty()
            && self.recipients.is_empty()
            && self.counters.is_empty()
    }

    fn mail(&mut self, id: MailId) -> Option<&mut MailNotes> {
        let mails = &mut self.mails;
        let place = *self.places.entry(id).or_insert_with(|| {
            mails.push((id, MailNotes::default()));
            mails.len() - 1
        });
        self.mails.get_mut(place).map(|(_, notes)| notes)
    }

    fn count(&mut self, name: Cow<'static, str>, n: i64, at: Timestamp) {
        *self.counters.entry((at.0.div_euclid(3_600_000), name)).or_default() += n;
    }

    fn count_day(&mut self, name: String, at: Timestamp) {
        *self.days.entry((at.0.div_euclid(DAY_MS), name)).or_default() += 1;
    }

    fn summarise(&mut self, summary: Box<JourneySummary>, watched: &Watched, counting: &mut Counting) {
        self.count(super::counters::of_action(&summary.action), 1, summary.at);
        self.count(Cow::Owned(format!("reason:{}", summary.reason)), 1, summary.at);
        for name in super::counters::of_domains(&summary, watched) {
            self.count(Cow::Owned(name), 1, summary.at);
        }
        for name in counting.of_mail(&summary) {
            self.count_day(name, summary.at);
        }
        if let Some(notes) = self.mail(summary.mail) {
            notes.summary = Some(summary);
        }
    }

    fn take(&mut self, note: Note, watched: &Watched, counting: &mut Counting) {
        match note {
            Note::Event(event) => {
                for name in counting.of_step(&event).into_iter().flatten() {
                    self.count(Cow::Borrowed(name), 1, event.at);
                }
                if let Step::Judged { verdict } = &event.step {
                    super::days::of_verdict(verdict).for_each(|name| self.count_day(name, event.at));
                }
                if let Some(notes) = self.mail(event.mail)
                    && notes.steps.len() < MAX_STEPS
                    && let Ok(line) = serde_json::to_string(&Line { at: event.at, step: &event.step })
                {
                    let _ = writeln!(notes.steps, "{line}");
                }
            }
            Note::Summary(summary) => {
                self.count(Cow::Borrowed("octets"), i64::try_from(summary.size).unwrap_or(0), summary.at);
                self.summarise(summary, watched, counting);
            }
            Note::Decided(summary) => self.summarise(summary, watched, counting),
            Note::Sender { address, at } => {
                let slot = self.senders.entry(address).or_insert((0, at.0));
                slot.0 += 1;
                slot.1 = slot.1.max(at.0);
            }
            Note::Greylist { key, first, passed, at } => {
                self.greylist.insert(key, (first.0, passed.map(|p| p.0), at.0));
            }
            Note::Recipient { address, present, until } => {
                self.recipients.insert(address, (present, until.0));
            }
            Note::Count { name, n, at } => self.count(name, i64::try_from(n).unwrap_or(i64::MAX), at),
            Note::Flush(done) => self.waiting.push(done),
        }
    }
}
