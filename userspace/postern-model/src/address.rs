//! Domains and mail addresses (RFC 5321 §4.1.2, RFC 6531).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A domain name in lower-case A-labels without the final dot, or an address literal such as
/// `[192.0.2.1]`. 1 to 255 octets (RFC 5321 §4.5.3.1.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct Domain(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("`{0}` is not a domain name")]
    Domain(String),
    #[error("`{0}` is not a mail address: write local-part@domain")]
    Address(String),
    #[error("the local part is longer than 64 octets (RFC 5321 §4.5.3.1.1)")]
    LocalTooLong,
}

impl Domain {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }

    /// True for this domain and every domain below it.
    pub fn is_within(&self, parent: &Domain) -> bool {
        self.0 == parent.0 || self.0.strip_suffix(parent.as_str()).is_some_and(|head| head.ends_with('.'))
    }
}

impl FromStr for Domain {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError::Domain(text.chars().take(80).collect());
        if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            let bare = inner.strip_prefix("IPv6:").or_else(|| inner.strip_prefix("ipv6:"));
            let known = match bare {
                Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
                None => inner.parse::<std::net::Ipv4Addr>().is_ok(),
            };
            return if known { Ok(Self(text.to_ascii_lowercase())) } else { Err(refuse()) };
        }
        let text_no_dot = text.strip_suffix('.').unwrap_or(text);
        let ascii = if text_no_dot.is_ascii() {
            text_no_dot.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(text_no_dot).map_err(|_| refuse())?
        };
        let label_ok = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        if (1..=255).contains(&ascii.len()) && ascii.split('.').all(label_ok) { Ok(Self(ascii)) } else { Err(refuse()) }
    }
}

/// A mail address. The local part is kept as the sender wrote it (without quotes around it when
/// they are not needed); comparison of local parts ignores ASCII case, as every backend does.
#[derive(Clone, JsonSchema)]
#[schemars(with = "String")]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// `local` is the unquoted content of the local part.
    pub fn new(local: impl Into<String>, domain: Domain) -> Result<Self, AddressError> {
        let local = local.into();
        if local.is_empty() || local.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(AddressError::Address(local.chars().filter(|c| !c.is_control()).take(80).collect()));
        }
        if local.len() > 64 {
            return Err(AddressError::LocalTooLong);
        }
        Ok(Self { local, domain })
    }

    pub fn local(&self) -> &str {
        &self.local
    }

    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Lower-case form for use as a key.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_lowercase(), self.domain)
    }

    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    fn local_is_dot_string(&self) -> bool {
        let atom =
            |a: &str| !a.is_empty() && a.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !c.is_ascii());
        self.local.split('.').all(atom)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local.eq_ignore_ascii_case(&other.local)
    }
}
impl Eq for Address {}
impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.local.to_ascii_lowercase().hash(state);
        self.domain.hash(state);
    }
}

impl FromStr for Address {
    type Err = AddressError;
    /// Reads `local@domain` and `"quoted local"@domain`, without angle brackets.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError::Address(text.chars().take(80).collect());
        let (local, domain) = text.rsplit_once('@').ok_or_else(refuse)?;
        let domain: Domain = domain.parse()?;
        let local = match local.strip_prefix('"') {
            None => local.to_owned(),
            Some(rest) => unquote(rest.strip_suffix('"').ok_or_else(refuse)?).ok_or_else(refuse)?,
        };
        let address = Self::new(local, domain)?;
        if text.starts_with('"') || address.local_is_dot_string() { Ok(address) } else { Err(refuse()) }
    }
}

fn unquote(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.local_is_dot_string() {
            write!(f, "{}@{}", self.local, self.domain)
        } else {
            let escaped = self.local.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{escaped}\"@{}", self.domain)
        }
    }
}

macro_rules! text_form {
    ($($t:ty),*) => {$(
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
text_form!(Domain, Address);

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// MAIL FROM: an address, or the null path of notifications.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Option<Address>", into = "Option<Address>")]
pub enum ReversePath {
    Address(Address),
    Null,
}

impl From<Option<Address>> for ReversePath {
    fn from(address: Option<Address>) -> Self {
        address.map_or(Self::Null, Self::Address)
    }
}

impl From<ReversePath> for Option<Address> {
    fn from(path: ReversePath) -> Self {
        match path {
            ReversePath::Address(a) => Some(a),
            ReversePath::Null => None,
        }
    }
}

impl ReversePath {
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Address(a) => Some(a),
            Self::Null => None,
        }
    }

    pub fn domain(&self) -> Option<&Domain> {
        self.address().map(Address::domain)
    }
}

impl fmt::Display for ReversePath {
    /// The path without its angle brackets; the null path is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(a) => fmt::Display::fmt(a, f),
            Self::Null => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written() {
        for text in ["a@b.example", "\"a b\"@b.example", "a.b+c@[192.0.2.1]", "ü@b.example", "\"a\\\"b\"@b.example"] {
            let a: Address = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(a.to_string(), text);
        }
    }

    #[test]
    fn broken_addresses_are_refused() {
        for text in ["", "a", "@b", "a@", "a b@c", "a@b@c", "a..b@c", "a@-b.example", "a@b\r\nc", "a\u{0}@b", "a@[300.1.1.1]"] {
            assert!(text.parse::<Address>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn domains_are_lower_case_a_labels() {
        assert_eq!("BÜCHER.Example.".parse::<Domain>().map(|d| d.to_string()), Ok("xn--bcher-kva.example".into()));
        let parent: Domain = "example.org".parse().unwrap_or_else(|e| panic!("{e}"));
        let inside = |d: &str| d.parse::<Domain>().is_ok_and(|d| d.is_within(&parent));
        assert!(inside("mx.example.org") && inside("example.org") && !inside("badexample.org"));
    }
}
