//! Whether a row of a peer may be kept. The row itself is the store's type.

use postern_model::time::Timestamp;
pub use postern_store::ledger::row::{Bucket, Octets, Row};

use super::bounds::{EXTRA, FUTURE, LAST_SEQ, UNKNOWN_KEY, UNKNOWN_VALUE};
use super::fact::Fact;
use super::kind::{Kind, KindSet};
use super::oddity::Oddity;

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

/// Judges a row by its own content; only the last two questions depend on the clock.
pub fn judge(row: &Row, kinds: KindSet, now: Timestamp) -> Judged {
    if row.extra.0.len() > EXTRA || row.seq == 0 || row.seq > LAST_SEQ {
        return Judged::Drop(Oddity::Oversized);
    }
    let known = Kind::from_number(row.kind).filter(|k| kinds.contains(*k));
    let (key, value, keep) = known.map_or((UNKNOWN_KEY, UNKNOWN_VALUE, Kind::LONGEST), Kind::bounds);
    if row.key.0.len() > key || row.value.0.len() > value {
        return Judged::Drop(Oddity::Oversized);
    }
    if row.bucket > Bucket::ending(row.at, keep) {
        return Judged::Drop(Oddity::Outlives);
    }
    let fact = match known.map(|kind| Fact::decode(kind, &row.key.0, &row.value.0)) {
        None => None,
        Some(Some(fact)) => Some(fact),
        Some(None) => return Judged::Drop(Oddity::IllTyped),
    };
    if row.bucket.is_over(Bucket::of(now)) {
        return Judged::Drop(Oddity::Expired);
    }
    if row.at > now + FUTURE {
        return Judged::PutOff;
    }
    fact.map_or(Judged::KeepUnknown, |fact| Judged::Keep(Box::new(fact)))
}
