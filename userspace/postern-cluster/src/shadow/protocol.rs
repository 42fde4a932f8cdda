//! What an origin and a holder say to each other.
//!
//! A message is its protocol version (one octet) and a postcard body. New messages and fields go to the end: octets after
//! the known fields are ignored, a message with a later number is dropped. Copies are answered by their number in any order.
//! What concerns one mail is in order: a change behind a copy finds the copy.

use postern_model::id::MailId;
use postern_model::node::NodeId;
use serde::{Deserialize, Serialize, Serializer};

use super::bounds::MESSAGE_OCTETS;
use super::mark::Mark;

pub const VERSION: u8 = 1;
/// Messages known here; the next one a later version adds has this number.
const KNOWN: u8 = 20;
/// The postcard form of a mail and of a change; it grows with `tests/spool_format.rs`.
pub const MAIL_FORMAT: u8 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message<'a> {
    /// The origin's first word.
    Hello,
    /// A whole mail.
    Copy {
        number: u64,
        format: u8,
        #[serde(serialize_with = "octets")]
        mail: &'a [u8],
        #[serde(serialize_with = "octets")]
        body: &'a [u8],
    },
    /// A mail whose body follows in pieces.
    Begin {
        number: u64,
        format: u8,
        #[serde(serialize_with = "octets")]
        mail: &'a [u8],
        size: u64,
    },
    Piece {
        number: u64,
        #[serde(serialize_with = "octets")]
        body: &'a [u8],
    },
    /// The pieces end early.
    GiveUp {
        number: u64,
    },
    /// A change of a mail (`QueueChange` as postcard).
    Change {
        id: MailId,
        #[serde(serialize_with = "octets")]
        change: &'a [u8],
    },
    /// It is in the origin's quarantine now.
    Quarantined {
        id: MailId,
    },
    Unquarantined {
        id: MailId,
    },
    /// It is held elsewhere, or was never accepted.
    Drop {
        id: MailId,
    },
    /// The origin drains: deliver these.
    Take {
        number: u64,
        ids: Vec<MailId>,
    },
    /// The sender took these mails of `origin` over and answers for them. From either side.
    Adopted {
        origin: NodeId,
        ids: Vec<MailId>,
        more: More,
    },
    /// The holder's answers.
    Answers(Vec<(u64, Answer)>),
    /// What the holder has of the origin's.
    Holding {
        place: Place,
        ids: Vec<MailId>,
    },
    /// A change the origin told before it was killed, perhaps before it wrote it down itself.
    Told {
        id: MailId,
        #[serde(serialize_with = "octets")]
        change: &'a [u8],
    },
    /// The holder said all it knows; copies are welcome.
    Ready,
    /// The answer to `Take`: these are the holder's now.
    Taken {
        number: u64,
        ids: Vec<MailId>,
    },
    /// How far the origin's log is on its disk. The holder keeps the last one, and it is its first word on the next stream.
    Mark(Mark),
    /// The origin lost this mail with a part of its disk. One after the other.
    Fetch {
        place: Place,
        id: MailId,
    },
    /// The answer to `Fetch`; the body follows in pieces. An empty `mail`: it is not here any more, or cannot be read.
    Fetched {
        id: MailId,
        format: u8,
        #[serde(serialize_with = "octets")]
        mail: &'a [u8],
        size: u64,
    },
    FetchedPiece {
        #[serde(serialize_with = "octets")]
        body: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum More {
    /// The sender goes on adopting.
    Comes,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    Queue,
    Quarantine,
}

/// A number, for a later version may know more answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer(pub u8);

impl Answer {
    pub const HELD: Self = Self(0);
    /// The disk is nearly full.
    pub const FULL: Self = Self(1);
    /// Too many at once, or it drains.
    pub const BUSY: Self = Self(2);
    /// Its disk failed.
    pub const FAILED: Self = Self(3);
    /// The body is not what its hash says, or the mail cannot be read.
    pub const DAMAGED: Self = Self(4);
    /// The mail is the holder's own: it took it over.
    pub const MINE: Self = Self(5);
}

/// Why a message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// Of a later version: dropped.
    Unknown,
    /// The stream ends.
    Unreadable,
}

/// In one piece; serde would write octet by octet, which takes longer than the disk. The form is the same.
fn octets<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(octets)
}

impl<'a> Message<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let room = match self {
            Self::Copy { mail, body, .. } => mail.len() + body.len() + 64,
            Self::Begin { mail: octets, .. }
            | Self::Piece { body: octets, .. }
            | Self::Fetched { mail: octets, .. }
            | Self::FetchedPiece { body: octets } => octets.len() + 64,
            _ => 64,
        };
        let mut out = Vec::with_capacity(room);
        out.push(VERSION);
        // Nothing in these types can fail to be written into memory; an empty message is refused by its receiver.
        postcard::to_extend(self, out).unwrap_or_default()
    }

    /// # Errors
    /// See [`Odd`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Odd> {
        if octets.len() > MESSAGE_OCTETS {
            return Err(Odd::Unreadable);
        }
        let Some((_, body)) = octets.split_first().filter(|(version, _)| **version >= VERSION) else {
            return Err(Odd::Unreadable);
        };
        if body.first().is_some_and(|number| *number >= KNOWN) {
            return Err(Odd::Unknown);
        }
        postcard::from_bytes(body).map_err(|_| Odd::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn later_versions_are_understood_as_far_as_known() {
        let copy = Message::Copy { number: 3, format: MAIL_FORMAT, mail: b"mail", body: b"body" };
        let mut octets = copy.encode();
        octets[0] = 9;
        octets.extend(b"fields of version 9");
        assert_eq!(Message::decode(&octets), Ok(copy));
        assert_eq!(Message::decode(&[9, KNOWN, 1, 2]), Err(Odd::Unknown));
        assert_eq!(Message::decode(&[]), Err(Odd::Unreadable));
        assert_eq!(Message::decode(&vec![1; MESSAGE_OCTETS + 1]), Err(Odd::Unreadable));
        let last = Message::FetchedPiece { body: b"" }.encode();
        assert_eq!(last[1], KNOWN - 1, "a new message raises the count");
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_harm(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Message::decode(&octets);
        }
    }
}
