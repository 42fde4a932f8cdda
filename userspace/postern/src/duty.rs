//! Whether this node takes mail: `postern node drain`, `resume` and `status`.
//!
//! A drain closes the ports (clients turn to the next MX at once; those of a virtual address to the peers that serve it), lets
//! sessions end, hands what is queued to peers, and waits until some peer knows everything that only this node knew. Then
//! it may be powered off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use postern_cluster::node::Cluster;
use postern_console::{Duty, DutyView};
use postern_mta::door::Door;
use postern_mta::journey::Journey;
use postern_mta::listen::Serving;
use postern_mta::queue::Queue;
use postern_store::spool::Spool;

use crate::steering::Steering;

/// How long clients of a virtual address may go on as if nothing happened, and after that any client with the mail it is sending.
const SESSIONS: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Serving,
    Draining,
    Drained,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct DutyKeeper(Arc<Inner>);

struct Inner {
    serving: Serving<Arc<Journey>>,
    door: Arc<Door<Arc<Journey>>>,
    queue: Queue,
    spool: Spool,
    cluster: Cluster,
    steering: Steering,
    state: Mutex<State>,
    waits_for: Mutex<Vec<String>>,
}

impl DutyKeeper {
    pub fn new(
        serving: Serving<Arc<Journey>>,
        door: Arc<Door<Arc<Journey>>>,
        journey: &Journey,
        cluster: Cluster,
        steering: Steering,
    ) -> Self {
        let (queue, spool, state) = (journey.queue.clone(), journey.spool.clone(), Mutex::new(State::Serving));
        Self(Arc::new(Inner { serving, door, queue, spool, cluster, steering, state, waits_for: Mutex::default() }))
    }

    /// Clients are asked for segments of so many octets at most.
    pub fn limit_segments(&self, octets: u32) {
        self.0.serving.limit_segments(octets);
    }

    /// For the console.
    pub fn handle(&self) -> Duty {
        let (viewed, drained, resumed) = (self.clone(), self.clone(), self.clone());
        Duty {
            view: Arc::new(move || viewed.view()),
            drain: Arc::new(move || drained.drain()),
            resume: Arc::new(move || {
                let keeper = resumed.clone();
                async move { keeper.resume().await }.boxed()
            }),
        }
    }

    fn view(&self) -> DutyView {
        let (state, waits_for) = (*self.0.state.lock(), self.0.waits_for.lock().clone());
        let duty = match state {
            State::Serving => "serving",
            State::Draining => "draining",
            State::Drained => "drained",
        };
        let safe_to_power_off = state == State::Drained;
        DutyView { duty, sessions: self.0.door.census().open, queued: self.0.queue.status().mails, safe_to_power_off, waits_for }
    }

    /// Begins a drain; doing it again while one is under way changes nothing.
    fn drain(&self) -> Result<(), String> {
        let mut state = self.0.state.lock();
        if *state == State::Serving {
            *state = State::Draining;
            tokio::spawn(self.clone().carry_out());
        }
        Ok(())
    }

    async fn carry_out(self) {
        self.0.cluster.set_duty("draining");
        if self.0.steering.is_active() {
            self.wait_for(&["peers that take this node's share of new connections"]);
            self.0.steering.set_takes_connections(false).await;
            self.0.serving.close().await;
            self.wait_for(&["sessions that are still open"]);
            self.let_sessions_end().await;
        }
        tracing::info!("draining: the ports are closed");
        self.wait_for(&["sessions that are still open"]);
        if *self.0.state.lock() == State::Draining && !self.0.serving.pause(SESSIONS).await {
            tracing::warn!(sessions = self.0.door.census().open, "sessions did not end in time; the drain goes on without them");
        }
        while *self.0.state.lock() == State::Draining {
            let left = self.hand_over().await;
            let uncovered = self.0.cluster.uncovered().await;
            let mut reasons = Vec::new();
            if left > 0 {
                reasons.push(format!("{left} mails that are still here"));
            }
            reasons.extend(uncovered);
            if reasons.is_empty() {
                let mut state = self.0.state.lock();
                if *state == State::Draining {
                    *state = State::Drained;
                    self.0.cluster.set_duty("drained");
                    tracing::info!("drained: this node may be powered off");
                }
            }
            *self.0.waits_for.lock() = reasons;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sessions go on with mail after mail until they end by themselves.
    async fn let_sessions_end(&self) {
        let until = Instant::now() + SESSIONS;
        while *self.0.state.lock() == State::Draining && self.0.door.census().open > 0 && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives what is queued to peers; returns how many mails are still here.
    async fn hand_over(&self) -> usize {
        // Those that are being sent at this moment end by themselves; none is begun meanwhile.
        self.0.queue.give_out();
        let sending = self.0.queue.status().mails;
        if sending > 0 { sending } else { self.0.cluster.hand_over().await.kept }
    }

    /// What was taken out of the queue and nobody took over is sent by this node again.
    async fn take_back(&self) {
        let spool = self.0.spool.clone();
        let left = tokio::task::spawn_blocking(move || {
            let mails = spool.ids().into_iter().filter_map(|id| spool.mail(id).ok());
            mails.collect::<Vec<_>>()
        });
        for mail in left.await.unwrap_or_default() {
            if !self.0.queue.contains(mail.id) {
                self.0.queue.admit(Arc::new(mail));
            }
        }
    }

    fn wait_for(&self, what: &[&str]) {
        *self.0.waits_for.lock() = what.iter().map(|w| (*w).to_owned()).collect();
    }

    async fn resume(&self) -> Result<(), String> {
        {
            let mut state = self.0.state.lock();
            if *state == State::Serving {
                return Ok(());
            }
            self.0.serving.resume().map_err(|e| e.to_string())?;
            *state = State::Serving;
        }
        self.0.waits_for.lock().clear();
        self.0.cluster.set_duty("serving");
        self.0.steering.set_takes_connections(true).await;
        self.take_back().await;
        tracing::info!("takes mail again");
        Ok(())
    }

    /// The role ends: sessions and deliveries may finish.
    pub async fn stop(self, patience: Duration) {
        *self.0.state.lock() = State::Drained;
        if self.0.steering.is_active() {
            self.0.steering.set_takes_connections(false).await;
        }
        self.0.serving.pause(patience).await;
        self.0.queue.shutdown(patience).await;
    }
}
