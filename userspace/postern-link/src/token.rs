//! The token that one node prints and another redeems: `postern1-` and letters and digits, to be copied or read aloud.
//!
//! It carries its length and a checksum, so that half a token and a mistyped one are told from one that is no longer good.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding};
use postern_model::node::NodeKey;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Before the version.
const NAME: &str = "postern";

/// The version of this form.
const VERSION: u32 = 1;

/// Octets of the length at the beginning, and of the checksum at the end.
const LENGTH: usize = 2;
const CHECKSUM: usize = 4;

/// Characters of a token at most: eight addresses take some 350.
const LONGEST: usize = 1024;

/// Addresses in a token.
pub const MOST_ADDRESSES: usize = 8;

/// An invitation to a cluster. Whoever has it can join, once: its text is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub cluster: [u8; 16],
    /// The node that issued it, and the only one that redeems it.
    pub issuer: NodeKey,
    /// Where the issuer was at that time.
    pub addresses: Vec<SocketAddr>,
    pub secret: [u8; 16],
    pub expires: Timestamp,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    #[error("this is no token: a token begins with `{NAME}{VERSION}-`")]
    NotAToken,
    #[error("this token is of a later version ({0}): update this node first")]
    LaterVersion(u32),
    #[error("the token is cut off at the end")]
    Truncated,
    #[error("the token is mistyped: {0}")]
    Mistyped(String),
}

fn checksum(octets: &[u8]) -> [u8; CHECKSUM] {
    let hash = blake3::derive_key("postern token: checksum", octets);
    std::array::from_fn(|i| hash[i])
}

/// As base32, without regard for what is left in the last, incomplete group: the checksum covers it.
fn lenient() -> Result<Encoding, TokenError> {
    let mut form = BASE32_NOPAD.specification();
    form.check_trailing_bits = false;
    form.encoding().map_err(|e| TokenError::Mistyped(e.to_string()))
}

/// The secret is in no log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(issuer {:?}, addresses {:?}, expires {})", self.issuer, self.addresses, self.expires)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut token = self.clone();
        token.addresses.truncate(MOST_ADDRESSES);
        let body = postcard::to_allocvec(&token).map_err(|_| fmt::Error)?;
        let mut octets = u16::try_from(body.len()).map_err(|_| fmt::Error)?.to_le_bytes().to_vec();
        octets.extend_from_slice(&body);
        octets.extend_from_slice(&checksum(&octets));
        write!(f, "{NAME}{VERSION}-{}", BASE32_NOPAD.encode(&octets).to_ascii_lowercase())
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        // A terminal may have broken the line.
        let text: String = text.chars().filter(|c| !c.is_whitespace()).take(LONGEST + 1).collect::<String>().to_ascii_lowercase();
        let rest = text.strip_prefix(NAME).ok_or(TokenError::NotAToken)?;
        let (version, digits) = rest.split_once('-').ok_or(TokenError::NotAToken)?;
        match version.parse::<u32>() {
            Ok(VERSION) => {}
            Ok(later) if later > VERSION => return Err(TokenError::LaterVersion(later)),
            _ => return Err(TokenError::NotAToken),
        }
        if text.len() > LONGEST {
            return Err(TokenError::Mistyped("it is longer than any token".into()));
        }
        if let Some(strange) = digits.chars().find(|c| !matches!(c, 'a'..='z' | '2'..='7')) {
            // Pasted with a control character: it does not get to the terminal once more.
            return Err(TokenError::Mistyped(format!("`{}` is in no token", strange.escape_default())));
        }
        // One, three or six characters beyond whole groups are no octet: they are of a token that was cut there.
        let whole = match digits.len() % 8 {
            1 | 3 | 6 => digits.len() - 1,
            _ => digits.len(),
        };
        let octets = lenient()?.decode(digits[..whole].to_ascii_uppercase().as_bytes()).map_err(|e| TokenError::Mistyped(e.to_string()))?;
        let (length, _) = octets.split_first_chunk::<LENGTH>().ok_or(TokenError::Truncated)?;
        let end = LENGTH + usize::from(u16::from_le_bytes(*length));
        if octets.len() < end + CHECKSUM {
            return Err(if end + CHECKSUM > LONGEST { TokenError::Mistyped("its length is wrong".into()) } else { TokenError::Truncated });
        }
        if octets.len() > end + CHECKSUM || whole < digits.len() {
            return Err(TokenError::Mistyped("there is something behind it".into()));
        }
        if checksum(&octets[..end]) != octets[end..] {
            return Err(TokenError::Mistyped("its checksum is wrong".into()));
        }
        let token: Self = postcard::from_bytes(&octets[LENGTH..end]).map_err(|e| TokenError::Mistyped(e.to_string()))?;
        if token.addresses.len() > MOST_ADDRESSES {
            return Err(TokenError::Mistyped("it names too many addresses".into()));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn token() -> Token {
        Token {
            cluster: [1; 16],
            issuer: NodeKey([2; 32]),
            addresses: vec!["192.0.2.1:7425".parse().unwrap(), "[2001:db8::1]:7425".parse().unwrap()],
            secret: std::array::from_fn(|i| i as u8 * 16),
            expires: Timestamp::from_unix_seconds(1_800_000_000),
        }
    }

    #[test]
    fn a_token_reads_back_also_broken_into_lines_and_in_capitals() {
        let text = token().to_string();
        assert!(text.starts_with("postern1-"));
        assert_eq!(text.parse(), Ok(token()));
        assert_eq!(text.to_uppercase().parse(), Ok(token()));
        let (a, b) = text.split_at(70);
        assert_eq!(format!(" {a}\r\n  {b}\n").parse(), Ok(token()));
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said() {
        let text = token().to_string();
        let error = |text: &str| text.parse::<Token>().unwrap_err();
        for end in "postern1-".len()..text.len() {
            assert_eq!(error(&text[..end]), TokenError::Truncated, "{end}");
        }
        for bad in ["", "postern", "postern-", "postern0-aaaa", "fe80::1", "posternx-aaaa"] {
            assert_eq!(error(bad), TokenError::NotAToken, "{bad}");
        }
        assert_eq!(error("postern2-whatever it is"), TokenError::LaterVersion(2));
        assert!(matches!(error(&format!("{text}a")), TokenError::Mistyped(_)));
        assert!(matches!(error(&text.replace('a', "0")), TokenError::Mistyped(_)));
    }

    /// Every single wrong character after the length is found; in the length, it is called cut off or mistyped.
    #[test]
    fn one_wrong_character_is_found() {
        let text = token().to_string();
        for at in "postern1-".len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'q' { b'r' } else { b'q' };
            let wrong = String::from_utf8(wrong).unwrap();
            match wrong.parse::<Token>() {
                Err(TokenError::Mistyped(_)) => {}
                Err(TokenError::Truncated) if at < "postern1-".len() + 4 => {}
                // The last character holds bits that mean nothing.
                Ok(read) if at == text.len() - 1 => assert_eq!(read, token()),
                other => panic!("{at}: {other:?}"),
            }
        }
    }
}
