//! The first member of a backup: what it is of, then one line for each member, in the order of the archive.
//!
//! Lines of JSON, so that a list of a million bodies is written and read with one line in memory. The head comes first and
//! says its format before anything else of it is believed.

use std::fmt;
use std::io::BufRead;
use std::path::{Component, Path};

use data_encoding::HEXLOWER;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The layout of backups that this version writes, and the latest it reads.
pub const FORMAT: u32 = 1;
/// Name of the member.
pub const MANIFEST: &str = "manifest.jsonl";
/// The manifest itself: some four million members.
pub const MAX_MANIFEST: u64 = 1 << 30;
/// One line: a path and a hash, or the head.
const MAX_LINE: u64 = 1 << 20;
/// What fits a name of tar without an extension (POSIX.1-2017 pax, ustar Interchange Format): a reader needs no memory for longer ones.
const MAX_PATH: usize = 100;

/// What the backup is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub format: u32,
    /// The version of Postern that made it.
    pub version: String,
    /// Name of the node.
    pub host: String,
    /// Its identity in its cluster; `None` outside of one.
    pub node: Option<String>,
    pub at: Timestamp,
    pub members: u64,
    /// All members together.
    pub octets: u64,
    pub left_out: Vec<LeftOut>,
}

/// Something of the data folder that is not in the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub what: String,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub path: MemberPath,
    pub size: u64,
    pub sha256: Sha256,
    /// Permissions, nine bits.
    pub mode: u32,
    /// Where it stood, when that was not in the data folder: a restore does not write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let octets = HEXLOWER.decode(text.as_bytes()).ok().and_then(|o| o.try_into().ok());
        octets.map(Self).ok_or_else(|| serde::de::Error::custom("no SHA-256 in hex"))
    }
}

/// A path below the data folder: relative, of plain names only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct MemberPath(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no path below the data folder")]
pub struct PathError(pub String);

impl MemberPath {
    /// # Errors
    /// For what is absolute, climbs, is empty, too long, or has control characters.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let path = Path::new(text);
        let plain = path.components().all(|c| matches!(c, Component::Normal(_)));
        // `a//b`, `a/./b` and `a/` have plain components too, and another spelling than what they name.
        let spelled = path.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/") == text;
        if text.is_empty() || text.len() > MAX_PATH || !plain || !spelled || text.chars().any(char::is_control) {
            return Err(PathError(text.chars().take(MAX_PATH).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_below(&self, folder: &str) -> bool {
        self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for MemberPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MemberPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("the manifest cannot be read: {0}")]
    Read(#[source] std::io::Error),
    #[error("the backup has format {0} and this version reads up to {FORMAT}: restore it with a later version of Postern")]
    Newer(u32),
    #[error("line {line} of the manifest is not understood: {source}")]
    Line {
        line: u64,
        #[source]
        source: serde_json::Error,
    },
    #[error("line {0} of the manifest is too long")]
    Long(u64),
}

/// Reads a manifest line by line.
pub struct ManifestReader<R> {
    input: R,
    line: u64,
    text: Vec<u8>,
}

impl<R: BufRead> ManifestReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// For a format of a later version, before anything else of the head is looked at.
    pub fn open(input: R) -> Result<(Self, Head), ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let mut reader = Self { input, line: 0, text: Vec::new() };
        let Format { format } = reader.parse()?.unwrap_or(Format { format: 0 });
        match format {
            1..=FORMAT => {}
            newer => return Err(ManifestError::Newer(newer)),
        }
        let head = serde_json::from_slice(&reader.text).map_err(|source| ManifestError::Line { line: 1, source })?;
        Ok((reader, head))
    }

    /// The next member; `None` after the last.
    ///
    /// # Errors
    /// For a line that is no member.
    pub fn next_member(&mut self) -> Result<Option<Member>, ManifestError> {
        self.parse()
    }

    fn parse<T: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<T>, ManifestError> {
        self.text.clear();
        self.line += 1;
        let read = std::io::Read::take(&mut self.input, MAX_LINE).read_until(b'\n', &mut self.text).map_err(ManifestError::Read)?;
        if read as u64 == MAX_LINE {
            return Err(ManifestError::Long(self.line));
        }
        if read == 0 {
            return Ok(None);
        }
        serde_json::from_slice(&self.text).map(Some).map_err(|source| ManifestError::Line { line: self.line, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_folder_are_none() {
        for text in ["postern.db", "cluster/node.key", "spool/quarantine/ab/01ab", "a..b", "...", ".hidden", "a b"] {
            assert!(MemberPath::new(text).is_ok(), "{text}");
        }
        let long = "a/".repeat(50) + "a";
        for text in ["", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a/./b", "a//b", "a/", "a\0b", "a\nb", &long] {
            assert!(MemberPath::new(text).is_err(), "{text:?}");
        }
    }
}
