//! Agile encryption, Office's way since 2010 (MS-OFFCRYPTO 2.3.4.10 to 2.3.4.13): an XML text says which hash, which key, how many rounds.

use std::time::Instant;

use data_encoding::BASE64;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::hash::Hash;
use super::package::{Key, fit};
use super::words::Late;
use super::{DOCUMENT, Why, aes, utf16};

/// More Office does not take, either (`ST_SpinCount`). It writes 100,000.
const SPINS_MOST: u32 = 10_000_000;
/// Octets of a salt, by the same.
const SALT_MOST: usize = 65_536;
/// What is hashed behind the rounds, for each of the three that are encrypted.
const INPUT: [u8; 8] = [0xfe, 0xa7, 0xd2, 0x76, 0x3b, 0x4b, 0x9e, 0x79];
const VALUE: [u8; 8] = [0xd7, 0xaa, 0x0f, 0x6d, 0x30, 0x61, 0x34, 0x4e];
const KEY: [u8; 8] = [0x14, 0x6e, 0x0b, 0xe7, 0xab, 0xac, 0xd0, 0xd6];

pub struct Lock {
    /// Of the package, and of its key.
    package: Method,
    password: Method,
    spins: u32,
    /// A salt and its hash, to know the right word by; and the package's key. All encrypted.
    input: Vec<u8>,
    value: Vec<u8>,
    key: Vec<u8>,
}

struct Method {
    hash: Hash,
    salt: Vec<u8>,
    /// Octets of the key.
    key: usize,
}

impl Lock {
    pub fn read(xml: &[u8]) -> Result<Self, Why> {
        let (mut package, mut password) = (None, None);
        let mut reader = Reader::from_reader(xml);
        loop {
            match reader.read_event() {
                Ok(Event::Empty(tag) | Event::Start(tag)) => match tag.local_name().as_ref() {
                    "keyData" => package = Some(Method::read(&tag)?),
                    // Of several the one that a password opens: others are for certificates.
                    "encryptedKey" if password.is_none() && attribute(&tag, "spinCount").is_some() => {
                        password = Some((Method::read(&tag)?, tag.into_owned()));
                    }
                    _ => {}
                },
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        let (Some(package), Some((password, tag))) = (package, password) else {
            return Err(format!("{DOCUMENT} that does not say how it is encrypted"));
        };
        let spins = attribute(&tag, "spinCount").and_then(|count| count.parse::<u32>().ok());
        let Some(spins) = spins.filter(|spins| *spins <= SPINS_MOST) else {
            return Err(format!("{DOCUMENT} that wants more rounds for a key than Office makes"));
        };
        let octets = |name| binary(&tag, name).ok_or_else(|| format!("{DOCUMENT} without {name}"));
        let (input, value, key) =
            (octets("encryptedVerifierHashInput")?, octets("encryptedVerifierHashValue")?, octets("encryptedKeyValue")?);
        Ok(Self { package, password, spins, input, value, key })
    }

    pub fn key(&self, word: &str, until: Instant) -> Result<Option<Key>, Late> {
        let base = self.password.hash.rounds(&[&self.password.salt, &utf16(word)], self.spins, until)?;
        Ok(self.checked(&base))
    }

    fn checked(&self, base: &[u8]) -> Option<Key> {
        let Method { hash, salt, key } = &self.password;
        let opened = |what: [u8; 8], octets: &[u8]| {
            let key = fit(hash.of(&[base, &what]), *key);
            let mut out = octets.to_vec();
            aes::cbc(&key, &fit(salt.clone(), aes::BLOCK), &mut out)?;
            Some(out)
        };
        let expected = hash.of(&[opened(INPUT, &self.input)?.get(..salt.len())?]);
        let value = opened(VALUE, &self.value)?;
        let key = opened(KEY, &self.key)?.get(..self.package.key)?.to_vec();
        (value.get(..expected.len())? == expected).then(|| Key::Agile { key, hash: self.package.hash, salt: self.package.salt.clone() })
    }
}

impl Method {
    fn read(tag: &BytesStart<'_>) -> Result<Self, Why> {
        let text = |name| attribute(tag, name).unwrap_or_default();
        let cipher = (text("cipherAlgorithm"), text("cipherChaining"));
        if (cipher.0.as_str(), cipher.1.as_str()) != ("AES", "ChainingModeCBC") {
            let cipher: String = format!("{} {}", cipher.0, cipher.1).chars().take(60).collect();
            return Err(format!("{DOCUMENT}, encrypted by {}", cipher.trim()));
        }
        let key = text("keyBits").parse().ok().filter(|bits| [128, 192, 256].contains(bits)).map(|bits: usize| bits / 8);
        let salt = binary(tag, "saltValue").filter(|salt| salt.len() <= SALT_MOST);
        match (Hash::named(&text("hashAlgorithm")), salt, key) {
            (Some(hash), Some(salt), Some(key)) => Ok(Self { hash, salt, key }),
            _ => Err(format!("{DOCUMENT}, encrypted in a way that is not known here")),
        }
    }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.attributes().flatten().find(|a| a.key.local_name().as_ref() == name).map(|a| a.value.trim().to_owned())
}

fn binary(tag: &BytesStart<'_>, name: &str) -> Option<Vec<u8>> {
    BASE64.decode(attribute(tag, name)?.as_bytes()).ok()
}
