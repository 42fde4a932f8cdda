//! Copies of quarantined mails: who holds which, and new ones where a holder is lost.
//!
//! A quarantined mail lies for weeks, so nobody hurries: a holder that restarts or is cut off for some minutes keeps its copies, and
//! nothing is copied in the first minutes after a start, until all holders have said what they have.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;

use super::Inner;
use super::bounds::KEPT_BATCH;
use super::desk::Tracked;
use super::link::Link;
use super::protocol::Message;

/// Copies on their way at once.
const AT_ONCE: usize = 4;

/// This node's quarantined mails (about 80 octets each).
pub struct Kept {
    mails: HashMap<MailId, Tracked>,
    /// Perhaps fewer holders than wanted.
    lacking: BTreeSet<MailId>,
    /// Peers whose stream ended, and when their copies count as lost.
    gone: BTreeMap<NodeId, Instant>,
    not_before: Instant,
}

/// What a peer's copy of a mail is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    Wanted,
    /// Others hold it, or it is no quarantined mail of ours.
    Surplus,
}

impl Kept {
    pub fn new(not_before: Instant) -> Self {
        Self { mails: HashMap::new(), lacking: BTreeSet::new(), gone: BTreeMap::new(), not_before }
    }

    pub fn add(&mut self, id: MailId, tracked: Tracked) {
        self.mails.insert(id, tracked);
        self.lacking.insert(id);
    }

    pub fn remove(&mut self, id: MailId) {
        self.mails.remove(&id);
        self.lacking.remove(&id);
    }

    /// A peer says that it has a copy, or took one.
    pub fn held(&mut self, id: MailId, peer: NodeId, wanted: usize) -> Copy {
        match self.mails.get_mut(&id) {
            Some(tracked) if tracked.has(peer) || tracked.holders().count() < wanted => {
                tracked.add(peer);
                Copy::Wanted
            }
            _ => Copy::Surplus,
        }
    }

    /// What the peer listed is all it has: it may have lost its disk.
    pub fn listed(&mut self, peer: NodeId, ids: &HashSet<MailId>) {
        self.take_from(peer, |id| !ids.contains(id));
        self.look_again();
    }

    /// A peer came, or more copies are wanted: what could not be copied before perhaps can.
    pub fn look_again(&mut self) {
        self.lacking.extend(self.mails.keys());
    }

    pub fn came(&mut self, peer: NodeId) {
        self.gone.remove(&peer);
    }

    pub fn went(&mut self, peer: NodeId, lost_at: Instant) {
        self.gone.insert(peer, lost_at);
    }

    fn lose(&mut self, now: Instant) {
        let lost: Vec<NodeId> = self.gone.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
        for peer in lost {
            self.gone.remove(&peer);
            self.take_from(peer, |_| true);
        }
    }

    fn take_from(&mut self, peer: NodeId, which: impl Fn(&MailId) -> bool) {
        for (id, tracked) in self.mails.iter_mut().filter(|(id, t)| t.has(peer) && which(id)) {
            tracked.remove(peer);
            self.lacking.insert(*id);
        }
    }

    /// Some mails that lack a holder, with those they have; each is given once, until something changes.
    fn next(&mut self, wanted: usize, now: Instant) -> Vec<(MailId, Tracked)> {
        self.lose(now);
        let mut some = Vec::new();
        while now >= self.not_before && some.len() < KEPT_BATCH {
            let Some(id) = self.lacking.pop_first() else { break };
            some.extend(self.mails.get(&id).filter(|t| t.holders().count() < wanted).map(|t| (id, *t)));
        }
        some
    }
}

impl Inner {
    /// Copies some quarantined mails that lack a holder; how many octets. `None`: nothing could be done.
    pub async fn move_kept(self: &Arc<Self>) -> Option<u64> {
        let chosen: Vec<(MailId, Arc<Link>)> = {
            let mut desk = self.desk.lock();
            if self.is_draining.load(Ordering::Acquire) || desk.candidates(self.me, |_| false).is_empty() {
                return None;
            }
            let wanting = desk.kept.next(self.wanted(), Instant::now());
            wanting.into_iter().filter_map(|(id, t)| Some((id, desk.candidates(self.me, |peer| t.has(peer)).into_iter().next()?))).collect()
        };
        if chosen.is_empty() {
            return None;
        }
        let copied = stream::iter(chosen).map(|(id, link)| self.move_kept_one(id, link)).buffer_unordered(AT_ONCE);
        Some(copied.fold(0, |sum, octets| async move { sum + octets }).await)
    }

    async fn move_kept_one(self: &Arc<Self>, id: MailId, link: Arc<Link>) -> u64 {
        let quarantine = self.spool.quarantine().clone();
        // Released or deleted meanwhile, or damaged, which whoever looks at it finds as well.
        let Ok(Ok(read)) = tokio::task::spawn_blocking(move || quarantine.read(id)).await else { return 0 };
        let mail = read.mail.clone();
        let body = read.shared_body();
        if !self.put_again(&mail, &body, &link).await {
            return 0;
        }
        let wanted = self.wanted();
        let mut desk = self.desk.lock();
        match desk.kept.held(id, link.peer, wanted) {
            Copy::Wanted => link.outbox.note(&Message::Quarantined { id }),
            // It left the quarantine while it was copied.
            Copy::Surplus => link.outbox.note(&Message::Drop { id }),
        }
        body.len() as u64
    }
}
