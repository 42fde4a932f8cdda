//! Shadow copies: a 250 survives the loss of a node.
//!
//! # What is promised
//! With `copies` of 2 or 3 and a live peer, a mail answered with 250 lies synced on this node and on another one.
//! * `kill -9`, a crash, a power cut: nothing is lost. After the start this node delivers what it had queued, and what it had
//!   delivered it does not deliver again, for its holders remember what it told them and not yet wrote down itself.
//! * A node that is gone for ever: when nobody heard of it for `takeover_after`, or at once when an admin removes it, its
//!   holder delivers what is still open, to the recipients that are still open, under the same id.
//! * A cut shorter than `takeover_after`: nobody takes over. Mail that comes in on a node without any peer is accepted by
//!   it alone (and counted), or put off with 451, as the settings say; copies are made when a peer is back. A node that
//!   starts waits some seconds for a peer first.
//! * A longer cut, with the node alive on its side: its holder cannot know that, and takes over. A mail that was queued may
//!   be delivered twice, by each side once, never zero times. When they meet again, the node drops what was taken over.
//! * A node whose disk went back (restored from an older copy, its spool deleted or damaged): what its holders have and it does not
//!   know any more it takes back. What it had accepted without a copy is lost with the disk; what was still queued in the older
//!   copy and is delivered since may come again.
//!
//! What else may be delivered twice: a mail whose delivery was under way when its node was lost, and the next hop's answer, or
//! the word about it to the holder, was lost with it. SMTP itself has this gap (RFC 1047); who closed it by not sending
//! again would lose mail.
//!
//! # How
//! [`origin`] copies each mail side by side with the sync of the own spool ([`postern_store::spool::Companion`]), to one
//! peer it prefers, or to the next when that one is gone, slow or full; [`mover`] copies again what a lost peer held.
//! [`holder`] keeps the copies, one spool per origin ([`berth`]). [`takeover`] says when, [`adopt`] does it.
//! [`restored`] holds back what was queued before a start until the holders had their say; [`regain`] takes back what a disk
//! lost that is older than the holders know it ([`lives`], [`mark`]).
//!
//! # Start order
//! Open the spool; [`Shadow::start`] with what it restored; consume [`Event`]s; start the queue with nothing restored and
//! listen for mail (new mail is not held up); open and serve streams; await [`Restored::release`], and admit what it
//! returns to the queue.

pub mod adopt;
pub mod adopted;
pub mod berth;
pub mod bounds;
mod desk;
mod holder;
mod kept;
mod link;
mod lives;
mod mark;
mod mover;
mod origin;
pub mod outbox;
pub mod protocol;
mod regain;
pub mod rendezvous;
mod restored;
pub mod takeover;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use postern_link::stream::Stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::QueuedMail;
use postern_model::settings::cluster::ClusterSettings;
use postern_model::settings::delivery::SpoolSettings;
use postern_store::spool::{Accepted, Quarantine, Quarantined, Spool};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use berth::BerthError;
pub use bounds::Pace;
pub use mover::HandedOver;

use berth::Berth;
use bounds::{EVENTS, ORIGINS, PAGE};
use desk::{Desk, Touched, Tracked};
use kept::Kept;
use lives::Lives;
use origin::{Counters, Shadowing};
use protocol::Message;
use restored::Gate;
use takeover::{Input, Output, Takeover, Terms};

/// What the copies need.
pub struct ShadowParts {
    pub me: NodeId,
    /// `cluster/shadows` below the data directory; made when it is not there.
    pub dir: PathBuf,
    /// The own spool. Its companion is set.
    pub spool: Spool,
    pub spool_settings: SpoolSettings,
    pub settings: ClusterSettings,
    /// What [`Spool::open`] returned.
    pub restored: Vec<QueuedMail>,
    /// The other members.
    pub members: Vec<NodeId>,
    pub pace: Pace,
}

/// What the queue's side has to do.
#[derive(Debug)]
pub enum Event {
    /// A mail of a lost or draining node is ours: by its disposition into the queue or into the quarantine, with the step
    /// `TakenOver` in its journey.
    Adopted { accepted: Accepted, from: NodeId },
    /// `by` took this mail over while we were cut off: out of the queue with it, without a notification. It is done when the spool
    /// has its `Done`.
    Withdraw { mail: MailId, by: NodeId },
}

/// Figures for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted with a copy on a peer.
    pub shadowed: u64,
    /// Accepted alone, though copies are wanted.
    pub unshadowed: u64,
    /// Answered with 451 for want of a peer.
    pub deferred: u64,
    /// Copied again later.
    pub moved: u64,
    /// Taken over from others.
    pub adopted: u64,
    /// Taken over by others.
    pub withdrawn: u64,
    /// Open mails with fewer copies than wanted now.
    pub lacking: u64,
    /// Copies held for others now.
    pub held: u64,
}

/// Cheap to clone; when the last is dropped, all streams and tasks end.
#[derive(Clone)]
pub struct Shadow {
    inner: Arc<Inner>,
    _life: Arc<DropGuard>,
}

/// Restored mail, behind the gate.
pub struct Restored(Shadow);

pub struct Inner {
    me: NodeId,
    dir: PathBuf,
    spool: Spool,
    berth_settings: SpoolSettings,
    settings: ArcSwap<ClusterSettings>,
    pace: Pace,
    desk: Mutex<Desk>,
    lives: Lives,
    /// Mails taken back in this life: another holder's copy is none to take back again.
    regained: tokio::sync::Mutex<HashSet<MailId>>,
    gate: Gate,
    berths: Mutex<BTreeMap<NodeId, Arc<Berth>>>,
    takeover: Mutex<Takeover>,
    started: Instant,
    open_streams: Mutex<BTreeMap<NodeId, i32>>,
    events: mpsc::Sender<Event>,
    counters: Counters,
    /// Told to the queue's side, and perhaps not out of the spool yet.
    withdrawing: Mutex<HashSet<MailId>>,
    moving: Notify,
    is_draining: AtomicBool,
    stop: CancellationToken,
}

impl Shadow {
    /// Opens what copies there are and becomes the spool's companion. Blocks on the disk; needs a tokio runtime.
    ///
    /// # Errors
    /// When the copies of others cannot be opened: they would be lost for the takeover.
    pub fn start(parts: ShadowParts) -> Result<(Self, Restored, mpsc::Receiver<Event>), BerthError> {
        let ShadowParts { me, dir, spool, spool_settings, settings, restored, members, pace } = parts;
        let berth_settings = berth_settings(spool_settings);
        let berths = open_berths(&dir, &berth_settings)?;
        let terms = Terms { me, after: settings.takeover_after.0, stagger: pace.stagger, slept: pace.slept, retry: pace.retry };
        let mut desk = Desk::new(Kept::new(Instant::now() + pace.keep_after));
        spool.quarantine().ids().for_each(|id| desk.kept.add(id, Tracked::default()));
        for id in spool.ids() {
            desk.mails.insert(id, Tracked { touched: Touched::Yes, ..Tracked::default() });
            desk.lacking.insert(id);
        }
        let recovery = spool.recovery();
        let lives = Lives::begin(&dir, recovery.damage.is_empty().then_some(recovery.end));
        let lives = lives.map_err(|source| BerthError::Lives { dir: dir.clone(), source })?;
        let (events, receiver) = mpsc::channel(EVENTS);
        let started = Instant::now();
        let mut takeover = Takeover::new(terms, started.elapsed());
        for origin in berths.keys() {
            takeover.step(started.elapsed(), Input::Watch(*origin));
        }
        let stop = CancellationToken::new();
        let inner = Arc::new(Inner {
            me,
            dir,
            spool,
            berth_settings,
            settings: ArcSwap::from_pointee(settings),
            pace,
            desk: Mutex::new(desk),
            lives,
            regained: tokio::sync::Mutex::default(),
            gate: Gate::new(restored, members.into_iter().filter(|m| *m != me)),
            berths: Mutex::new(berths),
            takeover: Mutex::new(takeover),
            started,
            open_streams: Mutex::default(),
            events,
            counters: Counters::default(),
            withdrawing: Mutex::default(),
            moving: Notify::new(),
            is_draining: AtomicBool::new(false),
            stop: stop.clone(),
        });
        inner.spool.set_companion(Arc::new(Shadowing(Arc::downgrade(&inner))));
        tokio::spawn(mover::run(Arc::downgrade(&inner)));
        tokio::spawn(tick(Arc::downgrade(&inner)));
        let shadow = Self { inner, _life: Arc::new(stop.drop_guard()) };
        Ok((shadow.clone(), Restored(shadow), receiver))
    }

    /// Copies over this stream, which we opened (`Purpose::Shadow`), until it breaks; then open another while the peer is up.
    pub async fn open(&self, peer: NodeId, stream: Stream) {
        self.inner.open(peer, stream).await;
    }

    /// Serves a stream the peer opened (`Purpose::Shadow`), until it breaks.
    pub async fn serve(&self, peer: NodeId, stream: Stream) {
        self.inner.serve(peer, stream).await;
    }

    /// Somebody heard of this node: a new row of its own came, on whatever way.
    pub fn heard(&self, origin: NodeId) {
        self.inner.takeover(Input::Heard(origin));
    }

    /// An admin removed it: it never comes back.
    pub fn removed(&self, origin: NodeId) {
        self.inner.gate.heard(origin);
        self.inner.takeover(Input::Removed(origin));
    }

    /// It could not be dialled: restored mail does not wait for its word.
    pub fn unreachable(&self, peer: NodeId) {
        self.inner.gate.heard(peer);
    }

    pub fn apply(&self, settings: &ClusterSettings) {
        let inner = &self.inner;
        inner.takeover.lock().set_after(settings.takeover_after.0);
        let more = settings.copies > inner.settings.load().copies;
        inner.settings.store(Arc::new(settings.clone()));
        if more {
            let mut desk = inner.desk.lock();
            let ids: Vec<MailId> = desk.mails.keys().copied().collect();
            desk.lacking.extend(ids);
            desk.kept.look_again();
        }
        inner.moving.notify_one();
    }

    /// Gives all that is queued to peers to deliver, and takes no copies any more. Stop the queue first.
    pub async fn hand_over(&self) -> HandedOver {
        self.inner.hand_over().await
    }

    pub fn counts(&self) -> Counts {
        let c = &self.inner.counters;
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        Counts {
            shadowed: load(&c.shadowed),
            unshadowed: load(&c.unshadowed),
            deferred: load(&c.deferred),
            moved: load(&c.moved),
            adopted: load(&c.adopted),
            withdrawn: load(&c.withdrawn),
            lacking: self.inner.desk.lock().lacking.len() as u64,
            held: self.inner.berths().iter().filter_map(|(_, b)| b.existing()).map(|s| s.ids().len() as u64).sum(),
        }
    }

    /// Peers that take copies now.
    pub fn ready_peers(&self) -> usize {
        self.inner.desk.lock().links.values().filter(|link| link.is_ready()).count()
    }

    /// Takes copies again after a drain.
    pub fn resume(&self) {
        self.inner.is_draining.store(false, Ordering::Release);
        self.inner.moving.notify_one();
    }

    /// The stores of quarantined mails of other nodes, of which copies are held here.
    pub fn quarantines(&self) -> Vec<Quarantine> {
        self.inner.berths().iter().filter_map(|(_, berth)| Some(berth.existing()?.quarantine().clone())).collect()
    }

    /// A copy of a quarantined mail of another node, and whose it is. Reads the disk.
    pub fn quarantined(&self, id: MailId) -> Option<(NodeId, Quarantined)> {
        self.inner.berths().into_iter().find_map(|(origin, berth)| Some((origin, berth.existing()?.quarantine().read(id).ok()?)))
    }

    /// Deletes the copy of a quarantined mail whose origin cannot say so any more. Writes the disk; true when it was there.
    pub fn forget_quarantined(&self, id: MailId) -> bool {
        let berths = self.inner.berths();
        berths.iter().filter_map(|(_, b)| b.existing()).filter(|s| s.quarantine().delete(id).unwrap_or(false)).count() > 0
    }
}

impl Restored {
    /// Waits for the word of every member that can be reached, some seconds at most; what is still ours to deliver.
    pub async fn release(self) -> Vec<QueuedMail> {
        let inner = &self.0.inner;
        adopt::mend(inner).await;
        if tokio::time::timeout(inner.pace.word, inner.gate.all_heard()).await.is_err() {
            tracing::warn!("not every member said which queued mails it took over: the rest is delivered now");
        }
        inner.gate.open()
    }
}

impl Inner {
    /// The berth of an origin; `None` when there are too many.
    fn berth(&self, origin: NodeId) -> Option<Arc<Berth>> {
        let mut berths = self.berths.lock();
        if !berths.contains_key(&origin) && berths.len() >= ORIGINS {
            return None;
        }
        let new = || Arc::new(Berth::new(self.dir.join(origin.to_string()), self.berth_settings.clone()));
        Some(Arc::clone(berths.entry(origin).or_insert_with(new)))
    }

    fn berths(&self) -> Vec<(NodeId, Arc<Berth>)> {
        self.berths.lock().iter().map(|(origin, berth)| (*origin, Arc::clone(berth))).collect()
    }

    /// False when it was begun before: several peers say the same.
    fn begin_withdrawal(&self, id: MailId) -> bool {
        let mut withdrawing = self.withdrawing.lock();
        if withdrawing.len() >= PAGE {
            withdrawing.retain(|id| self.spool.contains(*id));
        }
        withdrawing.insert(id)
    }

    fn broadcast(&self, message: &Message<'_>) {
        self.desk.lock().links.values().for_each(|link| link.outbox.note(message));
    }

    /// Feeds the takeover; what it orders is only ever found at a tick or when an origin is back.
    fn takeover(&self, input: Input) -> Vec<NodeId> {
        let outputs = self.takeover.lock().step(self.started.elapsed(), input);
        let mut adopt = Vec::new();
        for output in outputs {
            match output {
                Output::Adopt(origin) => adopt.push(origin),
                Output::Stop(origin) => {
                    if let Some(berth) = self.berth(origin) {
                        berth.stop_adopting();
                    }
                }
            }
        }
        adopt
    }
}

/// Until the node stops.
async fn tick(inner: Weak<Inner>) {
    loop {
        let Some(inner) = inner.upgrade() else { return };
        for origin in inner.takeover(Input::Tick) {
            tokio::spawn(adopt::run(Arc::clone(&inner), origin));
        }
        tokio::select! {
            () = inner.stop.cancelled() => return,
            () = tokio::time::sleep(inner.pace.tick) => {}
        }
    }
}

/// Copies are refused while own mail is still taken: the last room on the disk is for mail nobody else has. Segments are
/// smaller, for there is a spool per origin.
fn berth_settings(own: SpoolSettings) -> SpoolSettings {
    SpoolSettings { segment_size: own.segment_size / 4, reserve: own.reserve.saturating_mul(2), ..own }
}

fn open_berths(dir: &Path, settings: &SpoolSettings) -> Result<BTreeMap<NodeId, Arc<Berth>>, BerthError> {
    let failed = |source| BerthError::List { dir: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let mut berths = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(origin) = entry.file_name().to_str().and_then(|name| name.parse::<NodeId>().ok()) else { continue };
        let berth = Berth::new(entry.path(), settings.clone());
        berth.open_existing()?;
        berths.insert(origin, Arc::new(berth));
    }
    Ok(berths)
}
