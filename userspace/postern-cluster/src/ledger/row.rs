//! A row, and whether it may be kept.

use std::fmt;
use std::time::Duration;

use postern_model::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bounds::{EXTRA, FUTURE, LAST_SEQ, UNKNOWN_KEY, UNKNOWN_VALUE};
use super::fact::Fact;
use super::kind::{Kind, KindSet};
use super::oddity::Oddity;

/// One row as it is stored and sent. Its origin stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub seq: u64,
    /// A number of [`Kind`], or one of a later version.
    pub kind: u16,
    pub key: Octets,
    pub value: Octets,
    /// When it was written, by the clock of its origin.
    pub at: Timestamp,
    /// The hour after which it is gone everywhere.
    pub bucket: Bucket,
    /// Fields of later versions: kept and passed on as they came.
    pub extra: Octets,
}

/// An hour since the epoch. Rows end by the hour: all nodes remove them by themselves, so no tombstones are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bucket(pub u32);

impl Bucket {
    const HOUR: i64 = 3_600_000;

    /// The hour that holds a moment.
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.0.div_euclid(Self::HOUR).max(0)).unwrap_or(u32::MAX))
    }

    /// The hour in which something of this moment and length ends.
    pub fn ending(at: Timestamp, keep: Duration) -> Self {
        Self::of(at + keep)
    }

    pub fn is_over(self, now: Self) -> bool {
        self < now
    }
}

/// Octets of a key or value. Written as one run, not octet by octet.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Octets(pub Box<[u8]>);

impl From<Vec<u8>> for Octets {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into_boxed_slice())
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} octets]", self.0.len())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Octets;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("octets")
            }
            fn visit_bytes<E>(self, octets: &[u8]) -> Result<Octets, E> {
                Ok(Octets(octets.into()))
            }
        }
        d.deserialize_bytes(Visitor)
    }
}

/// What becomes of a row that came from a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Judged {
    Keep(Box<Fact>),
    /// Kept and passed on; its kind is of a later version.
    KeepUnknown,
    /// Not kept. All nodes of this version judge the same, so the delta is complete without it.
    Drop(Oddity),
    /// Not kept now: by our clock it lies in the future. The delta is not complete.
    PutOff,
}

impl Row {
    /// Octets it takes in a message and in memory, about.
    pub fn size(&self) -> usize {
        self.key.0.len() + self.value.0.len() + self.extra.0.len() + 32
    }

    /// Judges a row by its own content; only the last two questions depend on the clock.
    pub fn judge(&self, kinds: KindSet, now: Timestamp) -> Judged {
        if self.extra.0.len() > EXTRA || self.seq == 0 || self.seq > LAST_SEQ {
            return Judged::Drop(Oddity::Oversized);
        }
        let known = Kind::from_number(self.kind).filter(|k| kinds.contains(*k));
        let (key, value, keep) = known.map_or((UNKNOWN_KEY, UNKNOWN_VALUE, Kind::LONGEST), Kind::bounds);
        if self.key.0.len() > key || self.value.0.len() > value {
            return Judged::Drop(Oddity::Oversized);
        }
        if self.bucket > Bucket::ending(self.at, keep) {
            return Judged::Drop(Oddity::Outlives);
        }
        let fact = match known.map(|kind| Fact::decode(kind, &self.key.0, &self.value.0)) {
            None => None,
            Some(Some(fact)) => Some(fact),
            Some(None) => return Judged::Drop(Oddity::IllTyped),
        };
        if self.bucket.is_over(Bucket::of(now)) {
            return Judged::Drop(Oddity::Expired);
        }
        if self.at > now + FUTURE {
            return Judged::PutOff;
        }
        fact.map_or(Judged::KeepUnknown, |fact| Judged::Keep(Box::new(fact)))
    }
}
