//! Reports: what the gateway did in a day, a week, a month, sent by mail once in a cluster, kept, and shown for any days.
//!
//! Thinking: every node can ask all others for their figures, so each could make the report. They take turns as with digests
//! ([`crate::users::digest`]), among those that are connected: the first by hash sends at the time itself, the next one
//! two minutes later unless it is done. Who sends has made the report before, and then takes it, here and on all nodes that are there
//! ([`peers::claim`]); between that and the spool's answer lie milliseconds. What was sent is given to all others, so that
//! it can be looked at when its node is gone.
//!
//! What is in it: [`gather`]. How it looks: `postern-report`. What is counted for it by the minute: [`pulse`].

mod gather;
mod pulse;

use std::time::Duration;

use parking_lot::Mutex;
use postern_mail::letter::Attachment;
use postern_model::address::Address;
use postern_model::id::MailId;
use postern_model::settings::reports::{ReportSchedule, ReportSettings};
use postern_model::settings::users::Language;
use postern_model::time::Timestamp;
use postern_report::figures::Report;
use postern_report::period::{Due, last_due};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use gather::{figures, make};

use crate::letters::{self, LetterError, Text};
use crate::peers;
use crate::problem::Answer;
use crate::state::{Console, now};
use crate::turn::rank;

/// How often one looks whether it is time.
const LOOK: Duration = Duration::from_secs(5);
/// How long a node waits for each that is before it.
const TURN_MS: i64 = 120_000;
/// A node that started just now does not know yet what others did.
const SETTLE: Duration = Duration::from_secs(30);
/// Somebody could still want to send it.
const CLAIMED: Duration = Duration::from_secs(7 * 86_400);

/// A report that was sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// In order of time.
    pub id: String,
    /// `off`: somebody sent it by hand.
    pub schedule: ReportSchedule,
    /// The node by the schedule, or who sent it by hand.
    pub by: String,
    pub recipients: Vec<Address>,
    pub language: Language,
    pub report: Report,
}

/// How sending goes.
#[derive(Default)]
pub struct Reports {
    /// Why the last one by the schedule is not sent, until one is.
    trouble: Mutex<Option<String>>,
}

impl Reports {
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }
}

/// What became of the report whose time has come.
#[derive(Default)]
struct Progress {
    due: Option<Due>,
    /// Sent, here or elsewhere.
    is_done: bool,
    /// Taken by this node, and not sent to all yet.
    taken: Option<(Kept, Vec<Address>)>,
}

/// Counts, and sends what the schedule says, until the node stops.
pub async fn keep(console: Console, stop: CancellationToken) {
    tokio::spawn(pulse::keep(console.clone(), stop.clone()));
    let mut progress = Progress::default();
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let settings = console.state().settings.settings();
        if settings.reports.schedule == ReportSchedule::Off {
            *console.reports.trouble.lock() = None;
            continue;
        }
        let looked = look(&console, &settings.reports, &mut progress, now()).await;
        if let Err(why) = &looked {
            tracing::error!(why, "a report waits");
        }
        *console.reports.trouble.lock() = looked.err();
    }
}

async fn look(console: &Console, settings: &ReportSettings, progress: &mut Progress, at: Timestamp) -> Result<(), String> {
    let Some(due) = last_due(settings, at).filter(|due| due.is_open(settings.schedule, at)) else { return Ok(()) };
    if progress.due != Some(due) {
        *progress = Progress { due: Some(due), ..Progress::default() };
    }
    if progress.is_done {
        return Ok(());
    }
    if progress.taken.is_none() {
        if !is_ours(console, due, at) {
            return Ok(());
        }
        let ready = console.state().spool.ready().map_err(|e| format!("the spool takes no mail: {e}"));
        if let Err(why) = ready {
            // Somebody else can.
            return if console.state().cluster.id().is_some() { Ok(()) } else { Err(why) };
        }
        let name = host(console);
        let kept = new(console, settings, due.period, &name).await.map_err(|p| p.detail)?;
        let kept = Kept { schedule: settings.schedule, ..kept };
        let what = format!("{:?} {} {}", settings.schedule, due.period.first, due.period.last);
        if !peers::claim(console, "report", &what, due.at + CLAIMED).await.map_err(|p| p.detail)? {
            progress.is_done = true;
            return Ok(());
        }
        let recipients = kept.recipients.clone();
        progress.taken = Some((kept, recipients));
    }
    if let Some((kept, left)) = &mut progress.taken {
        post(console, kept, left).await.map_err(|e| e.to_string())?;
        remember(console, kept).await;
    }
    progress.taken = None;
    progress.is_done = true;
    Ok(())
}

/// Whether it is this node's turn.
fn is_ours(console: &Console, due: Due, at: Timestamp) -> bool {
    let members = console.state().cluster.members();
    let is_settled = members.iter().all(|m| m.this || m.connected) || console.started.elapsed() >= SETTLE;
    let own = members.iter().find(|m| m.this).map(|m| m.id.to_string()).unwrap_or_default();
    let there: Vec<String> = members.iter().filter(|m| m.this || m.connected).map(|m| m.id.to_string()).collect();
    let before = i64::try_from(rank(&format!("report {}", due.at), &own, &there)).unwrap_or(i64::MAX);
    is_settled && at.0 - due.at.0 >= before.saturating_mul(TURN_MS)
}

/// This node, for people.
pub fn host(console: &Console) -> String {
    console.state().queue.hostname().to_owned()
}

/// A report as it would be sent now, by the settings.
///
/// # Errors
/// When this node's database cannot be read.
pub async fn new(console: &Console, settings: &ReportSettings, period: postern_report::period::Period, by: &str) -> Answer<Kept> {
    let report = make(console, settings, period).await?;
    let id = MailId::generate(now()).to_string();
    Ok(Kept {
        id,
        schedule: ReportSchedule::Off,
        by: by.to_owned(),
        recipients: settings.recipients.clone(),
        language: settings.language,
        report,
    })
}

/// Sends it to all that are left.
///
/// # Errors
/// When the spool does not take a letter; whom it was not sent to is left.
pub async fn post(console: &Console, kept: &Kept, left: &mut Vec<Address>) -> Result<(), LetterError> {
    let (report, language, host) = (kept.report.clone(), kept.language, host(console));
    let rendered = tokio::task::spawn_blocking(move || postern_report::render(&report, language, &host)).await;
    let rendered = rendered.map_err(|e| LetterError::Write(std::io::Error::other(e)))?;
    let file = postern_report::file_name(&kept.report);
    while let Some(to) = left.last() {
        let text = Text { subject: rendered.subject.clone(), plain: rendered.plain.clone(), html: rendered.html.clone() };
        let attachment = Attachment { name: &file, kind: "application/pdf", octets: &rendered.pdf };
        let id = letters::post_with(console, kept.language, to, text, Some(attachment)).await?;
        tracing::info!(%to, mail = %id, report = kept.id, first = %kept.report.period.first, last = %kept.report.period.last, "a report is on its way");
        left.pop();
    }
    Ok(())
}

/// Keeps it here and on all nodes that are there: it was sent, so what fails is only logged.
pub async fn remember(console: &Console, kept: &Kept) {
    if let Err(problem) = keep_here(console, kept).await {
        tracing::warn!(report = kept.id, why = problem.detail, "a report that was sent is not kept");
    }
    peers::keep_report(console, kept).await;
}

/// # Errors
/// When the database cannot be written.
pub async fn keep_here(console: &Console, kept: &Kept) -> Answer<()> {
    let body = serde_json::to_string(kept).map_err(|e| crate::problem::Problem::internal(e.to_string()))?;
    Ok(console.state().database.reports().put(&kept.id, &body).await?)
}

/// What a list shows of a report.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeptRow {
    id: String,
    /// When it was made, in milliseconds since 1970.
    made: i64,
    /// The first and the last day it is about, as in `2026-11-26`.
    first: String,
    last: String,
    /// `daily`, `weekly`, `monthly`; `off`: somebody sent it by hand.
    #[schema(value_type = String)]
    schedule: ReportSchedule,
    by: String,
    #[schema(value_type = Vec<String>)]
    recipients: Vec<Address>,
    /// Domains it is about; empty: all.
    domains: Vec<String>,
    mails: u64,
    /// Nodes whose figures are not in it.
    silent: Vec<String>,
}

impl KeptRow {
    fn of(kept: Kept) -> Self {
        Self {
            made: kept.report.made.0,
            first: kept.report.period.first.to_string(),
            last: kept.report.period.last.to_string(),
            mails: kept.report.total(),
            id: kept.id,
            schedule: kept.schedule,
            by: kept.by,
            recipients: kept.recipients,
            domains: kept.report.domains,
            silent: kept.report.silent,
        }
    }
}

/// Those that this node has, the newest first; what a later version wrote and is not understood is left out.
///
/// # Errors
/// When the database cannot be read.
pub async fn list_here(console: &Console) -> Answer<Vec<KeptRow>> {
    let bodies = console.state().database.reports().all().await?;
    Ok(bodies.iter().filter_map(|body| serde_json::from_str(body).ok()).map(KeptRow::of).collect())
}

/// Those of all nodes that answer.
///
/// # Errors
/// When this node's database cannot be read.
pub async fn list(console: &Console) -> Answer<Vec<KeptRow>> {
    let mut rows = list_here(console).await?;
    rows.extend(peers::reports(console).await);
    rows.sort_by(|a, b| b.id.cmp(&a.id));
    rows.dedup_by(|a, b| a.id == b.id);
    Ok(rows)
}

/// # Errors
/// When the database cannot be read.
pub async fn one_here(console: &Console, id: &str) -> Answer<Option<Kept>> {
    let body = console.state().database.reports().one(id).await?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// Of whichever node has it.
///
/// # Errors
/// When this node's database cannot be read.
pub async fn one(console: &Console, id: &str) -> Answer<Option<Kept>> {
    match one_here(console, id).await? {
        Some(kept) => Ok(Some(kept)),
        None => Ok(peers::report(console, id).await),
    }
}
