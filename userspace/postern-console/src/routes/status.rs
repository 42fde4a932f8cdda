//! The node at a glance.

use axum::Json;
use axum::extract::State;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::Asked;
use crate::problem::{Answer, Problem};
use crate::state::{Console, now};

#[derive(Serialize, ToSchema)]
pub struct NodeStatus {
    version: &'static str,
    hostname: String,
    /// Milliseconds since 1970.
    since: i64,
    uptime_seconds: u64,
    /// Takes mail.
    ready: bool,
    /// Why the spool takes no mail now, when it does not.
    spool_trouble: Option<String>,
    /// Why the last backup failed, until one succeeds.
    backup_trouble: Option<String>,
    spool: SpoolStatus,
    /// Mails, connections and outcomes of deliveries since the start.
    #[schema(value_type = Object)]
    queue: postern_mta::queue::QueueStatus,
    /// Mails held in quarantine.
    quarantined: u64,
    /// Mails that the classifier learned, on all nodes.
    learned: LearnedCounts,
    /// The edge role is there and connected.
    edge: bool,
    /// Tracking notes that were dropped because the database did not keep up.
    lost_notes: u64,
    /// Mails by action since the start: `action:accept`, `action:reject`, ….
    counters: Vec<NamedCount>,
    /// Digest of the settings in force.
    settings: String,
}

#[derive(Serialize, ToSchema)]
pub struct SpoolStatus {
    segments: u64,
    /// Octets of disk the segments take.
    octets: u64,
    mails: u64,
    body_files: u64,
    accepted: u64,
    done: u64,
    batches: u64,
    damaged: u64,
}

#[derive(Serialize, ToSchema)]
pub struct LearnedCounts {
    spam: u64,
    ham: u64,
}

#[derive(Serialize, ToSchema)]
pub struct NamedCount {
    name: String,
    count: u64,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Milliseconds since 1970; a day ago unless given.
    from: Option<i64>,
    /// Milliseconds since 1970; now unless given.
    to: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub struct HourRow {
    /// The hour's beginning, in milliseconds since 1970.
    hour: i64,
    name: String,
    count: u64,
}

#[derive(Serialize, ToSchema)]
pub struct CounterPage {
    /// Oldest first. `action:…`, `reason:…`, `octets`.
    counters: Vec<HourRow>,
}

/// Version, uptime, spool, queue, quarantine.
#[utoipa::path(get, path = "/status", tag = "status", responses((status = 200, body = NodeStatus)))]
pub async fn status(State(console): State<Console>) -> Answer<Json<NodeStatus>> {
    let state = console.state();
    let usage = spool_usage(&console).await?;
    let settings = state.settings.current();
    let learned = state.database.tokens().learned().await?;
    Ok(Json(NodeStatus {
        version: env!("CARGO_PKG_VERSION"),
        hostname: settings.settings.node.hostname.clone(),
        since: console.since.0,
        uptime_seconds: console.started.elapsed().as_secs(),
        ready: console.is_ready(),
        spool_trouble: state.spool.ready().err().map(|e| e.to_string()),
        backup_trouble: state.backups.state().trouble.map(|t| t.why),
        spool: SpoolStatus {
            segments: usage.segments,
            octets: usage.bytes,
            mails: usage.live_mails,
            body_files: usage.body_files,
            accepted: usage.counters.accepted,
            done: usage.counters.done,
            batches: usage.counters.batches,
            damaged: usage.counters.damaged,
        },
        queue: state.queue.status(),
        quarantined: state.database.quarantine().held().await?,
        learned: LearnedCounts { spam: learned.spam, ham: learned.ham },
        edge: state.feedback.edge().is_connected(),
        lost_notes: state.database.lost_notes(),
        counters: state
            .database
            .counters()
            .since_start()
            .into_iter()
            .map(|(name, count)| NamedCount { name: name.into_owned(), count })
            .collect(),
        settings: settings.digest.clone(),
    }))
}

/// Looks at every live mail: on a thread of its own.
pub async fn spool_usage(console: &Console) -> Answer<postern_store::spool::Usage> {
    let spool = console.state().spool.clone();
    tokio::task::spawn_blocking(move || spool.usage()).await.map_err(|e| Problem::internal(e.to_string()))
}

/// Counters by the hour, for graphs. For a login that is limited to domains: `action:…` of mails to these, from the first such
/// login on; a mail to two of them counts for each.
#[utoipa::path(get, path = "/counters", tag = "status", params(Hours), responses((status = 200, body = CounterPage)))]
pub async fn counters(State(console): State<Console>, caller: Caller, Asked(hours): Asked<Hours>) -> Answer<Json<CounterPage>> {
    const DAY_MS: i64 = 86_400_000;
    let to = hours.to.unwrap_or(now().0);
    let from = hours.from.unwrap_or(to.saturating_sub(DAY_MS));
    let (from, to) = (Timestamp(from), Timestamp(to));
    let counters = console.state().database.counters();
    let rows = match caller.rights.reach.domains() {
        None => counters.between(from, to).await?,
        Some(domains) => counters.between_of(domains, from, to).await?,
    };
    Ok(Json(CounterPage { counters: rows.into_iter().map(|r| HourRow { hour: r.hour.0, name: r.name, count: r.count }).collect() }))
}
