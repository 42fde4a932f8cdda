//! What an origin knows of its copies: which peers can be asked, and who holds which open mail (about 80 octets each).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::QueueChange;
use postern_store::spool::CopyOutcome;

use super::kept::Kept;
use super::link::Link;
use super::mark::Mark;
use super::protocol::Message;
use super::rendezvous;

#[derive(Clone, Copy, Debug, Default)]
pub struct Tracked {
    pub(super) holders: [Option<NodeId>; 2],
    /// It changed since it was copied: a holder that comes back may know less.
    pub touched: Touched,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Touched {
    #[default]
    No,
    Yes,
}

impl Tracked {
    pub fn holders(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.holders.iter().flatten().copied()
    }

    pub fn has(&self, peer: NodeId) -> bool {
        self.holders.contains(&Some(peer))
    }

    /// False when there are two others.
    pub fn add(&mut self, peer: NodeId) -> bool {
        if self.has(peer) {
            return true;
        }
        let Some(free) = self.holders.iter_mut().find(|h| h.is_none()) else { return false };
        *free = Some(peer);
        true
    }

    pub fn remove(&mut self, peer: NodeId) {
        self.holders.iter_mut().filter(|h| **h == Some(peer)).for_each(|h| *h = None);
    }
}

pub struct Desk {
    pub links: BTreeMap<NodeId, Arc<Link>>,
    pub mails: HashMap<MailId, Tracked>,
    /// Mails being copied again: their changes, for the new holder, until the copy is on its way.
    pub copying: HashMap<MailId, Vec<QueueChange>>,
    /// Mails with fewer holders than wanted.
    pub lacking: BTreeSet<MailId>,
    /// Those in quarantine.
    pub kept: Kept,
    /// Mails being taken over: accepted here whatever the policy says, for nobody else answers for them.
    pub adopting: HashSet<MailId>,
    /// Peers whose stream ended, and when their copies count as lost.
    gone: BTreeMap<NodeId, Instant>,
}

impl Desk {
    pub fn new(kept: Kept) -> Self {
        Self {
            links: BTreeMap::new(),
            mails: HashMap::new(),
            copying: HashMap::new(),
            lacking: BTreeSet::new(),
            kept,
            adopting: HashSet::new(),
            gone: BTreeMap::new(),
        }
    }

    /// Peers that can take a copy, in our order.
    pub fn candidates(&self, me: NodeId, but: impl Fn(NodeId) -> bool) -> Vec<Arc<Link>> {
        let now = Instant::now();
        let fit = self.links.values().filter(|link| link.is_ready() && !link.rests(now) && !but(link.peer));
        let fit: BTreeMap<NodeId, &Arc<Link>> = fit.map(|link| (link.peer, link)).collect();
        let order = if fit.len() < 2 { fit.keys().copied().collect() } else { rendezvous::order(me, fit.keys().copied()) };
        order.iter().filter_map(|peer| fit.get(peer).map(|link| Arc::clone(link))).collect()
    }

    /// When nobody else is there a resting peer is tried, with one mail at a time: the others do not wait for it, and are alone
    /// no longer than it takes to answer.
    pub fn probe(&self) -> Option<Arc<Link>> {
        self.links.values().find(|link| link.is_ready() && link.probe()).map(Arc::clone)
    }

    pub fn came(&mut self, link: &Arc<Link>) {
        self.gone.remove(&link.peer);
        self.kept.came(link.peer);
        if let Some(old) = self.links.insert(link.peer, Arc::clone(link)) {
            old.end();
        }
    }

    pub fn went(&mut self, link: &Arc<Link>, lost_at: Instant, kept_until: Instant) {
        link.end();
        if self.links.get(&link.peer).is_some_and(|l| Arc::ptr_eq(l, link)) {
            self.links.remove(&link.peer);
            self.gone.insert(link.peer, lost_at);
            self.kept.went(link.peer, kept_until);
        }
    }

    /// Peers that are gone for too long hold nothing any more.
    pub fn lose(&mut self, now: Instant) {
        let lost: Vec<NodeId> = self.gone.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
        for peer in lost {
            self.gone.remove(&peer);
            for (id, tracked) in self.mails.iter_mut().filter(|(_, t)| t.has(peer)) {
                tracked.remove(peer);
                self.lacking.insert(*id);
            }
        }
    }

    /// What the peer listed is all it has: it may have lost its disk.
    pub fn listed(&mut self, peer: NodeId, ids: &HashSet<MailId>) {
        for (id, tracked) in self.mails.iter_mut().filter(|(id, t)| t.has(peer) && !ids.contains(id)) {
            tracked.remove(peer);
            self.lacking.insert(*id);
        }
    }

    /// A copy failed or is not wanted any more.
    pub fn revoke(&mut self, id: MailId, peer: NodeId) {
        if let Some(tracked) = self.mails.get_mut(&id) {
            tracked.remove(peer);
        }
        if let Some(link) = self.links.get(&peer) {
            link.outbox.note(&Message::Drop { id });
        }
    }

    /// How an acceptance ended.
    pub fn copied(&mut self, id: MailId, held: usize, wanted: usize, without: CopyOutcome) -> CopyOutcome {
        if held < wanted {
            self.lacking.insert(id);
        }
        if held > 0 {
            return CopyOutcome::Held;
        }
        if without == CopyOutcome::Defer && !self.adopting.contains(&id) {
            self.mails.remove(&id);
            self.lacking.remove(&id);
            return CopyOutcome::Defer;
        }
        CopyOutcome::Alone
    }

    /// It and all before it are on this disk: whoever has a copy is told.
    pub fn accepted(&self, id: MailId, mark: Mark) {
        let holders = self.mails.get(&id).into_iter().flat_map(Tracked::holders);
        holders.filter_map(|h| self.links.get(&h)).for_each(|link| link.mark(mark));
    }

    pub fn changed(&mut self, id: MailId, change: &QueueChange) {
        if let Some(changes) = self.copying.get_mut(&id) {
            changes.push(change.clone());
        }
        let Some(tracked) = self.mails.get_mut(&id) else { return };
        tracked.touched = Touched::Yes;
        let tracked = *tracked;
        self.tell(tracked.holders(), id, change);
        if *change == QueueChange::Done {
            self.forget(id);
        }
    }

    fn tell(&self, holders: impl Iterator<Item = NodeId>, id: MailId, change: &QueueChange) {
        let mut octets = None;
        for link in holders.filter_map(|h| self.links.get(&h)) {
            let change = octets.get_or_insert_with(|| postcard::to_stdvec(change).unwrap_or_default());
            link.outbox.note(&Message::Change { id, change });
        }
    }

    pub fn forget(&mut self, id: MailId) {
        self.mails.remove(&id);
        self.lacking.remove(&id);
    }

    /// In the quarantine from now on; copies follow it there.
    pub fn quarantined(&mut self, id: MailId) {
        let tracked = self.mails.get(&id).copied().unwrap_or_default();
        for link in tracked.holders().filter_map(|h| self.links.get(&h)) {
            link.outbox.note(&Message::Quarantined { id });
        }
        self.copying.remove(&id);
        self.kept.add(id, tracked);
        self.forget(id);
    }

    /// Everybody is told: after a start it is not known at once who holds copies of quarantined mails.
    pub fn unquarantined(&mut self, id: MailId) {
        self.kept.remove(id);
        self.links.values().for_each(|link| link.outbox.note(&Message::Unquarantined { id }));
    }

    /// The copy is on its way to a new holder: what changed meanwhile goes behind it.
    pub fn begun(&mut self, id: MailId, link: &Link) {
        for change in self.copying.remove(&id).unwrap_or_default() {
            let octets = postcard::to_stdvec(&change).unwrap_or_default();
            link.outbox.note(&Message::Change { id, change: &octets });
        }
        if let Some(tracked) = self.mails.get_mut(&id) {
            tracked.add(link.peer);
        }
    }
}
