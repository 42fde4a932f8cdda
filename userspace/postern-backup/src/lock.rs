//! What a backup is locked with, and what opens it: age, by a passphrase or by public keys.
//!
//! A passphrase proves who made the backup, too: nobody else can write one that opens with it. A public key does not: whoever
//! can write to the target can put another backup there that opens with your key. Then the target is what you trust.

use std::fmt;
use std::io::{Read, Write};

use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use postern_model::settings::backup::BackupSettings;

/// scrypt with 2^17 blocks of 1 KiB: 128 MiB while the key is made, a third of a second.
const WORK: u8 = 17;
/// A backup by somebody else's age may be dearer (its own default is 18), up to 256 MiB.
const MOST_WORK: u8 = 18;

/// Locks a backup.
#[derive(Clone)]
pub enum Lock {
    Passphrase(SecretString),
    Recipients(Vec<x25519::Recipient>),
}

/// Opens one.
#[derive(Clone)]
pub enum Key {
    Passphrase(SecretString),
    Identities(Vec<x25519::Identity>),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LockError {
    #[error("a backup is always encrypted: set backup.recipients or backup.passphrase")]
    None,
    #[error("set either backup.recipients or backup.passphrase, not both")]
    Both,
    #[error("`{text}` is no public key of age: {why}")]
    Recipient { text: String, why: &'static str },
    #[error("this is no file with secret keys of age: a line begins with AGE-SECRET-KEY-1")]
    Identities,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("this is no backup: it is not encrypted by age")]
    NotABackup,
    #[error("the passphrase is not the one this backup was locked with")]
    WrongPassphrase,
    #[error("none of the keys opens this backup")]
    WrongKey,
    #[error("this backup is locked with a passphrase, and a key was given")]
    NeedsPassphrase,
    #[error("this backup is locked with public keys: give the file with the secret key instead of a passphrase")]
    NeedsKey,
    #[error("the backup's head is damaged or cut short: take another backup")]
    Damaged,
    #[error("the backup's passphrase asks for 2^{0} KiB of memory: this version spends up to 2^{MOST_WORK}")]
    Expensive(u8),
    #[error("the backup cannot be read: {0}")]
    Read(#[source] std::io::Error),
}

impl Lock {
    /// What the settings say.
    ///
    /// # Errors
    /// When they name nothing, both, or a key that is none.
    pub fn from_settings(settings: &BackupSettings) -> Result<Self, LockError> {
        match (settings.recipients.as_slice(), settings.passphrase.as_str()) {
            ([], "") => Err(LockError::None),
            ([], passphrase) => Ok(Self::passphrase(passphrase)),
            (recipients, "") => Self::recipients(recipients),
            _ => Err(LockError::Both),
        }
    }

    pub fn passphrase(text: &str) -> Self {
        Self::Passphrase(SecretString::from(text.to_owned()))
    }

    /// # Errors
    /// For a text that is no X25519 recipient.
    pub fn recipients<T: AsRef<str>>(texts: &[T]) -> Result<Self, LockError> {
        let read = |text: &T| {
            let text = text.as_ref().trim();
            text.parse().map_err(|why| LockError::Recipient { text: text.to_owned(), why })
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self::Recipients)
    }

    pub(crate) fn seal<W: Write>(&self, output: W) -> std::io::Result<StreamWriter<W>> {
        let encryptor = match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
            }
            Self::Recipients(list) => Encryptor::with_recipients(list.iter().map(|r| r as &dyn age::Recipient)),
        };
        encryptor.map_err(std::io::Error::other)?.wrap_output(output)
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(_) => f.write_str("Passphrase"),
            Self::Recipients(list) => write!(f, "{} recipients", list.len()),
        }
    }
}

impl Key {
    pub fn passphrase(text: &str) -> Self {
        Self::Passphrase(SecretString::from(text.to_owned()))
    }

    /// Reads what `age-keygen` writes: lines with a key, and remarks.
    ///
    /// # Errors
    /// When there is no key, or something else.
    pub fn identities(text: &str) -> Result<Self, LockError> {
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let keys = lines.map(|l| l.parse().map_err(|_| LockError::Identities)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(LockError::Identities) } else { Ok(Self::Identities(keys)) }
    }

    pub(crate) fn open<R: Read>(&self, input: R) -> Result<StreamReader<R>, OpenError> {
        let decryptor = Decryptor::new(input).map_err(|e| match e {
            DecryptError::UnknownFormat | DecryptError::InvalidHeader => OpenError::NotABackup,
            other => self.explain(other),
        })?;
        match (self, decryptor.is_scrypt()) {
            (Self::Passphrase(_), false) => Err(OpenError::NeedsKey),
            (Self::Identities(_), true) => Err(OpenError::NeedsPassphrase),
            (Self::Passphrase(passphrase), true) => {
                let mut identity = scrypt::Identity::new(passphrase.clone());
                identity.set_max_work_factor(MOST_WORK);
                decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|e| self.explain(e))
            }
            (Self::Identities(keys), false) => decryptor.decrypt(keys.iter().map(|k| k as &dyn age::Identity)).map_err(|e| self.explain(e)),
        }
    }

    fn explain(&self, error: DecryptError) -> OpenError {
        match error {
            DecryptError::Io(e) if matches!(e.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData) => {
                OpenError::Damaged
            }
            DecryptError::Io(e) => OpenError::Read(e),
            DecryptError::ExcessiveWork { required, .. } => OpenError::Expensive(required),
            DecryptError::InvalidHeader | DecryptError::InvalidMac => OpenError::Damaged,
            DecryptError::UnknownFormat => OpenError::NotABackup,
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => match self {
                Self::Passphrase(_) => OpenError::WrongPassphrase,
                Self::Identities(_) => OpenError::WrongKey,
            },
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::Identities(_) => "Identities",
        })
    }
}
