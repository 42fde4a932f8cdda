//! Taking rows from peers: pushes that fit, and deltas fetched page by page.
//!
//! One delta of an origin at a time, from one peer. The next page is asked for when one came, and held until the one before is
//! stored: two pages in memory, and the peer sends at our pace.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bounds::{COMMITS, DEFER_FOR, PAGE_TIMEOUT, PULLS, WANTED};
use super::machine::{Commit, Ledger, News, Now, void_of};
use super::message::{Delta, Want};
use super::oddity::Oddity;
use super::origin::{Head, History, Life, NodeId, Origin};
use super::output::{Applied, Step};
use super::row::{Judged, Row, judge};

/// A delta under way.
#[derive(Debug)]
pub(super) struct Pull {
    id: u64,
    peer: NodeId,
    /// What we had when it began.
    start: Head,
    /// The last row that came.
    cursor: u64,
    /// The question that was not answered yet.
    asked: Option<u64>,
    deadline: Duration,
    /// The history of the first page: the peer must not change its own in between.
    history: Option<History>,
    stored: Stored,
    held: Option<Page>,
    voids: Vec<(u64, Vec<Life>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    /// No page was given to the store yet.
    Nothing,
    /// The store is working on a page.
    UnderWay,
    /// All pages but the one held are staged.
    Staged,
}

#[derive(Debug)]
struct Page {
    rows: Vec<Row>,
    facts: Vec<Applied>,
    /// On the last page: what is reached with it.
    reached: Option<(Head, History)>,
}

/// Origins a peer has more of than we do, taken in turn.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    by_origin: BTreeMap<Origin, (NodeId, u64)>,
    last: Option<Origin>,
}

impl Wanted {
    pub(super) fn len(&self) -> usize {
        self.by_origin.len()
    }
}

enum Trouble {
    Disorder,
    Future,
}

impl Ledger {
    /// Remembers that a peer has more of an origin.
    pub(super) fn want(&mut self, now: Now, origin: Origin, peer: NodeId, head: Head) {
        if let Err(oddity) = self.may_take(origin) {
            return self.counters.count(oddity);
        }
        if self.voids.get(&origin).is_some_and(|v| v.contains(&head.life)) {
            return self.counters.count(Oddity::VoidLife);
        }
        let deferred = self.origins.get(&origin).and_then(|k| k.deferred).is_some_and(|t| now.steady < t);
        let full = self.wanted.by_origin.len() >= WANTED && !self.wanted.by_origin.contains_key(&origin);
        if deferred || full || self.pulls.contains_key(&origin) {
            return;
        }
        let slot = self.wanted.by_origin.entry(origin).or_insert((peer, head.seq));
        if slot.1 < head.seq || !self.peers.contains_key(&slot.0) {
            *slot = (peer, head.seq);
        }
    }

    pub(super) fn start_pulls(&mut self, now: Now) {
        while self.pulls.len() < PULLS {
            let Some((origin, peer, seq)) = self.next_wanted() else { return };
            let start = self.head(origin);
            if start.seq >= seq || !self.peers.contains_key(&peer) {
                continue;
            }
            let id = self.new_id();
            let deadline = now.steady + PAGE_TIMEOUT;
            let asked = Some(self.ask(peer, origin, start.seq));
            let pull = Pull {
                id,
                peer,
                start,
                cursor: start.seq,
                asked,
                deadline,
                history: None,
                stored: Stored::Nothing,
                held: None,
                voids: Vec::new(),
            };
            self.pulls.insert(origin, pull);
        }
    }

    /// Round about, so that no busy origin keeps others waiting.
    fn next_wanted(&mut self) -> Option<(Origin, NodeId, u64)> {
        let free = |o: &Origin| !self.pulls.contains_key(o) && !self.origins.get(o).is_some_and(|k| k.storing);
        let wanted = &self.wanted.by_origin;
        let after = self.wanted.last.and_then(|last| {
            wanted.range((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).map(|(o, _)| *o).find(|o| free(o))
        });
        let origin = after.or_else(|| wanted.keys().copied().find(|o| free(o)))?;
        self.wanted.last = Some(origin);
        self.wanted.by_origin.remove(&origin).map(|(peer, seq)| (origin, peer, seq))
    }

    pub(super) fn ask(&mut self, peer: NodeId, origin: Origin, after: u64) -> u64 {
        let ask = self.new_id();
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.asks.push(Want { ask, origin, after });
        }
        ask
    }

    fn ask_next(&mut self, origin: Origin) {
        let Some((peer, cursor)) = self.pulls.get(&origin).map(|p| (p.peer, p.cursor)) else { return };
        let asked = Some(self.ask(peer, origin, cursor));
        if let Some(pull) = self.pulls.get_mut(&origin) {
            pull.asked = asked;
        }
    }

    pub(super) fn on_push(&mut self, now: Now, from: NodeId, delta: Delta) {
        let Delta { origin, after, history, rows, .. } = delta;
        let Some(head) = delta.head.filter(|h| h.is_possible() && history.is_possible(*h)) else {
            return self.counters.count(Oddity::ImpossibleHead);
        };
        if origin.node != from {
            return self.counters.count(Oddity::ForeignPush);
        }
        if let Err(oddity) = self.may_take(origin) {
            return self.counters.count(oddity);
        }
        let mine = self.head(origin);
        let known = self.origins.get(&origin);
        let (storing, deferred) = (known.is_some_and(|k| k.storing), known.and_then(|k| k.deferred));
        if head.seq <= mine.seq || deferred.is_some_and(|t| now.steady < t) {
            return;
        }
        if self.is_void(origin, &history) {
            return self.counters.count(Oddity::VoidLife);
        }
        if !history.agrees(mine) {
            return self.counters.count(Oddity::ForkedOrigin);
        }
        if after > mine.seq || storing || self.pulls.contains_key(&origin) {
            self.counters.count(Oddity::Gap);
            return self.want(now, origin, from, head);
        }
        if self.commits_under_way() >= COMMITS {
            return self.counters.count(Oddity::Busy);
        }
        if rows.last().is_some_and(|r| r.seq > head.seq) {
            return self.counters.count(Oddity::OutOfOrder);
        }
        match self.judge(rows, after, now) {
            Err(Trouble::Disorder) => self.counters.count(Oddity::OutOfOrder),
            Err(Trouble::Future) => self.defer(origin, now),
            Ok(page) => self.adopt(origin, head, history, vec![Step::Put { origin, rows: page.rows }], News::Facts(page.facts)),
        }
    }

    pub(super) fn on_page(&mut self, now: Now, from: NodeId, ask: u64, delta: Delta) {
        let Delta { origin, after, rows, head, history, .. } = delta;
        let Some(pull) = self.pulls.get(&origin).filter(|p| p.peer == from && p.asked == Some(ask) && p.cursor == after) else {
            return self.counters.count(Oddity::Unasked);
        };
        // A peer that lags behind ends its answer before the place where we are.
        if head.is_some_and(|h| h.seq <= pull.start.seq) {
            return self.give_up(origin, None);
        }
        let changed = pull.history.as_ref().is_some_and(|first| *first != history);
        let oddity = if head.is_some_and(|h| !h.is_possible() || !history.is_possible(h)) {
            Some(Oddity::ImpossibleHead)
        } else if head.is_none() && rows.is_empty() {
            Some(Oddity::OutOfOrder)
        } else if self.is_void(origin, &history) {
            Some(Oddity::VoidLife)
        } else if !history.agrees(pull.start) {
            Some(Oddity::ForkedOrigin)
        } else {
            None
        };
        // When the origin was restarted while we fetched, its history grew: the next comparison begins anew.
        if changed || oddity.is_some() {
            return self.give_up(origin, oddity);
        }
        let page = match self.judge(rows, after, now) {
            Err(Trouble::Disorder) => return self.give_up(origin, Some(Oddity::OutOfOrder)),
            Err(Trouble::Future) => {
                self.defer(origin, now);
                return self.give_up(origin, None);
            }
            Ok(page) => page,
        };
        let Some(pull) = self.pulls.get_mut(&origin) else { return };
        pull.voids.extend(page.facts.iter().filter_map(|a| void_of(&a.fact)));
        pull.cursor = page.cursor;
        pull.asked = None;
        pull.deadline = now.steady + PAGE_TIMEOUT;
        let quick = head.is_none() && pull.stored != Stored::UnderWay;
        let reached = head.map(|h| (h, history.clone()));
        pull.history.get_or_insert(history);
        pull.held = Some(Page { rows: page.rows, facts: page.facts, reached });
        // Two pages wait already when one is held and one is under way: ask when the store was quick enough.
        if quick {
            self.ask_next(origin);
        }
        self.store_held(origin);
    }

    /// Gives the held page to the store, unless it is working on another of this delta.
    fn store_held(&mut self, origin: Origin) {
        let Some(pull) = self.pulls.get_mut(&origin).filter(|p| p.stored != Stored::UnderWay) else { return };
        let Some(page) = pull.held.take() else { return };
        let (first, start, id) = (pull.stored == Stored::Nothing, pull.start, pull.id);
        match page.reached {
            None => {
                pull.stored = Stored::UnderWay;
                let clean = first.then_some(Step::Discard { origin });
                let steps = clean.into_iter().chain([Step::Stage { origin, rows: page.rows }]).collect();
                self.commit(steps, Commit::Staged { origin, pull: id });
            }
            Some((head, history)) => {
                let voids = std::mem::take(&mut pull.voids);
                self.pulls.remove(&origin);
                let (steps, news) = if first {
                    (vec![Step::Put { origin, rows: page.rows }], News::Facts(page.facts))
                } else {
                    let steps = vec![Step::Stage { origin, rows: page.rows }, Step::Promote { origin }];
                    (steps, News::Stored { after: start.seq, voids })
                };
                self.adopt(origin, head, history, steps, news);
            }
        }
    }

    fn adopt(&mut self, origin: Origin, head: Head, history: History, mut steps: Vec<Step>, news: News) {
        steps.push(Step::Head { origin, head, history: history.clone() });
        let known = self.origins.entry(origin).or_default();
        known.storing = true;
        known.deferred = None;
        self.commit(steps, Commit::Adopt { origin, head, history, news });
    }

    pub(super) fn staged(&mut self, now: Now, origin: Origin, id: u64) {
        let Some(pull) = self.pulls.get_mut(&origin).filter(|p| p.id == id) else { return };
        pull.stored = Stored::Staged;
        pull.deadline = now.steady + PAGE_TIMEOUT;
        // The page held now was not followed by a question, see `on_page`.
        if pull.held.as_ref().is_some_and(|p| p.reached.is_none()) {
            self.ask_next(origin);
        }
        self.store_held(origin);
    }

    pub(super) fn not_staged(&mut self, origin: Origin, id: u64) {
        if self.pulls.get(&origin).is_some_and(|p| p.id == id) {
            self.give_up(origin, None);
        }
    }

    /// Ends a delta without a result. What was staged is forgotten.
    pub(super) fn give_up(&mut self, origin: Origin, why: Option<Oddity>) {
        if let Some(oddity) = why {
            self.counters.count(oddity);
        }
        if self.pulls.remove(&origin).is_some_and(|p| p.stored != Stored::Nothing) {
            self.commit(vec![Step::Discard { origin }], Commit::Upkeep);
        }
    }

    pub(super) fn give_up_pulls_from(&mut self, peer: NodeId) {
        let theirs: Vec<Origin> = self.pulls.iter().filter(|(_, p)| p.peer == peer).map(|(o, _)| *o).collect();
        theirs.into_iter().for_each(|origin| self.give_up(origin, None));
    }

    pub(super) fn give_up_late_pulls(&mut self, now: Now) {
        let is_late = |p: &Pull| p.stored != Stored::UnderWay && p.deadline <= now.steady;
        let late: Vec<Origin> = self.pulls.iter().filter(|(_, p)| is_late(p)).map(|(o, _)| *o).collect();
        late.into_iter().for_each(|origin| self.give_up(origin, Some(Oddity::PageTimeout)));
    }

    pub(super) fn pulls_due(&self) -> Option<Duration> {
        self.pulls.values().filter(|p| p.stored != Stored::UnderWay).map(|p| p.deadline).min()
    }

    fn defer(&mut self, origin: Origin, now: Now) {
        self.origins.entry(origin).or_default().deferred = Some(now.steady + DEFER_FOR);
    }

    /// Sorts out what may be kept. Rows must ascend from `after` on.
    fn judge(&mut self, rows: Vec<Row>, after: u64, now: Now) -> Result<JudgedPage, Trouble> {
        let mut page = JudgedPage { rows: Vec::with_capacity(rows.len()), facts: Vec::with_capacity(rows.len()), cursor: after };
        for row in rows {
            if row.seq <= page.cursor {
                return Err(Trouble::Disorder);
            }
            page.cursor = row.seq;
            match judge(&row, self.kinds, now.wall) {
                Judged::Keep(fact) => {
                    page.facts.push(Applied { seq: row.seq, at: row.at, bucket: row.bucket, fact: *fact });
                    page.rows.push(row);
                }
                Judged::KeepUnknown => {
                    self.counters.count(Oddity::UnknownKind);
                    page.rows.push(row);
                }
                Judged::Drop(oddity) => self.counters.count(oddity),
                Judged::PutOff => {
                    self.counters.count(Oddity::FutureDated);
                    return Err(Trouble::Future);
                }
            }
        }
        Ok(page)
    }
}

struct JudgedPage {
    rows: Vec<Row>,
    facts: Vec<Applied>,
    cursor: u64,
}
