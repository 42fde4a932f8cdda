//! The merge laws: what all origins' rows of a kind say together.
//!
//! [`Merged::absorb`] may be called in any order and any number of times: the result is the same. An application that keeps
//! its own tables follows the same laws there.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use postern_model::id::MailId;
use postern_model::time::Timestamp;

use super::fact::{
    Ban, CellKey, Counts, Fact, Health, JourneySummary, QuarantineAction, QuarantineEntry, QuarantineState, SandboxVerdict, Sightings,
    Subject, UserLocation,
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
    locations: BTreeMap<String, UserLocation>,
    journeys: BTreeMap<MailId, Latest<JourneySummary>>,
    health: BTreeMap<NodeId, Health>,
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
            Fact::UserLocation(user, location) => greatest(&mut self.locations, user.clone(), location),
            Fact::JourneySummary(mail, summary) => latest(&mut self.journeys, *mail, (at, origin), summary),
            Fact::Health((), health) => greatest(&mut self.health, origin.node, health),
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

    pub fn user_location(&self, user: &str) -> Option<&UserLocation> {
        self.locations.get(user)
    }

    pub fn journey(&self, mail: MailId) -> Option<&JourneySummary> {
        self.journeys.get(&mail).map(|l| &l.value)
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
