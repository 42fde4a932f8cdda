//! The machine: what goes in, what comes out, and which part answers.
//!
//! The shell calls an input, then carries out everything [`Ledger::poll`] gives, and lets each peer's stream take
//! [`Ledger::poll_message`] as fast as it can. [`Ledger::due`] says when to call [`Ledger::tick`] at the latest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use postern_model::time::Timestamp;

use super::bounds::{EXPIRE_EVERY, INCARNATIONS, ORIGINS};
use super::fact::{Fact, first_void};
use super::kind::KindSet;
use super::members::{Members, Standing};
use super::message::{Cause, Delta, Digest, Message};
use super::oddity::{Counters, Oddity};
use super::origin::{Head, History, Life, NodeId, Origin};
use super::output::{Applied, Done, Kept, Output, Step};
use super::peers::Peer;
use super::publish::Publish;
use super::pull::{Pull, Wanted};
use super::reorigin::Doubt;
use super::row::Bucket;
use super::serve::Reading;

/// Both clocks: dates are compared by the wall's, waiting is measured by the one that is never set.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub wall: Timestamp,
    /// Since any fixed moment of this process.
    pub steady: Duration,
}

/// Who the node is in this life.
#[derive(Clone, Debug)]
pub struct Setup {
    pub node: NodeId,
    /// 64 fresh random bits; taken when the store is new.
    pub incarnation: u64,
    /// 64 fresh random bits, not zero.
    pub life: Life,
    /// The kinds this build knows.
    pub kinds: KindSet,
    pub members: Members,
}

/// The replication core of one node.
#[derive(Debug)]
pub struct Ledger {
    pub(super) node: NodeId,
    pub(super) own: Origin,
    pub(super) life: Life,
    pub(super) kinds: KindSet,
    pub(super) members: Members,
    pub(super) origins: BTreeMap<Origin, Known>,
    pub(super) voids: BTreeMap<Origin, BTreeSet<Life>>,
    pub(super) digest: Option<Digest>,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    pub(super) pulls: BTreeMap<Origin, Pull>,
    pub(super) wanted: Wanted,
    pub(super) publish: Publish,
    pub(super) doubt: Option<Doubt>,
    pub(super) reads: BTreeMap<u64, Reading>,
    pub(super) counters: Counters,
    /// Beyond the full mesh: when to compare next, and with whom.
    pub(super) next_round: Duration,
    pub(super) ring: usize,
    commits: BTreeMap<u64, Commit>,
    outputs: VecDeque<Output>,
    next_id: u64,
    next_expiry: Duration,
}

/// What is known of one origin. In step with the store, but for commits under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) head: Head,
    pub(super) history: History,
    /// A commit that moves the head is under way: nothing else may.
    pub(super) storing: bool,
    /// Its rows lie in the future: not before this.
    pub(super) deferred: Option<Duration>,
}

/// A commit under way, and what follows from it.
#[derive(Debug)]
pub(super) enum Commit {
    Own {
        from: u64,
        head: Head,
        facts: Vec<Applied>,
    },
    Adopt {
        origin: Origin,
        head: Head,
        history: History,
        news: News,
    },
    Staged {
        origin: Origin,
        pull: u64,
    },
    ReOrigin {
        old: Origin,
        new: Origin,
        from: u64,
        head: Head,
        history: History,
    },
    /// What was void; with what was known before.
    Forget {
        origin: Origin,
        head: Head,
        history: History,
    },
    /// Nothing follows; a failure is made good later.
    Upkeep,
}

#[derive(Debug)]
pub(super) enum News {
    Facts(Vec<Applied>),
    /// Too many for memory: to be read from the store.
    Stored {
        after: u64,
        voids: Vec<(u64, Vec<Life>)>,
    },
}

impl Ledger {
    pub fn open(setup: Setup, kept: Kept, now: Now) -> Self {
        let own = kept.own.unwrap_or(Origin { node: setup.node, incarnation: setup.incarnation });
        let known = |(head, history)| Known { head, history, ..Known::default() };
        let mut origins: BTreeMap<Origin, Known> = kept.heads.into_iter().map(|(origin, kept)| (origin, known(kept))).collect();
        let head = origins.entry(own).or_default().head;
        let mut ledger = Self {
            node: setup.node,
            own,
            life: setup.life,
            kinds: setup.kinds,
            members: setup.members,
            origins,
            voids: BTreeMap::new(),
            digest: None,
            peers: BTreeMap::new(),
            pulls: BTreeMap::new(),
            wanted: Wanted::default(),
            publish: Publish::after(head.seq),
            doubt: None,
            reads: BTreeMap::new(),
            counters: Counters::default(),
            next_round: now.steady,
            ring: usize::from(setup.node.0[0]) | usize::from(setup.node.0[1]) << 8,
            commits: BTreeMap::new(),
            outputs: VecDeque::new(),
            next_id: 0,
            next_expiry: now.steady,
        };
        if kept.own.is_none() {
            ledger.commit(vec![Step::Own { origin: own }], Commit::Upkeep);
        }
        for (origin, lives) in kept.voids {
            ledger.void(origin, &lives);
        }
        ledger
    }

    /// A message of a peer whose key the link has proven.
    pub fn receive(&mut self, now: Now, from: NodeId, octets: &[u8]) {
        if !self.members.may_speak(from) || !self.peers.contains_key(&from) {
            return self.counters.count(Oddity::NotAMember);
        }
        match Message::decode(octets) {
            Err(oddity) => self.counters.count(oddity),
            Ok(Message::Check { digest }) => self.on_check(from, digest),
            Ok(Message::InSync) => self.on_in_sync(from),
            Ok(Message::Vector { want, heads }) => self.on_vector(now, from, want, heads),
            Ok(Message::Want { items }) => self.on_want(from, items),
            Ok(Message::Delta(delta)) => self.on_delta(now, from, delta),
        }
        self.start_pulls(now);
        self.send_asks();
    }

    /// The time. Call it when [`Self::due`] says so, or more often.
    pub fn tick(&mut self, now: Now) {
        if now.steady >= self.next_expiry {
            self.next_expiry = now.steady + EXPIRE_EVERY;
            self.commit(vec![Step::Expire { now: Bucket::of(now.wall) }], Commit::Upkeep);
            self.forget_all_void();
        }
        self.settle_doubt(now);
        self.store_own(now);
        self.push_own(now);
        self.give_up_late_pulls(now);
        self.check_peers(now);
        self.start_pulls(now);
        self.send_asks();
    }

    /// When the next tick is due, on the steady clock.
    pub fn due(&self) -> Duration {
        let times = [Some(self.next_expiry), self.publish.due(), self.pulls_due(), self.checks_due(), self.doubt_due()];
        times.into_iter().flatten().min().unwrap_or(self.next_expiry)
    }

    /// What the store answered.
    pub fn done(&mut self, now: Now, done: Done) {
        match done {
            Done::Committed { id } => {
                if let Some(commit) = self.commits.remove(&id) {
                    self.committed(now, commit);
                }
            }
            Done::Failed { id } => {
                if let Some(commit) = self.commits.remove(&id) {
                    self.failed(commit);
                }
            }
            Done::Read { id, page } => self.on_read(id, Some(page)),
            Done::NotRead { id } => self.on_read(id, None),
        }
        self.push_own(now);
        self.start_pulls(now);
        self.send_asks();
    }

    /// Work for the store and news for the application, in order.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// A new member list. The link closes what is no member's.
    pub fn set_members(&mut self, members: Members) {
        self.members = members;
        let gone: Vec<NodeId> = self.peers.keys().copied().filter(|p| !self.members.may_speak(*p)).collect();
        gone.into_iter().for_each(|peer| self.disconnected(peer));
    }

    pub fn own(&self) -> Origin {
        self.own
    }

    pub fn life(&self) -> Life {
        self.life
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Own rows that are not durable yet: a node that stops waits for them.
    pub fn unsaved(&self) -> usize {
        self.publish.batch.len() + self.publish.storing
    }

    /// Origins of which a peer has more than we do, as far as is known.
    pub fn fetching(&self) -> usize {
        self.pulls.len() + self.wanted.len()
    }

    /// How far this node has an origin's rows.
    pub fn head(&self, origin: Origin) -> Head {
        self.origins.get(&origin).map_or(Head::ZERO, |k| k.head)
    }

    /// All heads that are not zero.
    pub fn vector(&self) -> impl Iterator<Item = (Origin, Head)> {
        self.origins.iter().filter(|(_, k)| k.head != Head::ZERO).map(|(o, k)| (*o, k.head))
    }

    pub(super) fn digest(&mut self) -> Digest {
        if let Some(digest) = self.digest {
            return digest;
        }
        let mut hash = blake3::Hasher::new();
        for (origin, head) in self.vector() {
            hash.update(&origin.node.0).update(&origin.incarnation.to_le_bytes());
            hash.update(&head.seq.to_le_bytes()).update(&head.life.0.to_le_bytes());
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(&hash.finalize().as_bytes()[..16]);
        self.digest = Some(digest);
        digest
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn commit(&mut self, steps: Vec<Step>, commit: Commit) {
        let id = self.new_id();
        self.commits.insert(id, commit);
        self.output(Output::Commit { id, steps });
    }

    pub(super) fn commits_under_way(&self) -> usize {
        self.commits.len()
    }

    /// Whether rows of `origin` may be taken from a member.
    pub(super) fn may_take(&self, origin: Origin) -> Result<(), Oddity> {
        if origin == self.own {
            return Err(Oddity::OwnOrigin);
        }
        // A removed node's rows come from others only, as it may not speak itself.
        match self.members.standing(origin.node) {
            Some(Standing::Member | Standing::Removed) => {}
            None => return Err(Oddity::UnknownOrigin),
        }
        if self.origins.contains_key(&origin) {
            return Ok(());
        }
        let all = Origin { node: origin.node, incarnation: 0 }..=Origin { node: origin.node, incarnation: u64::MAX };
        if self.origins.len() >= ORIGINS || self.origins.range(all).count() >= INCARNATIONS {
            return Err(Oddity::TooManyOrigins);
        }
        Ok(())
    }

    pub(super) fn is_void(&self, origin: Origin, history: &History) -> bool {
        self.voids.get(&origin).is_some_and(|void| first_void(history.lives(), void).is_some())
    }

    fn on_delta(&mut self, now: Now, from: NodeId, delta: Delta) {
        match delta.cause {
            Cause::Push => self.on_push(now, from, delta),
            Cause::Answer(_) if delta.origin == self.own => self.on_own_answer(from, &delta),
            Cause::Answer(ask) => self.on_page(now, from, ask, delta),
        }
    }

    fn committed(&mut self, now: Now, commit: Commit) {
        match commit {
            Commit::Own { from: _, head, facts } => self.own_saved(now, head, facts),
            Commit::Adopt { origin, head, history, news } => self.adopted(origin, head, history, news),
            Commit::Staged { origin, pull } => self.staged(now, origin, pull),
            Commit::ReOrigin { old, new, head, history, .. } => self.re_origined(now, old, new, head, history),
            Commit::Forget { origin, .. } => {
                self.origins.entry(origin).or_default().storing = false;
                self.output(Output::Reread { origin });
            }
            Commit::Upkeep => {}
        }
    }

    fn failed(&mut self, commit: Commit) {
        match commit {
            Commit::Own { from, head, .. } => {
                self.publish.not_stored(from);
                self.output(Output::NotSaved { from, to: head.seq });
                self.try_re_origin();
            }
            Commit::Adopt { origin, .. } => {
                if let Some(known) = self.origins.get_mut(&origin) {
                    known.storing = false;
                }
            }
            Commit::Staged { origin, pull } => self.not_staged(origin, pull),
            Commit::ReOrigin { from, head, .. } => self.not_re_origined(from, head),
            Commit::Forget { origin, head, history } => self.not_forgotten(origin, head, history),
            Commit::Upkeep => {}
        }
    }

    fn adopted(&mut self, origin: Origin, head: Head, history: History, news: News) {
        let known = self.origins.entry(origin).or_default();
        known.storing = false;
        known.head = head;
        known.history = history;
        self.digest = None;
        let voids: Vec<(u64, Vec<Life>)> = match &news {
            News::Facts(facts) => facts.iter().filter_map(|a| void_of(&a.fact)).collect(),
            News::Stored { voids, .. } => voids.clone(),
        };
        self.output(match news {
            News::Facts(facts) => Output::Applied { origin, facts },
            News::Stored { after, .. } => Output::Adopted { origin, after },
        });
        for (incarnation, lives) in voids {
            self.void(Origin { node: origin.node, incarnation }, &lives);
        }
        // The origin itself may have been declared void in part while its rows were stored.
        self.forget_void(origin);
    }
}

/// The incarnation and the lives a row declares void.
pub(super) fn void_of(fact: &Fact) -> Option<(u64, Vec<Life>)> {
    match fact {
        Fact::VoidLives(incarnation, void) => Some((*incarnation, void.lives.clone())),
        _ => None,
    }
}
