//! Passwords: argon2id, one at a time, and a wait for addresses that guess.

use std::net::IpAddr;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params};
use tokio::sync::Semaphore;

use crate::tally::{Tally, source};

/// Shortest password an admin may choose (NIST SP 800-63B asks for 8; this one opens a mail gateway).
pub const SHORTEST: usize = 10;
/// Longest: more would be work for the hash and nothing else.
pub const LONGEST: usize = 1024;
/// Argon2 takes 19 MiB: so many at a time.
const AT_A_TIME: usize = 2;
/// How long an address waits after too many failures.
const WAIT: Duration = Duration::from_secs(60);
/// How long a login waits after too many wrong codes, each by somebody who knows its password: ten tries in this time find one of the
/// three codes that are good within a year with a chance of two thirds, and every one of them is in the audit trail.
const WAIT_FOR_CODES: Duration = Duration::from_secs(15 * 60);
/// Argon2id of nothing in particular: verified when the name is unknown, so that the time taken tells nothing.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRmb3Jub2JvZHk$RIIdPoMSR6tKjSnp6CQvsGG3xJSY0+FAIhHQwa7x0Hs";

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("the password could not be hashed: {0}")]
    Hash(String),
    #[error("too many passwords are being checked")]
    Busy,
}

/// Guards logins: bounded hashing, failures by address.
pub struct Gate {
    hashing: Semaphore,
    failures: Tally<IpAddr>,
    /// Wrong codes by login, each after the right password.
    codes: Tally<String>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { hashing: Semaphore::new(AT_A_TIME), failures: Tally::new(WAIT), codes: Tally::new(WAIT_FOR_CODES) }
    }
}

impl Gate {
    /// How long this address still has to wait, if it has.
    pub fn wait(&self, address: IpAddr, tries: u32) -> Option<Duration> {
        self.failures.wait(&source(address), tries)
    }

    /// The same for a login whose codes were wrong.
    pub fn wait_for_code(&self, login: &str, tries: u32) -> Option<Duration> {
        self.codes.wait(login, tries)
    }

    pub fn failed(&self, address: IpAddr) {
        self.failures.count(source(address));
    }

    pub fn failed_code(&self, login: &str) {
        self.codes.count(login.to_owned());
    }

    pub fn succeeded_code(&self, login: &str) {
        self.codes.forget(login);
    }

    pub fn succeeded(&self, address: IpAddr) {
        self.failures.forget(&source(address));
    }

    /// Verifies a password; with no hash it takes as long and is false.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, PasswordError> {
        let _turn = self.turn().await?;
        let verify = move || {
            let known = hash.is_some();
            let text = hash.unwrap_or_else(|| DECOY.to_owned());
            let good = PasswordHash::new(&text).is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok());
            good && known
        };
        tokio::task::spawn_blocking(verify).await.map_err(|e| PasswordError::Hash(e.to_string()))
    }

    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let _turn = self.turn().await?;
        tokio::task::spawn_blocking(move || hash(&password)).await.map_err(|e| PasswordError::Hash(e.to_string()))?
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, PasswordError> {
        let turn = tokio::time::timeout(Duration::from_secs(10), self.hashing.acquire()).await;
        turn.ok().and_then(Result::ok).ok_or(PasswordError::Busy)
    }
}

pub fn hash(password: &str) -> Result<String, PasswordError> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|e| PasswordError::Hash(e.to_string()))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(|e| PasswordError::Hash(e.to_string()))?;
    Ok(hash.to_string())
}

/// A login must not cost more than the node has to spare.
const MOST_MEMORY_KIB: u32 = 64 << 10;
const MOST_PASSES: u32 = 10;

/// Whether a text is a hash that [`Gate::verify`] can hold a password against: argon2id as a PHC string, of bounded cost.
pub fn is_usable_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let is_cheap = |costs: Params| costs.m_cost() <= MOST_MEMORY_KIB && costs.t_cost() <= MOST_PASSES;
    hash.algorithm == Algorithm::Argon2id.ident()
        && hash.salt.is_some()
        && hash.hash.is_some()
        && Params::try_from(&hash).is_ok_and(is_cheap)
}

/// A secret of 160 bits that can be typed: lower-case base 32.
pub fn random_secret() -> String {
    data_encoding::BASE32_NOPAD.encode(&rand::random::<[u8; 20]>()).to_lowercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn passwords_verify_and_unknown_names_never_do() {
        let gate = Gate::default();
        let hash = gate.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(gate.verify("correct horse battery".into(), Some(hash.clone())).await.unwrap());
        assert!(!gate.verify("wrong".into(), Some(hash)).await.unwrap());
        assert!(!gate.verify("correct horse battery".into(), None).await.unwrap());
        assert!(PasswordHash::new(DECOY).is_ok(), "the decoy must cost as much as a real hash");
    }

    #[test]
    fn hashes_from_elsewhere_are_argon2id_and_cheap() {
        assert!(is_usable_hash(DECOY) && is_usable_hash(&hash("correct horse battery").unwrap()));
        let dear = DECOY.replace("m=19456", "m=4000000");
        let other = DECOY.replace("argon2id", "argon2i");
        for bad in ["", "correct horse battery", "$5$rounds=5000$salt$hash", "$argon2id$v=19$m=19456,t=2,p=1", &dear, &other] {
            assert!(!is_usable_hash(bad), "{bad}");
        }
    }

    #[test]
    fn an_address_waits_after_its_tries_and_its_network_with_it() {
        let gate = Gate::default();
        let a: IpAddr = "2001:db8::1".parse().unwrap();
        let b: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        for _ in 0..3 {
            assert!(gate.wait(a, 3).is_none());
            gate.failed(a);
        }
        assert!(gate.wait(b, 3).is_some_and(|w| w <= WAIT));
        assert!(gate.wait(other, 3).is_none());
        gate.succeeded(b);
        assert!(gate.wait(a, 3).is_none());
    }
}
