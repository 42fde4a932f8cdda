//! The shell of the replication core: one task that owns a [`Ledger`], its store, its clock and the streams to its peers.
//!
//! It decides nothing: commands, messages, the store's answers and the time go in; what [`Ledger::poll`] says is carried out.
//!
//! Invariants: one commit at a time, in order. Nothing waits for a peer: its writer asks for the next message when the
//! stream took the last, and what piles up meanwhile is bounded by the core. Nothing waits for the application either:
//! news say only that an origin has something new, and [`news`] reads it from the store at the application's pace.
//!
//! A store that fails (full disk) fails writes, which are told so, and is tried again with the next. A store whose file is
//! damaged or gone is opened anew: the node takes a new incarnation and fetches what it had from its peers.
//!
//! Read first: [`handle::LedgerHandle`].

pub mod handle;
pub mod news;

mod links;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use handle::{Command, LedgerHandle, PeerStatus, Status, WriteError};
use links::Link;
use news::{Mark, Marks};
use postern_model::time::Timestamp;
use postern_store::ledger::{Found, LedgerStore, LedgerStoreError, OpenError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::ledger::fact::Fact;
use crate::ledger::kind::{Kind, KindSet};
use crate::ledger::machine::{Ledger, Now, Setup};
use crate::ledger::members::Members;
use crate::ledger::origin::{Life, NodeId, Origin};
use crate::ledger::output::{Done, Kept, Output, Step};

/// Commands that may wait for the task. Posts beyond are dropped and counted, others wait.
const COMMANDS: usize = 1024;
/// Messages that may wait for the task, of all peers together: 8 MB at the most.
const EVENTS: usize = 16;
/// A store that could not be opened anew is tried again after this.
const OPEN_AGAIN: Duration = Duration::from_secs(1);
/// The clock is looked at no more often.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a shell starts with.
#[derive(Clone, Debug)]
pub struct Beginning {
    pub node: NodeId,
    pub members: Members,
    /// The kinds of rows it knows.
    pub kinds: KindSet,
    /// `cluster/ledger.db` in the data directory.
    pub path: PathBuf,
}

/// Opens the store and starts the task. Needs a tokio runtime.
///
/// # Errors
/// When the store's file can neither be opened nor made.
pub async fn start(beginning: Beginning) -> Result<LedgerHandle, OpenError> {
    let (store, found) = LedgerStore::open(&beginning.path).await?;
    let store = Arc::new(ArcSwap::from_pointee(store));
    let started = Instant::now();
    let setup = setup(beginning.node, beginning.members.clone(), beginning.kinds);
    let (life, now) = (setup.life, now(started));
    let ledger = Ledger::open(setup, kept(&store.load_full(), found).await, now);
    let (commands, inbox) = mpsc::channel(COMMANDS);
    let (events, arriving) = mpsc::channel(EVENTS);
    let dropped = Arc::new(AtomicU64::new(0));
    let shell = Shell {
        node: beginning.node,
        members: beginning.members,
        kinds: beginning.kinds,
        started,
        ledger,
        store: Arc::clone(&store),
        commits: VecDeque::new(),
        committing: false,
        jobs: JoinSet::new(),
        events,
        links: BTreeMap::new(),
        next_link: 0,
        waiting: BTreeMap::new(),
        listeners: Vec::new(),
        failures: 0,
        openings: 1,
        dropped: Arc::clone(&dropped),
        stopping: None,
    };
    tokio::spawn(shell.run(inbox, arriving));
    Ok(LedgerHandle { node: beginning.node, life, commands, store, dropped })
}

/// What the tasks of a peer's stream tell.
pub(crate) enum Event {
    Received {
        peer: NodeId,
        link: u64,
        message: Bytes,
    },
    /// The writer can take a message.
    Ready,
    Ended {
        peer: NodeId,
        link: u64,
    },
}

/// What a job of the store ended with.
enum Job {
    Commit(u64, Result<(), LedgerStoreError>),
    Read(Done, Option<String>),
}

struct Shell {
    node: NodeId,
    members: Members,
    kinds: KindSet,
    started: Instant,
    ledger: Ledger,
    store: Arc<ArcSwap<LedgerStore>>,
    /// Bounded by the core.
    commits: VecDeque<(u64, Vec<Step>)>,
    committing: bool,
    jobs: JoinSet<Job>,
    events: mpsc::Sender<Event>,
    links: BTreeMap<NodeId, Link>,
    next_link: u64,
    /// Writers that wait until their row is durable.
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), WriteError>>>,
    listeners: Vec<Arc<Marks>>,
    failures: u64,
    openings: u64,
    dropped: Arc<AtomicU64>,
    stopping: Option<oneshot::Sender<()>>,
}

impl Shell {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>, mut arriving: mpsc::Receiver<Event>) {
        let mut open = true;
        loop {
            self.carry_out();
            if (!open || self.stopping.is_some()) && self.ledger.unsaved() == 0 && !self.committing {
                break;
            }
            let due = (self.started + self.ledger.due()).max(Instant::now() + SHORTEST);
            let mut lost = None;
            tokio::select! {
                command = inbox.recv(), if open && self.stopping.is_none() => match command {
                    Some(command) => self.command(command),
                    None => open = false,
                },
                Some(event) = arriving.recv() => self.event(event),
                Some(job) = self.jobs.join_next(), if !self.jobs.is_empty() => lost = self.finished(job),
                () = tokio::time::sleep_until(due) => self.ledger.tick(now(self.started)),
            }
            if let Some(why) = lost {
                self.open_again(&why).await;
            }
        }
        self.links.clear();
        self.jobs.shutdown().await;
        self.store.load().close().await;
        if let Some(done) = self.stopping {
            let _ = done.send(());
        }
    }

    fn command(&mut self, command: Command) {
        let now = now(self.started);
        match command {
            Command::Write { fact, keep, done } => match self.ledger.write(now, fact, keep) {
                Ok(seq) => drop(self.waiting.insert(seq, done)),
                Err(error) => drop(done.send(Err(error.into()))),
            },
            Command::Post { fact, keep } => {
                if let Err(error) = self.ledger.write(now, fact, keep) {
                    tracing::debug!(%error, "a row was not taken");
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
            Command::Connected { peer, stream, ended } => {
                self.next_link += 1;
                self.links.insert(peer, links::start(peer, self.next_link, stream, self.events.clone(), ended));
                self.ledger.connected(now, peer);
                self.ledger.tick(now);
            }
            Command::Disconnected { peer } => self.disconnect(peer),
            Command::Members(members) => {
                self.members = members.clone();
                self.ledger.set_members(members);
                let gone: Vec<NodeId> = self.links.keys().copied().filter(|n| !self.members.may_speak(*n)).collect();
                gone.into_iter().for_each(|peer| self.disconnect(peer));
            }
            Command::Status(answer) => drop(answer.send(self.status())),
            Command::Listen(marks) => {
                for (origin, _) in self.ledger.vector() {
                    marks.mark(origin, Mark::More);
                }
                self.listeners.push(marks);
            }
            Command::Stop(done) => self.stopping = Some(done),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Received { peer, link, message } if self.is_current(peer, link) => {
                self.ledger.receive(now(self.started), peer, &message);
            }
            Event::Ended { peer, link } if self.is_current(peer, link) => self.disconnect(peer),
            // Of a link that was replaced; or room in a writer, which is looked for after every event.
            Event::Received { .. } | Event::Ended { .. } | Event::Ready => {}
        }
    }

    fn is_current(&self, peer: NodeId, link: u64) -> bool {
        self.links.get(&peer).is_some_and(|l| l.number == link)
    }

    fn disconnect(&mut self, peer: NodeId) {
        self.links.remove(&peer);
        self.ledger.disconnected(peer);
    }

    /// What the core asks for. News go first to the store, then to whoever listens: a listener reads from there.
    fn carry_out(&mut self) {
        while let Some(output) = self.ledger.poll() {
            match output {
                Output::Commit { id, steps } => self.commits.push_back((id, steps)),
                Output::Read { id, origin, after, rows, octets } => {
                    let store = self.store.load_full();
                    self.jobs.spawn(async move {
                        match store.read(origin, after, rows, octets).await {
                            Ok(page) => Job::Read(Done::Read { id, page }, None),
                            Err(error) => Job::Read(Done::NotRead { id }, lost(error)),
                        }
                    });
                }
                Output::Saved { seq } => self.answer_writers(..=seq, Ok(())),
                Output::NotSaved { from, to } => self.answer_writers(from..=to, Err(WriteError::NotSaved)),
                Output::Applied { origin, .. } | Output::Adopted { origin, .. } => self.mark(origin, Mark::More),
                Output::Reread { origin } => self.mark(origin, Mark::Anew),
                Output::Overtaken { by } => {
                    tracing::warn!(peer = ?by, "a peer knows rows of this node that it lost: it takes a new incarnation");
                    self.ledger.re_origin(now(self.started), rand::random());
                }
            }
        }
        if !self.committing
            && let Some((id, steps)) = self.commits.pop_front()
        {
            self.committing = true;
            let store = self.store.load_full();
            self.jobs.spawn(async move { Job::Commit(id, store.commit(&steps).await) });
        }
        let waiting: Vec<NodeId> = self.ledger.waiting().collect();
        for peer in waiting {
            let Some(link) = self.links.get(&peer) else { continue };
            while let Ok(room) = link.outbox.try_reserve() {
                let Some(message) = self.ledger.poll_message(peer) else { break };
                room.send(message);
            }
        }
    }

    /// A job of the store ended. `Some`: its file is lost, and why.
    fn finished(&mut self, job: Result<Job, tokio::task::JoinError>) -> Option<String> {
        let now = now(self.started);
        match job {
            Ok(Job::Commit(id, Ok(()))) => {
                self.committing = false;
                self.ledger.done(now, Done::Committed { id });
                None
            }
            Ok(Job::Commit(id, Err(error))) => {
                self.committing = false;
                self.failures += 1;
                tracing::error!(error = &error as &dyn std::error::Error, "the ledger could not be written");
                self.ledger.done(now, Done::Failed { id });
                lost(error)
            }
            Ok(Job::Read(done, lost)) => {
                self.ledger.done(now, done);
                lost
            }
            // A job that panicked: nobody knows what the store holds.
            Err(error) => Some(error.to_string()),
        }
    }

    /// Begins anew with a new file and a new incarnation. Who waited for a row is told that it is not durable.
    async fn open_again(&mut self, why: &str) {
        self.answer_writers(.., Err(WriteError::NotSaved));
        self.commits.clear();
        self.jobs.shutdown().await;
        self.committing = false;
        let old = self.store.load_full();
        let (store, found) = loop {
            match old.open_again(why).await {
                Ok(opened) => break opened,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be opened anew");
                    tokio::time::sleep(OPEN_AGAIN).await;
                }
            }
        };
        self.openings += 1;
        let kept = kept(&store, found).await;
        self.store.store(Arc::new(store));
        let now = now(self.started);
        self.ledger = Ledger::open(setup(self.node, self.members.clone(), self.kinds), kept, now);
        let peers: Vec<NodeId> = self.links.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.ledger.connected(now, peer));
        self.ledger.tick(now);
    }

    fn answer_writers(&mut self, seqs: impl std::ops::RangeBounds<u64>, answer: Result<(), WriteError>) {
        for (_, done) in self.waiting.extract_if(seqs, |_, _| true) {
            let _ = done.send(answer);
        }
    }

    fn mark(&mut self, origin: Origin, mark: Mark) {
        self.listeners.retain(|l| l.mark(origin, mark));
    }

    fn status(&self) -> Status {
        let own = self.ledger.own();
        let head = self.ledger.head(own).seq;
        let peers = self.links.keys().map(|peer| PeerStatus {
            node: *peer,
            behind: head.saturating_sub(self.ledger.covered(*peer)),
            outbox: self.ledger.outbox(*peer),
        });
        Status {
            own,
            life: self.ledger.life(),
            vector: self.ledger.vector().collect(),
            oddities: self.ledger.counters().iter().filter(|(_, n)| *n > 0).collect(),
            peers: peers.collect(),
            fetching: self.ledger.fetching(),
            unsaved: self.ledger.unsaved(),
            dropped: self.dropped.load(Ordering::Relaxed),
            failures: self.failures,
            openings: self.openings,
        }
    }
}

fn lost(error: LedgerStoreError) -> Option<String> {
    match error {
        LedgerStoreError::Lost { why, .. } => Some(why),
        LedgerStoreError::Failed { .. } => None,
    }
}

fn now(started: Instant) -> Now {
    Now { wall: Timestamp::from_system(SystemTime::now()), steady: started.elapsed() }
}

fn setup(node: NodeId, members: Members, kinds: KindSet) -> Setup {
    let life = Life(rand::random_range(1..=u64::MAX));
    Setup { node, incarnation: rand::random(), life, kinds, members }
}

/// With the declarations of void lives, which the core wants to know from the first message on.
async fn kept(store: &LedgerStore, found: Found) -> Kept {
    let mut kept = Kept { own: found.own, heads: found.heads, ..Kept::default() };
    for origin in kept.heads.keys() {
        // An incarnation declares a few others void at most.
        let rows = store.of_kind(*origin, Kind::VoidLives.number(), None, crate::ledger::bounds::INCARNATIONS).await;
        for row in rows.unwrap_or_default() {
            if let Some(Fact::VoidLives(incarnation, void)) = Fact::decode(Kind::VoidLives, &row.key.0, &row.value.0) {
                kept.voids.entry(Origin { node: origin.node, incarnation }).or_default().extend(void.lives);
            }
        }
    }
    kept
}
