//! What the medium brings along: the images, where they go, and what their octets must be. The builder writes it (`iso` in
//! `image/src/recipe.rs`), and the hashes are of what shall lie on the disk, not of how it is packed.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ruzstd::decoding::StreamingDecoder;

use super::gpt::{CODE, SECTOR};
use super::layout::{BadLayout, Layout};
use crate::manifest::{Content, Hash, Manifest, PIECE, PRODUCT};

/// The folder on the medium.
pub const FOLDER: &str = "live";
const MANIFEST: &str = "manifest.json";
const SCRIPT: &str = "partitions.sfdisk";
const BOOT_CODE: &str = "boot-code.img";
/// An image, and its partition. The boot loader's are first: what is missing longest is what starts the machine.
pub const IMAGES: [(&str, &str); 4] = [("bios.img", "bios"), ("esp.img", "esp"), ("boot.img", "boot-a"), ("root.img", "root-a")];
/// A manifest or a script: some kilobytes.
const LONGEST_TEXT: u64 = 1 << 20;

#[derive(Clone, Debug)]
pub struct Medium {
    folder: PathBuf,
    manifest: Manifest,
    pub layout: Layout,
    pub boot_code: [u8; CODE],
}

#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    #[error("the medium: {path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the medium's manifest: {0}")]
    Manifest(String),
    #[error("the medium's partitions: {0}")]
    Layout(#[from] BadLayout),
    #[error("the medium is damaged: {0} is not what was built; write it anew, or take another one")]
    Damaged(String),
    #[error("the medium's {image} has {size} octets: more than its partition")]
    TooLarge { image: &'static str, size: u64 },
}

impl Medium {
    /// Reads all but the images.
    ///
    /// # Errors
    /// When something is missing or not what was built.
    pub fn open(folder: &Path) -> Result<Self, MediumError> {
        let text = String::from_utf8_lossy(&small(&folder.join(MANIFEST))?).into_owned();
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| MediumError::Manifest(e.to_string()))?;
        if manifest.product != PRODUCT {
            return Err(MediumError::Manifest(format!("it is of `{}`, not of {PRODUCT}", manifest.product)));
        }
        let whole = |name: &str| {
            let octets = small(&folder.join(name))?;
            let is_right = manifest.files.get(name).is_some_and(|c| c.sha256 == Hash::whole(&octets));
            if is_right { Ok(octets) } else { Err(MediumError::Damaged(name.into())) }
        };
        let layout = Layout::parse(&String::from_utf8_lossy(&whole(SCRIPT)?))?;
        let boot_code = whole(BOOT_CODE)?.try_into().map_err(|_| MediumError::Damaged(BOOT_CODE.into()))?;
        for (image, partition) in IMAGES {
            let size = manifest.files.get(image).ok_or_else(|| MediumError::Manifest(format!("it lacks {image}")))?.size;
            let room = layout.place(partition).map_or(0, |p| p.size * SECTOR);
            if size > room {
                return Err(MediumError::TooLarge { image, size });
            }
        }
        Ok(Self { folder: folder.to_owned(), manifest, layout, boot_code })
    }

    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// What an image must be on the disk.
    pub fn content(&self, image: &str) -> Option<&Content> {
        self.manifest.files.get(image)
    }

    /// Gives an image in pieces of whole sectors (the last one filled up with zeros), and fails at the end when it was not what
    /// was built.
    ///
    /// # Errors
    /// Those of the medium, or of `take`.
    pub fn stream<E: From<MediumError>>(&self, image: &'static str, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let damaged = || MediumError::Damaged(image.into());
        let wanted = self.content(image).ok_or_else(damaged)?;
        let (path, mut from) = self.image(image)?;
        let (mut hash, mut left) = (Hash::default(), wanted.size);
        let mut chunk = vec![0; PIECE];
        while left > 0 {
            let length = usize::try_from(left).map_or(PIECE, |l| l.min(PIECE));
            from.read_exact(&mut chunk[..length]).map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => damaged(),
                _ => MediumError::Io { path: path.clone(), source },
            })?;
            hash.feed(&chunk[..length]);
            let full = length.next_multiple_of(SECTOR as usize);
            chunk[length..full].fill(0);
            take(&chunk[..full])?;
            left -= length as u64;
        }
        if hash.end() == wanted.sha256 { Ok(()) } else { Err(damaged().into()) }
    }

    /// As it is, or packed by zstd (RFC 8878) when the medium has it so.
    fn image(&self, image: &str) -> Result<(PathBuf, Box<dyn Read>), MediumError> {
        let plain = self.folder.join(image);
        match File::open(&plain) {
            Ok(file) => Ok((plain, Box::new(file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let packed = self.folder.join(format!("{image}.zst"));
                let file = File::open(&packed).map_err(|source| MediumError::Io { path: packed.clone(), source })?;
                // Its window is bounded by the decoder: 100 MiB at the most, of which the builder's level takes 4.
                let decoder = StreamingDecoder::new(io::BufReader::new(file)).map_err(|_| MediumError::Damaged(format!("{image}.zst")))?;
                Ok((packed, Box::new(decoder)))
            }
            Err(source) => Err(MediumError::Io { path: plain, source }),
        }
    }
}

fn small(path: &Path) -> Result<Vec<u8>, MediumError> {
    let read = || {
        let mut octets = Vec::new();
        File::open(path)?.take(LONGEST_TEXT).read_to_end(&mut octets)?;
        Ok(octets)
    };
    read().map_err(|source| MediumError::Io { path: path.to_owned(), source })
}
