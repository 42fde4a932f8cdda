//! Documents in XML (ECMA-376), encrypted whole into the stream `EncryptedPackage`; `EncryptionInfo` beside it says how.

use super::hash::Hash;
use super::{Lock, Why, aes, agile, crypto_api};
use crate::dissect::octets::number;

/// Octets of the package that agile encryption has one first block for (MS-OFFCRYPTO 2.3.4.15).
const SEGMENT: usize = 4096;
/// In front of the package: its length.
const HEAD: usize = 8;

pub enum Key {
    Agile { key: Vec<u8>, hash: Hash, salt: Vec<u8> },
    Standard(Vec<u8>),
}

/// By the version in front (MS-OFFCRYPTO 2.3.4).
pub fn lock(info: &[u8]) -> Result<Lock, Why> {
    match (number(info, 0, 2), number(info, 2, 2)) {
        (Some(4), Some(4)) => agile::Lock::read(info.get(8..).unwrap_or_default()).map(Lock::Agile),
        (Some(2..=4), Some(2)) => match crypto_api::Header::read(info) {
            Some(header) if header.is_aes() => Ok(Lock::Standard(header)),
            _ => Err(format!("{}, encrypted by what is not AES", super::DOCUMENT)),
        },
        (Some(major), Some(minor)) => Err(format!("{}, encrypted in the way {major}.{minor}, which is not known here", super::DOCUMENT)),
        _ => Err(format!("{} that does not say how it is encrypted", super::DOCUMENT)),
    }
}

impl Key {
    pub fn open(&self, octets: &[u8]) -> Option<Vec<u8>> {
        let size = number(octets, 0, HEAD)?;
        let mut out = octets.get(HEAD..)?.to_vec();
        match self {
            Self::Agile { key, hash, salt } => {
                for (segment, octets) in (0_u32..).zip(out.chunks_mut(SEGMENT)) {
                    let first = fit(hash.of(&[salt, &segment.to_le_bytes()]), aes::BLOCK);
                    aes::cbc(key, &first, octets)?;
                }
            }
            Self::Standard(key) => aes::ecb(key, &mut out)?,
        }
        out.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        Some(out)
    }
}

/// So many octets: the rest of what is longer is left out, and what is shorter is filled up (MS-OFFCRYPTO 2.3.4.11).
pub fn fit(mut octets: Vec<u8>, length: usize) -> Vec<u8> {
    octets.resize(length, 0x36);
    octets
}
