//! Standard encryption, the way of Office 2007 (MS-OFFCRYPTO 2.3.4.5 to 2.3.4.9).

use std::time::Instant;

use super::crypto_api::Header;
use super::hash::Hash;
use super::package::Key;
use super::words::Late;
use super::{aes, utf16};

const ROUNDS: u32 = 50_000;

pub fn key(header: &Header, word: &str, until: Instant) -> Result<Option<Key>, Late> {
    let base = Hash::Sha1.rounds(&[&header.salt, &utf16(word)], ROUNDS, until)?;
    Ok(checked(header, &base))
}

fn checked(header: &Header, base: &[u8]) -> Option<Key> {
    let hash = Hash::Sha1.of(&[base, &[0; 4]]);
    // As CryptDeriveKey makes a longer key out of a hash.
    let half = |fill: u8| {
        let mut block = [fill; 64];
        block.iter_mut().zip(&hash).for_each(|(octet, of)| *octet ^= of);
        Hash::Sha1.of(&[&block])
    };
    let key = [half(0x36), half(0x5c)].concat().get(..header.key)?.to_vec();
    let (mut verifier, mut expected) = (header.verifier.clone(), header.verifier_hash.clone());
    aes::ecb(&key, &mut verifier)?;
    aes::ecb(&key, &mut expected)?;
    (expected.get(..20)? == Hash::Sha1.of(&[&verifier])).then_some(Key::Standard(key))
}
