//! The quarantine store: one file per mail, so that deleting is unlinking and the index in SQLite can be rebuilt.
//!
//! A file is a header (magic, sum, length), the mail as postcard, and its body as it came. It is found below two
//! characters of its id: the last two, which are random (the first ones are time, and the same for years).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use postern_model::id::MailId;
use postern_model::queue::QueuedMail;

use super::body::{StoredBody, hash_of};
use super::companion::Slot;

const MAGIC: [u8; 8] = *b"PQUARAN1";
/// Magic, length of the mail, sum of length and mail.
const HEADER: usize = 16;
/// A mail's own data is far below; a damaged length must not allocate more.
const MAX_META: usize = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    #[error("{what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("mail {0} is not in the quarantine")]
    Unknown(MailId),
    #[error("the quarantined mail in {0} is damaged")]
    Damaged(PathBuf),
}

/// A mail read back from the quarantine.
#[derive(Debug)]
pub struct Quarantined {
    pub mail: QueuedMail,
    body: StoredBody,
    /// Where the body starts in its file.
    from: usize,
}

impl Quarantined {
    pub fn body(&self) -> &[u8] {
        &self.body.bytes()[self.from..]
    }

    /// The body for several readers; nothing is copied.
    pub fn shared_body(self) -> Bytes {
        self.body.shared().slice(self.from..)
    }
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Quarantine {
    dir: Arc<Path>,
    /// The spool's, too.
    pub(super) companion: Slot,
}

impl Quarantine {
    pub fn open(dir: PathBuf) -> Result<Self, QuarantineError> {
        std::fs::create_dir_all(&dir).map_err(failed("cannot make the directory", &dir))?;
        Ok(Self { dir: dir.into(), companion: Slot::default() })
    }

    fn path(&self, id: MailId) -> PathBuf {
        let name = id.to_string();
        self.dir.join(name.get(name.len().saturating_sub(2)..).unwrap_or("00")).join(name)
    }

    /// Stores a mail durably; replaces one of the same id.
    pub fn put(&self, mail: &QueuedMail, body: &[u8]) -> Result<(), QuarantineError> {
        let path = self.path(mail.id);
        let shard = path.parent().unwrap_or(&self.dir);
        let meta = postcard::to_stdvec(mail).map_err(|e| failed("cannot encode for", &path)(io::Error::other(e)))?;
        let length = u32::try_from(meta.len()).map_err(|_| failed("cannot encode for", &path)(io::ErrorKind::FileTooLarge.into()))?;
        if !shard.is_dir() {
            std::fs::create_dir_all(shard).map_err(failed("cannot make the directory", shard))?;
            sync(&self.dir)?;
        }
        let mut head = Vec::with_capacity(HEADER + meta.len());
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(&crc32c::crc32c(&meta).to_le_bytes());
        head.extend_from_slice(&meta);
        let young = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&young)?;
            file.write_all(&head)?;
            file.write_all(body)?;
            file.sync_all()?;
            std::fs::rename(&young, &path)
        };
        if let Err(error) = write() {
            let _ = std::fs::remove_file(&young);
            return Err(failed("cannot write the quarantined mail", &path)(error));
        }
        sync(shard)
    }

    /// The mail without its body.
    pub fn mail(&self, id: MailId) -> Result<QueuedMail, QuarantineError> {
        let path = self.path(id);
        let (_, mail, _) = open_one(&path).map_err(|e| unknown(id, e))?;
        Ok(mail)
    }

    /// Mail and body, verified against the hash.
    pub fn read(&self, id: MailId) -> Result<Quarantined, QuarantineError> {
        let path = self.path(id);
        let (file, mail, from) = open_one(&path).map_err(|e| unknown(id, e))?;
        let len = file.metadata().map_err(failed("cannot look at", &path))?.len();
        let intact = len == from as u64 + mail.size && hash_of(&file, from as u64, mail.size).is_ok_and(|h| h == mail.hash);
        if !intact {
            return Err(QuarantineError::Damaged(path));
        }
        let body = StoredBody::in_file(&file).map_err(failed("cannot map", &path))?;
        Ok(Quarantined { mail, body, from })
    }

    pub fn contains(&self, id: MailId) -> bool {
        self.path(id).exists()
    }

    /// Deletes a mail; `false` when it was not there.
    pub fn delete(&self, id: MailId) -> Result<bool, QuarantineError> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            Ok(()) => {
                self.companion.tell(|c| c.unquarantined(id));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("cannot delete", &path)(error)),
        }
    }

    /// The ids of all, in no order, by the names of their files.
    pub fn ids(&self) -> impl Iterator<Item = MailId> + use<> {
        let shards = entries(&self.dir).into_iter().flatten();
        let files = shards.flat_map(|shard| entries(&shard)).flatten();
        files.filter_map(|path| path.file_name()?.to_str()?.parse().ok())
    }

    /// Every quarantined mail, in no order, one at a time: for rebuilding an index. Reads no bodies.
    pub fn list(&self) -> impl Iterator<Item = Result<QueuedMail, QuarantineError>> + use<> {
        let shards = entries(&self.dir);
        shards
            .into_iter()
            .flat_map(|shard| match shard {
                Ok(shard) => entries(&shard),
                Err(error) => vec![Err(error)],
            })
            .filter(|path| !path.as_ref().is_ok_and(|p| p.extension().is_some_and(|e| e == "new")))
            .map(|path| path.and_then(|path| open_one(&path).map(|(_, mail, _)| mail)))
    }
}

fn entries(dir: &Path) -> Vec<Result<PathBuf, QuarantineError>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => entries.map(|e| e.map(|e| e.path()).map_err(failed("cannot list", dir))).collect(),
        Err(error) => vec![Err(failed("cannot list", dir)(error))],
    }
}

/// The file, the mail in front, and where the body starts.
fn open_one(path: &Path) -> Result<(File, QueuedMail, usize), QuarantineError> {
    let file = File::open(path).map_err(failed("cannot open", path))?;
    let damaged = || QuarantineError::Damaged(path.to_owned());
    let read = |bytes: &mut [u8], at| {
        file.read_exact_at(bytes, at)
            .map_err(|e| if e.kind() == io::ErrorKind::UnexpectedEof { damaged() } else { failed("cannot read", path)(e) })
    };
    let mut head = [0; HEADER];
    read(&mut head, 0)?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let length = word(8) as usize;
    if head[..8] != MAGIC || length > MAX_META {
        return Err(damaged());
    }
    let mut meta = vec![0; length];
    read(&mut meta, HEADER as u64)?;
    if crc32c::crc32c(&meta) != word(12) {
        return Err(damaged());
    }
    let mail = postcard::from_bytes(&meta).map_err(|_| damaged())?;
    Ok((file, mail, HEADER + length))
}

fn unknown(id: MailId, error: QuarantineError) -> QuarantineError {
    match error {
        QuarantineError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => QuarantineError::Unknown(id),
        other => other,
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> QuarantineError {
    move |source| QuarantineError::Io { what, path: path.to_owned(), source }
}

fn sync(dir: &Path) -> Result<(), QuarantineError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(failed("cannot sync the directory", dir))
}
