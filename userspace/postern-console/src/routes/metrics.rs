//! `/metrics` for Prometheus: to a token, a login, the unix socket, or anybody on this machine.

use std::sync::atomic::AtomicU64;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::alerts::WebhookView;
use crate::caller::{Scope, identify, peer_of};
use crate::problem::{Answer, Problem};
use crate::rights::SEE;
use crate::routes::status::spool_usage;
use crate::routes::{certificate, edge};
use crate::state::Console;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Name {
    name: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

type Counts = Family<Name, Counter<u64, AtomicU64>>;

/// Figures of this node in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "OpenMetrics text", body = str), (status = 401, body = Problem)))]
pub async fn metrics(State(console): State<Console>, request: Request) -> Answer<Response> {
    let Some(peer) = peer_of(&request) else { return Err(Problem::unauthenticated("the connection is of no known kind")) };
    if !peer.is_local() {
        let caller = identify(&console, peer, request.headers()).await?;
        if caller.scope != Scope::Metrics
            && let Err(why) = SEE.check(&caller)
        {
            return Err(caller.refuse(&console, "GET /metrics", why).await?);
        }
    }
    let registry = gather(&console).await?;
    let mut text = String::with_capacity(8192);
    encode(&mut text, &registry).map_err(|e| Problem::internal(e.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

async fn gather(console: &Console) -> Answer<Registry> {
    let state = console.state();
    let mut registry = Registry::with_prefix("postern");
    let build: Family<Build, Gauge> = Family::default();
    build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("build", "Version of this node", build);
    gauge(&mut registry, "uptime_seconds", "Seconds since the start", console.started.elapsed().as_secs());
    gauge(&mut registry, "ready", "1: takes mail", u64::from(console.is_ready()));
    if let Some((resident, cpu_ticks)) = process() {
        gauge(&mut registry, "resident_memory_bytes", "Memory of the node's process", resident);
        counter(&mut registry, "cpu_ticks", "CPU time of the node's process in ticks of 10 ms", cpu_ticks);
    }

    let mails = Counts::default();
    let reasons = Counts::default();
    let others = Counts::default();
    let holds = Counts::default();
    for (name, count) in state.database.counters().since_start() {
        let (family, name) = match name.split_once(':') {
            Some(("action", action)) => (&mails, action),
            Some(("reason", reason)) => (&reasons, reason),
            _ => match name.strip_prefix("hold-") {
                Some(what) => (&holds, what),
                None => (&others, name.as_ref()),
            },
        };
        family.get_or_create(&Name { name: name.to_owned() }).inc_by(count);
    }
    registry.register("mails", "Mails by what was done with them", mails);
    registry.register("mail_reasons", "Mails by the reason that decided", reasons);
    registry.register("sandbox_holds", "Mails that waited for the sandbox: begun, and how it ended", holds);
    registry.register("counted", "Other things counted since the start", others);
    counter(&mut registry, "lost_notes", "Tracking notes dropped because the database did not keep up", state.database.lost_notes());

    let queue = state.queue.status();
    gauge(&mut registry, "queue_mails", "Mails that are not done", queue.mails as u64);
    gauge(&mut registry, "queue_held", "Mails that are held", queue.held as u64);
    gauge(
        &mut registry,
        "queue_waiting_for_sandbox",
        "Mails that are held until the sandbox has looked at them",
        queue.waiting_for_sandbox as u64,
    );
    registry.register_with_unit(
        "queue_waiting_for_sandbox",
        "Octets of the mails that wait for the sandbox",
        Unit::Bytes,
        set(queue.waiting_for_sandbox_octets),
    );
    gauge(&mut registry, "queue_connections", "Connections to next hops", queue.connections as u64);
    gauge(&mut registry, "queue_destinations", "Destinations with mails", queue.destinations as u64);
    gauge(&mut registry, "queue_unreachable", "Destinations that cannot be reached", queue.unreachable as u64);
    counter(&mut registry, "delivered", "Recipients delivered", queue.delivered);
    counter(&mut registry, "deferred", "Attempts that did not end a recipient", queue.deferred);
    counter(&mut registry, "failed", "Recipients that failed for good", queue.failed);
    gauge(&mut registry, "quarantine_held", "Mails held in quarantine", state.database.quarantine().held().await?);

    let usage = spool_usage(console).await?;
    registry.register_with_unit("spool", "Disk the segments take", Unit::Bytes, set(usage.bytes));
    gauge(&mut registry, "spool_segments", "Segments of the spool", usage.segments);
    gauge(&mut registry, "spool_mails", "Mails in the spool", usage.live_mails);
    counter(&mut registry, "spool_accepted", "Mails made durable", usage.counters.accepted);
    counter(&mut registry, "spool_batches", "Group commits", usage.counters.batches);
    counter(&mut registry, "spool_damaged", "Mails found damaged on disk", usage.counters.damaged);

    let backups = state.backups.state();
    gauge(&mut registry, "backup_failing", "1: the last try to make a backup failed", u64::from(backups.trouble.is_some()));
    if let Some(last) = backups.last {
        let at = u64::try_from(last.unix_seconds()).unwrap_or_default();
        gauge(&mut registry, "backup_last_seconds", "When the newest backup at the target was begun, in seconds since 1970", at);
    }

    let alerts: Family<Name, Gauge> = Family::default();
    for (condition, count) in console.alerts.counts() {
        let name = Name { name: condition.name().to_owned() };
        alerts.get_or_create(&name).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register("alerts", "Alerts that this node sees, by condition", alerts);
    let channels = console.alerts.channels(&state.settings.settings());
    counter(&mut registry, "alert_mails", "Mails about alerts that this node made", channels.mails);
    let hooks = |count: fn(&WebhookView) -> u64| channels.webhooks.iter().map(count).sum();
    counter(&mut registry, "alert_webhooks_sent", "Notices that webhooks took", hooks(|w| w.sent));
    counter(&mut registry, "alert_webhooks_failed", "Notices that were given up", hooks(|w| w.failed));

    let ordered = state.acme.state();
    gauge(&mut registry, "acme_failing", "1: the last try to order a certificate failed", u64::from(ordered.trouble.is_some()));
    if let Ok((_, facts)) = certificate::in_force(console).await {
        let until = u64::try_from(facts.until.unix_seconds()).unwrap_or_default();
        gauge(&mut registry, "certificate_ends_seconds", "When the certificate of SMTP ends, in seconds since 1970", until);
    }

    let cluster = state.cluster.view().await;
    if cluster.member {
        gauge(&mut registry, "cluster_members", "Members of the cluster, this node included", cluster.members.len() as u64);
        let connected = cluster.members.iter().filter(|m| m.this || m.connected).count();
        gauge(&mut registry, "cluster_reached", "Members that are connected, this node included", connected as u64);
        gauge(&mut registry, "cluster_conflicts", "Settings that were set on two nodes at once", cluster.conflicts as u64);
        gauge(
            &mut registry,
            "cluster_settings_refused",
            "1: the shared settings cannot be used here",
            u64::from(cluster.refused.is_some()),
        );
        gauge(&mut registry, "cluster_copies_lacking", "Open mails with fewer copies than wanted", cluster.copies.lacking);
        gauge(&mut registry, "cluster_copies_held", "Copies of other nodes' mails held here", cluster.copies.held);
        counter(&mut registry, "cluster_shadowed", "Mails accepted with a copy on a peer", cluster.copies.shadowed);
        counter(&mut registry, "cluster_unshadowed", "Mails accepted on this node alone", cluster.copies.unshadowed);
        counter(&mut registry, "cluster_taken_over", "Mails taken over from lost or drained nodes", cluster.copies.taken_over);
        let refusals = Counts::default();
        for refusal in cluster.refusals {
            refusals.get_or_create(&Name { name: refusal.name }).inc_by(refusal.count);
        }
        registry.register("cluster_refused", "What was refused at the cluster's port, by reason", refusals);
    }

    if let Some(edge) = edge::quick_status(console).await {
        let (packets, octets) = (Counts::default(), Counts::default());
        for c in edge.counters {
            let name = Name { name: c.name };
            packets.get_or_create(&name).inc_by(c.packets);
            octets.get_or_create(&name).inc_by(c.octets);
        }
        registry.register("edge_packets", "Packets by what the edge did with them", packets);
        registry.register("edge_octets", "Octets by what the edge did with them", octets);
        gauge(&mut registry, "edge_bans", "Bans in force", edge.bans as u64);
    }
    Ok(registry)
}

fn set(value: u64) -> Gauge {
    let gauge: Gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, set(value));
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let counter: Counter<u64, AtomicU64> = Counter::default();
    counter.inc_by(value);
    registry.register(name, help, counter);
}

/// Resident octets and CPU ticks, from /proc/self/stat (proc(5)).
fn process() -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything: fields are counted behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok());
    Some((number(21)? * 4096, number(11)? + number(12)?))
}
