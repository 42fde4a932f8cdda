//! When a holder takes over: a state machine without clock and IO.
//!
//! An origin is heard of when it has a stream with us, or when anybody we can reach heard of it ([`Input::Heard`]: a
//! health row of its own that is new). So a cut between two nodes alone makes nobody take over. Nothing for `after`, or its
//! removal, does. Several holders go in the origin's rendezvous order, each some seconds after the one before it and only
//! for what that one did not take: it says what it took, and that it is still at it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postern_model::node::NodeId;

use super::rendezvous;

/// More than two nodes hold copies of one mail only after holders changed; a third must not wait for long.
const RANKS: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Tick,
    /// There are copies of this origin's mails here.
    Watch(NodeId),
    Up(NodeId),
    Down(NodeId),
    Heard(NodeId),
    /// By an admin: it will never come back.
    Removed(NodeId),
    /// Another holder takes this origin's mails over now.
    OtherAdopts(NodeId),
    /// Our adoption ended: nothing is left, or it cannot go on now.
    Ended(NodeId, Left),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Nothing,
    Something,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Adopt(NodeId),
    /// The origin is back: stop after the mails being adopted now.
    Stop(NodeId),
}

/// The settings of a [`Takeover`].
#[derive(Clone, Debug)]
pub struct Terms {
    pub me: NodeId,
    pub after: Duration,
    pub stagger: Duration,
    pub slept: Duration,
    pub retry: Duration,
}

#[derive(Debug)]
struct Watch {
    heard: Duration,
    up: bool,
    removed: Option<Duration>,
    /// Not before: another holder is at it, or the last try could not end.
    not_before: Duration,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Watching,
    Adopting,
    Done,
}

#[derive(Debug)]
pub struct Takeover {
    terms: Terms,
    origins: BTreeMap<NodeId, Watch>,
    live: BTreeSet<NodeId>,
    ticked: Duration,
}

impl Takeover {
    pub fn new(terms: Terms, now: Duration) -> Self {
        Self { terms, origins: BTreeMap::new(), live: BTreeSet::new(), ticked: now }
    }

    pub fn set_after(&mut self, after: Duration) {
        self.terms.after = after;
    }

    pub fn step(&mut self, now: Duration, input: Input) -> Vec<Output> {
        match input {
            Input::Tick => return self.tick(now),
            Input::Watch(origin) => drop(self.watch(origin, now)),
            Input::Up(peer) => {
                self.live.insert(peer);
                let watch = self.watch(peer, now);
                watch.up = true;
                let stop = watch.stage == Stage::Adopting;
                if watch.stage == Stage::Done {
                    watch.stage = Stage::Watching;
                }
                if stop {
                    return vec![Output::Stop(peer)];
                }
            }
            Input::Down(peer) => {
                self.live.remove(&peer);
                let watch = self.watch(peer, now);
                watch.up = false;
                watch.heard = now;
            }
            Input::Heard(origin) => {
                let watch = self.watch(origin, now);
                watch.heard = now;
                if watch.stage == Stage::Done {
                    watch.stage = Stage::Watching;
                }
            }
            Input::Removed(origin) => {
                let watch = self.watch(origin, now);
                watch.removed.get_or_insert(now);
                if watch.stage == Stage::Done {
                    watch.stage = Stage::Watching;
                }
            }
            Input::OtherAdopts(origin) => {
                let until = now + self.terms.stagger;
                let watch = self.watch(origin, now);
                watch.not_before = watch.not_before.max(until);
            }
            Input::Ended(origin, left) => {
                let retry = now + self.terms.retry;
                let watch = self.watch(origin, now);
                watch.stage = match left {
                    Left::Nothing => Stage::Done,
                    Left::Something => {
                        watch.not_before = retry;
                        Stage::Watching
                    }
                };
            }
        }
        Vec::new()
    }

    fn watch(&mut self, origin: NodeId, now: Duration) -> &mut Watch {
        let new = Watch { heard: now, up: false, removed: None, not_before: Duration::ZERO, stage: Stage::Watching };
        self.origins.entry(origin).or_insert(new)
    }

    fn tick(&mut self, now: Duration) -> Vec<Output> {
        let asleep = now.saturating_sub(self.ticked) > self.terms.slept;
        self.ticked = now;
        let (terms, live) = (&self.terms, &self.live);
        let mut outputs = Vec::new();
        for (origin, watch) in &mut self.origins {
            if asleep {
                watch.heard = now;
            }
            let since = match watch.removed {
                Some(removed) => removed,
                None if watch.up => continue,
                None => watch.heard + terms.after,
            };
            if watch.stage != Stage::Watching {
                continue;
            }
            let mine = rendezvous::place(*origin, terms.me);
            let before = live.iter().filter(|p| *p != origin && rendezvous::place(*origin, **p) < mine).count();
            let rank = u32::try_from(before).unwrap_or(RANKS).min(RANKS);
            if now >= (since + terms.stagger * rank).max(watch.not_before) {
                watch.stage = Stage::Adopting;
                outputs.push(Output::Adopt(*origin));
            }
        }
        outputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: NodeId = NodeId([1; 16]);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn takeover(me: NodeId) -> Takeover {
        let terms = Terms { me, after: seconds(300), stagger: seconds(5), slept: seconds(15), retry: seconds(30) };
        Takeover::new(terms, seconds(0))
    }

    /// Ticks every second; when the first adoption is due.
    fn adopts_at(takeover: &mut Takeover, from: u64, until: u64) -> Option<u64> {
        (from..until).find(|n| takeover.step(seconds(*n), Input::Tick).contains(&Output::Adopt(ORIGIN)))
    }

    /// A holder and a peer that comes before it in the origin's order.
    fn second_and_first() -> (NodeId, NodeId) {
        let order = rendezvous::order(ORIGIN, [NodeId([2; 16]), NodeId([3; 16])]);
        (order[1], order[0])
    }

    #[test]
    fn silence_of_all_for_the_whole_time_is_needed() {
        let mut t = takeover(NodeId([2; 16]));
        t.step(seconds(0), Input::Watch(ORIGIN));
        t.step(seconds(1), Input::Up(ORIGIN));
        assert_eq!(adopts_at(&mut t, 1, 1000), None, "it is there");
        t.step(seconds(1000), Input::Down(ORIGIN));
        assert_eq!(adopts_at(&mut t, 1000, 1200), None);
        t.step(seconds(1200), Input::Heard(ORIGIN));
        assert_eq!(adopts_at(&mut t, 1200, 1499), None, "somebody heard of it at 1200");
        assert_eq!(adopts_at(&mut t, 1499, 2000), Some(1500));
        assert_eq!(adopts_at(&mut t, 1501, 3000), None, "once");
        assert_eq!(t.step(seconds(3000), Input::Up(ORIGIN)), [Output::Stop(ORIGIN)], "it came back in the middle");
        t.step(seconds(3001), Input::Ended(ORIGIN, Left::Something));
        assert_eq!(adopts_at(&mut t, 3001, 4000), None);
        t.step(seconds(4000), Input::Down(ORIGIN));
        assert_eq!(adopts_at(&mut t, 4000, 5000), Some(4300));
        t.step(seconds(5000), Input::Ended(ORIGIN, Left::Nothing));
        assert_eq!(adopts_at(&mut t, 5000, 6000), None, "nothing is left");
    }

    #[test]
    fn a_removed_one_is_taken_over_at_once_and_a_failed_try_is_repeated() {
        let mut t = takeover(NodeId([2; 16]));
        t.step(seconds(7), Input::Up(ORIGIN));
        t.step(seconds(8), Input::Removed(ORIGIN));
        assert_eq!(adopts_at(&mut t, 8, 20), Some(8));
        t.step(seconds(20), Input::Ended(ORIGIN, Left::Something));
        assert_eq!(adopts_at(&mut t, 20, 100), Some(50));
    }

    #[test]
    fn the_second_in_order_waits_for_the_first_and_while_it_is_at_it() {
        let (second, first) = second_and_first();
        let mut t = takeover(second);
        t.step(seconds(0), Input::Up(first));
        t.step(seconds(0), Input::Watch(ORIGIN));
        assert_eq!(adopts_at(&mut t, 1, 304), None);
        t.step(seconds(304), Input::OtherAdopts(ORIGIN));
        t.step(seconds(308), Input::OtherAdopts(ORIGIN));
        assert_eq!(adopts_at(&mut t, 308, 400), Some(313));
        let mut alone = takeover(second);
        alone.step(seconds(0), Input::Watch(ORIGIN));
        assert_eq!(adopts_at(&mut alone, 1, 400), Some(300), "the first is not there");
    }

    #[test]
    fn a_machine_that_slept_starts_to_wait_anew() {
        let mut t = takeover(NodeId([2; 16]));
        t.step(seconds(0), Input::Watch(ORIGIN));
        assert_eq!(adopts_at(&mut t, 1, 10), None);
        assert_eq!(adopts_at(&mut t, 4000, 5000), Some(4300));
    }
}
