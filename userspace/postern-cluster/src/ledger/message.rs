//! What peers say to each other.
//!
//! A message is its protocol version (one octet) and a postcard body. New messages and fields go to the end: octets after
//! the known fields are ignored, a message with a later number is counted and dropped.

use serde::{Deserialize, Serialize};

use super::bounds::MESSAGE_OCTETS;
use super::oddity::Oddity;
use super::origin::{Head, History, Origin};
use super::row::Row;

pub const VERSION: u8 = 1;
/// Messages known here; the next one a later version adds has this number.
const KNOWN: u8 = 5;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The digest of the sender's vector.
    Check {
        digest: Digest,
    },
    /// The answer when ours is the same; left out while the asker knows that.
    InSync,
    /// The sender's vector.
    Vector {
        want: Turn,
        heads: Vec<(Origin, Head)>,
    },
    /// Send a page of each.
    Want {
        items: Vec<Want>,
    },
    Delta(Delta),
}

/// A short fingerprint of a vector: 128 bits of BLAKE3.
pub type Digest = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Turn {
    /// Answer with your own vector.
    Yours,
    /// This is the answer.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Comes back with the answer. A page must be read after it was asked for: an older one, that was late or came
    /// twice, may lack what replaced a row of the page before.
    pub ask: u64,
    pub origin: Origin,
    pub after: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The sender wrote these rows.
    Push,
    /// The receiver wanted them: [`Want::ask`].
    Answer(u64),
}

/// Rows of one origin with `seq > after`, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    pub cause: Cause,
    pub origin: Origin,
    pub after: u64,
    pub rows: Vec<Row>,
    /// The head the receiver has when it has all rows up to here; `None`: there are more.
    pub head: Option<Head>,
    pub history: History,
}

impl Message {
    pub fn encode(&self) -> Vec<u8> {
        // Nothing in these types can fail to be written into memory; an empty message is dropped by its receiver.
        postcard::to_extend(self, vec![VERSION]).unwrap_or_default()
    }

    /// # Errors
    /// What was odd about it, to be counted. The sender is not answered.
    pub fn decode(octets: &[u8]) -> Result<Self, Oddity> {
        if octets.len() > MESSAGE_OCTETS {
            return Err(Oddity::MessageTooLarge);
        }
        let Some((_, body)) = octets.split_first().filter(|(version, _)| **version >= VERSION) else {
            return Err(Oddity::Unreadable);
        };
        if body.first().is_some_and(|number| *number >= KNOWN) {
            return Err(Oddity::UnknownMessage);
        }
        postcard::from_bytes(body).map_err(|_| Oddity::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn later_versions_are_understood_as_far_as_known() {
        let check = Message::Check { digest: [7; 16] };
        let mut octets = check.encode();
        octets[0] = 9;
        octets.extend(b"fields of version 9");
        assert_eq!(Message::decode(&octets).unwrap(), check);
        assert_eq!(Message::decode(&[9, KNOWN, 1, 2]).unwrap_err(), Oddity::UnknownMessage);
        assert_eq!(Message::decode(&[]).unwrap_err(), Oddity::Unreadable);
        assert_eq!(Message::decode(&[0, 1]).unwrap_err(), Oddity::Unreadable);
        assert_eq!(Message::decode(&vec![1; MESSAGE_OCTETS + 1]).unwrap_err(), Oddity::MessageTooLarge);
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_harm(octets in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Message::decode(&octets);
        }
    }
}
