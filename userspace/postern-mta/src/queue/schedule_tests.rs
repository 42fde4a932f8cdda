#![allow(clippy::unwrap_used, clippy::expect_used)]
use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Client, Direction, Envelope, Recipient};
use postern_model::queue::{Disposition, HeaderEdits, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use proptest::prelude::*;

use super::*;
use crate::route::Route;

const LANES: usize = 4;
const LIMITS: Limits = Limits { per_destination: 3, total: 5, probe_first: Duration::from_secs(10), probe_max: Duration::from_secs(100) };

fn mail(number: u64) -> Arc<QueuedMail> {
    let at = "192.0.2.1:1".parse().unwrap();
    let client = Client { address: at, local: at, helo: String::new(), esmtp: true, tls: None, reverse: None, login: None };
    let recipient = Recipient::plain("a@b.example".parse().unwrap());
    let accepted = Timestamp(i64::try_from(number).unwrap());
    Arc::new(QueuedMail {
        id: MailId::new(accepted, u128::from(number)),
        accepted,
        size: 1,
        hash: [0; 32],
        disposition: Disposition::Deliver,
        reason: Reason::Clean,
        recipients: vec![QueuedRecipient::new(recipient.clone(), accepted); LANES],
        envelope: Envelope {
            direction: Direction::Outbound,
            client,
            mail_from: ReversePath::Null,
            recipients: vec![recipient],
            declared_size: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            require_tls: false,
            dsn_return: None,
            dsn_envelope_id: None,
        },
        edits: HeaderEdits::default(),
        reroute: None,
        subject: None,
        message_id: None,
        from_header: None,
        score: Score::ZERO,
    })
}

fn destination(name: usize) -> Destination {
    Destination { route: Route::Reroute(format!("h{name}")), require_tls: false }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Starting,
    Busy(MailId, usize),
    Idle,
    Leaving,
}

#[derive(Clone, Copy, Debug)]
enum Result_ {
    Delivered,
    Deferred,
    Unreachable,
}

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<usize>),
    Step(usize, Result_),
    Pass(u64),
    Delete(usize),
    ProbeNow(usize),
}

/// A world without network: workers are table entries, the clock is a number.
struct World {
    schedule: Schedule,
    workers: Vec<(LaneId, Doing)>,
    wakes: Vec<LaneId>,
    now: Timestamp,
    mails: u64,
    leased: HashMap<(MailId, LaneId), Vec<u32>>,
}

impl World {
    fn new() -> Self {
        let mut schedule = Schedule::new(LIMITS);
        for lane in 0..LANES {
            schedule.lane_for(&destination(lane));
        }
        Self { schedule, workers: Vec::new(), wakes: Vec::new(), now: Timestamp(0), mails: 0, leased: HashMap::new() }
    }

    fn obey(&mut self) {
        for order in self.schedule.take_orders() {
            match order {
                Order::Spawn(lane) => self.workers.push((lane, Doing::Starting)),
                Order::Wake(lane) => self.wakes.push(lane),
            }
        }
    }

    fn run(&mut self, op: &Op) {
        match op {
            Op::Put(lanes) => {
                self.mails += 1;
                let jobs = (0u32..).zip(lanes).map(|(i, lane)| (self.schedule.lane_for(&destination(*lane)), vec![i], self.now)).collect();
                self.schedule.put(mail(self.mails), jobs, self.now);
            }
            Op::Pass(seconds) => {
                self.now = self.now + Duration::from_secs(*seconds);
                self.schedule.tick(self.now);
            }
            Op::Delete(which) => {
                let ids: Vec<MailId> = self.schedule.entries().filter(|(_, e)| !e.is_leased()).map(|(id, _)| *id).collect();
                if let Some(id) = ids.get(which % ids.len().max(1)) {
                    self.schedule.remove(*id);
                }
            }
            Op::ProbeNow(lane) => {
                let lane = self.schedule.lane_for(&destination(*lane));
                self.schedule.probe_now(lane);
            }
            Op::Step(which, result) => {
                if !self.workers.is_empty() {
                    self.step(which % self.workers.len(), *result);
                }
            }
        }
        self.obey();
    }

    fn step(&mut self, at: usize, result: Result_) {
        let (lane, doing) = self.workers[at];
        let turn = match doing {
            Doing::Starting => Turn::First,
            Doing::Idle => match self.wakes.iter().position(|l| *l == lane) {
                Some(i) => {
                    self.wakes.remove(i);
                    Turn::Woken
                }
                None => Turn::TimedOut,
            },
            Doing::Leaving => {
                self.schedule.gone(lane);
                self.workers.remove(at);
                return;
            }
            Doing::Busy(id, served) => {
                let recipients = self.leased.remove(&(id, lane)).unwrap();
                match result {
                    Result_::Unreachable => {
                        let trouble = LastReply { at: self.now, host: "h".into(), reply: "450".into() };
                        self.schedule.unreachable(lane, trouble, self.now);
                        assert!(self.schedule.settle(id, lane, Requeue::Front(recipients), self.now));
                        self.schedule.leave(lane);
                        self.workers[at].1 = Doing::Leaving;
                        return;
                    }
                    Result_::Deferred => {
                        self.schedule.connected(lane);
                        let due = self.now + Duration::from_secs(30);
                        assert!(self.schedule.settle(id, lane, Requeue::At(due, recipients), self.now));
                    }
                    Result_::Delivered => {
                        self.schedule.connected(lane);
                        self.schedule.delivered(lane);
                        assert!(self.schedule.settle(id, lane, Requeue::Nothing, self.now));
                        if self.schedule.get(id).unwrap().jobs.is_empty() {
                            self.schedule.remove(id);
                        }
                    }
                }
                Turn::Next(served)
            }
        };
        let served = if let Turn::Next(n) = turn { n } else { 0 };
        self.workers[at].1 = match self.schedule.take(lane, turn) {
            Take::Leave => Doing::Leaving,
            Take::Idle => Doing::Idle,
            Take::Job { mail, recipients } => {
                assert!(!recipients.is_empty());
                assert!(self.leased.insert((mail.id, lane), recipients).is_none(), "leased twice");
                Doing::Busy(mail.id, served + 1)
            }
        };
    }

    fn check(&self) {
        let s = &self.schedule;
        assert_eq!(s.workers, self.workers.len());
        assert!(s.workers <= LIMITS.total, "{} workers in all", s.workers);
        for (id, lane) in &s.lanes {
            let here: Vec<Doing> = self.workers.iter().filter(|(l, _)| l == id).map(|(_, d)| *d).collect();
            assert_eq!(lane.workers, here.len());
            assert!(here.len() <= LIMITS.per_destination, "{} workers in one lane", here.len());
            let has_ready = s.entries.values().any(|e| e.jobs.iter().any(|j| j.lane == *id && j.state == JobState::Ready));
            let is_resting = matches!(lane.health, Health::BackOff { until, .. } if s.timers.contains(&(until, Timer::Lane(*id))));
            let has_worker = here.iter().any(|d| matches!(d, Doing::Starting | Doing::Busy(..) | Doing::Leaving));
            let is_called = self.wakes.contains(id);
            assert!(!has_ready || is_resting || has_worker || is_called || lane.is_in_line, "lane {id} stands still: {lane:?}");
        }
        for (id, entry) in &s.entries {
            assert!(!entry.jobs.is_empty(), "{id} is forgotten");
            for job in &entry.jobs {
                match job.state {
                    JobState::Ready => assert!(s.lanes[&job.lane].ready.contains(id), "{id} is ready nowhere"),
                    JobState::Waiting(at) => assert!(s.timers.contains(&(at, Timer::Job(*id, job.lane))), "{id} waits for nothing"),
                    JobState::Leased => assert!(self.leased.contains_key(&(*id, job.lane)), "{id} is lent to nobody"),
                }
            }
        }
    }
}

fn op() -> impl Strategy<Value = Op> {
    let result = prop_oneof![4 => Just(Result_::Delivered), 1 => Just(Result_::Deferred), 2 => Just(Result_::Unreachable)];
    prop_oneof![
        4 => prop::collection::hash_set(0..LANES, 1..3).prop_map(|lanes| Op::Put(lanes.into_iter().collect())),
        12 => (any::<usize>(), result).prop_map(|(i, r)| Op::Step(i, r)),
        2 => (1u64..60).prop_map(Op::Pass),
        1 => any::<usize>().prop_map(Op::Delete),
        1 => (0..LANES).prop_map(Op::ProbeNow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens: limits hold, nothing is forgotten, nothing stands still; and once all hosts answer, all mail ends.
    #[test]
    fn every_mail_ends_or_has_a_next_attempt(ops in prop::collection::vec(op(), 1..300)) {
        let mut world = World::new();
        for op in &ops {
            world.run(op);
            world.check();
        }
        for round in 0..100_000usize {
            if world.schedule.entries.is_empty() {
                break;
            }
            world.run(&Op::Step(round, Result_::Delivered));
            if round % 50 == 49 {
                world.run(&Op::Pass(60));
            }
        }
        prop_assert!(world.schedule.entries.is_empty(), "{} mails never end", world.schedule.len());
    }
}

#[test]
fn a_dead_destination_holds_one_connection_and_keeps_its_order() {
    let mut world = World::new();
    for _ in 0..100 {
        world.run(&Op::Put(vec![0]));
    }
    assert_eq!(world.workers.len(), 1, "an untried destination is tried by one worker");
    world.run(&Op::Step(0, Result_::Delivered));
    let first = world.workers[0].1;
    world.run(&Op::Step(0, Result_::Unreachable));
    world.run(&Op::Step(0, Result_::Unreachable));
    assert!(world.workers.is_empty());
    // Another destination is served at once.
    world.run(&Op::Put(vec![1]));
    assert_eq!(world.workers.len(), 1);
    // Back after its rest, with the mail that was first before.
    world.run(&Op::Pass(13));
    let (_, doing) = *world.workers.iter().find(|(l, _)| *l == 0).unwrap();
    assert_eq!(doing, Doing::Starting);
    let at = world.workers.iter().position(|(l, _)| *l == 0).unwrap();
    world.run(&Op::Step(at, Result_::Delivered));
    assert_eq!(world.workers[at].1, first);
    // Connected: the others follow.
    for _ in 0..20 {
        for at in 0..world.workers.len() {
            world.run(&Op::Step(at, Result_::Delivered));
        }
    }
    assert_eq!(world.workers.iter().filter(|(l, _)| *l == 0).count(), LIMITS.per_destination);
}

#[test]
fn lanes_nobody_needs_are_forgotten() {
    let mut world = World::new();
    world.run(&Op::Put(vec![2]));
    world.schedule.sweep_lanes();
    assert_eq!(world.schedule.lanes().count(), 1);
}
