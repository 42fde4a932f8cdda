//! The hashes that keys are made by, and their many rounds.

use std::time::Instant;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::words::Late;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// After so many rounds the clock is asked.
const ASK_EVERY: u32 = 4096;

impl Hash {
    /// As agile encryption calls them (MS-OFFCRYPTO 2.3.4.10, `HashAlgorithm`).
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.replace('-', "").to_ascii_uppercase().as_str() {
            "MD5" => Self::Md5,
            "SHA1" => Self::Sha1,
            "SHA256" => Self::Sha256,
            "SHA384" => Self::Sha384,
            "SHA512" => Self::Sha512,
            _ => return None,
        })
    }

    pub fn of(self, pieces: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => of::<Md5>(pieces).to_vec(),
            Self::Sha1 => of::<Sha1>(pieces).to_vec(),
            Self::Sha256 => of::<Sha256>(pieces).to_vec(),
            Self::Sha384 => of::<Sha384>(pieces).to_vec(),
            Self::Sha512 => of::<Sha512>(pieces).to_vec(),
        }
    }

    /// A hash of the pieces, and of that behind the number of the round again and again.
    pub fn rounds(self, pieces: &[&[u8]], count: u32, until: Instant) -> Result<Vec<u8>, Late> {
        match self {
            Self::Md5 => rounds::<Md5>(pieces, count, until),
            Self::Sha1 => rounds::<Sha1>(pieces, count, until),
            Self::Sha256 => rounds::<Sha256>(pieces, count, until),
            Self::Sha384 => rounds::<Sha384>(pieces, count, until),
            Self::Sha512 => rounds::<Sha512>(pieces, count, until),
        }
    }
}

fn of<D: Digest>(pieces: &[&[u8]]) -> sha2::digest::Output<D> {
    pieces.iter().fold(D::new(), |digest, piece| digest.chain_update(piece)).finalize()
}

fn rounds<D: Digest>(pieces: &[&[u8]], count: u32, until: Instant) -> Result<Vec<u8>, Late> {
    let mut hash = of::<D>(pieces);
    for round in 0..count {
        if round % ASK_EVERY == 0 && Instant::now() >= until {
            return Err(Late);
        }
        hash = of::<D>(&[&round.to_le_bytes(), &hash]);
    }
    Ok(hash.to_vec())
}
