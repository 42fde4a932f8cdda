//! Documents behind a password.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use aes::Aes256;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use data_encoding::BASE64;
use rc4::{KeyInit, Rc4, StreamCipher};
use sha1::Sha1;
use sha2::{Digest, Sha512};

use super::slides::{compound, record, slides_of};

const SALT: [u8; 16] = *b"0123456789abcdef";

fn utf16(word: &str) -> Vec<u8> {
    word.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn hash(pieces: &[&[u8]]) -> Vec<u8> {
    Sha512::digest(pieces.concat()).to_vec()
}

fn cbc(key: &[u8], first: &[u8], octets: &[u8]) -> Vec<u8> {
    let mut out = octets.to_vec();
    out.resize(octets.len().next_multiple_of(16), 0);
    let (blocks, _) = aes::Block::slice_as_chunks_mut(&mut out);
    cbc::Encryptor::<Aes256>::new_from_slices(key, first).unwrap().encrypt_blocks(blocks);
    out
}

/// As Office does since 2010, by AES of 256 bits and SHA-512; with as many rounds as it says.
pub fn agile(package: &[u8], word: &str, spins: u32) -> Vec<u8> {
    agile_that_says(package, word, spins, &spins.to_string())
}

/// The same, and it says that it took another number of rounds.
pub fn agile_that_says(package: &[u8], word: &str, spins: u32, said: &str) -> Vec<u8> {
    let base = (0..spins).fold(hash(&[&SALT, &utf16(word)]), |base, round| hash(&[&round.to_le_bytes(), &base]));
    let closed = |what: [u8; 8], octets: &[u8]| BASE64.encode(&cbc(&hash(&[&base, &what])[..32], &SALT, octets));
    let (verifier, key) = ([7; 16], [9; 32]);
    let input = closed([0xfe, 0xa7, 0xd2, 0x76, 0x3b, 0x4b, 0x9e, 0x79], &verifier);
    let value = closed([0xd7, 0xaa, 0x0f, 0x6d, 0x30, 0x61, 0x34, 0x4e], &hash(&[&verifier]));
    let closed_key = closed([0x14, 0x6e, 0x0b, 0xe7, 0xab, 0xac, 0xd0, 0xd6], &key);
    let method = format!(
        "saltSize=\"16\" blockSize=\"16\" keyBits=\"256\" hashSize=\"64\" cipherAlgorithm=\"AES\" cipherChaining=\"ChainingModeCBC\" hashAlgorithm=\"SHA512\" saltValue=\"{}\"",
        BASE64.encode(&SALT)
    );
    let xml = format!(
        "<encryption xmlns=\"http://schemas.microsoft.com/office/2006/encryption\" xmlns:p=\"http://schemas.microsoft.com/office/2006/keyEncryptor/password\">\
         <keyData {method}/><keyEncryptors><keyEncryptor><p:encryptedKey spinCount=\"{said}\" {method} encryptedVerifierHashInput=\"{input}\" \
         encryptedVerifierHashValue=\"{value}\" encryptedKeyValue=\"{closed_key}\"/></keyEncryptor></keyEncryptors></encryption>"
    );
    let mut octets = (package.len() as u64).to_le_bytes().to_vec();
    for (n, segment) in (0_u32..).zip(package.chunks(4096)) {
        octets.extend(cbc(&key, &hash(&[&SALT, &n.to_le_bytes()])[..16], segment));
    }
    let info = [&[4, 0, 4, 0, 0x40, 0, 0, 0], xml.as_bytes()].concat();
    compound(&[("EncryptionInfo", &info), ("EncryptedPackage", &octets)])
}

/// Slides that hold these records, encrypted by RC4 of CryptoAPI, each record for itself.
pub fn locked_slides(records: &[Vec<u8>], word: &str) -> Vec<u8> {
    let base = Sha1::digest([&SALT[..], &utf16(word)].concat());
    let apply = |block: u32, octets: &[u8]| {
        let mut out = octets.to_vec();
        let key = Sha1::digest([&base[..], &block.to_le_bytes()].concat());
        Rc4::new_from_slice(&key[..16]).unwrap().apply_keystream(&mut out);
        out
    };
    let verifier = [7; 16];
    let known = apply(0, &[&verifier[..], &Sha1::digest(verifier)].concat());
    let header: Vec<u8> = [4_u32, 0, 0x6801, 0x8004, 128, 1, 0, 0, 0].iter().flat_map(|n| n.to_le_bytes()).collect();
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    let info =
        [&[2, 0, 2, 0, 4, 0, 0, 0], &length[..], &header, &[16, 0, 0, 0], &SALT, &known[..16], &[20, 0, 0, 0], &known[16..]].concat();
    let records: Vec<_> = (1..).zip(records).map(|(n, record)| apply(n, record)).collect();
    slides_of(&records, 0xf3d1_c4df, Some(record(0xf, 0x2f14, &info)))
}
