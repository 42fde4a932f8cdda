//! The queue: every accepted mail that is not done, in memory, by destination; durable in the spool.
//!
//! What it is not: it does not speak SMTP (that is `relay`), and it is not the source of truth: the spool is,
//! and the queue is built from it at the start.
//!
//! Invariants: a mail leaves the queue only after each recipient is delivered, returned to the sender, or
//! removed by an operator; a mail from outside that fails for good is held, not bounced (ADR 0003).
//!
//! Read first: [`schedule`], then `settle.rs`, then `operator.rs`.

mod backoff;
mod filter;
mod give_out;
mod held;
mod notify;
mod operator;
mod rows;
pub(crate) mod schedule;
mod settle;
mod sweep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use postern_mail::dns::Resolver;
use postern_model::id::MailId;
use postern_model::queue::{Disposition, QueuedMail};
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_store::spool::{Accepted, Spool};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::events::Events;
use crate::relay::{Connector, worker};
use crate::route::{Destination, Router};
pub use backoff::backoff;
pub use filter::{Filter, Status};
pub(crate) use held::Places;
pub use notify::{Letter, message_id};
pub use operator::{Changed, OperatorError};
pub use rows::{Attempted, Hop, OwnLane, RecipientRow, Row, Why};
use schedule::{LaneId, Limits, Order, Schedule};
pub(crate) use settle::{Fate, Lease, Report};

/// First wait before a dead destination is tried again; doubles up to `delivery.retry_max`.
const PROBE_FIRST: Duration = Duration::from_secs(10);
const MAX_SLEEP: Duration = Duration::from_secs(3600);
/// `next_attempt` of a recipient that failed for good and is held for an operator.
pub(crate) const PARKED: Timestamp = Timestamp(i64::MAX);

/// What the queue needs of the node.
pub struct QueueParts {
    pub spool: Spool,
    pub events: Events,
    pub settings: Arc<ArcSwap<Settings>>,
    pub resolver: Resolver,
    /// Our name in EHLO and in notifications.
    pub hostname: String,
}

/// Cheap to clone; all clones are one queue.
#[derive(Clone)]
pub struct Queue(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) spool: Spool,
    pub(crate) events: Events,
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) connector: Arc<Connector>,
    pub(crate) hostname: Arc<str>,
    pub(crate) schedule: Mutex<Schedule>,
    router: ArcSwap<Router>,
    runtime: Handle,
    timer: Notify,
    stop: CancellationToken,
    keepers: Mutex<Vec<JoinHandle<()>>>,
    quiet: Notify,
    reserved: Mutex<held::Reserved>,
    pub(crate) counters: Counters,
}

/// Counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) delivered: AtomicU64,
    pub(crate) deferred: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) notified: AtomicU64,
}

/// The queue in numbers, for metrics and the console.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueStatus {
    pub mails: usize,
    pub held: usize,
    /// Of those that are held, the ones that wait for the sandbox, and their octets.
    pub waiting_for_sandbox: usize,
    pub waiting_for_sandbox_octets: u64,
    pub connections: usize,
    pub destinations: usize,
    /// Destinations that cannot be reached now.
    pub unreachable: usize,
    /// Recipients since the start.
    pub delivered: u64,
    pub deferred: u64,
    pub failed: u64,
    /// Notifications made since the start.
    pub notified: u64,
    /// When the oldest mail was accepted.
    pub oldest: Option<Timestamp>,
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

fn limits(settings: &Settings) -> Limits {
    let d = &settings.delivery;
    Limits {
        per_destination: d.max_connections_per_destination,
        total: d.max_connections,
        probe_first: PROBE_FIRST.min(d.retry_first.0),
        probe_max: d.retry_max.0,
    }
}

impl Queue {
    /// Starts delivering what `restored` (from [`Spool::open`]) still asks for. Needs a tokio runtime.
    pub fn start(parts: QueueParts, restored: Vec<QueuedMail>) -> Self {
        let settings = parts.settings.load_full();
        let hostname: Arc<str> = parts.hostname.into();
        let connector = Arc::new(Connector::new(Arc::clone(&parts.settings), parts.resolver, Arc::clone(&hostname)));
        let queue = Self(Arc::new(Inner {
            spool: parts.spool,
            events: parts.events,
            connector,
            hostname,
            schedule: Mutex::new(Schedule::new(limits(&settings))),
            router: ArcSwap::from_pointee(Router::new(&settings)),
            settings: parts.settings,
            runtime: Handle::current(),
            timer: Notify::new(),
            stop: CancellationToken::new(),
            keepers: Mutex::default(),
            quiet: Notify::new(),
            reserved: Mutex::default(),
            counters: Counters::default(),
        }));
        for mail in restored {
            queue.admit(Arc::new(mail));
        }
        let keepers = [tokio::spawn(queue.clone().keep_time()), tokio::spawn(queue.clone().keep_clean())];
        queue.0.keepers.lock().extend(keepers);
        queue
    }

    /// Takes an accepted mail over. Quarantined mail is not the queue's.
    pub fn enqueue(&self, accepted: &Accepted) {
        self.admit(Arc::clone(accepted.mail()));
    }

    /// Takes over a mail that is in the spool already: one released from elsewhere.
    pub fn admit(&self, mail: Arc<QueuedMail>) {
        if mail.disposition == Disposition::Quarantine {
            return;
        }
        if mail.is_done() {
            // Every recipient was done before a crash and the last word was lost.
            self.note_done(mail.id);
            return;
        }
        let now = now();
        self.with_schedule(|schedule| self.put(schedule, mail, now));
    }

    /// Plans a mail by the routing table; held ones get no plan.
    fn put(&self, schedule: &mut Schedule, mail: Arc<QueuedMail>, now: Timestamp) {
        let mut jobs: Vec<(LaneId, Vec<u32>, Timestamp)> = Vec::with_capacity(1);
        if !filter::is_held(&mail) {
            let router = self.0.router.load();
            let mut groups: BTreeMap<(Destination, Timestamp), Vec<u32>> = BTreeMap::new();
            for (index, recipient) in mail.pending().filter(|(_, r)| r.next_attempt != PARKED) {
                let route = router.route(recipient.recipient.address.domain(), mail.reroute.as_deref());
                let destination = Destination { route, require_tls: mail.envelope.require_tls };
                groups.entry((destination, recipient.next_attempt)).or_default().push(index);
            }
            for ((destination, due), recipients) in groups {
                let lane = schedule.lane_for(&destination);
                // One job per destination: recipients that were put off to different moments go together at the first.
                match jobs.iter_mut().find(|(l, _, _)| *l == lane) {
                    Some((_, all, first)) => {
                        all.extend(recipients);
                        *first = (*first).min(due);
                    }
                    None => jobs.push((lane, recipients, due)),
                }
            }
        }
        schedule.put(mail, jobs, now);
    }

    /// The settings changed: everything that is not being sent is planned anew.
    pub fn reload(&self) {
        let settings = self.0.settings.load_full();
        self.0.router.store(Arc::new(Router::new(&settings)));
        self.0.connector.reload();
        let now = now();
        self.with_schedule(|schedule| {
            schedule.set_limits(limits(&settings));
            let mails: Vec<_> =
                schedule.entries().filter(|(_, e)| !e.is_leased() && !e.jobs.is_empty()).map(|(_, e)| Arc::clone(&e.mail)).collect();
            for mail in mails {
                self.put(schedule, mail, now);
            }
        });
    }

    pub fn status(&self) -> QueueStatus {
        let schedule = self.0.schedule.lock();
        let count = |c: &AtomicU64| c.load(Ordering::Relaxed);
        QueueStatus {
            mails: schedule.len(),
            held: schedule.entries().filter(|(_, e)| filter::is_held(&e.mail)).count(),
            waiting_for_sandbox: schedule.waiting().len(),
            waiting_for_sandbox_octets: schedule.waiting().values().sum(),
            connections: schedule.workers(),
            destinations: schedule.lanes().count(),
            unreachable: schedule.lanes().filter(|l| l.health.is_bad()).count(),
            delivered: count(&self.0.counters.delivered),
            deferred: count(&self.0.counters.deferred),
            failed: count(&self.0.counters.failed),
            notified: count(&self.0.counters.notified),
            oldest: schedule.entries().next().map(|(_, e)| e.mail.accepted),
        }
    }

    /// Whether a mail is still in the queue.
    pub fn contains(&self, id: MailId) -> bool {
        self.0.schedule.lock().get(id).is_some()
    }

    /// The connections the queue makes; the recipients' call-out makes its own through it.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.0.connector
    }

    /// Gives out no more work and waits until the mails being sent are settled, or until `deadline` has passed.
    /// What is not settled then is sent again after the next start.
    pub async fn shutdown(&self, deadline: Duration) {
        self.0.stop.cancel();
        self.with_schedule(Schedule::stop);
        let keepers = std::mem::take(&mut *self.0.keepers.lock());
        let quiet = async {
            loop {
                let notified = self.0.quiet.notified();
                if self.0.schedule.lock().workers() == 0 {
                    break;
                }
                notified.await;
            }
            for keeper in keepers {
                let _ = keeper.await;
            }
        };
        if tokio::time::timeout(deadline, quiet).await.is_err() {
            tracing::warn!("the queue was stopped with mails on the way: they are sent again after the start");
        }
    }

    /// Changes the schedule and does what it then orders.
    pub(crate) fn with_schedule<T>(&self, change: impl FnOnce(&mut Schedule) -> T) -> T {
        let (result, orders, is_sooner) = {
            let mut schedule = self.0.schedule.lock();
            let before = schedule.next_tick();
            let result = change(&mut schedule);
            let after = schedule.next_tick();
            let orders = schedule.take_orders();
            for order in &orders {
                if let Order::Wake(lane) = order
                    && let Some(lane) = schedule.lane(*lane)
                {
                    lane.wake.notify_one();
                }
            }
            (result, orders, after.is_some_and(|a| before.is_none_or(|b| a < b)))
        };
        for order in orders {
            if let Order::Spawn(lane) = order {
                // By its handle: a lease may come back while the runtime ends, outside of any task.
                self.0.runtime.spawn(worker::run(self.clone(), lane));
            }
        }
        if is_sooner {
            self.0.timer.notify_one();
        }
        result
    }

    /// A worker ended.
    pub(crate) fn worker_gone(&self, lane: LaneId) {
        self.with_schedule(|s| s.gone(lane));
        self.0.quiet.notify_waiters();
    }

    pub(crate) fn note_done(&self, id: MailId) {
        if let Err(e) = self.0.spool.note(id, postern_model::queue::QueueChange::Done) {
            tracing::error!(mail = %id, error = %e, "the end of a mail could not be written down: it may be sent once more after a restart");
        }
    }

    /// Wakes what is due.
    async fn keep_time(self) {
        loop {
            let next = self.0.schedule.lock().next_tick();
            // An hour at most: the wall clock may be set.
            let wait = next.map_or(MAX_SLEEP, |at| at.since(now())).min(MAX_SLEEP);
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = self.0.timer.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
            let now = now();
            if self.0.schedule.lock().next_tick().is_some_and(|at| at <= now) {
                self.with_schedule(|s| s.tick(now));
            }
        }
    }
}
