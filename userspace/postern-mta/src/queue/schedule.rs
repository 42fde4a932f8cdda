//! Which mail goes next, to whom, over how many connections. No IO, no clock: times come in, [`Order`]s go out.
//!
//! Each destination has a lane: its mails in order, its workers (a worker is one connection), its health. A lane that
//! was never reached, or was found dead, gets one worker that tries; only when that one is connected do the others
//! follow. A dead destination therefore holds one connection at most, and its mails wait in their lane without being
//! tried one by one.
//!
//! Invariants (the property test asserts them): a lane never has more workers than its limit, all together never more
//! than the total; every mail is ready in a lane, leased to a worker, waiting for a moment, or held; a lane with ready
//! mails has a worker, stands in the line for one, or waits for its back-off to end.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use postern_model::id::MailId;
use postern_model::queue::{LastReply, QueueChange, QueuedMail};
use postern_model::time::Timestamp;
use tokio::sync::Notify;

use super::backoff::backoff;
use crate::route::Destination;

pub type LaneId = u64;

/// Connections a lane may have once one stands; each success allows one more, up to the setting (slow start).
const FIRST_LIMIT: usize = 4;
/// Mails a connection serves before it makes room, when other destinations wait for a connection.
const TURN: usize = 50;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub per_destination: usize,
    pub total: usize,
    /// First and longest wait before a dead destination is tried again.
    pub probe_first: Duration,
    pub probe_max: Duration,
}

/// What the executor has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start a worker for the lane; it is counted already.
    Spawn(LaneId),
    /// Wake one idle worker of the lane.
    Wake(LaneId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Untried,
    Good,
    /// Nobody is sent before this moment.
    BackOff {
        until: Timestamp,
        failures: u32,
    },
    /// One worker tries.
    Probing {
        failures: u32,
    },
}

impl Health {
    /// It could not be reached at the last try.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::BackOff { .. } | Self::Probing { .. })
    }
}

#[derive(Debug)]
pub struct Lane {
    pub destination: Destination,
    pub health: Health,
    /// Why the last connection failed.
    pub trouble: Option<LastReply>,
    pub wake: Arc<Notify>,
    ready: VecDeque<MailId>,
    /// Jobs in all states.
    jobs: usize,
    limit: usize,
    pub workers: usize,
    idle: usize,
    /// Idle workers that were woken, and workers that were started, and have not come for a mail yet.
    coming: usize,
    waking: usize,
    /// Idle workers that are to leave when they wake.
    shed: usize,
    /// Workers that were told to leave and still close their connection.
    leaving: usize,
    is_in_line: bool,
}

impl Lane {
    /// Mails that wait for it, in all states.
    pub fn mails(&self) -> usize {
        self.jobs
    }

    fn permitted(&self) -> usize {
        match self.health {
            Health::Untried | Health::Probing { .. } => 1,
            Health::Good => self.limit,
            Health::BackOff { .. } => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    Ready,
    Leased,
    Waiting(Timestamp),
}

/// The recipients of one mail that share a destination.
#[derive(Debug)]
pub struct Job {
    pub lane: LaneId,
    pub recipients: Vec<u32>,
    pub state: JobState,
}

#[derive(Debug)]
pub struct Entry {
    pub mail: Arc<QueuedMail>,
    /// Empty while the mail is held.
    pub jobs: Vec<Job>,
}

impl Entry {
    pub fn is_leased(&self) -> bool {
        self.jobs.iter().any(|j| j.state == JobState::Leased)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Job(MailId, LaneId),
    Lane(LaneId),
}

/// In what situation a worker comes for its next mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    First,
    /// Done with a mail; so many were served in a row.
    Next(usize),
    Woken,
    /// Nobody woke it for as long as connections are kept.
    TimedOut,
}

#[derive(Debug)]
pub enum Take {
    Job {
        mail: Arc<QueuedMail>,
        recipients: Vec<u32>,
    },
    /// Nothing to do: keep the connection and wait on the lane's bell.
    Idle,
    /// Close the connection, then call [`Schedule::gone`].
    Leave,
}

/// What becomes of a job after an attempt.
#[derive(Debug)]
pub enum Requeue {
    /// These recipients again at this moment.
    At(Timestamp, Vec<u32>),
    /// The same again as soon as the destination can be reached, before all others of its lane.
    Front(Vec<u32>),
    Nothing,
}

#[derive(Debug)]
pub struct Schedule {
    limits: Limits,
    entries: BTreeMap<MailId, Entry>,
    /// Mails that wait for the sandbox, with their octets: few, and looked at more often than the whole queue could be.
    waiting: BTreeMap<MailId, u64>,
    lanes: HashMap<LaneId, Lane, ahash::RandomState>,
    by_destination: HashMap<Destination, LaneId, ahash::RandomState>,
    next_lane: LaneId,
    timers: BTreeSet<(Timestamp, Timer)>,
    workers: usize,
    idle: usize,
    /// Lanes that want a worker while all are taken.
    line: VecDeque<LaneId>,
    orders: Vec<Order>,
    is_stopped: bool,
}

impl Schedule {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lanes: HashMap::default(),
            by_destination: HashMap::default(),
            next_lane: 0,
            timers: BTreeSet::new(),
            workers: 0,
            idle: 0,
            line: VecDeque::new(),
            orders: Vec::new(),
            is_stopped: false,
        }
    }

    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        for lane in self.lanes.values_mut() {
            lane.limit = lane.limit.min(limits.per_destination.max(1));
        }
    }

    /// What is to be done after the calls since the last time.
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn workers(&self) -> usize {
        self.workers
    }

    pub fn get(&self, id: MailId) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// Oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (&MailId, &Entry)> {
        self.entries.iter()
    }

    pub fn entries_until(&self, last: MailId) -> impl Iterator<Item = &Entry> {
        self.entries.range(..=last).map(|(_, e)| e)
    }

    /// Mails that wait for the sandbox, oldest first, and the octets of each.
    pub fn waiting(&self) -> &BTreeMap<MailId, u64> {
        &self.waiting
    }

    fn note_waiting(&mut self, id: MailId) {
        match self.entries.get(&id).filter(|e| e.mail.waits_for_sandbox()) {
            Some(entry) => drop(self.waiting.insert(id, entry.mail.size)),
            None => drop(self.waiting.remove(&id)),
        }
    }

    pub fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.get(&id)
    }

    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.values()
    }

    /// Mails that are ready in a lane (some of them may be gone meanwhile).
    pub fn ready_in(&self, lane: LaneId) -> usize {
        self.lanes.get(&lane).map_or(0, |l| l.ready.len())
    }

    pub fn lane_for(&mut self, destination: &Destination) -> LaneId {
        if let Some(id) = self.by_destination.get(destination) {
            return *id;
        }
        let id = self.next_lane;
        self.next_lane += 1;
        let lane = Lane {
            destination: destination.clone(),
            health: Health::Untried,
            trouble: None,
            wake: Arc::default(),
            ready: VecDeque::new(),
            jobs: 0,
            limit: FIRST_LIMIT.min(self.limits.per_destination.max(1)),
            workers: 0,
            idle: 0,
            coming: 0,
            waking: 0,
            shed: 0,
            leaving: 0,
            is_in_line: false,
        };
        self.lanes.insert(id, lane);
        self.by_destination.insert(destination.clone(), id);
        id
    }

    /// Puts a mail in, or replaces what was planned for it. Jobs: lane, recipients, due. No jobs: held.
    pub fn put(&mut self, mail: Arc<QueuedMail>, jobs: Vec<(LaneId, Vec<u32>, Timestamp)>, now: Timestamp) {
        let id = mail.id;
        self.remove(id);
        self.entries.insert(id, Entry { mail, jobs: Vec::with_capacity(jobs.len()) });
        self.note_waiting(id);
        for (lane, recipients, due) in jobs {
            self.add_job(id, lane, recipients, due, now);
        }
    }

    fn add_job(&mut self, id: MailId, lane_id: LaneId, recipients: Vec<u32>, due: Timestamp, now: Timestamp) {
        let (Some(entry), Some(lane)) = (self.entries.get_mut(&id), self.lanes.get_mut(&lane_id)) else { return };
        let is_ready = due <= now;
        entry.jobs.push(Job { lane: lane_id, recipients, state: if is_ready { JobState::Ready } else { JobState::Waiting(due) } });
        lane.jobs += 1;
        if is_ready {
            lane.ready.push_back(id);
            self.dispatch(lane_id);
        } else {
            self.timers.insert((due, Timer::Job(id, lane_id)));
        }
    }

    /// Takes a mail out. A lease of it that is still held comes to nothing.
    pub fn remove(&mut self, id: MailId) -> Option<Arc<QueuedMail>> {
        let entry = self.entries.remove(&id)?;
        self.waiting.remove(&id);
        for job in &entry.jobs {
            self.drop_job(id, job);
        }
        Some(entry.mail)
    }

    /// The line of the lane is cleaned when its turn comes: see [`Schedule::pop`].
    fn drop_job(&mut self, id: MailId, job: &Job) {
        if let JobState::Waiting(due) = job.state {
            self.timers.remove(&(due, Timer::Job(id, job.lane)));
        }
        if let Some(lane) = self.lanes.get_mut(&job.lane) {
            lane.jobs = lane.jobs.saturating_sub(1);
        }
    }

    /// Leases all jobs of a mail that nobody else has, to settle them without an attempt.
    pub fn seize(&mut self, id: MailId) -> Vec<(LaneId, Vec<u32>)> {
        let Some(entry) = self.entries.get_mut(&id) else { return Vec::new() };
        let mut seized = Vec::new();
        for job in entry.jobs.iter_mut().filter(|j| j.state != JobState::Leased) {
            if let JobState::Waiting(due) = job.state {
                self.timers.remove(&(due, Timer::Job(id, job.lane)));
            }
            job.state = JobState::Leased;
            seized.push((job.lane, std::mem::take(&mut job.recipients)));
        }
        seized
    }

    /// Applies changes to the mail as it is kept here.
    pub fn apply(&mut self, id: MailId, changes: &[QueueChange]) {
        if let Some(entry) = self.entries.get_mut(&id) {
            let mail = Arc::make_mut(&mut entry.mail);
            changes.iter().for_each(|c| mail.apply(c));
            self.note_waiting(id);
        }
    }

    /// Sees to it that a lane with ready mails is served.
    fn dispatch(&mut self, id: LaneId) {
        if self.is_stopped {
            return;
        }
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        if lane.ready.len() <= lane.coming {
            return;
        }
        if lane.idle > 0 {
            lane.idle -= 1;
            self.idle -= 1;
            lane.waking += 1;
            lane.coming += 1;
            self.orders.push(Order::Wake(id));
            return;
        }
        if lane.workers >= lane.permitted() {
            return;
        }
        if self.workers < self.limits.total {
            lane.workers += 1;
            lane.coming += 1;
            self.workers += 1;
            self.orders.push(Order::Spawn(id));
            return;
        }
        if !lane.is_in_line {
            lane.is_in_line = true;
            self.line.push_back(id);
            self.shed_one();
        }
    }

    /// All connections are taken: an idle one of any lane makes room.
    fn shed_one(&mut self) {
        if self.idle == 0 {
            return;
        }
        if let Some((id, lane)) = self.lanes.iter_mut().find(|(_, l)| l.idle > 0) {
            lane.idle -= 1;
            self.idle -= 1;
            lane.waking += 1;
            lane.shed += 1;
            self.orders.push(Order::Wake(*id));
        }
    }

    /// A worker comes for a mail.
    pub fn take(&mut self, id: LaneId, turn: Turn) -> Take {
        let must_yield = matches!(turn, Turn::Next(served) if served >= TURN && served.is_multiple_of(TURN) && !self.line.is_empty());
        let Some(lane) = self.lanes.get_mut(&id) else { return Take::Leave };
        match turn {
            Turn::First => lane.coming = lane.coming.saturating_sub(1),
            Turn::Woken | Turn::TimedOut if lane.waking > 0 => {
                // Idle workers are alike: one that timed out may take another's wake-up.
                lane.waking -= 1;
                if lane.shed > 0 {
                    lane.shed -= 1;
                    lane.leaving += 1;
                    return Take::Leave;
                }
                lane.coming = lane.coming.saturating_sub(1);
            }
            Turn::Woken | Turn::TimedOut => {
                lane.idle -= 1;
                self.idle -= 1;
            }
            Turn::Next(_) => {}
        }
        if self.is_stopped || must_yield || lane.workers - lane.leaving > lane.permitted() {
            lane.leaving += 1;
            return Take::Leave;
        }
        if let Some((mail, recipients)) = self.pop(id) {
            // One worker after the other: each that finds more work behind its own calls the next.
            self.dispatch(id);
            return Take::Job { mail, recipients };
        }
        let Some(lane) = self.lanes.get_mut(&id) else { return Take::Leave };
        if turn == Turn::TimedOut || !self.line.is_empty() {
            lane.leaving += 1;
            return Take::Leave;
        }
        lane.idle += 1;
        self.idle += 1;
        Take::Idle
    }

    fn pop(&mut self, id: LaneId) -> Option<(Arc<QueuedMail>, Vec<u32>)> {
        let lane = self.lanes.get_mut(&id)?;
        while let Some(mail) = lane.ready.pop_front() {
            // Held, deleted or moved since it was put in line: passed over.
            let Some(entry) = self.entries.get_mut(&mail) else { continue };
            let Some(job) = entry.jobs.iter_mut().find(|j| j.lane == id && j.state == JobState::Ready) else { continue };
            job.state = JobState::Leased;
            return Some((Arc::clone(&entry.mail), std::mem::take(&mut job.recipients)));
        }
        None
    }

    /// A worker that could not connect leaves without coming for a mail again.
    pub fn leave(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.leaving += 1;
        }
    }

    /// A worker that was told to leave has ended.
    pub fn gone(&mut self, id: LaneId) {
        self.workers = self.workers.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.workers = lane.workers.saturating_sub(1);
            lane.leaving = lane.leaving.saturating_sub(1);
        }
        // First come, first served; the lane that gave the place up stands behind the others.
        for _ in 0..self.line.len() {
            if self.workers >= self.limits.total {
                break;
            }
            let Some(next) = self.line.pop_front() else { break };
            if let Some(lane) = self.lanes.get_mut(&next) {
                lane.is_in_line = false;
            }
            self.dispatch(next);
        }
        self.dispatch(id);
    }

    /// A lease came back. True when the mail was still the worker's to settle.
    pub fn settle(&mut self, id: MailId, lane_id: LaneId, requeue: Requeue, now: Timestamp) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let Some(at) = entry.jobs.iter().position(|j| j.lane == lane_id && j.state == JobState::Leased) else { return false };
        match requeue {
            Requeue::Nothing => {
                let job = entry.jobs.swap_remove(at);
                self.drop_job(id, &job);
            }
            Requeue::At(due, recipients) => {
                let job = entry.jobs.swap_remove(at);
                self.drop_job(id, &job);
                self.add_job(id, lane_id, recipients, due, now);
            }
            Requeue::Front(recipients) => {
                let job = &mut entry.jobs[at];
                job.state = JobState::Ready;
                job.recipients = recipients;
                if let Some(lane) = self.lanes.get_mut(&lane_id) {
                    lane.ready.push_front(id);
                }
                self.dispatch(lane_id);
            }
        }
        true
    }

    /// A worker's connection stands.
    pub fn connected(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id)
            && lane.health != Health::Good
        {
            lane.health = Health::Good;
            lane.trouble = None;
            lane.limit = FIRST_LIMIT.min(self.limits.per_destination.max(1));
            self.dispatch(id);
        }
    }

    /// A mail was taken: the destination bears one more connection.
    pub fn delivered(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.limit = (lane.limit + 1).min(self.limits.per_destination.max(1));
        }
    }

    /// A worker could not connect; it leaves. Returns when the destination is tried next.
    pub fn unreachable(&mut self, id: LaneId, trouble: LastReply, now: Timestamp) -> Timestamp {
        let mut until = now;
        if let Some(lane) = self.lanes.get_mut(&id) {
            let others = (lane.workers - lane.leaving.min(lane.workers)).saturating_sub(1);
            if lane.health == Health::Good && others > 0 {
                // The others still stand: the destination has enough of connections, it is not dead.
                lane.limit = others;
                lane.trouble = Some(trouble);
            } else {
                let failures = match lane.health {
                    Health::Probing { failures } | Health::BackOff { failures, .. } => failures + 1,
                    Health::Untried | Health::Good => 1,
                };
                until = now + backoff(self.limits.probe_first, self.limits.probe_max, failures, &mut rand::rng());
                lane.health = Health::BackOff { until, failures };
                lane.trouble = Some(trouble);
                self.timers.insert((until, Timer::Lane(id)));
            }
        }
        until
    }

    /// An operator wants it tried now.
    pub fn probe_now(&mut self, id: LaneId) {
        if let Some(lane) = self.lanes.get_mut(&id)
            && let Health::BackOff { until, failures } = lane.health
        {
            self.timers.remove(&(until, Timer::Lane(id)));
            lane.health = Health::Probing { failures };
            self.dispatch(id);
        }
    }

    /// When [`Schedule::tick`] has something to do.
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Everything whose moment has come.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some(&(at, timer)) = self.timers.first().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Lane(id) => {
                    if let Some(lane) = self.lanes.get_mut(&id)
                        && let Health::BackOff { failures, .. } = lane.health
                    {
                        lane.health = Health::Probing { failures };
                        self.dispatch(id);
                    }
                }
                Timer::Job(mail, id) => {
                    let job = self.entries.get_mut(&mail).and_then(|e| e.jobs.iter_mut().find(|j| j.lane == id));
                    if let (Some(job), Some(lane)) = (job.filter(|j| j.state == JobState::Waiting(at)), self.lanes.get_mut(&id)) {
                        job.state = JobState::Ready;
                        lane.ready.push_back(mail);
                        self.dispatch(id);
                    }
                }
            }
        }
    }

    /// Forgets lanes nobody needs, so that a year of destinations does not stay in memory.
    pub fn sweep_lanes(&mut self) {
        let by_destination = &mut self.by_destination;
        self.lanes.retain(|_, lane| {
            let is_needed = lane.jobs > 0 || lane.workers > 0 || lane.is_in_line || matches!(lane.health, Health::BackOff { .. });
            if !is_needed {
                by_destination.remove(&lane.destination);
            }
            is_needed
        });
    }

    /// No more work is given out; idle workers are woken to leave.
    pub fn stop(&mut self) {
        self.is_stopped = true;
        for (id, lane) in &mut self.lanes {
            self.orders.extend(std::iter::repeat_n(Order::Wake(*id), lane.idle));
            lane.waking += lane.idle;
            lane.coming += lane.idle;
            self.idle -= lane.idle;
            lane.idle = 0;
        }
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
