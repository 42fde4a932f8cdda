//! The key of this node. Whoever holds the file is the node, so it is readable by its owner alone, and a damaged one is an
//! error: a new key would be a new node, which nobody invited, while the others wait for the old one.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use iroh::SecretKey;
use postern_model::node::NodeKey;

use crate::file;

/// What the file begins with; the rest is the secret in hexadecimal digits and a checksum of it.
const HEAD: &str = "postern node key 1";

/// The bits of a mode that let others in.
const OTHERS: u32 = 0o077;

/// The secret key of this node.
#[derive(Clone)]
pub struct Identity(SecretKey);

#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot {what} the key of this node, {}", path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is damaged ({why}): bring it back from a backup, or move it away to become a new node that must join again", path.display())]
    Damaged { path: PathBuf, why: &'static str },
    #[error("{} may be read by others (mode {mode:o}): whoever has read it can pose as this node; set mode 600 if you trust them", path.display())]
    Exposed { path: PathBuf, mode: u32 },
}

impl Identity {
    /// A new key, known to nobody and kept nowhere.
    pub fn new() -> Self {
        Self(SecretKey::generate())
    }

    /// The key in this file; a missing file is made, with a new key, and is on disk when this returns.
    ///
    /// # Errors
    /// When the file cannot be read or written, is damaged, or can be read by others.
    pub fn open_or_create(path: &Path) -> Result<Self, IdentityError> {
        let failed = |what| move |source| IdentityError::File { what, path: path.to_owned(), source };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let new = Self::new();
                file::write_anew(path, new.text().as_bytes()).map_err(failed("write"))?;
                return Ok(new);
            }
            Err(e) if e.kind() == ErrorKind::InvalidData => {
                return Err(IdentityError::Damaged { path: path.to_owned(), why: "it is no text" });
            }
            Err(e) => return Err(failed("read")(e)),
        };
        let mode = fs::metadata(path).map_err(failed("read"))?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(IdentityError::Exposed { path: path.to_owned(), mode });
        }
        read(&text).map(Self).map_err(|why| IdentityError::Damaged { path: path.to_owned(), why })
    }

    pub fn key(&self) -> NodeKey {
        NodeKey(*self.0.public().as_bytes())
    }

    pub(crate) fn secret(&self) -> SecretKey {
        self.0.clone()
    }

    fn text(&self) -> String {
        let secret = self.0.to_bytes();
        let digits = data_encoding::HEXLOWER.encode(&secret);
        format!("{HEAD}\n{digits}\n{}\n", checksum(&secret))
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self::new()
    }
}

/// The secret is in no log.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.key())
    }
}

/// Eight digits that depend on every octet: half a file, or a flipped bit, is told from a key.
fn checksum(secret: &[u8; 32]) -> String {
    let hash = blake3::derive_key("postern node key file: checksum", secret);
    data_encoding::HEXLOWER.encode(&hash[..4])
}

fn read(text: &str) -> Result<SecretKey, &'static str> {
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err("it does not begin as a key does");
    }
    let (Some(digits), Some(sum), None) = (lines.next(), lines.next(), lines.next()) else {
        return Err("it has too few or too many lines");
    };
    let secret = data_encoding::HEXLOWER.decode(digits.as_bytes()).ok().and_then(|octets| <[u8; 32]>::try_from(octets).ok());
    let secret = secret.ok_or("the key is not 64 hexadecimal digits")?;
    if checksum(&secret) != sum {
        return Err("its checksum is wrong");
    }
    Ok(SecretKey::from_bytes(&secret))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_stays_the_same_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = Identity::open_or_create(&path).unwrap();
        assert_eq!(Identity::open_or_create(&path).unwrap().key(), first.key());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(!format!("{first:?}").contains(&fs::read_to_string(&path).unwrap()[20..40]));
    }

    #[test]
    fn a_damaged_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        Identity::open_or_create(&path).unwrap();
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[30] = if flipped[30] == b'0' { b'1' } else { b'0' };
        for bad in [b"".to_vec(), good[..good.len() / 2].to_vec(), good[..good.len() - 3].to_vec(), flipped, vec![0xff; 99]] {
            fs::write(&path, &bad).unwrap();
            assert!(matches!(Identity::open_or_create(&path), Err(IdentityError::Damaged { .. })), "{bad:?}");
            assert_eq!(fs::read(&path).unwrap(), bad, "the file was touched");
        }
        fs::write(&path, good).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Identity::open_or_create(&path), Err(IdentityError::Exposed { mode: 0o640, .. })));
    }
}
