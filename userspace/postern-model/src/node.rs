//! Nodes of a cluster: their keys, and the short id that stands for a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A node's public key (ed25519). The link proves it; whoever holds the private half is the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub [u8; 32]);

/// A node in rows and messages: the first 16 octets of its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 16]);

/// Text that is no key or id of a node.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not {what}: {digits} hexadecimal digits")]
pub struct NodeNameError {
    text: String,
    what: &'static str,
    digits: usize,
}

impl NodeKey {
    pub fn id(self) -> NodeId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        NodeId(id)
    }
}

fn hex<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], NodeNameError> {
    let refuse = || NodeNameError { text: text.chars().take(80).collect(), what, digits: 2 * N };
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(refuse());
    }
    let mut octets = [0; N];
    for (i, octet) in octets.iter_mut().enumerate() {
        *octet = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| refuse())?;
    }
    Ok(octets)
}

macro_rules! named {
    ($type:ident, $octets:literal, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        /// The first eight digits: enough to tell nodes apart in a log.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().take(4).try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl FromStr for $type {
            type Err = NodeNameError;
            fn from_str(text: &str) -> Result<Self, NodeNameError> {
                hex::<$octets>(text, $what).map(Self)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; $octets]>::deserialize(d).map(Self)
                }
            }
        }
    };
}

named!(NodeKey, 32, "the key of a node");
named!(NodeId, 16, "the id of a node");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_reads_back_and_its_id_is_its_beginning() {
        let key = NodeKey(std::array::from_fn(|i| u8::try_from(i * 7).unwrap()));
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!(key.to_string().starts_with(&key.id().to_string()));
        assert_eq!(serde_json::from_str::<NodeId>(&serde_json::to_string(&key.id()).unwrap()).unwrap(), key.id());
        for bad in ["", "zz", "é0", &"0".repeat(33), &"g".repeat(32), &"é".repeat(16)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }
}
