//! Alerts: somebody is told, by mail and by webhooks, when something is wrong with a node or the cluster, and when it is over.
//!
//! What is looked at: [`conditions`]. Who tells it, and when: [`book`]. How: letters in our own queue, or a peer's when our spool
//! takes nothing; and [`webhook`]s, which nothing waits for.

pub mod book;
mod conditions;
mod webhook;
mod words;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::alert::Condition;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_store::database::DatabaseError;
use postern_store::database::alerts::{AlertRow, KEPT};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use book::{Alert, Book, Event, Peer};
pub use webhook::WebhookView;
use webhook::{Notice, Webhooks};

use crate::problem::Answer;
use crate::state::{Console, now};
use crate::{letters, peers};

/// How often one looks.
const LOOK: Duration = Duration::from_secs(5);

/// What is wrong, and how telling it goes.
#[derive(Default)]
pub struct Alerts {
    book: Mutex<Book>,
    webhooks: Webhooks,
    mails: AtomicU64,
    /// Why the last mail did not go, until one does.
    mail_trouble: Mutex<Option<String>>,
}

/// How telling goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Channels {
    /// Addresses that get mails.
    pub recipients: usize,
    /// Mails that this node made since its start.
    pub mails: u64,
    /// Why the last mail did not go.
    pub mail_trouble: Option<String>,
    pub webhooks: Vec<WebhookView>,
}

impl Alerts {
    /// All that is known here, those included that are over since a short while.
    pub fn all(&self) -> Vec<Alert> {
        self.book.lock().all()
    }

    /// What goes on here, by condition: each is named, also with none.
    pub fn counts(&self) -> BTreeMap<Condition, u64> {
        let mut counts: BTreeMap<Condition, u64> = Condition::ALL.iter().map(|c| (*c, 0)).collect();
        for alert in self.all().into_iter().filter(|a| a.ended.is_none()) {
            *counts.entry(alert.condition).or_default() += 1;
        }
        counts
    }

    pub fn channels(&self, settings: &Settings) -> Channels {
        Channels {
            recipients: settings.alerts.recipients.len(),
            mails: self.mails.load(Ordering::Relaxed),
            mail_trouble: self.mail_trouble.lock().clone(),
            webhooks: self.webhooks.views(&settings.alerts.webhooks),
        }
    }
}

/// Looks and tells until the node stops.
pub async fn keep(console: Console, stop: CancellationToken) {
    match console.state().database.alerts().open().await {
        Ok(rows) => *console.alerts.book.lock() = Book::restore(read(rows), now()),
        Err(error) => tracing::warn!(%error, "alerts from before the start are not known"),
    }
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        if stop.run_until_cancelled(look(&console)).await.is_none() {
            return;
        }
    }
}

async fn look(console: &Console) {
    let settings = console.state().settings.settings();
    let at = now();
    console.alerts.webhooks.follow(&settings.alerts.webhooks);
    let sights = conditions::look(console, &settings, at).await;
    console.alerts.book.lock().observe(sights, &settings.alerts, at);
    let peers = peers::alerts(console).await;
    let own = console.state().cluster.id().map(|id| id.to_string()).unwrap_or_default();
    let (orders, changed) = {
        let mut book = console.alerts.book.lock();
        (book.decide(&own, &peers, &settings.alerts, at), book.take_changed())
    };
    let mut by_event: BTreeMap<Event, Vec<Alert>> = BTreeMap::new();
    for (event, alert) in orders {
        by_event.entry(event).or_default().push(alert);
    }
    for (event, alerts) in by_event {
        tell(console, &settings, event, alerts).await;
    }
    // Behind the telling: who dies between both tells it once more.
    write_down(console, &changed).await;
}

/// All alerts of one kind of news at once: a fleet whose network is gone is one mail.
pub async fn tell(console: &Console, settings: &Settings, event: Event, alerts: Vec<Alert>) {
    for alert in &alerts {
        let Alert { condition, subject, node, detail, .. } = alert;
        tracing::warn!(?event, %condition, subject, node, detail, "ALERT");
    }
    let host = console.state().queue.hostname();
    let text = words::of(settings.alerts.language).letter(event, &alerts, host);
    for to in &settings.alerts.recipients {
        let posted = match letters::post(console, settings.alerts.language, to, text.clone()).await {
            Ok(_) => Ok(()),
            Err(error) => peers::post_letter(console, to, settings.alerts.language, &text).await.map_err(|_| error.to_string()),
        };
        match &posted {
            Ok(()) => drop(console.alerts.mails.fetch_add(1, Ordering::Relaxed)),
            Err(error) => tracing::error!(%to, error, "a mail about alerts was not sent"),
        }
        *console.alerts.mail_trouble.lock() = posted.err();
    }
    let notice = Notice { event, alerts, node: host.to_owned(), at: now() };
    console.alerts.webhooks.send(&settings.alerts.webhooks, &notice);
}

async fn write_down(console: &Console, changed: &[Alert]) {
    if changed.is_empty() {
        return;
    }
    let row = |a: &Alert| AlertRow {
        id: a.id.clone(),
        raised: a.raised.0,
        ended: a.ended.map(|t| t.0),
        body: serde_json::to_string(a).unwrap_or_default(),
    };
    let rows: Vec<AlertRow> = changed.iter().map(row).collect();
    if let Err(error) = console.state().database.alerts().put(&rows).await {
        tracing::warn!(%error, "alerts are not remembered over a restart");
    }
}

/// What was written by a later version and is not understood is left out.
fn read(rows: Vec<AlertRow>) -> Vec<Alert> {
    rows.into_iter().filter_map(|row| serde_json::from_str(&row.body).ok()).collect()
}

/// Alerts of this node that are over, the last first.
///
/// # Errors
/// When the database cannot be read.
pub async fn past(console: &Console, before: Option<Timestamp>, limit: usize) -> Result<Vec<Alert>, DatabaseError> {
    Ok(read(console.state().database.alerts().past(before, limit.clamp(1, KEPT)).await?))
}

/// False: nothing of this id goes on here, or somebody did before.
///
/// # Errors
/// When it cannot be written down.
pub async fn acknowledge(console: &Console, id: &str, by: &str) -> Answer<bool> {
    let (is_taken, changed) = {
        let mut book = console.alerts.book.lock();
        (book.acknowledge(id, by, now()), book.take_changed())
    };
    write_down(console, &changed).await;
    Ok(is_taken)
}

/// What goes on in the whole cluster: each alert once, with the names of the nodes that see it.
pub async fn everywhere(console: &Console) -> Vec<(Alert, Vec<String>)> {
    let mut all = peers::alerts(console).await;
    let name = console.state().cluster.name();
    let name = if name.is_empty() { console.state().queue.hostname().to_owned() } else { name };
    all.push(Peer { name, alerts: console.alerts.all(), ..Peer::default() });
    merge(all, |alert| alert.ended.is_none())
}

/// Those that are over, the last first.
///
/// # Errors
/// When this node's database cannot be read.
pub async fn past_everywhere(console: &Console, before: Option<Timestamp>, limit: usize) -> Answer<Vec<Alert>> {
    let mut all = peers::past_alerts(console, before, limit).await;
    all.push(Peer { alerts: past(console, before, limit).await?, ..Peer::default() });
    let mut alerts: Vec<Alert> = merge(all, |_| true).into_iter().map(|(alert, _)| alert).collect();
    alerts.sort_by_key(|a| std::cmp::Reverse(a.raised));
    alerts.truncate(limit);
    Ok(alerts)
}

/// What several nodes say of the same time that something was wrong becomes one; the first told counts, the earliest raised.
fn merge(nodes: Vec<Peer>, fits: impl Fn(&Alert) -> bool) -> Vec<(Alert, Vec<String>)> {
    let mut merged: BTreeMap<(String, Option<i64>), (Alert, Vec<String>)> = BTreeMap::new();
    for node in nodes {
        for alert in node.alerts.into_iter().filter(&fits) {
            // One that goes on is one whoever was told; one that is over is named by when it was told, else by when it was raised.
            let time = alert.ended.map(|_| alert.told.as_ref().map_or(alert.raised.0, |t| t.first.0));
            let (one, names) = merged.entry((alert.id.clone(), time)).or_insert_with(|| (alert.clone(), Vec::new()));
            if alert.seen {
                names.push(node.name.clone());
            }
            one.raised = one.raised.min(alert.raised);
            one.seen |= alert.seen;
            one.told = one.told.take().or(alert.told);
            one.acknowledged = one.acknowledged.take().or(alert.acknowledged);
        }
    }
    merged.into_values().collect()
}
