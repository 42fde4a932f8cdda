//! What a login has beside its password: the secret of its authenticator (RFC 6238), and recovery codes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

#[derive(Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// Base 32 without padding, as authenticators take it.
    pub secret: String,
    /// BLAKE3 of those recovery codes that were not used yet, in hex.
    pub recovery: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a second factor begins with its secret")]
pub struct NoSecret;

/// Neither is for a log.
impl fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecondFactor").field("recovery", &self.recovery.len()).finish_non_exhaustive()
    }
}

/// As it is kept: the secret, then the hashes, separated by spaces.
impl fmt::Display for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.secret)?;
        self.recovery.iter().try_for_each(|hash| write!(f, " {hash}"))
    }
}

impl FromStr for SecondFactor {
    type Err = NoSecret;

    fn from_str(text: &str) -> Result<Self, NoSecret> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let secret = words.next().ok_or(NoSecret)?;
        Ok(Self { secret, recovery: words.collect() })
    }
}

impl SecondFactor {
    /// What counts of several that did not know of each other. Of one secret only the codes that all still have: a code that
    /// was used anywhere is used. Of two secrets the first.
    pub fn merge(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(|mut kept, other| {
            if kept.secret == other.secret {
                kept.recovery.retain(|hash| other.recovery.contains(hash));
            }
            kept
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_reads_back_and_a_used_code_stays_used() {
        let read = |text: &str| text.parse::<SecondFactor>().unwrap();
        assert_eq!(read("S b a").to_string(), "S a b");
        assert_eq!(" ".parse::<SecondFactor>(), Err(NoSecret));
        assert_eq!(SecondFactor::merge([read("S a b c"), read("S a c"), read("S b c")]), Some(read("S c")));
        assert_eq!(SecondFactor::merge([read("S a"), read("T b")]), Some(read("S a")));
        assert_eq!(SecondFactor::merge([]), None);
        assert!(!format!("{:?}", read("SECRET hash")).contains("SECRET"));
    }
}
