//! Ids: of a mail and of a session. Sortable by time, safe in file names, headers and URLs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Timestamp;

/// 128 bits: 48 of milliseconds, 80 of randomness (the layout of a ULID). Written as 26 characters
/// of Crockford's base 32 in lower case, so that text order is time order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailId(u128);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl MailId {
    pub fn new(at: Timestamp, random: u128) -> Self {
        let ms = u128::from(u64::try_from(at.0).unwrap_or(0) & 0xffff_ffff_ffff);
        Self((ms << 80) | (random & ((1 << 80) - 1)))
    }

    /// A fresh id for a moment, from the thread's random generator.
    pub fn generate(at: Timestamp) -> Self {
        Self::new(at, rand::random())
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// When the id was made.
    pub fn time(self) -> Timestamp {
        Timestamp(i64::try_from(self.0 >> 80).unwrap_or(0))
    }
}

impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 26];
        for (i, slot) in text.iter_mut().enumerate() {
            *slot = ALPHABET[((self.0 >> (125 - 5 * i)) & 31) as usize];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a mail id: 26 characters of 0-9 and a-z without i, l, o, u")]
pub struct MailIdError(String);

impl FromStr for MailId {
    type Err = MailIdError;
    fn from_str(text: &str) -> Result<Self, MailIdError> {
        let refuse = || MailIdError(text.chars().take(40).collect());
        let lower = text.to_ascii_lowercase();
        if lower.len() != 26 || lower.as_bytes()[0] > b'7' {
            return Err(refuse());
        }
        lower
            .bytes()
            .try_fold(0u128, |sum, b| {
                let digit = ALPHABET.iter().position(|a| *a == b)?;
                Some((sum << 5) | digit as u128)
            })
            .map(Self)
            .ok_or_else(refuse)
    }
}

impl Serialize for MailId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { self.to_bytes().serialize(s) }
    }
}

impl<'de> Deserialize<'de> for MailId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 16]>::deserialize(d).map(Self::from_bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_order_is_time_order_and_reads_back() {
        let early = MailId::new(Timestamp(1_000), u128::MAX);
        let late = MailId::new(Timestamp(1_001), 0);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(late.time(), Timestamp(1_001));
        assert!("../../etc/passwd".parse::<MailId>().is_err());
        assert!("zzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<MailId>().is_err());
    }
}
