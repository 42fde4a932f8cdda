//! The origin: copies what its spool accepts to a peer, tells it every change, and hears what a holder knows.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use postern_link::stream::Stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_model::settings::cluster::WithoutPeer;
use postern_store::spool::{Companion, CopyOutcome, Copying, Position};
use tokio::sync::mpsc;

use super::bounds::{FETCHED, MAIL_OCTETS, MESSAGE_OCTETS, PAGE, SLOWEST_RATE, TRIES};
use super::desk::{Touched, Tracked};
use super::kept::Copy;
use super::link::Link;
use super::outbox::Outbox;
use super::protocol::{Answer, Message, More, Odd, Place};
use super::regain::{self, Part};
use super::takeover::Input;
use super::{Inner, adopt};

/// What a holder says on one stream.
#[derive(Default)]
struct Heard {
    /// What it has, until it said all.
    queue: HashSet<MailId>,
    quarantine: HashSet<MailId>,
    /// It knows of more than this disk does: mails it has that are not known here.
    lost: Option<Vec<(Place, MailId)>>,
    /// Where its mails are waited for that are taken back.
    fetched: Option<mpsc::Sender<Part>>,
}

impl Heard {
    /// What nobody waits for is dropped.
    async fn pass(&self, part: Part) {
        if let Some(fetched) = &self.fetched {
            let _ = fetched.send(part).await;
        }
    }
}

/// Since the start.
#[derive(Debug, Default)]
pub struct Counters {
    pub shadowed: AtomicU64,
    pub unshadowed: AtomicU64,
    pub deferred: AtomicU64,
    pub moved: AtomicU64,
    pub adopted: AtomicU64,
    pub withdrawn: AtomicU64,
}

/// The spool's companion. It does not keep the spool alive, which keeps it.
pub struct Shadowing(pub Weak<Inner>);

impl Companion for Shadowing {
    fn copy(&self, mail: Arc<QueuedMail>, body: Bytes) -> Copying {
        let Some(inner) = self.0.upgrade() else { return Box::pin(async { CopyOutcome::Alone }) };
        Box::pin(async move { inner.copy(&mail, &body).await })
    }

    fn accepted(&self, id: MailId, at: Position) {
        if let Some(inner) = self.0.upgrade() {
            inner.desk.lock().accepted(id, inner.lives.mark(at));
        }
    }

    fn changed(&self, id: MailId, change: &QueueChange) {
        if let Some(inner) = self.0.upgrade() {
            inner.desk.lock().changed(id, change);
        }
    }

    fn quarantined(&self, id: MailId) {
        if let Some(inner) = self.0.upgrade() {
            inner.desk.lock().quarantined(id);
        }
    }

    fn unquarantined(&self, id: MailId) {
        if let Some(inner) = self.0.upgrade() {
            inner.desk.lock().unquarantined(id);
        }
    }
}

impl Inner {
    pub fn wanted(&self) -> usize {
        self.settings.load().copies.clamp(1, 3) - 1
    }

    async fn copy(&self, mail: &QueuedMail, body: &Bytes) -> CopyOutcome {
        let (id, wanted) = (mail.id, self.wanted());
        self.desk.lock().mails.insert(id, Tracked::default());
        if wanted == 0 {
            return CopyOutcome::Alone;
        }
        let meta = postcard::to_stdvec(mail).unwrap_or_default();
        self.first_peer().await;
        let (mut held, mut tried) = (0, Vec::new());
        while !meta.is_empty() && meta.len() <= MAIL_OCTETS && held < wanted && tried.len() < TRIES {
            let asked: Vec<Arc<Link>> = {
                let mut desk = self.desk.lock();
                let mut fit = desk.candidates(self.me, |peer| tried.contains(&peer));
                if fit.is_empty() && tried.is_empty() {
                    fit.extend(desk.probe());
                }
                fit.truncate(wanted - held);
                // Before it is sent: whoever takes the mail back has to know where it went.
                if let Some(tracked) = desk.mails.get_mut(&id) {
                    for link in &fit {
                        tracked.add(link.peer);
                    }
                }
                fit
            };
            if asked.is_empty() {
                break;
            }
            tried.extend(asked.iter().map(|link| link.peer));
            held += match asked.as_slice() {
                [one] => usize::from(self.put(one, id, &meta, body, || {}).await),
                all => join_all(all.iter().map(|link| self.put(link, id, &meta, body, || {}))).await.into_iter().filter(|ok| *ok).count(),
            };
        }
        let without = match self.settings.load().without_peer {
            WithoutPeer::Accept => CopyOutcome::Alone,
            WithoutPeer::Defer => CopyOutcome::Defer,
        };
        let outcome = self.desk.lock().copied(id, held, wanted, without);
        let counter = match outcome {
            CopyOutcome::Held => &self.counters.shadowed,
            CopyOutcome::Alone => &self.counters.unshadowed,
            CopyOutcome::Defer => &self.counters.deferred,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    /// After a start peers need a moment to come: the first mails are not taken alone for that.
    async fn first_peer(&self) {
        let until = self.started + self.pace.word;
        if Instant::now() < until {
            let is_there = || self.desk.lock().links.values().any(|link| link.is_ready());
            let _ = tokio::time::timeout_at(until.into(), self.gate.heard_enough(is_there)).await;
        }
    }

    /// Copies to one peer; true when it holds the mail. One that fails is left alone for a while.
    pub async fn put(&self, link: &Link, id: MailId, meta: &[u8], body: &Bytes, begun: impl FnOnce() + Send) -> bool {
        let limit = self.settings.load().copy_timeout.0 + Duration::from_secs(body.len() as u64 / SLOWEST_RATE);
        let answer = tokio::time::timeout(limit, link.copy(meta, body, begun)).await;
        if matches!(answer, Ok(Ok(Answer::HELD))) {
            link.recovered();
            return true;
        }
        let mut desk = self.desk.lock();
        desk.revoke(id, link.peer);
        // What is wrong with this mail is not wrong with the peer.
        if !matches!(answer, Ok(Ok(Answer::DAMAGED | Answer::MINE))) {
            tracing::warn!(peer = %link.peer, mail = %id, ?answer, "a peer does not take a copy: others are asked for a while");
            link.rest(Instant::now() + self.pace.rest);
        }
        false
    }

    /// Keeps a stream to a holder until it breaks.
    pub async fn open(self: &Arc<Self>, peer: NodeId, stream: Stream) {
        let stop = self.stop.child_token();
        let _ends = stop.clone().drop_guard();
        let Stream { sender, mut receiver } = stream;
        let outbox = Outbox::start(sender, stop.clone());
        outbox.note(&Message::Hello);
        self.tell_adopted(&outbox);
        let link = Arc::new(Link::new(peer, outbox));
        self.desk.lock().came(&link);
        let _present = Present::new(self, peer);
        let _ends_link = EndsLink { inner: self, link: &link };
        let mut heard = Heard::default();
        loop {
            let message = tokio::select! {
                () = stop.cancelled() => break,
                message = receiver.receive(MESSAGE_OCTETS) => message,
            };
            let Ok(Some(octets)) = message else { break };
            match Message::decode(&octets) {
                Ok(message) => self.hear(&link, &mut heard, message).await,
                Err(Odd::Unknown) => {}
                Err(Odd::Unreadable) => {
                    tracing::warn!(%peer, "a peer's message about copies cannot be read: the stream is given up");
                    break;
                }
            }
        }
    }

    /// All that is remembered: a holder that was away still has copies of mails we took over.
    fn tell_adopted(&self, outbox: &Outbox) {
        for (origin, berth) in self.berths() {
            for ids in berth.adopted_ids().chunks(PAGE) {
                outbox.note(&Message::Adopted { origin, ids: ids.to_vec(), more: More::Ended });
            }
        }
    }

    async fn hear(self: &Arc<Self>, link: &Arc<Link>, heard: &mut Heard, message: Message<'_>) {
        match message {
            Message::Mark(mark) => heard.lost = self.lives.lost(mark).then(Vec::new),
            Message::Fetched { id, format, mail, size } => heard.pass(Part::mail(id, format, mail, size)).await,
            Message::FetchedPiece { body } => heard.pass(Part::Piece(body.to_vec())).await,
            Message::Answers(answers) => link.answered(answers),
            Message::Taken { number, ids } => link.taken(number, ids),
            Message::Holding { place: Place::Queue, ids } => {
                heard.queue.extend(&ids);
                self.reconcile(link, ids, &mut heard.lost);
            }
            Message::Holding { place: Place::Quarantine, ids } => {
                heard.quarantine.extend(&ids);
                self.reconcile_quarantine(link, ids, &mut heard.lost);
            }
            Message::Told { id, change } => {
                if let Ok(change) = postcard::from_bytes::<QueueChange>(change)
                    && self.gate.told(id, &change)
                    && let Err(error) = self.spool.note(id, change)
                {
                    tracing::warn!(mail = %id, %error, "what a holder remembers of a mail is not written down");
                }
            }
            Message::Adopted { origin, ids, more } => adopt::heard(self, link.peer, origin, ids, more).await,
            Message::Ready => {
                let (queue, quarantine) = (std::mem::take(&mut heard.queue), std::mem::take(&mut heard.quarantine));
                {
                    let mut desk = self.desk.lock();
                    desk.listed(link.peer, &queue);
                    // A mail that moves into its quarantine there just now is listed in neither place: it is in our list of the queue's.
                    desk.kept.listed(link.peer, &quarantine.union(&queue).copied().collect());
                }
                link.ready();
                match heard.lost.take() {
                    Some(unknown) => {
                        let (sender, parts) = mpsc::channel(FETCHED);
                        heard.fetched = Some(sender);
                        tokio::spawn(regain::run(Arc::clone(self), Arc::clone(link), parts, unknown));
                    }
                    None => self.mark(link),
                }
                self.gate.heard(link.peer);
                self.moving.notify_one();
            }
            _ => tracing::debug!(peer = %link.peer, "a message an origin does not get"),
        }
    }

    /// The holder has nothing that this disk lost: from now on it is told how far the disk is.
    pub fn mark(&self, link: &Link) {
        link.begin_marks();
        link.mark(self.lives.mark(self.spool.position()));
    }

    /// Compares what the holder has with what is open here. What is not known here goes to `lost`, or is dropped.
    pub fn reconcile(self: &Arc<Self>, link: &Arc<Link>, ids: Vec<MailId>, lost: &mut Option<Vec<(Place, MailId)>>) {
        let (mut stale, mut unknown) = (Vec::new(), Vec::new());
        {
            let mut desk = self.desk.lock();
            let wanted = self.wanted();
            for id in ids {
                match desk.mails.get_mut(&id) {
                    Some(tracked) if tracked.has(link.peer) || tracked.holders().count() < wanted => {
                        tracked.add(link.peer);
                        if tracked.touched == Touched::Yes {
                            stale.push(id);
                        }
                        if tracked.holders().count() >= wanted {
                            desk.lacking.remove(&id);
                        }
                    }
                    Some(_) => link.outbox.note(&Message::Drop { id }),
                    None => unknown.push(id),
                }
            }
        }
        for id in unknown {
            if self.is_wanted_in_quarantine(id, link.peer) {
                link.outbox.note(&Message::Quarantined { id });
            } else if let Some(lost) = lost {
                lost.push((Place::Queue, id));
            } else {
                link.outbox.note(&Message::Drop { id });
            }
        }
        let (inner, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move { inner.bring_up_to_date(&link, stale).await });
    }

    /// Changes the holder may have missed: what is decided for good about recipients, and what an operator ordered.
    async fn bring_up_to_date(&self, link: &Link, ids: Vec<MailId>) {
        if ids.is_empty() || self.spool.settle().await.is_err() {
            return;
        }
        for id in ids {
            let Ok(mail) = self.spool.mail(id) else { continue };
            let mut changes: Vec<QueueChange> = (0u32..)
                .zip(&mail.recipients)
                .filter(|(_, r)| r.is_done())
                .map(|(index, state)| QueueChange::Recipient { index, state: state.clone() })
                .collect();
            // One that is to be delivered may have been held when its holder was last told.
            changes.push(QueueChange::Disposition(mail.disposition, mail.reason));
            if mail.reroute.is_some() {
                changes.push(QueueChange::Reroute(mail.reroute));
            }
            for change in changes {
                let octets = postcard::to_stdvec(&change).unwrap_or_default();
                link.outbox.note(&Message::Change { id, change: &octets });
            }
            tokio::task::yield_now().await;
        }
    }

    pub fn reconcile_quarantine(&self, link: &Link, ids: Vec<MailId>, lost: &mut Option<Vec<(Place, MailId)>>) {
        for id in ids {
            if self.is_wanted_in_quarantine(id, link.peer) || self.spool.contains(id) {
                continue;
            }
            match lost {
                Some(lost) if !self.spool.quarantine().contains(id) => lost.push((Place::Quarantine, id)),
                _ => link.outbox.note(&Message::Unquarantined { id }),
            }
        }
    }

    /// Counts the peer among the holders of a quarantined mail, when there is one and it has too few.
    fn is_wanted_in_quarantine(&self, id: MailId, peer: NodeId) -> bool {
        self.desk.lock().kept.held(id, peer, self.wanted()) == Copy::Wanted
    }

    /// A stream with a peer came or went; the first and the last are what the takeover looks at.
    fn streams(&self, peer: NodeId, by: i32) {
        let mut open = self.open_streams.lock();
        let count = open.entry(peer).or_insert(0);
        let before = *count;
        *count += by;
        let input = match (before, *count) {
            (0, 1) => Input::Up(peer),
            (1, 0) => Input::Down(peer),
            _ => return,
        };
        drop(open);
        self.takeover(input);
    }
}

/// A stream with a peer is there, as long as this lives.
pub struct Present<'a> {
    inner: &'a Inner,
    peer: NodeId,
}

impl<'a> Present<'a> {
    pub fn new(inner: &'a Inner, peer: NodeId) -> Self {
        inner.streams(peer, 1);
        Self { inner, peer }
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.inner.streams(self.peer, -1);
    }
}

struct EndsLink<'a> {
    inner: &'a Inner,
    link: &'a Arc<Link>,
}

impl Drop for EndsLink<'_> {
    fn drop(&mut self) {
        let (now, pace) = (Instant::now(), &self.inner.pace);
        self.inner.desk.lock().went(self.link, now + pace.move_after, now + pace.keep_after);
        self.inner.gate.heard(self.link.peer);
    }
}
