//! What the people who receive mail chose about senders, each for the own address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{Address, Domain};

/// From the weakest to the strongest: of two choices at the same moment the stronger counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// It was taken back.
    None,
    /// Delivered, when it is really theirs, whatever it scores.
    Allow,
    /// Kept in quarantine.
    Block,
}

impl Choice {
    /// Stable kebab-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::None, Self::Allow, Self::Block].into_iter().find(|c| c.name() == name)
    }
}

/// Whom a choice is about: `user@example.org`, or `example.org` for all addresses at it. Lower case, so that it is written one way only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sender(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no sender: write an address, as in user@example.org, or a domain, as in example.org")]
pub struct SenderError(String);

impl Sender {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sender {
    type Err = SenderError;

    fn from_str(text: &str) -> Result<Self, SenderError> {
        let text = text.trim();
        let refuse = || SenderError(text.chars().take(80).collect());
        let bare = text.strip_prefix('@').unwrap_or(text);
        if bare.contains('@') {
            // `*@example.org` would be a mailbox of that name: who writes it means the domain.
            return bare.parse::<Address>().ok().filter(|a| a.local() != "*").map(|a| Self(a.key())).ok_or_else(refuse);
        }
        bare.parse::<Domain>().map(|d| Self(d.to_string())).map_err(|_| refuse())
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Sender {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sender {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Sender;

    #[test]
    fn a_sender_is_an_address_or_a_domain_and_written_one_way() {
        for (text, expected) in [
            (" Anna@Example.ORG ", Some("anna@example.org")),
            ("Example.org", Some("example.org")),
            ("@example.org", Some("example.org")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("*", None),
            ("*@example.org", None),
            ("*.example.org", None),
            ("/.*/", None),
            ("192.0.2.0/24", None),
            ("list:partners", None),
            ("", None),
            ("a b@c.example", None),
        ] {
            assert_eq!(text.parse::<Sender>().ok().map(|s| s.to_string()).as_deref(), expected, "{text}");
        }
    }
}
