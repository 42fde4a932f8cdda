//! RC4 of the old forms, with a key for each block: Office's own way, of 40 bits (MS-OFFCRYPTO 2.3.6), and CryptoAPI's (2.3.5).

use rc4::{KeyInit, Rc4, StreamCipher};

use super::crypto_api::Header;
use super::hash::Hash;
use super::{DOCUMENT, Why, utf16};
use crate::dissect::octets::number;

pub enum Lock {
    Own { salt: Vec<u8>, verifier: Vec<u8>, verifier_hash: Vec<u8> },
    CryptoApi(Header),
}

pub enum Key {
    Own(Vec<u8>),
    CryptoApi { base: Vec<u8>, length: usize },
}

impl Lock {
    /// By the version in front.
    pub fn read(info: &[u8]) -> Result<Self, Why> {
        match (number(info, 0, 2), number(info, 2, 2)) {
            (Some(1), Some(1)) => {
                let octets = |from: usize| info.get(from..from + 16).map(<[u8]>::to_vec);
                match (octets(4), octets(20), octets(36)) {
                    (Some(salt), Some(verifier), Some(verifier_hash)) => Ok(Self::Own { salt, verifier, verifier_hash }),
                    _ => Err(format!("{DOCUMENT} that does not say how it is encrypted")),
                }
            }
            (Some(2..=4), Some(2)) => match Header::read(info) {
                Some(header) if header.is_rc4() => Ok(Self::CryptoApi(header)),
                _ => Err(format!("{DOCUMENT}, encrypted by what is not RC4")),
            },
            (Some(major), Some(minor)) => Err(format!("{DOCUMENT}, encrypted in the way {major}.{minor}, which is not known here")),
            _ => Err(format!("{DOCUMENT} that does not say how it is encrypted")),
        }
    }

    pub fn key(&self, word: &str) -> Option<Key> {
        let (key, hash, verifier, verifier_hash) = match self {
            Self::Own { salt, verifier, verifier_hash } => {
                let first = Hash::Md5.of(&[&utf16(word)]);
                let pieces: Vec<&[u8]> = [first.get(..5)?, salt.as_slice()].repeat(16);
                (Key::Own(Hash::Md5.of(&pieces).get(..5)?.to_vec()), Hash::Md5, verifier, verifier_hash)
            }
            Self::CryptoApi(header) => {
                let base = Hash::Sha1.of(&[&header.salt, &utf16(word)]);
                (Key::CryptoApi { base, length: header.key }, Hash::Sha1, &header.verifier, &header.verifier_hash)
            }
        };
        let mut octets = [verifier.as_slice(), verifier_hash.as_slice()].concat();
        key.apply(0, &mut octets)?;
        let (verifier, found) = octets.split_at_checked(verifier.len())?;
        let expected = hash.of(&[verifier]);
        (found.get(..expected.len())? == expected).then_some(key)
    }
}

impl Key {
    /// Decrypts what one block's key is for.
    pub fn apply(&self, block: u32, octets: &mut [u8]) -> Option<()> {
        let key = match self {
            Self::Own(base) => Hash::Md5.of(&[base, &block.to_le_bytes()]),
            Self::CryptoApi { base, length } => {
                let mut key = Hash::Sha1.of(&[base, &block.to_le_bytes()]);
                key.truncate(*length);
                // Of 40 bits the rest is zeros.
                key.resize((*length).max(if *length == 5 { 16 } else { 0 }), 0);
                key
            }
        };
        Rc4::new_from_slice(&key).ok()?.apply_keystream(octets);
        Some(())
    }

    /// A stream from its begin, in blocks of so many octets.
    pub fn stream(&self, size: usize, octets: &[u8]) -> Option<Vec<u8>> {
        let mut out = octets.to_vec();
        for (number, block) in (0..).zip(out.chunks_mut(size)) {
            self.apply(number, block)?;
        }
        Some(out)
    }
}
