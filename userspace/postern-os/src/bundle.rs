//! An update as it is handed over: a tar (POSIX.1-1988 ustar) of the manifest, its signature, and the two images of a slot, in
//! this order. The manifest is signed by Ed25519 (RFC 8032) and holds the hashes of the images, so that who believes the signature
//! needs to believe nothing else in the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::manifest::{Hash, Manifest, PIECE, PRODUCT};

/// A manifest is some hundred octets.
const LONGEST_MANIFEST: u64 = 64 << 10;
const MEMBERS: [&str; 4] = ["manifest.json", "manifest.sig", "boot.img", "root.img"];
/// What stands before the 32 octets of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_INFO: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[derive(Debug, thiserror::Error)]
pub enum BadBundle {
    #[error("the update cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("this is no update of Postern: {0}")]
    Form(String),
    #[error("the update ends in the middle of {name}: {have} of {wanted} octets are there; get it again")]
    Truncated { name: &'static str, have: u64, wanted: u64 },
    #[error("the update is not signed by the key of this appliance ({})", crate::PUBLIC_KEY)]
    Unsigned,
    #[error("{} is no Ed25519 public key in PEM: the appliance cannot check updates", crate::PUBLIC_KEY)]
    Key,
    #[error("the update is for `{0}`, this is {PRODUCT}")]
    Product(String),
    #[error("`{0}` is no version (semver.org)")]
    Version(String),
    #[error("the update has version {offered}, which is older than this one, {running}; say that you want it (allow older)")]
    Older { offered: Version, running: Version },
    #[error("{name} is not the file that was signed; get the update again")]
    Content { name: &'static str },
}

/// One of the images in the bundle's file.
#[derive(Clone, Debug)]
pub struct Image {
    pub name: &'static str,
    offset: u64,
    pub size: u64,
    pub sha256: String,
}

/// A bundle whose manifest was believed; its images are hashed by [`Bundle::check`].
#[derive(Debug)]
pub struct Bundle {
    file: File,
    pub version: Version,
    pub boot: Image,
    pub root: Image,
}

/// Whether an update may lead back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    #[default]
    Forward,
    AllowOlder,
}

impl Bundle {
    /// Reads what stands before the images, and believes it when the key `public` (PEM) signed it.
    ///
    /// # Errors
    /// Why it is not to be believed, or not for this appliance.
    pub fn open(path: &Path, public: &str) -> Result<Self, BadBundle> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut places = Vec::with_capacity(MEMBERS.len());
        {
            let mut archive = tar::Archive::new(&mut file);
            let form = |e: io::Error| BadBundle::Form(e.to_string());
            for entry in archive.entries_with_seek().map_err(form)? {
                let entry = entry.map_err(form)?;
                let wanted = MEMBERS.get(places.len()).ok_or_else(|| BadBundle::Form("it holds more than it should".into()))?;
                let found = entry.path_bytes().into_owned();
                if found != wanted.as_bytes() || entry.header().entry_type() != tar::EntryType::Regular {
                    return Err(BadBundle::Form(format!("`{}` where {wanted} should be", String::from_utf8_lossy(&found).escape_debug())));
                }
                let (at, size) = (entry.raw_file_position(), entry.size());
                if at.checked_add(size).is_none_or(|end| end > length) {
                    return Err(BadBundle::Truncated { name: wanted, have: length.saturating_sub(at), wanted: size });
                }
                places.push((at, size));
            }
        }
        let &[manifest, signature, boot, root] = &places[..] else {
            return Err(BadBundle::Form(format!("{} is missing", MEMBERS[places.len().min(3)])));
        };
        let small = |(at, size): (u64, u64)| -> Result<Vec<u8>, BadBundle> {
            if size > LONGEST_MANIFEST {
                return Err(BadBundle::Form("its manifest is longer than 64 KiB".into()));
            }
            let mut octets = vec![0; usize::try_from(size).unwrap_or_default()];
            file.read_exact_at(&mut octets, at)?;
            Ok(octets)
        };
        let (text, signature) = (small(manifest)?, small(signature)?);
        UnparsedPublicKey::new(&ED25519, key(public)?).verify(&text, &signature).map_err(|_| BadBundle::Unsigned)?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| BadBundle::Form(format!("its manifest: {e}")))?;
        if manifest.product != PRODUCT {
            return Err(BadBundle::Product(manifest.product));
        }
        let version = manifest.version.parse().map_err(|_| BadBundle::Version(manifest.version.clone()))?;
        let image = |name: &'static str, (offset, size): (u64, u64)| {
            let content = manifest.files.get(name).ok_or_else(|| BadBundle::Form(format!("its manifest does not name {name}")))?;
            if content.size != size {
                return Err(BadBundle::Content { name });
            }
            Ok(Image { name, offset, size, sha256: content.sha256.clone() })
        };
        let (boot, root) = (image("boot.img", boot)?, image("root.img", root)?);
        Ok(Self { version, boot, root, file })
    }

    /// # Errors
    /// When it is older than what runs, and nobody said that this is wanted.
    pub fn may_follow(&self, running: &Version, direction: Direction) -> Result<(), BadBundle> {
        if self.version < *running && direction == Direction::Forward {
            return Err(BadBundle::Older { offered: self.version.clone(), running: running.clone() });
        }
        Ok(())
    }

    /// Octets of both images.
    pub fn size(&self) -> u64 {
        self.boot.size + self.root.size
    }

    /// Hands an image over, piece by piece.
    ///
    /// # Errors
    /// What reading says, or `to`.
    pub fn pieces<E: From<io::Error>>(&self, image: &Image, mut to: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut buffer = vec![0; PIECE];
        let mut done = 0;
        while done < image.size {
            let piece = &mut buffer[..PIECE.min(usize::try_from(image.size - done).unwrap_or(PIECE))];
            self.file.read_exact_at(piece, image.offset + done)?;
            to(piece)?;
            done += piece.len() as u64;
        }
        Ok(())
    }

    /// # Errors
    /// When an image is not the one that was signed.
    pub fn check(&self, mut done: impl FnMut(u64)) -> Result<(), BadBundle> {
        for image in [&self.boot, &self.root] {
            let mut hash = Hash::default();
            self.pieces::<BadBundle>(image, |piece| {
                hash.feed(piece);
                done(piece.len() as u64);
                Ok(())
            })?;
            if hash.end() != image.sha256 {
                return Err(BadBundle::Content { name: image.name });
            }
        }
        Ok(())
    }
}

fn key(pem: &str) -> Result<Vec<u8>, BadBundle> {
    let body: String =
        pem.lines().map(str::trim).skip_while(|l| *l != "-----BEGIN PUBLIC KEY-----").skip(1).take_while(|l| !l.starts_with('-')).collect();
    let der = BASE64.decode(body.as_bytes()).map_err(|_| BadBundle::Key)?;
    match der.strip_prefix(&ED25519_INFO) {
        Some(key) if key.len() == 32 => Ok(key.to_vec()),
        _ => Err(BadBundle::Key),
    }
}
