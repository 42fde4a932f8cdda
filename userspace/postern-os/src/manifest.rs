//! What a build gave, by name, size and SHA-256: in an update, on the ISO, and beside what people download.

use std::collections::BTreeMap;
use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

pub const PRODUCT: &str = "postern";
/// Read and hashed at a time.
pub const PIECE: usize = 1 << 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Another product's update is not for us, whoever signed it.
    pub product: String,
    pub version: String,
    pub files: BTreeMap<String, Content>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    pub size: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// SHA-256, as the manifest writes it.
pub struct Hash(Context);

impl Default for Hash {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hash {
    pub fn feed(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// 64 hexadecimal digits.
    pub fn end(self) -> String {
        HEXLOWER.encode(self.0.finish().as_ref())
    }

    /// Of what is in memory.
    pub fn whole(octets: &[u8]) -> String {
        let mut hash = Self::default();
        hash.feed(octets);
        hash.end()
    }

    /// # Errors
    /// What reading says.
    pub fn of(mut from: impl Read, size: u64, mut done: impl FnMut(u64)) -> io::Result<String> {
        let (mut hash, mut buffer, mut left) = (Self::default(), vec![0; PIECE], size);
        while left > 0 {
            let piece = &mut buffer[..PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
            from.read_exact(piece)?;
            hash.feed(piece);
            done(piece.len() as u64);
            left -= piece.len() as u64;
        }
        Ok(hash.end())
    }
}
