//! The queue as operators see it.

use std::time::Duration;

use postern_model::address::Address;
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::queue::{LastReply, QueuedMail, RecipientStatus};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;
use serde::Serialize;

use super::filter::{Status, is_held};
use super::schedule::{Entry, Health, JobState, Lane, Schedule};
use super::{PARKED, Queue};
use crate::route::{Destination, Route};

/// One mail of a list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub id: MailId,
    pub status: Status,
    pub accepted: Timestamp,
    pub size: u64,
    pub direction: Direction,
    /// Empty: the null path.
    pub sender: String,
    pub recipients: Vec<RecipientRow>,
    pub subject: Option<String>,
    pub message_id: Option<String>,
    pub reason: Reason,
    /// It waits for the sandbox, at most until then.
    pub held_until: Option<Timestamp>,
    pub reroute: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecipientRow {
    pub address: Address,
    pub status: RecipientStatus,
    pub attempts: u32,
    /// `None`: nothing is planned.
    pub next_attempt: Option<Timestamp>,
    pub last: Option<LastReply>,
}

/// Why a mail is where it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    pub mail: Row,
    /// One for each destination of the recipients that are not done.
    pub destinations: Vec<Attempted>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempted {
    /// As in `backends of example.org`.
    pub destination: String,
    pub recipients: Vec<Address>,
    /// `untried`, `good`, `back-off`, `probing`.
    pub health: &'static str,
    /// When a destination that cannot be reached is tried again.
    pub next_probe: Option<Timestamp>,
    /// Why the last connection failed.
    pub trouble: Option<LastReply>,
    /// Mails ready before it and after it in the same line.
    pub in_line: usize,
    pub connections: usize,
    /// The hosts that would be tried now, in order.
    pub hosts: Vec<Hop>,
    /// Why there are none.
    pub routing_error: Option<String>,
}

/// A host of a routing plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// `mx.example:25`, `/run/lmtp`.
    pub host: String,
    pub protocol: postern_model::settings::delivery::Protocol,
    pub tls: postern_model::settings::delivery::TlsPolicy,
    /// It failed a short while ago and is tried after the others.
    pub is_avoided: bool,
}

pub(super) fn status(entry: &Entry) -> Status {
    if is_held(&entry.mail) {
        Status::Held
    } else if entry.is_leased() {
        Status::Active
    } else if entry.jobs.iter().any(|j| j.state == JobState::Ready) {
        Status::Ready
    } else {
        Status::Waiting
    }
}

/// `hold`: how long mails wait for the sandbox.
pub(super) fn row(entry: &Entry, schedule: &Schedule, hold: Duration) -> Row {
    let mail: &QueuedMail = &entry.mail;
    let status = status(entry);
    let recipients = (0u32..).zip(&mail.recipients).map(|(index, r)| {
        let job = entry.jobs.iter().find(|j| j.recipients.contains(&index));
        let next = job.map(|j| match j.state {
            JobState::Waiting(at) => at,
            // In line: when its destination is tried again, or at once.
            JobState::Ready | JobState::Leased => match schedule.lane(j.lane).map(|l| l.health) {
                Some(super::schedule::Health::BackOff { until, .. }) => until,
                _ => r.next_attempt,
            },
        });
        RecipientRow {
            address: r.recipient.address.clone(),
            status: r.status.clone(),
            attempts: r.attempts,
            next_attempt: next.filter(|at| *at != PARKED),
            last: r.last.clone(),
        }
    });
    Row {
        id: mail.id,
        status,
        accepted: mail.accepted,
        size: mail.size,
        direction: mail.envelope.direction,
        sender: mail.envelope.mail_from.to_string(),
        recipients: recipients.collect(),
        subject: mail.subject.clone(),
        message_id: mail.message_id.clone(),
        reason: mail.reason,
        held_until: mail.waits_for_sandbox().then(|| mail.accepted + hold),
        reroute: mail.reroute.clone(),
    }
}

/// How it stands with the way to one of our own next hops.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnLane {
    pub destination: Destination,
    pub mails: usize,
    /// `untried`, `good`, `back-off`, `probing`.
    pub health: &'static str,
    pub next_probe: Option<Timestamp>,
    /// The last failure, while nothing came through since.
    pub trouble: Option<LastReply>,
}

/// A destination of ours with waiting mail that cannot be reached, or was not tried since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    pub destination: Destination,
    pub mails: usize,
    /// Why the last connection failed; `None`: it was not tried yet.
    pub trouble: Option<String>,
}

/// To a next hop that the settings name.
fn is_ours(lane: &Lane) -> bool {
    matches!(lane.destination.route, Route::Backends(_) | Route::Smarthosts)
}

/// For people; with the moment of the next try.
fn said(health: Health) -> (&'static str, Option<Timestamp>) {
    match health {
        Health::Untried => ("untried", None),
        Health::Good => ("good", None),
        Health::BackOff { until, .. } => ("back-off", Some(until)),
        Health::Probing { .. } => ("probing", None),
    }
}

impl Queue {
    /// The oldest mail that is not held, and when it was accepted.
    pub fn oldest_waiting(&self) -> Option<(MailId, Timestamp)> {
        let schedule = self.0.schedule.lock();
        schedule.entries().find(|(_, e)| !is_held(&e.mail)).map(|(id, e)| (*id, e.mail.accepted))
    }

    /// Backends and smarthosts that cannot be reached now, or of which nobody knows yet. Whether a stranger's mail server can is its own
    /// affair.
    pub fn unreachable_backends(&self) -> Vec<Unreachable> {
        let schedule = self.0.schedule.lock();
        let ill = schedule.lanes().filter(|l| is_ours(l) && l.mails() > 0).filter(|l| l.health.is_bad() || l.health == Health::Untried);
        let reply = |l: &Lane| l.trouble.as_ref().map_or_else(String::new, |t| format!("{}: {}", t.host, t.reply));
        ill.map(|l| {
            let trouble = l.health.is_bad().then(|| reply(l));
            Unreachable { destination: l.destination.clone(), mails: l.mails(), trouble }
        })
        .collect()
    }

    /// The lanes to backends and smarthosts that have mails, or had some a moment ago.
    pub fn own_lanes(&self) -> Vec<OwnLane> {
        let schedule = self.0.schedule.lock();
        let own = schedule.lanes().filter(|l| is_ours(l));
        own.map(|lane| {
            let (health, next_probe) = said(lane.health);
            OwnLane { destination: lane.destination.clone(), mails: lane.mails(), health, next_probe, trouble: lane.trouble.clone() }
        })
        .collect()
    }

    /// What the queue knows about one mail, and what it would do next. Asks the DNS for MX destinations.
    pub async fn why(&self, id: MailId) -> Option<Why> {
        let hold = self.0.settings.load().sandbox.hold.time.0;
        let (mail, mut destinations, routes) = {
            let schedule = self.0.schedule.lock();
            let entry = schedule.get(id)?;
            let mut destinations = Vec::new();
            let mut routes = Vec::new();
            for job in &entry.jobs {
                let Some(lane) = schedule.lane(job.lane) else { continue };
                let (health, next_probe) = said(lane.health);
                let recipients = job.recipients.iter().filter_map(|i| entry.mail.recipients.get(*i as usize));
                destinations.push(Attempted {
                    destination: lane.destination.to_string(),
                    recipients: recipients.map(|r| r.recipient.address.clone()).collect(),
                    health,
                    next_probe,
                    trouble: lane.trouble.clone(),
                    in_line: schedule.ready_in(job.lane),
                    connections: lane.workers,
                    hosts: Vec::new(),
                    routing_error: None,
                });
                routes.push(lane.destination.clone());
            }
            (row(entry, &schedule, hold), destinations, routes)
        };
        for (attempted, destination) in destinations.iter_mut().zip(routes) {
            match self.0.connector.plan(&destination).await {
                Ok(hosts) => attempted.hosts = hosts,
                Err(e) => attempted.routing_error = Some(e),
            }
        }
        Some(Why { mail, destinations })
    }
}
