//! Wiring of steering: what this node says of itself, what it hears of its peers, and the plan of both to the edge.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use postern_cluster::node::Cluster;
use postern_cluster::pulse::Pulse;
use postern_cluster::steering::{Roll, View, is_agreed, is_settled, plan, ramped};
use postern_edge::client::EdgeClient;
use postern_model::control::EdgeRequest;
use postern_model::node::NodeId;
use postern_model::settings::Settings;
use postern_model::settings::edge::EdgeSettings;
use postern_model::steering::SteerPlan;
use postern_store::spool::Spool;
use tokio::sync::watch;

use crate::duty::DutyKeeper;

/// Between two looks at who is silent.
const LOOK: Duration = Duration::from_millis(100);
/// Edge gives our addresses up when it hears nothing for three seconds.
const REMIND: Duration = Duration::from_secs(1);
/// A loop that came back so late was not scheduled (a paused machine, a frozen process): nobody could be heard meanwhile.
const STALL: Duration = Duration::from_millis(400);
/// Between two looks whether there are tunnels.
const SEGMENTS: Duration = Duration::from_secs(5);
/// Peers that do not agree in this time are not waited for.
const AGREE_WITHIN: Duration = Duration::from_secs(3);

/// A handle; clones are the same.
#[derive(Clone)]
pub struct Steering(Arc<Inner>);

struct Inner {
    takes_connections: watch::Sender<bool>,
    /// The plan told last, and whether all peers that are heard have the same ring.
    told: watch::Sender<Option<Told>>,
}

#[derive(Clone, PartialEq)]
struct Told {
    plan: SteerPlan,
    agreed: bool,
}

pub struct Parts {
    pub settings: watch::Receiver<Arc<Settings>>,
    pub cluster: Cluster,
    pub edge: EdgeClient,
    pub spool: Spool,
    pub duty: DutyKeeper,
}

impl Steering {
    pub fn new() -> Self {
        Self(Arc::new(Inner { takes_connections: watch::Sender::new(true), told: watch::Sender::new(None) }))
    }

    /// Whether connections to virtual addresses come here.
    pub fn is_active(&self) -> bool {
        self.0.told.borrow().is_some()
    }

    /// Peers get the new connections from now on, or no longer. Comes back when all of them have heard it, after some seconds in any case.
    pub async fn set_takes_connections(&self, takes: bool) {
        self.0.takes_connections.send_replace(takes);
        let mut told = self.0.told.subscribe();
        let is_done = |told: &Option<Told>| {
            told.as_ref().is_none_or(|t| {
                let own = t.plan.members.iter().find(|m| m.this);
                t.agreed && own.is_some_and(|m| (m.state == postern_model::steering::SteerState::Ready) == takes)
            })
        };
        if tokio::time::timeout(AGREE_WITHIN, told.wait_for(is_done)).await.is_err() {
            tracing::warn!("not all peers say that they have heard of it; going on");
        }
    }

    /// Runs as long as the node does.
    pub async fn keep(self, mut parts: Parts) {
        let mut taking = self.0.takes_connections.subscribe();
        let (mut looked, mut ready_since) = (Instant::now(), None);
        // Since when, in which membership.
        let mut running = (parts.cluster.id(), Instant::now());
        // Also when nothing is steered: edge may have a plan of this node's last life.
        let mut told_at = None;
        let segments = tokio::spawn(limit_segments(self.clone(), parts.edge.clone(), parts.duty.clone()));
        loop {
            let now = Instant::now();
            if let Some(stall) = now.checked_duration_since(looked + LOOK).filter(|s| *s > STALL) {
                tracing::warn!(milliseconds = stall.as_millis() as u64, "this process stood still");
                parts.cluster.pulses().forgive(stall);
            }
            looked = now;
            let settings = parts.settings.borrow_and_update().edge.clone();
            let told = if settings.steering.addresses.is_empty() {
                parts.cluster.pulses().set_own(None);
                ready_since = None;
                None
            } else {
                let ready = *taking.borrow_and_update() && parts.spool.ready().is_ok();
                ready_since = ready.then(|| ready_since.unwrap_or(now));
                if running.0 != parts.cluster.id() {
                    running = (parts.cluster.id(), now);
                }
                let ready_for = ready_since.map(|since| now - since);
                decide(&parts.cluster, &settings, now - running.1, ready_for, now)
            };
            let is_new = self.0.told.send_if_modified(|old| {
                let is_new = *old != told;
                if is_new {
                    old.clone_from(&told);
                }
                is_new
            });
            let is_time = told_at.is_none_or(|at: Instant| told.is_some() && at.elapsed() >= REMIND);
            // Until this node knows better, edge goes on with what it had before.
            let is_known = told.is_some() || settings.steering.addresses.is_empty();
            if is_known && (is_new || is_time) {
                let plan = told.map(|t| Box::new(t.plan));
                match parts.edge.ask(EdgeRequest::Steer { plan }).await {
                    Ok(_) => told_at = Some(now),
                    // It is told when it is back.
                    Err(error) => tracing::debug!(%error, "edge was not told who serves the virtual addresses"),
                }
            }
            // Nothing to steer, and edge knows it: only other settings change that.
            let is_idle = settings.steering.addresses.is_empty() && told_at.is_some();
            tokio::select! {
                () = parts.cluster.pulses().news() => {}
                _ = taking.changed() => {}
                changed = parts.settings.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(LOOK), if !is_idle => {}
            }
            if is_idle {
                looked = Instant::now();
            }
        }
        segments.abort();
    }
}

/// Packets that come by a peer's tunnel have less room: clients are asked for shorter segments while there are such peers.
async fn limit_segments(steering: Steering, edge: EdgeClient, duty: DutyKeeper) {
    let mut limit = 0;
    loop {
        tokio::time::sleep(SEGMENTS).await;
        if limit == 0 && !steering.is_active() {
            continue;
        }
        let wanted = match edge.status().await {
            Ok(status) if steering.is_active() => status.steering.and_then(|s| s.segments).unwrap_or(0),
            Ok(_) => 0,
            Err(_) => continue,
        };
        if wanted != limit {
            limit = wanted;
            duty.limit_segments(limit);
        }
    }
}

/// `ready_for`: how long this node has taken connections; `None`: it does not. `None` comes back as long as it cannot know of its peers.
fn decide(cluster: &Cluster, settings: &EdgeSettings, running_for: Duration, ready_for: Option<Duration>, now: Instant) -> Option<Told> {
    let alone = NodeId([0; 16]);
    let me = cluster.id().unwrap_or(alone);
    let roll = cluster.roll().unwrap_or_else(|| Roll { members: vec![(alone, "this node".to_owned())], seed: [0; 16] });
    let steering = &settings.steering;
    let mut own = Pulse {
        ready: ready_for.is_some(),
        weight: ramped(steering.weight, ready_for.unwrap_or_default(), steering.ramp_up.0),
        addresses: own_addresses(settings),
        digest: 0,
    };
    let heard = cluster.pulses().heard();
    if !is_settled(&roll, me, &heard, running_for) {
        // Peers hear that it lives, and send it nothing yet.
        own.ready = false;
        cluster.pulses().set_own(Some(own));
        return None;
    }
    let plan = plan(&View { settings: steering, me, own: &own, roll: &roll, heard: &heard, now });
    own.digest = plan.digest();
    cluster.pulses().set_own(Some(own));
    let agreed = is_agreed(&plan, &heard);
    Some(Told { plan, agreed })
}

/// Addresses of the interface where peers meet that can be reached from outside of this machine, but not the virtual ones.
fn own_addresses(settings: &EdgeSettings) -> Vec<IpAddr> {
    let Some(interface) = settings.steering_interface() else { return Vec::new() };
    let Ok(all) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<IpAddr> = all
        .filter(|a| a.interface_name == interface)
        .filter_map(|a| {
            let address = a.address?;
            let v4 = address.as_sockaddr_in().map(|s| IpAddr::V4(s.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|s| IpAddr::V6(s.ip())))
        })
        .filter(|a| !settings.steering.addresses.contains(a))
        .filter(|a| !matches!(a, IpAddr::V6(a) if a.is_unicast_link_local()))
        .collect();
    found.sort_unstable();
    found
}
