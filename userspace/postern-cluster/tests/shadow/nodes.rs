//! Nodes with real spools in one process, joined by streams that can be cut. What a node delivers is written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postern_cluster::shadow::{Event, Pace, Restored, Shadow, ShadowParts};
use postern_link::stream::Stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::{Disposition, QueueChange, QueuedMail, RecipientStatus};
use postern_model::settings::cluster::{ClusterSettings, WithoutPeer};
use postern_model::settings::delivery::SpoolSettings;
use postern_model::time::Span;
use postern_store::spool::{Accepted, Spool, SpoolError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use crate::mails::{id, mail};

pub fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

/// Deliveries: mail and recipient.
pub type Delivered = Arc<Mutex<Vec<(MailId, u32)>>>;

pub fn spool_settings() -> SpoolSettings {
    SpoolSettings { segment_size: 1024 * 1024, inline_body: 64 * 1024, reserve: 0, group_commit: Span::millis(0) }
}

pub fn settings(copies: usize) -> ClusterSettings {
    ClusterSettings { copies, copy_timeout: Span::millis(500), without_peer: WithoutPeer::Accept, takeover_after: Span::seconds(600) }
}

pub fn pace() -> Pace {
    Pace {
        tick: Duration::from_millis(20),
        move_after: Duration::from_millis(100),
        keep_after: Duration::from_millis(200),
        rest: Duration::from_millis(300),
        stagger: Duration::from_millis(300),
        slept: Duration::from_secs(60),
        retry: Duration::from_millis(100),
        word: Duration::from_secs(5),
    }
}

pub struct Node {
    pub id: NodeId,
    pub dir: PathBuf,
    pub spool: Spool,
    pub shadow: Shadow,
    pub restored: Option<Restored>,
    pub delivered: Delivered,
    pub withdrawn: Arc<Mutex<Vec<MailId>>>,
    events: JoinHandle<()>,
    streams: BTreeMap<NodeId, CancellationToken>,
}

pub struct Start {
    pub settings: ClusterSettings,
    pub spool: SpoolSettings,
    pub members: Vec<NodeId>,
    pub delivered: Delivered,
    pub pace: Pace,
}

impl Default for Start {
    fn default() -> Self {
        Self { settings: settings(2), spool: spool_settings(), members: Vec::new(), delivered: Delivered::default(), pace: pace() }
    }
}

/// Every adopted mail is delivered at once.
async fn consume(mut events: tokio::sync::mpsc::Receiver<Event>, spool: Spool, delivered: Delivered, withdrawn: Arc<Mutex<Vec<MailId>>>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Adopted { accepted, .. } if accepted.mail().disposition == Disposition::Quarantine => {
                spool.quarantine_move(accepted.mail().id).await.unwrap();
            }
            Event::Adopted { accepted, .. } => deliver_rest(&spool, accepted.mail(), &delivered),
            Event::Withdraw { mail, .. } => {
                let _ = spool.note(mail, QueueChange::Done);
                withdrawn.lock().push(mail);
            }
        }
    }
}

pub fn deliver_rest(spool: &Spool, mail: &QueuedMail, delivered: &Delivered) {
    delivered.lock().extend(mail.pending().map(|(index, _)| (mail.id, index)));
    spool.note(mail.id, QueueChange::Done).unwrap();
}

impl Node {
    pub fn start(n: u8, dir: &Path, start: Start) -> Self {
        let (spool, restored) = Spool::open(dir.join("spool"), start.spool.clone()).unwrap();
        let parts = ShadowParts {
            me: node(n),
            dir: dir.join("shadows"),
            spool: spool.clone(),
            spool_settings: start.spool,
            settings: start.settings,
            restored,
            members: start.members,
            pace: start.pace,
        };
        let (shadow, restored, events) = Shadow::start(parts).unwrap();
        let withdrawn = Arc::default();
        let events = tokio::spawn(consume(events, spool.clone(), Arc::clone(&start.delivered), Arc::clone(&withdrawn)));
        Self {
            id: node(n),
            dir: dir.to_owned(),
            spool,
            shadow,
            restored: Some(restored),
            delivered: start.delivered,
            withdrawn,
            events,
            streams: BTreeMap::new(),
        }
    }

    /// What is still ours after a start, delivered.
    pub async fn deliver_restored(&mut self) -> Vec<MailId> {
        let mails = self.restored.take().unwrap().release().await;
        mails.iter().for_each(|mail| deliver_rest(&self.spool, mail, &self.delivered));
        mails.iter().map(|m| m.id).collect()
    }

    pub async fn accept(&self, mail: QueuedMail, content: &[u8]) -> Result<Accepted, SpoolError> {
        let mut writer = self.spool.body()?;
        for part in content.chunks(50_000) {
            writer.write(part)?;
        }
        self.spool.accept(mail, writer.finish()?).await
    }

    pub async fn accept_small(&self, number: u64) -> Accepted {
        self.accept(mail(number), format!("mail {number}\r\n").as_bytes()).await.unwrap()
    }

    /// The next hop took it for one recipient.
    pub fn deliver(&self, number: u64, recipient: u32) {
        self.delivered.lock().push((id(number), recipient));
        let mut state = mail(number).recipients.remove(recipient as usize);
        state.status = RecipientStatus::Delivered;
        self.spool.note(id(number), QueueChange::Recipient { index: recipient, state }).unwrap();
    }

    /// The next hop took it for all.
    pub fn deliver_all(&self, number: u64) {
        deliver_rest(&self.spool, &self.spool.mail(id(number)).unwrap(), &self.delivered);
    }

    /// All streams break and everything ends, as far as it can within one process. Its directory stays.
    pub async fn kill(self) {
        let Self { spool, shadow, streams, events, restored, .. } = self;
        streams.into_values().for_each(|s| s.cancel());
        drop((shadow, restored));
        events.abort();
        let _ = events.await;
        drop(spool);
    }

    fn connected(&self) -> usize {
        self.streams.values().filter(|s| !s.is_cancelled()).count()
    }

    /// What it remembers of how far another node's disk is.
    pub fn mark_of(&self, origin: u8) -> String {
        std::fs::read_to_string(self.dir.join("shadows").join(node(origin).to_string()).join("mark")).unwrap_or_default()
    }

    /// Copies of others' quarantined mails.
    pub fn kept(&self) -> usize {
        self.shadow.quarantines().iter().map(|q| q.ids().count()).sum()
    }

    pub fn held(&self) -> u64 {
        self.shadow.counts().held
    }
}

fn run(stop: &CancellationToken, stream: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = stream => {}
        }
    });
}

/// Streams both ways.
pub fn join(a: &mut Node, b: &mut Node) {
    let stop = CancellationToken::new();
    for (from, to) in [(&*a, &*b), (&*b, &*a)] {
        let (here, there) = Stream::pair(64 * 1024);
        let (shadow, peer) = (from.shadow.clone(), to.id);
        run(&stop, async move { shadow.open(peer, here).await });
        let (shadow, origin) = (to.shadow.clone(), from.id);
        run(&stop, async move { shadow.serve(origin, there).await });
    }
    a.streams.insert(b.id, stop.clone());
    b.streams.insert(a.id, stop);
}

/// Joins, and waits until copies are taken: a mail that is accepted is held.
pub async fn join_ready(a: &mut Node, b: &mut Node) {
    // A stream that was cut is a peer until its end was noticed.
    until("what was cut is gone", || [&*a, &*b].iter().all(|n| n.shadow.ready_peers() <= n.connected())).await;
    join(a, b);
    until("both take copies", || [&*a, &*b].iter().all(|n| n.shadow.ready_peers() >= n.connected())).await;
}

pub fn cut(a: &mut Node, b: &mut Node) {
    a.streams.remove(&b.id).unwrap().cancel();
    b.streams.remove(&a.id);
}

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "after 20 s still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A directory that nobody uses any more can be opened again.
pub async fn until_closed(dir: &Path) {
    until("the spool is closed", || Spool::open(dir.join("spool"), spool_settings()).is_ok()).await;
    let shadows = std::fs::read_dir(dir.join("shadows")).into_iter().flatten().flatten();
    for berth in shadows.filter(|b| b.path().join("lock").exists()) {
        until("the copies are closed", || Spool::open(berth.path(), spool_settings()).is_ok()).await;
    }
}

/// Both recipients of these mails, each once.
pub fn each_once(numbers: impl IntoIterator<Item = u64>) -> Vec<(MailId, u32)> {
    let mut all: Vec<_> = numbers.into_iter().flat_map(|n| [(id(n), 0), (id(n), 1)]).collect();
    all.sort_unstable();
    all
}

pub fn sorted(delivered: &Delivered) -> Vec<(MailId, u32)> {
    let mut all = delivered.lock().clone();
    all.sort_unstable();
    all
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
