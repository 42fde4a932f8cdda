//! What was refused on the link, by reason: counted always, logged at most once a minute each, as strangers can cause any number.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::warn;

/// One line of the log a reason and minute.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Why something was not let in, or not sent. The names are for ever: log, metric and console use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A packet that is no QUIC.
    Garbage,
    /// The table of sources is full of others.
    TooManySources,
    /// A packet of ours for an address that is no member's and has not been heard of for a while.
    NobodyThere,
    /// More attempts from elsewhere than members' addresses than are answered in a second.
    TooManyAttempts,
    /// More handshakes under way than are held at a time.
    TooManyHandshakes,
    /// A handshake that was not finished: another protocol, a wrong key, silence.
    BrokenHandshake,
    /// The key is no member's.
    NotAMember,
    /// One key with more connections than it needs.
    TooManyOfOneKey,
    /// No version of the protocol that both sides know.
    NoCommonVersion,
    /// A member that does not keep to the protocol.
    BadGreeting,
    /// A stream for something that this version does not know.
    UnknownPurpose,
    /// More attempts to join than are answered in a second.
    TooManyJoins,
    /// An attempt to join that could not prove an invitation.
    NotInvited,
}

impl Refusal {
    pub const ALL: [Self; 13] = [
        Self::Garbage,
        Self::TooManySources,
        Self::NobodyThere,
        Self::TooManyAttempts,
        Self::TooManyHandshakes,
        Self::BrokenHandshake,
        Self::NotAMember,
        Self::TooManyOfOneKey,
        Self::NoCommonVersion,
        Self::BadGreeting,
        Self::UnknownPurpose,
        Self::TooManyJoins,
        Self::NotInvited,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::TooManySources => "too-many-sources",
            Self::NobodyThere => "nobody-there",
            Self::TooManyAttempts => "too-many-attempts",
            Self::TooManyHandshakes => "too-many-handshakes",
            Self::BrokenHandshake => "broken-handshake",
            Self::NotAMember => "not-a-member",
            Self::TooManyOfOneKey => "too-many-of-one-key",
            Self::NoCommonVersion => "no-common-version",
            Self::BadGreeting => "bad-greeting",
            Self::UnknownPurpose => "unknown-purpose",
            Self::TooManyJoins => "too-many-joins",
            Self::NotInvited => "not-invited",
        }
    }
}

#[derive(Default)]
struct Reason {
    count: AtomicU64,
    logged: Mutex<Option<Instant>>,
}

#[derive(Default)]
pub struct Refusals([Reason; Refusal::ALL.len()]);

impl Refusals {
    /// Counts without a word in the log: for what happens per packet.
    pub fn count(&self, why: Refusal) {
        self.0[why as usize].count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts, and says who it was, when nothing was said of this reason for a minute.
    pub fn note(&self, why: Refusal, who: impl fmt::Display) {
        self.count(why);
        let reason = &self.0[why as usize];
        let mut logged = reason.logged.lock();
        let now = Instant::now();
        if logged.is_none_or(|at| now.duration_since(at) >= LOG_EVERY) {
            *logged = Some(now);
            warn!(reason = why.name(), total = reason.count.load(Ordering::Relaxed), "link refused {who}");
        }
    }

    /// All counts since the start.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        Refusal::ALL.map(|why| (why.name(), self.get(why))).to_vec()
    }

    pub fn get(&self, why: Refusal) -> u64 {
        self.0[why as usize].count.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_place_and_its_name() {
        let refusals = Refusals::default();
        for (i, why) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, i);
            (0..=i).for_each(|_| refusals.note(why, "a test"));
        }
        let counts = refusals.counts();
        assert!(counts.iter().enumerate().all(|(i, (_, n))| *n == i as u64 + 1));
        let names: std::collections::BTreeSet<_> = counts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
