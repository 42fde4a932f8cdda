//! The head that encryption by Windows' CryptoAPI has, in documents of the old form and in those of Office 2007 (MS-OFFCRYPTO 2.3.2, 2.3.3).

use crate::dissect::octets::number;

const RC4: u64 = 0x6801;
const AES: [u64; 3] = [0x660e, 0x660f, 0x6610];
const SHA1: u64 = 0x8004;

pub struct Header {
    algorithm: u64,
    /// Octets of the key.
    pub key: usize,
    pub salt: Vec<u8>,
    /// Octets and their hash, to know the right word by. Both encrypted.
    pub verifier: Vec<u8>,
    pub verifier_hash: Vec<u8>,
}

impl Header {
    /// Behind a version and flags.
    pub fn read(info: &[u8]) -> Option<Self> {
        let length = usize::try_from(number(info, 8, 4)?).ok()?;
        let rest = info.get(12..)?;
        let (header, verifier) = (rest.get(..length)?, rest.get(length..)?);
        let hash = number(header, 12, 4)?;
        if number(verifier, 0, 4)? != 16 || ![0, SHA1].contains(&hash) {
            return None;
        }
        // Without a length it is 40 bits, and for AES what its name says.
        let bits = match (number(header, 16, 4)?, number(header, 8, 4)?) {
            (0, 0x660e) => 128,
            (0, 0x660f) => 192,
            (0, 0x6610) => 256,
            (0, _) => 40,
            (bits, _) => bits,
        };
        Some(Self {
            algorithm: number(header, 8, 4)?,
            key: usize::try_from(bits / 8).ok()?,
            salt: verifier.get(4..20)?.to_vec(),
            verifier: verifier.get(20..36)?.to_vec(),
            verifier_hash: verifier.get(40..)?.to_vec(),
        })
    }

    pub fn is_aes(&self) -> bool {
        AES.contains(&self.algorithm) && [16, 24, 32].contains(&self.key)
    }

    pub fn is_rc4(&self) -> bool {
        self.algorithm == RC4 && (5..=16).contains(&self.key)
    }
}
