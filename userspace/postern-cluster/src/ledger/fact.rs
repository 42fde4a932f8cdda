//! What rows say: the typed keys and values of every kind.
//!
//! Reasons, actions and engines are text here: a node of an earlier version must be able to keep a name it does not know.

use std::net::IpAddr;

use postern_model::address::{Address, ReversePath};
use postern_model::own_list::{Choice, Sender};
pub use postern_model::quarantine::QuarantineState;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use super::kind::Fact;
use super::kind::Kind;
use super::origin::{Life, LifeStart};
use super::row::Octets;

/// A hash of whatever is counted or remembered: a client, a token, a fingerprint.
pub type Subject = [u8; 16];

/// A mail that a node holds in its quarantine. The body lies with the row's origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuarantineEntry {
    pub at: Timestamp,
    /// Envelope sender; empty for the null path.
    pub sender: String,
    pub recipients: Vec<String>,
    pub from_header: Option<String>,
    pub subject: Option<String>,
    pub score: Score,
    pub reason: String,
    pub size: u64,
    pub expires: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuarantineAction {
    pub at: Timestamp,
    pub by: String,
}

/// A ban, or its lifting when it ends as it begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ban {
    pub from: Timestamp,
    pub until: Timestamp,
    pub reason: String,
    pub count: u32,
    pub by: String,
    pub evidence: String,
}

impl Ban {
    pub fn is_lifting(&self) -> bool {
        self.until <= self.from
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreylistPass {
    pub passed: Timestamp,
}

/// A cell of a count: one subject, one day, one life of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    pub subject: Subject,
    /// Days since the epoch.
    pub day: u16,
    pub life: Life,
}

/// Since the life began; rises only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub good: u64,
    pub bad: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    pub first: Timestamp,
    pub last: Timestamp,
    /// Since the life began.
    pub count: u64,
}

/// From the mildest to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Danger {
    Clean,
    Suspicious,
    Malicious,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SandboxVerdict {
    pub danger: Danger,
    pub at: Timestamp,
    pub engine: String,
    pub name: Option<String>,
}

/// What taking a file apart came to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SandboxReport {
    pub at: Timestamp,
    /// JSON of a report (`postern_model::sandbox::Report`): findings have names there, not numbers. A node that does not know one of them
    /// takes the file apart itself.
    pub report: Octets,
}

/// Where a user was seen last: a country or network, as the policy that asks writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserLocation {
    pub seen: Timestamp,
    pub place: String,
}

/// Whether a user allows or blocks a sender. The fields stand in the order in which one choice wins over another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserChoice {
    pub at: Timestamp,
    pub choice: Choice,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneySummary {
    pub at: Timestamp,
    pub outbound: bool,
    pub client: IpAddr,
    pub mail_from: ReversePath,
    pub recipients: Vec<Address>,
    pub from_header: Option<String>,
    pub subject: Option<String>,
    pub message_id: Option<String>,
    pub size: u64,
    pub action: String,
    pub reason: String,
    pub score: Score,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Health {
    pub at: Timestamp,
    pub version: String,
    pub since: Timestamp,
    pub queued: u64,
    /// Free octets where the spool lies.
    pub free: u64,
    /// What is wrong, as names; empty: nothing.
    pub trouble: Vec<String>,
}

/// What an admin or a user taught the classifier about a mail. The fields stand in the order in which one lesson on a mail
/// wins over another: the later, and of two at once that it is spam.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lesson {
    pub at: Timestamp,
    pub is_spam: bool,
    /// Eight octets each (little endian), rising.
    pub features: Octets,
}

/// Lives of an earlier incarnation of the row's own node that were lived on top of a backup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VoidLives {
    pub lives: Vec<Life>,
}

impl Fact {
    /// Key and value as octets; `None` when they are above the bounds of their kind or not of it.
    pub fn encode(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (key, value) = self.to_octets().ok()?;
        let (most_key, most_value, _) = self.kind().bounds();
        (key.len() <= most_key && value.len() <= most_value && self.is_sound()).then_some((key, value))
    }

    /// Octets after the fields known here are of a later version and ignored in values. In keys they are not: a key is
    /// compared octet by octet, so there is one way only to write it.
    pub fn decode(kind: Kind, key: &[u8], value: &[u8]) -> Option<Self> {
        let fact = Self::from_octets(kind, key, value).ok()?;
        let (canonical, _) = fact.to_octets().ok()?;
        (canonical == key && fact.is_sound()).then_some(fact)
    }

    /// What the types do not say. It must not ask the clock: all nodes have to answer alike.
    fn is_sound(&self) -> bool {
        match self {
            Self::QuarantineAction((_, state), _) => *state != QuarantineState::Held,
            Self::Ban(network, ban) => network.trunc() == *network && ban.count < u32::MAX,
            Self::Reputation(key, _) | Self::TokenCount(key, _) | Self::OutbreakFingerprint(key, _) => key.life != Life(0),
            // One way to write it, or two rows would be about the same sender.
            Self::UserChoice((_, sender), _) => sender.parse::<Sender>().is_ok_and(|s| s.as_str() == sender),
            Self::Lesson(_, lesson) => lesson.features.0.len().is_multiple_of(8),
            Self::VoidLives(_, void) => void.lives.len() <= super::bounds::LIVES && !void.lives.contains(&Life(0)),
            _ => true,
        }
    }
}

/// Whether an origin's history names a void life, and where the first of them began.
pub(super) fn first_void(lives: &[LifeStart], void: &std::collections::BTreeSet<Life>) -> Option<u64> {
    lives.iter().find(|l| void.contains(&l.life)).map(|l| l.since)
}
