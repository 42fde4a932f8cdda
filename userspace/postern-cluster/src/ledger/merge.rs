//! The merge laws: what all origins' rows of a kind say together.
//!
//! [`Merged::absorb`] may be called in any order and any number of times: the result is the same. An application that keeps
//! its own tables follows the same laws there.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use postern_model::id::MailId;
use postern_model::time::Timestamp;

use super::fact::{
    Ban, CellKey, Counts, Fact, Health, JourneySummary, Lesson, QuarantineAction, QuarantineEntry, QuarantineState, SandboxReport,
    SandboxVerdict, Sightings, Subject, UserChoice, UserLocation,
};
use super::origin::{Life, NodeId, Origin};

/// Subject and day.
pub type Daily = (Subject, u16);

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    quarantine: BTreeMap<MailId, Latest<QuarantineEntry>>,
    actions: BTreeMap<MailId, (QuarantineState, QuarantineAction)>,
    bans: BTreeMap<IpNet, Bans>,
    greylist: BTreeMap<Subject, Timestamp>,
    reputation: BTreeMap<Daily, BTreeMap<Life, Counts>>,
    tokens: BTreeMap<Daily, BTreeMap<Life, Counts>>,
    fingerprints: BTreeMap<Daily, BTreeMap<Life, Sightings>>,
    verdicts: BTreeMap<[u8; 32], SandboxVerdict>,
    reports: BTreeMap<[u8; 32], Latest<SandboxReport>>,
    locations: BTreeMap<String, UserLocation>,
    journeys: BTreeMap<MailId, Latest<JourneySummary>>,
    health: BTreeMap<NodeId, Health>,
    lessons: BTreeMap<Subject, Lesson>,
    choices: BTreeMap<(String, String), UserChoice>,
}

/// The one written last; of two at once, the one of the higher origin.
#[derive(Clone, Debug, PartialEq)]
struct Latest<T> {
    order: (Timestamp, Origin),
    value: T,
}

/// All decisions on one network that may still count.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bans {
    lifted: Option<Timestamp>,
    set: BTreeSet<Ban>,
}

impl Merged {
    /// Takes a row's content in.
    pub fn absorb(&mut self, origin: Origin, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::QuarantineEntry(mail, entry) => latest(&mut self.quarantine, *mail, (at, origin), entry),
            Fact::QuarantineAction((mail, state), action) => {
                // Of two releases the first is told; which one makes no difference to the mail.
                let new = (*state, action.clone());
                let slot = self.actions.entry(*mail).or_insert_with(|| new.clone());
                if (new.0, std::cmp::Reverse(&new.1)) > (slot.0, std::cmp::Reverse(&slot.1)) {
                    *slot = new;
                }
            }
            Fact::Ban(network, ban) => self.bans.entry(*network).or_default().absorb(ban),
            Fact::GreylistPass(client, pass) => {
                let slot = self.greylist.entry(*client).or_insert(pass.passed);
                *slot = pass.passed.max(*slot);
            }
            Fact::Reputation(key, counts) => cell(&mut self.reputation, *key, *counts, most_counts),
            Fact::TokenCount(key, counts) => cell(&mut self.tokens, *key, *counts, most_counts),
            Fact::OutbreakFingerprint(key, seen) => cell(&mut self.fingerprints, *key, *seen, most_sightings),
            Fact::SandboxVerdict(file, verdict) => greatest(&mut self.verdicts, *file, verdict),
            Fact::SandboxReport(file, report) => latest(&mut self.reports, *file, (at, origin), report),
            Fact::UserLocation(user, location) => greatest(&mut self.locations, user.clone(), location),
            Fact::JourneySummary(mail, summary) => latest(&mut self.journeys, *mail, (at, origin), summary),
            Fact::Health((), health) => greatest(&mut self.health, origin.node, health),
            Fact::Lesson(mail, lesson) => greatest(&mut self.lessons, *mail, lesson),
            Fact::UserChoice(of, choice) => greatest(&mut self.choices, of.clone(), choice),
            Fact::VoidLives(..) => {}
        }
    }

    pub fn quarantined(&self, mail: MailId) -> Option<&QuarantineEntry> {
        self.quarantine.get(&mail).map(|l| &l.value)
    }

    /// Held unless somebody acted.
    pub fn quarantine_state(&self, mail: MailId) -> QuarantineState {
        self.actions.get(&mail).map_or(QuarantineState::Held, |(state, _)| *state)
    }

    /// The ban in force on exactly this network.
    pub fn ban(&self, network: IpNet, now: Timestamp) -> Option<&Ban> {
        let bans = self.bans.get(&network)?;
        bans.set.iter().filter(|b| b.until > now).max_by_key(|b| (b.until, *b))
    }

    pub fn greylist_passed(&self, client: &Subject) -> Option<Timestamp> {
        self.greylist.get(client).copied()
    }

    pub fn reputation(&self, daily: Daily) -> Counts {
        sum(self.reputation.get(&daily))
    }

    pub fn token_count(&self, daily: Daily) -> Counts {
        sum(self.tokens.get(&daily))
    }

    pub fn sightings(&self, daily: Daily) -> Option<Sightings> {
        self.fingerprints.get(&daily)?.values().copied().reduce(|a, b| Sightings {
            first: a.first.min(b.first),
            last: a.last.max(b.last),
            count: a.count.saturating_add(b.count),
        })
    }

    pub fn sandbox_verdict(&self, file: &[u8; 32]) -> Option<&SandboxVerdict> {
        self.verdicts.get(file)
    }

    pub fn sandbox_report(&self, file: &[u8; 32]) -> Option<&SandboxReport> {
        self.reports.get(file).map(|l| &l.value)
    }

    pub fn user_location(&self, user: &str) -> Option<&UserLocation> {
        self.locations.get(user)
    }

    pub fn journey(&self, mail: MailId) -> Option<&JourneySummary> {
        self.journeys.get(&mail).map(|l| &l.value)
    }

    pub fn lesson(&self, mail: &Subject) -> Option<&Lesson> {
        self.lessons.get(mail)
    }

    /// Networks on which a decision is known.
    pub fn banned_networks(&self) -> impl Iterator<Item = IpNet> {
        self.bans.keys().copied()
    }

    /// Bans that are over count no more. A lifting does: a ban from before it may still arrive.
    pub fn forget_bans_over(&mut self, now: Timestamp) {
        self.bans.retain(|_, bans| {
            bans.set.retain(|b| b.until > now);
            !bans.set.is_empty() || bans.lifted.is_some()
        });
    }

    /// Each node's last word.
    pub fn all_health(&self) -> &BTreeMap<NodeId, Health> {
        &self.health
    }

    pub fn health(&self, node: NodeId) -> Option<&Health> {
        self.health.get(&node)
    }
}

impl Bans {
    /// A lifting ends every ban that began before it, whoever set it. One that began later stands.
    fn absorb(&mut self, ban: &Ban) {
        if ban.is_lifting() {
            self.lifted = self.lifted.max(Some(ban.from));
        } else {
            self.set.insert(ban.clone());
        }
        let lifted = self.lifted;
        self.set.retain(|b| Some(b.from) > lifted);
    }
}

fn latest<K: Ord, T: Clone>(map: &mut BTreeMap<K, Latest<T>>, key: K, order: (Timestamp, Origin), value: &T) {
    let new = || Latest { order, value: value.clone() };
    let slot = map.entry(key).or_insert_with(new);
    if order > slot.order {
        *slot = new();
    }
}

fn greatest<K: Ord, T: Clone + Ord>(map: &mut BTreeMap<K, T>, key: K, value: &T) {
    let slot = map.entry(key).or_insert_with(|| value.clone());
    if value > slot {
        slot.clone_from(value);
    }
}

fn cell<T: Copy>(map: &mut BTreeMap<Daily, BTreeMap<Life, T>>, key: CellKey, value: T, most: fn(T, T) -> T) {
    let slot = map.entry((key.subject, key.day)).or_default().entry(key.life).or_insert(value);
    *slot = most(*slot, value);
}

fn most_counts(a: Counts, b: Counts) -> Counts {
    Counts { good: a.good.max(b.good), bad: a.bad.max(b.bad) }
}

fn most_sightings(a: Sightings, b: Sightings) -> Sightings {
    Sightings { first: a.first.min(b.first), last: a.last.max(b.last), count: a.count.max(b.count) }
}

fn sum(cells: Option<&BTreeMap<Life, Counts>>) -> Counts {
    let add = |a: Counts, b: &Counts| Counts { good: a.good.saturating_add(b.good), bad: a.bad.saturating_add(b.bad) };
    cells.into_iter().flat_map(BTreeMap::values).fold(Counts::default(), add)
}

#[cfg(test)]
mod tests {
    use postern_model::own_list::Choice;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::fact::{Danger, GreylistPass};

    type Told = (Origin, Timestamp, Fact);

    fn ban(from: i64, until: i64) -> Ban {
        Ban {
            from: Timestamp(from),
            until: Timestamp(until),
            reason: "manual".into(),
            count: 1,
            by: "alice".into(),
            evidence: String::new(),
        }
    }

    fn fact() -> impl Strategy<Value = Fact> {
        let (subject, small) = (prop::array::uniform16(0u8..2), 0i64..20);
        let mail = (0u8..3).prop_map(|m| MailId::from_bytes([m; 16]));
        (subject, mail, small.clone(), small, 0u64..9, 1u64..4, prop::bool::ANY, 0usize..10).prop_map(
            |(subject, mail, a, b, count, life, yes, which)| {
                let choice = if yes { Choice::Allow } else { Choice::Block };
                let key = CellKey { subject, day: 1, life: Life(life) };
                let state = if yes { QuarantineState::Released } else { QuarantineState::Deleted };
                let danger = if yes { Danger::Malicious } else { Danger::Clean };
                match which {
                    0 => Fact::QuarantineAction((mail, state), QuarantineAction { at: Timestamp(a), by: b.to_string() }),
                    1 => Fact::Ban(std::net::IpAddr::from([192, 0, 2, subject[0]]).into(), ban(a, b)),
                    2 => Fact::GreylistPass(subject, GreylistPass { passed: Timestamp(a) }),
                    3 => Fact::Reputation(key, Counts { good: count, bad: 9 - count }),
                    4 => Fact::TokenCount(key, Counts { good: count, bad: 0 }),
                    5 => Fact::OutbreakFingerprint(key, Sightings { first: Timestamp(a), last: Timestamp(b), count }),
                    6 => {
                        Fact::SandboxVerdict([subject[0]; 32], SandboxVerdict { danger, at: Timestamp(a), engine: "x".into(), name: None })
                    }
                    7 => Fact::UserLocation("u".into(), UserLocation { seen: Timestamp(a), place: b.to_string() }),
                    8 => Fact::UserChoice(("u@example.org".into(), "example.net".into()), UserChoice { at: Timestamp(a), choice }),
                    _ => {
                        let (at, since) = (Timestamp(a), Timestamp(b));
                        Fact::Health((), Health { at, version: String::new(), since, queued: count, free: 0, trouble: Vec::new() })
                    }
                }
            },
        )
    }

    fn told() -> impl Strategy<Value = Told> {
        (0u8..3, 0i64..9, fact()).prop_map(|(n, at, fact)| (Origin { node: NodeId([n; 16]), incarnation: 1 }, Timestamp(at), fact))
    }

    fn merge<'a>(told: impl IntoIterator<Item = &'a Told>) -> Merged {
        let mut merged = Merged::default();
        told.into_iter().for_each(|(origin, at, fact)| merged.absorb(*origin, *at, fact));
        merged
    }

    proptest! {
        #[test]
        fn order_and_repetition_make_no_difference(told in prop::collection::vec(told(), 0..60), turn in 0usize..60) {
            let once = merge(&told);
            let mut other: Vec<Told> = told.iter().rev().cloned().collect();
            other.rotate_left(turn.min(told.len()));
            prop_assert_eq!(&merge(other.iter().chain(&told)), &once);
        }

        #[test]
        fn a_state_only_rises(told in prop::collection::vec(told(), 1..60)) {
            let mut merged = Merged::default();
            for (origin, at, fact) in &told {
                let before: Vec<QuarantineState> = (0u8..3).map(|m| merged.quarantine_state(MailId::from_bytes([m; 16]))).collect();
                merged.absorb(*origin, *at, fact);
                for (m, before) in (0u8..3).zip(before) {
                    prop_assert!(merged.quarantine_state(MailId::from_bytes([m; 16])) >= before);
                }
            }
        }

        #[test]
        fn facts_read_back_as_written(fact in fact()) {
            if let Some((key, value)) = fact.encode() {
                prop_assert_eq!(Fact::decode(fact.kind(), &key, &value), Some(fact.clone()));
                let mut longer = value.clone();
                longer.extend(b"a field of a later version");
                prop_assert_eq!(Fact::decode(fact.kind(), &key, &longer), Some(fact.clone()));
                let mut key = key;
                key.push(0);
                prop_assert_eq!(Fact::decode(fact.kind(), &key, &value), None, "one way to write a key");
            }
        }
    }

    #[test]
    fn a_lifting_ends_what_began_before_it_and_nothing_later() {
        let network: IpNet = std::net::IpAddr::from([192, 0, 2, 1]).into();
        let origin = Origin { node: NodeId([1; 16]), incarnation: 1 };
        let mut merged = Merged::default();
        let mut set = |ban: Ban| merged.absorb(origin, ban.from, &Fact::Ban(network, ban));
        set(ban(10, 100));
        set(ban(20, 50));
        set(ban(15, 15));
        assert_eq!(merged.ban(network, Timestamp(30)).map(|b| b.until), Some(Timestamp(50)));
        assert_eq!(merged.ban(network, Timestamp(60)), None);
    }
}
