//! Names of backups at a target: `postern-mx1.example.org-20261127T035617Z.tar.zst.age`.

use std::fmt;
use std::str::FromStr;

use postern_model::time::Timestamp;

const BEGIN: &str = "postern-";
const END: &str = ".tar.zst.age";
/// `20261127T035617Z`
const STAMP: usize = 16;
/// A host's name has 253 octets at the most (RFC 1035 §3.1), a file's 255.
const LONGEST_HOST: usize = 200;

/// The node it is of, and when it was made. Backups of one node sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupName {
    host: String,
    stamp: String,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no name of a backup: they look like postern-mx1.example.org-20261127T035617Z.tar.zst.age")]
pub struct NameError(String);

impl BackupName {
    /// Letters that a folder, a URL or a shell could read otherwise become `_`.
    pub fn new(host: &str, at: Timestamp) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c.to_ascii_lowercase() } else { '_' };
        let host: String = host.chars().map(plain).take(LONGEST_HOST).collect();
        let at = jiff::Timestamp::from_second(at.unix_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self { host: if host.is_empty() { "node".into() } else { host }, stamp: at.strftime("%Y%m%dT%H%M%SZ").to_string() }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn is_of_same_node(&self, other: &Self) -> bool {
        self.host == other.host
    }

    /// When it was begun.
    pub fn at(&self) -> Timestamp {
        let read = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", &self.stamp).and_then(|t| t.to_zoned(jiff::tz::TimeZone::UTC));
        Timestamp::from_unix_seconds(read.map_or(0, |t| t.timestamp().as_second()))
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{BEGIN}{}-{}{END}", self.host, self.stamp)
    }
}

impl FromStr for BackupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError(text.to_owned());
        let inner = text.strip_prefix(BEGIN).and_then(|t| t.strip_suffix(END)).ok_or_else(refuse)?;
        let (host, stamp) = inner.rsplit_once('-').ok_or_else(refuse)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        if host.is_empty() || host.len() > LONGEST_HOST || !host.bytes().all(plain) || stamp.len() != STAMP {
            return Err(refuse());
        }
        jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).map_err(|_| refuse())?;
        Ok(Self { host: host.to_owned(), stamp: stamp.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_back() {
        let at = Timestamp::from_unix_seconds(1_795_751_777);
        for (host, shown) in [
            ("mx1.example.org", "postern-mx1.example.org-20261127T035617Z.tar.zst.age"),
            ("MX-1", "postern-mx-1-20261127T035617Z.tar.zst.age"),
            ("../a b", "postern-.._a_b-20261127T035617Z.tar.zst.age"),
            ("", "postern-node-20261127T035617Z.tar.zst.age"),
        ] {
            let name = BackupName::new(host, at);
            assert_eq!(name.to_string(), shown);
            assert_eq!(shown.parse::<BackupName>().unwrap(), name);
            assert_eq!(name.at(), at);
        }
    }

    #[test]
    fn other_files_are_none_of_ours() {
        for text in [
            "",
            "notes.txt",
            "postern-mx-20261127T035617Z.tar.zst",
            "postern--20261127T035617Z.tar.zst.age",
            "postern-mx-20261327T035617Z.tar.zst.age",
            "postern-mx-2026.tar.zst.age",
            "postern-a/b-20261127T035617Z.tar.zst.age",
            ".postern-mx-20261127T035617Z.tar.zst.age.new",
        ] {
            assert!(text.parse::<BackupName>().is_err(), "{text} was taken");
        }
    }
}
