//! What is wrong, since when, who was told, and what is to be told next: pure, so that several nodes can be tried in a test.
//!
//! Thinking: something that only one node can see (its spool, its certificate) only that node tells. What several see (a node that is
//! gone, a backend that all deliver to) has the same id on each, and of those that see it the first tells, in an order of its
//! own for each alert ([`crate::turn`]). Each look begins with what the others know, so one takes over what another has told, the
//! moment included, by which all name the same time it happened. Nothing is told in the look in which it was raised, so that who sees it at the
//! same moment is heard of before. In a cut each side tells; who dies between telling and being heard is told once more: twice is
//! better than never.

use std::collections::BTreeMap;
use std::time::Duration;

use postern_model::alert::Condition;
use postern_model::settings::alerts::AlertSettings;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::turn::rank;

/// Alerts at a time: a fleet with thousands of domains whose network is gone needs no more to be said.
pub const MOST: usize = 200;
/// What is over is known to peers for this long, so that they do not tell it again.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Something that is wrong now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub condition: Condition,
    /// What it is about: a destination, a feed, a node.
    pub subject: String,
    /// The node whose own it is; `None`: the whole cluster's.
    pub node: Option<String>,
    /// What was found, for people; `None`: nobody can tell now, which begins no alert and ends none.
    pub detail: Option<String>,
}

impl Sight {
    fn id(&self) -> String {
        let whole = format!("{}\0{}\0{}", self.condition, self.node.as_deref().unwrap_or_default(), self.subject);
        blake3::hash(whole.as_bytes()).to_hex()[..16].to_owned()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Told {
    /// Milliseconds since 1970. Where several nodes see it, all have the same.
    #[schema(value_type = i64)]
    pub first: Timestamp,
    /// The last time.
    #[schema(value_type = i64)]
    pub last: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    pub by: String,
    #[schema(value_type = i64)]
    pub at: Timestamp,
}

/// Something that is wrong, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// The same each time, and on each node that sees it.
    pub id: String,
    #[schema(value_type = String, example = "backend-unreachable")]
    pub condition: Condition,
    /// What it is about: a destination, a feed, a node. May be empty.
    pub subject: String,
    /// The node whose own it is; null: the whole cluster's.
    pub node: Option<String>,
    /// What was found last.
    pub detail: String,
    /// Milliseconds since 1970.
    #[schema(value_type = i64)]
    pub raised: Timestamp,
    /// It was there at the last looks. False: it is over soon, or other nodes still see it.
    pub seen: bool,
    /// Null: nobody was told yet.
    pub told: Option<Told>,
    pub acknowledged: Option<Acknowledged>,
    /// Milliseconds since 1970; null: it goes on.
    #[schema(value_type = Option<i64>)]
    pub ended: Option<Timestamp>,
}

/// What is told of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    Raised,
    /// It still is.
    Repeated,
    Resolved,
    /// Somebody tries whether it comes through.
    Test,
}

/// What another node said of its alerts, those included that are over since a short while.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// As all nodes name it.
    pub node: String,
    /// For people.
    pub name: String,
    pub alerts: Vec<Alert>,
}

impl Peer {
    fn of(&self, id: &str) -> Option<&Alert> {
        self.alerts.iter().find(|a| a.id == id)
    }

    fn open(&self, id: &str) -> Option<&Alert> {
        self.of(id).filter(|a| a.ended.is_none())
    }
}

#[derive(Default)]
pub struct Book {
    /// Not there for long enough yet, with the moment it was first seen.
    pending: BTreeMap<String, Timestamp>,
    alerts: BTreeMap<String, Kept>,
    /// Ids of what changed since it was last written down.
    changed: Vec<Alert>,
}

struct Kept {
    alert: Alert,
    last_seen: Timestamp,
}

impl Book {
    /// Goes on with what was open when the process ended.
    pub fn restore(open: Vec<Alert>, at: Timestamp) -> Self {
        let alerts = open.into_iter().map(|alert| (alert.id.clone(), Kept { alert, last_seen: at })).collect();
        Self { alerts, ..Self::default() }
    }

    /// All that is known, those included that are over since a short while.
    pub fn all(&self) -> Vec<Alert> {
        self.alerts.values().map(|k| k.alert.clone()).collect()
    }

    /// What was raised, told, acknowledged or ended since this was last asked.
    pub fn take_changed(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.changed)
    }

    /// False: there is no such alert, or it is over, or acknowledged already.
    pub fn acknowledge(&mut self, id: &str, by: &str, at: Timestamp) -> bool {
        let Some(kept) = self.alerts.get_mut(id).filter(|k| k.alert.ended.is_none() && k.alert.acknowledged.is_none()) else {
            return false;
        };
        kept.alert.acknowledged = Some(Acknowledged { by: by.to_owned(), at });
        self.changed.push(kept.alert.clone());
        true
    }

    /// One look: what is wrong now.
    pub fn observe(&mut self, sights: Vec<Sight>, settings: &AlertSettings, at: Timestamp) {
        let mut pending = BTreeMap::new();
        let open = self.alerts.values().filter(|k| k.alert.ended.is_none()).count();
        let mut room = MOST.saturating_sub(open);
        for sight in sights {
            let id = sight.id();
            if let Some(kept) = self.alerts.get_mut(&id).filter(|k| k.alert.ended.is_none()) {
                (kept.last_seen, kept.alert.seen) = (at, true);
                kept.alert.detail = sight.detail.unwrap_or_else(|| std::mem::take(&mut kept.alert.detail));
                continue;
            }
            let Sight { condition, subject, node, detail: Some(detail) } = sight else { continue };
            let since = self.pending.get(&id).copied().filter(|since| *since <= at).unwrap_or(at);
            if room == 0 || at.since(since) < settings.hold.0 {
                pending.insert(id, since);
                continue;
            }
            room -= 1;
            let alert = Alert { id, condition, subject, node, detail, raised: at, seen: true, told: None, acknowledged: None, ended: None };
            self.changed.push(alert.clone());
            self.alerts.insert(alert.id.clone(), Kept { alert, last_seen: at });
        }
        // What is not there now begins anew when it comes back.
        self.pending = pending;
        self.alerts.retain(|_, k| k.alert.ended.is_none_or(|ended| at.since(ended) < REMEMBERED));
        for kept in self.alerts.values_mut().filter(|k| k.last_seen < at) {
            kept.alert.seen = at.since(kept.last_seen) < settings.clear.0;
        }
    }

    /// What this node is to tell now, by what the others know; it counts as told from here on. `own`: this node as peers name it.
    pub fn decide(&mut self, own: &str, peers: &[Peer], settings: &AlertSettings, at: Timestamp) -> Vec<(Event, Alert)> {
        let mut orders = Vec::new();
        for kept in self.alerts.values_mut().filter(|k| k.alert.ended.is_none()) {
            let before = kept.alert.clone();
            adopt(&mut kept.alert, peers);
            if let Some(event) = next(&mut kept.alert, own, peers, settings, at) {
                orders.push((event, kept.alert.clone()));
            }
            if kept.alert != before {
                self.changed.push(kept.alert.clone());
            }
        }
        orders
    }
}

/// What another node has told, or somebody acknowledged there, counts here too.
fn adopt(alert: &mut Alert, peers: &[Peer]) {
    for theirs in peers.iter().filter_map(|p| p.open(&alert.id)) {
        if let Some(told) = theirs.told.as_ref().filter(|t| alert.told.as_ref().is_none_or(|own| own.last < t.last)) {
            alert.told = Some(told.clone());
        }
        if alert.acknowledged.is_none() {
            alert.acknowledged.clone_from(&theirs.acknowledged);
        }
    }
}

fn next(alert: &mut Alert, own: &str, peers: &[Peer], settings: &AlertSettings, at: Timestamp) -> Option<Event> {
    let id = alert.id.clone();
    let who = |fits: &dyn Fn(&Alert) -> bool| -> Vec<String> {
        peers.iter().filter(|p| p.open(&id).is_some_and(fits)).map(|p| p.node.clone()).collect()
    };
    let others = who(&|theirs| theirs.seen);
    if alert.seen {
        if rank(&id, own, &others) > 0 || (alert.raised == at && !peers.is_empty()) {
            return None;
        }
        return match &mut alert.told {
            None => {
                alert.told = Some(Told { first: at, last: at });
                Some(Event::Raised)
            }
            Some(told) if alert.acknowledged.is_none() && !settings.repeat.0.is_zero() && at.since(told.last) >= settings.repeat.0 => {
                told.last = at;
                Some(Event::Repeated)
            }
            Some(_) => None,
        };
    }
    if !others.is_empty() {
        return None;
    }
    let Some(told) = alert.told.clone() else {
        alert.ended = Some(at);
        return None;
    };
    let is_same = |theirs: &Alert| theirs.told.as_ref().is_some_and(|t| t.first == told.first);
    if peers.iter().filter_map(|p| p.of(&id)).any(|theirs| theirs.ended.is_some() && is_same(theirs)) {
        alert.ended = Some(at);
        return None;
    }
    if rank(&id, own, &who(&is_same)) > 0 {
        return None;
    }
    alert.ended = Some(at);
    Some(Event::Resolved)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use postern_model::time::Span;

    fn settings() -> AlertSettings {
        AlertSettings { hold: Span::seconds(10), clear: Span::seconds(10), repeat: Span::minutes(5), ..AlertSettings::default() }
    }

    fn gone() -> Vec<Sight> {
        let detail = Some("no answer".to_owned());
        vec![Sight { condition: Condition::NodeUnreachable, subject: "mx3".into(), node: None, detail }]
    }

    /// Nodes that look one after the other every five seconds, as of one second.
    struct World {
        books: Vec<(String, Book)>,
        at: i64,
        told: Vec<(i64, String, Event)>,
    }

    impl World {
        fn new(names: &[&str]) -> Self {
            Self { books: names.iter().map(|n| ((*n).to_owned(), Book::default())).collect(), at: 0, told: Vec::new() }
        }

        /// Lets this many seconds pass; `sees` says whether a node sees it then.
        fn run(&mut self, seconds: i64, sees: impl Fn(&str) -> bool) {
            for _ in 0..seconds {
                self.at += 1;
                for n in 0..self.books.len() {
                    if (self.at + 2 * n as i64) % 5 != 0 {
                        continue;
                    }
                    let at = Timestamp(self.at * 1000);
                    let name = self.books[n].0.clone();
                    let sights = if sees(&name) { gone() } else { Vec::new() };
                    self.books[n].1.observe(sights, &settings(), at);
                    let others = self.books.iter().filter(|(other, _)| *other != name);
                    let peers: Vec<Peer> =
                        others.map(|(node, book)| Peer { node: node.clone(), alerts: book.all(), ..Peer::default() }).collect();
                    let orders = self.books[n].1.decide(&name, &peers, &settings(), at);
                    self.told.extend(orders.into_iter().map(|(event, _)| (self.at, name.clone(), event)));
                }
            }
        }

        fn events(&self) -> Vec<Event> {
            self.told.iter().map(|(_, _, event)| *event).collect()
        }
    }

    #[test]
    fn what_is_over_soon_is_not_told_and_what_stays_is_told_again_until_it_is_over() {
        let mut world = World::new(&["mx1"]);
        world.run(9, |_| true);
        world.run(20, |_| false);
        assert_eq!(world.told, []);
        world.run(330, |_| true);
        assert_eq!(world.events(), [Event::Raised, Event::Repeated]);
        world.run(5, |_| false);
        assert_eq!(world.told.len(), 2, "over too soon");
        world.run(10, |_| false);
        assert_eq!(world.events(), [Event::Raised, Event::Repeated, Event::Resolved]);
        world.run(700, |_| false);
        assert!(world.books[0].1.all().is_empty(), "it is never forgotten");
    }

    #[test]
    fn three_nodes_tell_once_whoever_sees_it_first_and_last() {
        for names in [["mx1", "mx2", "mx3"], ["mx2", "mx3", "mx1"], ["b", "a", "c"]] {
            let mut world = World::new(&names);
            world.run(7, |n| n == names[0]);
            world.run(40, |_| true);
            assert_eq!(world.events(), [Event::Raised], "{names:?}");
            world.run(300, |n| n != names[1]);
            assert_eq!(world.events(), [Event::Raised, Event::Repeated], "{names:?}");
            for quiet in [1, 2] {
                world.run(30, |n| n == names[2 - (quiet - 1)]);
                assert_eq!(world.told.len(), 2, "{names:?}: others still see it");
            }
            world.run(60, |_| false);
            assert_eq!(world.events(), [Event::Raised, Event::Repeated, Event::Resolved], "{names:?}");
        }
    }

    #[test]
    fn who_told_it_may_be_lost_and_another_says_that_it_is_over() {
        let mut world = World::new(&["mx1", "mx2"]);
        world.run(40, |_| true);
        let teller = world.told[0].1.clone();
        world.books.retain(|(name, _)| *name != teller);
        world.run(40, |_| true);
        assert_eq!(world.told.len(), 1, "told anew");
        world.run(40, |_| false);
        assert_eq!(world.events(), [Event::Raised, Event::Resolved]);
    }

    #[test]
    fn what_somebody_acknowledged_on_one_node_is_not_repeated_by_another() {
        let mut world = World::new(&["mx1", "mx2"]);
        world.run(40, |_| true);
        let id = world.books[0].1.all()[0].id.clone();
        assert!(!world.books[0].1.acknowledge("unknown", "erika", Timestamp(0)));
        assert!(world.books[0].1.acknowledge(&id, "erika", Timestamp(40_000)));
        assert!(!world.books[0].1.acknowledge(&id, "anna", Timestamp(41_000)));
        world.run(1000, |_| true);
        assert_eq!(world.events(), [Event::Raised]);
        assert_eq!(world.books[1].1.all()[0].acknowledged.as_ref().unwrap().by, "erika");
        world.run(40, |_| false);
        assert_eq!(world.events(), [Event::Raised, Event::Resolved]);
    }

    #[test]
    fn a_restart_ends_what_was_open_and_is_gone() {
        let mut before = Book::default();
        for second in [0, 10, 20] {
            before.observe(gone(), &settings(), Timestamp(second * 1000));
            before.decide("", &[], &settings(), Timestamp(second * 1000));
        }
        let kept = before.take_changed().pop().unwrap();
        let mut after = Book::restore(vec![kept], Timestamp(60_000));
        after.observe(Vec::new(), &settings(), Timestamp(65_000));
        assert_eq!(after.decide("", &[], &settings(), Timestamp(65_000)), []);
        after.observe(Vec::new(), &settings(), Timestamp(71_000));
        assert_eq!(after.decide("", &[], &settings(), Timestamp(71_000))[0].0, Event::Resolved);
    }

    #[test]
    fn what_nobody_can_tell_begins_no_alert_and_ends_none() {
        let doubt = || vec![Sight { detail: None, ..gone().remove(0) }];
        let mut book = Book::default();
        let mut look = |second: i64, sights: Vec<Sight>| {
            book.observe(sights, &settings(), Timestamp(second * 1000));
            let orders = book.decide("", &[], &settings(), Timestamp(second * 1000));
            (orders.into_iter().map(|(event, _)| event).collect::<Vec<_>>(), book.all().first().map(|a| a.detail.clone()))
        };
        assert_eq!(look(0, doubt()), (vec![], None));
        assert_eq!(look(20, doubt()), (vec![], None));
        look(30, gone());
        assert_eq!(look(40, gone()).0, [Event::Raised]);
        assert_eq!(look(100, doubt()), (vec![], Some("no answer".to_owned())));
        assert_eq!(look(105, Vec::new()).0, []);
        assert_eq!(look(111, Vec::new()).0, [Event::Resolved]);
    }

    #[test]
    fn there_is_an_end_to_alerts() {
        let mut book = Book::default();
        let many = |detail: &str| {
            let one =
                |n| Sight { condition: Condition::FeedStale, subject: format!("feed{n}"), node: None, detail: Some(detail.to_owned()) };
            (0..3 * MOST).map(one).collect::<Vec<_>>()
        };
        for second in [0, 20, 40] {
            book.observe(many("old"), &settings(), Timestamp(second * 1000));
        }
        assert_eq!(book.all().len(), MOST);
    }
}
