//! A node that was restored from a backup: how it notices, and how it takes a new incarnation.
//!
//! 1. A peer's head of our own origin lies on no life of ours, or beyond our last row. Nothing of our own is told to
//!    anybody from now on, and the peer is asked for the lives it knows.
//! 2. The shell draws a new incarnation. All our rows move there in one commit, with a row that declares the lives since the
//!    histories parted void in the old one. To move only what came after would be less to send, but leave rows in the
//!    old one of which nobody may say any more up to where they are complete: later ones replaced some of them.
//! 3. The old incarnation is fetched from the peers. Who had followed a void life forgets the old incarnation when it reads
//!    the declaration: it is the last row of a delta that brings all it forgets under the new name.

use std::time::Duration;

use super::bounds::{LAST_SEQ, PAGE_TIMEOUT};
use super::fact::{Fact, VoidLives, first_void};
use super::kind::Kind;
use super::machine::{Commit, Known, Ledger, Now};
use super::message::Delta;
use super::oddity::Oddity;
use super::origin::{Head, History, Life, NodeId, Origin};
use super::output::{Output, Step};
use super::publish::applied;
use super::row::{Bucket, Octets, Row};

/// Whether our own origin is still ours.
#[derive(Debug)]
pub(super) struct Doubt {
    peer: NodeId,
    deadline: Duration,
    /// The history the peers know, when it was told.
    theirs: Option<History>,
    /// What the shell drew.
    incarnation: Option<(u64, Now)>,
}

impl Ledger {
    /// Compares a peer's head of our own origin with what we wrote. True: it fits.
    pub(super) fn compare_own(&mut self, now: Now, from: NodeId, head: Head) -> bool {
        if self.fits(head) {
            return true;
        }
        if head.life == self.life {
            // In this life nothing is told before it is durable: nobody can know more.
            self.counters.count(Oddity::ImpossibleHead);
        } else if self.doubt.is_none() {
            self.doubt = Some(Doubt { peer: from, deadline: now.steady + PAGE_TIMEOUT, theirs: None, incarnation: None });
            self.ask(from, self.own, LAST_SEQ);
        }
        false
    }

    /// The lives a peer knows of us.
    pub(super) fn on_own_answer(&mut self, from: NodeId, delta: &Delta) {
        let asked = self.doubt.as_ref().is_some_and(|d| d.peer == from && d.theirs.is_none());
        let Some(head) = delta.head.filter(|h| asked && delta.after == LAST_SEQ && h.is_possible()) else {
            return self.counters.count(Oddity::Unasked);
        };
        if !delta.history.is_possible(head) {
            self.counters.count(Oddity::ImpossibleHead);
            self.doubt = None;
        } else if self.fits(head) {
            self.doubt = None;
        } else {
            self.overtaken(from, delta.history.clone());
        }
    }

    /// Gives this node a new incarnation, 64 fresh random bits. To be called when [`Output::Overtaken`] was said; else it
    /// does nothing.
    pub fn re_origin(&mut self, now: Now, incarnation: u64) {
        if let Some(doubt) = self.doubt.as_mut().filter(|d| d.theirs.is_some()) {
            doubt.incarnation.get_or_insert((incarnation, now));
            self.try_re_origin();
        }
    }

    /// Does so as soon as no own commit is under way.
    pub(super) fn try_re_origin(&mut self) {
        if self.publish.storing > 0 {
            return;
        }
        let Some(Doubt { theirs: Some(theirs), incarnation: Some((incarnation, now)), .. }) = &self.doubt else { return };
        let (old, new, now) = (self.own, Origin { node: self.node, incarnation: *incarnation }, *now);
        if self.origins.contains_key(&new) {
            return;
        }
        let lives = self.known_own().history.parted_from(theirs);
        let mut batch = self.publish.take_batch();
        let from = batch.first().map_or(self.publish.next_seq, |(row, _)| row.seq);
        if !lives.is_empty() {
            let seq = self.next_own_seq();
            batch.extend(void_row(seq, old, lives.clone(), now));
        }
        let history = self.known_own().history;
        let seq = self.publish.next_seq - 1;
        let head = history.lives().last().map_or(Head::ZERO, |last| Head { seq, life: last.life });
        let (rows, _) = applied(batch);
        let steps = vec![
            Step::Own { origin: new },
            Step::Move { from: old, to: new },
            Step::Put { origin: new, rows },
            Step::Head { origin: new, head, history: history.clone() },
            Step::Discard { origin: old },
            Step::Head { origin: old, head: Head::ZERO, history: History::default() },
        ];
        self.voids.entry(old).or_default().extend(lives);
        self.commit(steps, Commit::ReOrigin { old, new, from, head, history });
    }

    pub(super) fn re_origined(&mut self, now: Now, old: Origin, new: Origin, head: Head, history: History) {
        self.publish.storing = 0;
        // Rows written while this was under way began no life: the current one had begun, or begins in the new incarnation.
        let begun = self.known_own().history.lives().last().copied().filter(|l| l.life == self.life && l.since > head.seq);
        self.own = new;
        self.digest = None;
        self.origins.insert(old, Known::default());
        let known = self.origins.entry(new).or_default();
        (known.head, known.history) = (head, history);
        if let Some(life) = begun {
            known.history.begin(life.life, life.since);
        }
        self.publish.forget_unpushed();
        self.doubt = None;
        if head != Head::ZERO {
            self.output(Output::Saved { seq: head.seq });
        }
        self.output(Output::Reread { origin: old });
        self.output(Output::Reread { origin: new });
        self.hurry_checks(now);
        self.store_own(now);
    }

    /// The store kept nothing. The next comparison raises the doubt again.
    pub(super) fn not_re_origined(&mut self, from: u64, head: Head) {
        self.publish.not_stored(from);
        self.doubt = None;
        if from <= head.seq {
            self.output(Output::NotSaved { from, to: head.seq });
        }
    }

    /// Rows of these lives of an origin do not count: their writer said so.
    pub(super) fn void(&mut self, origin: Origin, lives: &[Life]) {
        self.voids.entry(origin).or_default().extend(lives);
        self.forget_void(origin);
    }

    pub(super) fn forget_void(&mut self, origin: Origin) {
        let (Some(void), Some(known)) = (self.voids.get(&origin), self.origins.get(&origin)) else { return };
        let Some(since) = first_void(known.history.lives(), void) else { return };
        if origin == self.own {
            // A backup of a node that had moved on already.
            if self.doubt.as_ref().is_none_or(|d| d.theirs.is_none()) {
                let theirs = known.history.before(since);
                self.overtaken(self.node, theirs);
            }
            return;
        }
        if known.storing {
            return; // looked at again when it is stored
        }
        // What the void rows replaced is gone here: nothing of it is complete. It is fetched again if a peer has it.
        self.give_up(origin, None);
        self.digest = None;
        let known = Known { storing: true, ..Known::default() };
        let Known { head, history, .. } = self.origins.insert(origin, known).unwrap_or_default();
        let zero = Step::Head { origin, head: Head::ZERO, history: History::default() };
        self.commit(vec![Step::Forget { origin }, zero], Commit::Forget { origin, head, history });
    }

    pub(super) fn not_forgotten(&mut self, origin: Origin, head: Head, history: History) {
        self.digest = None;
        self.origins.insert(origin, Known { head, history, ..Known::default() });
    }

    /// Once a minute: what could not be forgotten when the store was full.
    pub(super) fn forget_all_void(&mut self) {
        let all: Vec<Origin> = self.voids.keys().copied().collect();
        all.into_iter().for_each(|origin| self.forget_void(origin));
    }

    pub(super) fn settle_doubt(&mut self, now: Now) {
        if self.doubt.as_ref().is_some_and(|d| d.theirs.is_none() && d.deadline <= now.steady) {
            self.doubt = None;
        }
    }

    pub(super) fn doubt_due(&self) -> Option<Duration> {
        self.doubt.as_ref().filter(|d| d.theirs.is_none()).map(|d| d.deadline)
    }

    fn overtaken(&mut self, by: NodeId, theirs: History) {
        self.doubt = Some(Doubt { peer: by, deadline: Duration::MAX, theirs: Some(theirs), incarnation: None });
        self.output(Output::Overtaken { by });
    }

    fn fits(&self, head: Head) -> bool {
        let own = self.known_own();
        own.history.agrees(head) && head.seq <= own.head.seq
    }

    fn known_own(&self) -> Known {
        self.origins.get(&self.own).cloned().unwrap_or_default()
    }
}

/// The declaration that these lives do not count in the old incarnation. It is kept for ever.
fn void_row(seq: u64, old: Origin, lives: Vec<Life>, now: Now) -> Option<(Row, Fact)> {
    let fact = Fact::VoidLives(old.incarnation, VoidLives { lives });
    let (key, value) = fact.encode()?;
    let bucket = Bucket::ending(now.wall, Kind::LONGEST);
    let kind = fact.kind().number();
    Some((Row { seq, kind, key: key.into(), value: value.into(), at: now.wall, bucket, extra: Octets::default() }, fact))
}
