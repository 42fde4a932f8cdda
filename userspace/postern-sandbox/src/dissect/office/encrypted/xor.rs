//! XOR obfuscation of Excel's old form (MS-OFFCRYPTO 2.3.7.1 to 2.3.7.3): sixteen octets, over and over.

use crate::dissect::octets::number;

/// What fills a password up to sixteen letters.
const FILL: [u8; 15] = [0xbb, 0xff, 0xff, 0xba, 0xff, 0xff, 0xb9, 0x80, 0x00, 0xbe, 0x0f, 0x00, 0xbf, 0x0f, 0x00];
const LONGEST: usize = 15;

pub struct Lock {
    key: u16,
    verifier: u16,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Lock {
    pub fn read(octets: &[u8]) -> Option<Self> {
        Some(Self { key: number(octets, 0, 2)? as u16, verifier: number(octets, 2, 2)? as u16 })
    }

    pub fn key(&self, word: &str) -> Option<Key> {
        let letters: Vec<u8> = word.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>()?;
        let fits = !letters.is_empty() && letters.len() <= LONGEST && key(&letters) == self.key && verifier(&letters) == self.verifier;
        fits.then(|| Key::of(&letters, self.key))
    }
}

impl Key {
    fn of(letters: &[u8], key: u16) -> Self {
        let [low, high] = key.to_le_bytes();
        let mut octets = [0; 16];
        for (n, (octet, from)) in octets.iter_mut().zip(letters.iter().chain(&FILL)).enumerate() {
            *octet = (from ^ if n % 2 == 0 { low } else { high }).rotate_right(1);
        }
        Self(octets)
    }

    /// `at`: of the first octet among the sixteen.
    pub fn apply(&self, at: usize, octets: &mut [u8]) {
        let keys = self.0.iter().cycle().skip(at % 16);
        octets.iter_mut().zip(keys).for_each(|(octet, key)| *octet = (*octet ^ key).rotate_right(5));
    }
}

/// The last letter first, seven bits of each: a number that is turned and mixed eight times a letter is added for each bit that is set. The
/// specification has its values as a table.
fn key(letters: &[u8]) -> u16 {
    let mix = |value: u16| {
        let turned = value.rotate_left(1);
        if turned & 1 == 0 { turned } else { turned ^ 0x1020 }
    };
    let (mut bits, mut end, mut key) = (0x8000, 0xffff, 0);
    for letter in letters.iter().rev() {
        for bit in 0..8 {
            (bits, end) = (mix(bits), mix(end));
            if letter & 0x7f & 1 << bit != 0 {
                key ^= bits;
            }
        }
    }
    key ^ end
}

fn verifier(letters: &[u8]) -> u16 {
    let turned = |value: u16| (value << 1 & 0x7fff) | value >> 14;
    let sum = letters.iter().rev().fold(0, |sum, letter| turned(sum) ^ u16::from(*letter));
    turned(sum) ^ letters.len() as u16 ^ 0xce4b
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Values that Excel's own documents have.
    #[test]
    fn words_and_their_numbers() {
        assert_eq!(verifier(b"test"), 0xcbeb);
        assert_eq!(verifier(b"password"), 0x83af);
        assert_eq!(verifier(b"VelvetSweatshop"), 0x9a0a);
    }

    #[test]
    fn what_was_turned_comes_back() {
        let (word, letters) = ("4711", b"4711");
        let lock = Lock { key: key(letters), verifier: verifier(letters) };
        assert_eq!(lock.key("4712"), None);
        assert_eq!(lock.key(""), None);
        assert_eq!(lock.key("日本"), None);
        let opened = lock.key(word).unwrap();
        let mut octets: Vec<u8> =
            b"a row of cells".iter().zip(opened.0.iter().cycle().skip(3)).map(|(b, k)| b.rotate_left(5) ^ k).collect();
        opened.apply(3, &mut octets);
        assert_eq!(octets, b"a row of cells");
    }
}
