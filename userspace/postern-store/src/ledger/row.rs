//! A row as it is stored and sent.

use std::fmt;
use std::time::Duration;

use postern_model::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One row as it is stored and sent. Its origin stands beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub seq: u64,
    /// What it speaks of, as a number; also one of a later version.
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

impl Row {
    /// Octets it takes in a message and in memory, about.
    pub fn size(&self) -> usize {
        self.key.0.len() + self.value.0.len() + self.extra.0.len() + 32
    }
}
