//! Bodies: on their way in (in memory, from a limit on in a file) and on their way out.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use postern_model::id::MailId;

use super::segment::{SegmentFile, sync_dir};
use super::{SpoolError, io_error};

/// A body may always grow in memory up to here. Beyond, up to `inline_body`, it needs a share of the budget, or goes to
/// a file for the time being: a thousand sessions at once must not hold a thousand times `inline_body`.
pub(super) const MEMORY_LIMIT: usize = 256 * 1024;
pub(super) const MEMORY_BUDGET: usize = 32 * 1024 * 1024;

/// Octets left for bodies above [`MEMORY_LIMIT`] in memory.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicUsize::new(MEMORY_BUDGET))
    }
}

/// A body's share of the budget, given back on drop.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    octets: usize,
}

impl Budget {
    fn take(self: &Arc<Self>, octets: usize) -> Option<Share> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(octets));
        taken.is_ok().then(|| Share { budget: Arc::clone(self), octets })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.octets, Ordering::Relaxed);
    }
}

/// BLAKE3 works on many chunks at once when it gets them at once.
const HASH_BLOCK: usize = 64 * 1024;

/// Write-back of a large body starts while it streams in, so that the final sync finds little to do.
const FLUSH_BLOCK: u64 = 2 * 1024 * 1024;

pub(super) fn body_path(bodies: &Path, id: MailId) -> PathBuf {
    bodies.join(id.to_string())
}

/// A mail's body as it streams in: in memory up to 256 KiB, in a file above.
#[derive(Debug)]
pub struct BodyWriter {
    bodies: Arc<Path>,
    /// Which opened spool it belongs to.
    spool: u64,
    inline_limit: u64,
    memory: Vec<u8>,
    memory_limit: usize,
    budget: Arc<Budget>,
    share: Option<Share>,
    /// How much of `memory` was hashed.
    hashed: usize,
    hasher: blake3::Hasher,
    size: u64,
    flushed: u64,
    file: Option<BodyFile>,
}

/// A body's file before its record is durable. Dropping it removes the file.
#[derive(Debug)]
pub(super) struct BodyFile {
    file: File,
    path: PathBuf,
    keep: bool,
}

impl BodyFile {
    fn create(bodies: &Path) -> Result<Self, SpoolError> {
        let path = bodies.join(format!("{:032x}.new", rand::random::<u128>()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("cannot make the body file", &path))?;
        Ok(Self { file, path, keep: false })
    }

    /// Makes the file durable under the name of its mail.
    pub fn persist(&mut self, bodies: &Path, id: MailId) -> Result<(), SpoolError> {
        self.file.sync_data().map_err(io_error("cannot sync the body file", &self.path))?;
        let to = body_path(bodies, id);
        // Not rename: that would replace the body of a mail with the same id.
        std::fs::hard_link(&self.path, &to).map_err(io_error("cannot name the body file", &to))?;
        let from = std::mem::replace(&mut self.path, to);
        std::fs::remove_file(&from).map_err(io_error("cannot rename the body file", &from))?;
        sync_dir(bodies)
    }

    /// The same octets under a second name, for another mail: nothing is copied, for bodies are not changed.
    fn twin(&self, bodies: &Path) -> Result<Self, SpoolError> {
        let path = bodies.join(format!("{:032x}.new", rand::random::<u128>()));
        std::fs::hard_link(&self.path, &path).map_err(io_error("cannot name the body file", &path))?;
        let twin = Self { file: File::open(&path).map_err(io_error("cannot open the body file", &path))?, path, keep: false };
        Ok(twin)
    }

    /// The record is durable: from now on the spool owns the file.
    pub fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.keep {
            // What stays is removed as an orphan at the next open.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl BodyWriter {
    pub(super) fn new(bodies: Arc<Path>, spool: u64, inline_limit: u64, budget: Arc<Budget>) -> Self {
        Self {
            bodies,
            spool,
            inline_limit,
            memory: Vec::new(),
            memory_limit: usize::try_from(inline_limit).unwrap_or(MEMORY_LIMIT).min(MEMORY_LIMIT),
            budget,
            share: None,
            hashed: 0,
            hasher: blake3::Hasher::new(),
            size: 0,
            flushed: 0,
            file: None,
        }
    }

    /// [`BodyWriter::write`] where nobody may block.
    ///
    /// # Errors
    /// When the disk refuses: the body is lost.
    pub async fn append(mut self, octets: Vec<u8>) -> Result<Self, SpoolError> {
        let written = tokio::task::spawn_blocking(move || self.write(&octets).map(|()| self)).await;
        written.map_err(|e| SpoolError::Stopped(format!("writing a body ended early: {e}")))?
    }

    /// Takes the next octets (CRLF line ends, dots already unstuffed). May block on the disk for large bodies.
    /// After an error the body is lost: drop the writer.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), SpoolError> {
        let size = self.size + octets.len() as u64;
        if size > u64::from(u32::MAX) {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "a body may have 4 GiB at most");
            return Err(SpoolError::Io { what: "cannot take the body", path: self.bodies.to_path_buf(), source });
        }
        if self.file.is_none() && size > self.memory_limit as u64 && !self.grow(size) {
            let mut file = BodyFile::create(&self.bodies)?;
            self.hasher.update(&self.memory[self.hashed..]);
            file.file.write_all(&self.memory).map_err(io_error("cannot write the body file", &file.path))?;
            self.memory = Vec::new();
            self.share = None;
            self.hashed = 0;
            self.file = Some(file);
        }
        match &mut self.file {
            None => {
                self.memory.extend_from_slice(octets);
                while self.memory.len() - self.hashed >= HASH_BLOCK {
                    self.hasher.update(&self.memory[self.hashed..self.hashed + HASH_BLOCK]);
                    self.hashed += HASH_BLOCK;
                }
            }
            Some(BodyFile { file, path, .. }) => {
                self.hasher.update(octets);
                file.write_all(octets).map_err(io_error("cannot write the body file", path))?;
                if size > self.inline_limit && size - self.flushed >= FLUSH_BLOCK {
                    start_writeback(file, self.flushed, size - self.flushed);
                    self.flushed = size;
                }
            }
        }
        self.size = size;
        Ok(())
    }

    /// Raises the limit of what is held in memory, while the body will end in a segment and the budget lasts.
    fn grow(&mut self, size: u64) -> bool {
        let Ok(inline) = usize::try_from(self.inline_limit) else { return false };
        if size > self.inline_limit || self.share.is_some() {
            return false;
        }
        self.share = self.budget.take(inline);
        if self.share.is_some() {
            self.memory_limit = inline;
        }
        self.share.is_some()
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn finish(mut self) -> Result<Body, SpoolError> {
        self.hasher.update(&self.memory[self.hashed..]);
        let hash = *self.hasher.finalize().as_bytes();
        let content = match self.file {
            None => Content::Memory(self.memory.into(), self.share),
            Some(file) => {
                // SAFETY: the file is ours alone (mode 0600, random name) and nobody writes to it or cuts it from here on.
                let map = unsafe { Mmap::map(&file.file) }.map_err(io_error("cannot map the body file", &file.path))?;
                Content::File { map: Bytes::from_owner(map), file, inline: self.size <= self.inline_limit }
            }
        };
        Ok(Body { spool: self.spool, size: self.size, hash, content })
    }
}

/// A hint only: its failure costs nothing but time at the sync.
fn start_writeback(file: &File, from: u64, len: u64) {
    let (Ok(from), Ok(len)) = (libc::off64_t::try_from(from), libc::off64_t::try_from(len)) else { return };
    // SAFETY: a call on an open descriptor without pointers.
    unsafe { libc::sync_file_range(file.as_raw_fd(), from, len, libc::SYNC_FILE_RANGE_WRITE) };
}

/// A complete body with its size and hash, not yet durable. Dropping it frees everything.
#[derive(Debug)]
pub struct Body {
    pub(super) spool: u64,
    size: u64,
    hash: [u8; 32],
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Memory(Bytes, #[expect(dead_code, reason = "held until the body is written")] Option<Share>),
    /// `inline`: small enough to be copied into a segment on acceptance.
    File {
        /// Owns the mapping; stays readable when the file is unlinked.
        map: Bytes,
        file: BodyFile,
        inline: bool,
    },
}

impl Body {
    pub fn size(&self) -> u64 {
        self.size
    }
    /// BLAKE3 of the content.
    pub fn hash(&self) -> [u8; 32] {
        self.hash
    }
    /// The same body for another mail. Nothing is copied here; a body that ends in a segment is written once for each.
    pub(super) fn twin(&self, bodies: &Path) -> Result<Self, SpoolError> {
        let content = match &self.content {
            Content::Memory(bytes, _) => Content::Memory(bytes.clone(), None),
            // Small enough for a segment: the mapping is all that is needed.
            Content::File { map, inline: true, .. } => Content::Memory(map.clone(), None),
            Content::File { map, file, inline: false } => Content::File { map: map.clone(), file: file.twin(bodies)?, inline: false },
        };
        Ok(Self { spool: self.spool, size: self.size, hash: self.hash, content })
    }

    /// Becomes a file of its own, not a part of a segment.
    pub(super) fn is_external(&self) -> bool {
        matches!(self.content, Content::File { inline: false, .. })
    }

    /// The content for somebody who may outlive this body.
    pub(super) fn shared(&self) -> Bytes {
        match &self.content {
            Content::Memory(bytes, _) => bytes.clone(),
            Content::File { map, .. } => map.clone(),
        }
    }

    /// The content: from memory, or mapped from its file.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Memory(bytes, _) => bytes,
            Content::File { map, .. } => map,
        }
    }
}

/// A body that is read back for delivery. It stays readable when its mail is done meanwhile.
#[derive(Debug)]
pub struct StoredBody {
    content: Stored,
}

#[derive(Debug)]
enum Stored {
    Memory {
        buffer: Vec<u8>,
        from: usize,
    },
    /// The segment is held, for one that is held is not recycled: its content would change below the map.
    Mapped {
        map: Mmap,
        _segment: Option<Arc<SegmentFile>>,
    },
}

impl StoredBody {
    /// The content (memory-mapped when large); verified against its hash once, on reading.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Stored::Memory { buffer, from } => &buffer[*from..],
            Stored::Mapped { map, .. } => map,
        }
    }

    /// The content for several readers; nothing is copied.
    pub fn shared(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// `buffer[from..]` is the body.
    pub(super) fn memory(buffer: Vec<u8>, from: usize) -> Self {
        let from = from.min(buffer.len());
        Self { content: Stored::Memory { buffer, from } }
    }

    /// Maps a range of a segment.
    pub(super) fn in_segment(segment: Arc<SegmentFile>, offset: u64, len: usize) -> io::Result<Self> {
        // SAFETY: records are never written twice, a segment in use is not cut, and holding it keeps it from being recycled.
        let map = unsafe { MmapOptions::new().offset(offset).len(len).map(&segment.file) }?;
        Ok(Self { content: Stored::Mapped { map, _segment: Some(segment) } })
    }

    /// Maps a whole body file; it stays readable when it is unlinked.
    pub(super) fn in_file(file: &File) -> io::Result<Self> {
        // SAFETY: body files are not changed after their record was written.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self { content: Stored::Mapped { map, _segment: None } })
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for StoredBody {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// BLAKE3 of a range of a file, by reading: a bad sector is an error here, where through a map it would be a SIGBUS.
pub(super) fn hash_of(file: &File, mut offset: u64, len: u64) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; HASH_BLOCK * 2];
    let end = offset.saturating_add(len);
    while offset < end {
        let now = usize::try_from(end - offset).unwrap_or(usize::MAX).min(buffer.len());
        file.read_exact_at(&mut buffer[..now], offset)?;
        hasher.update(&buffer[..now]);
        offset += now as u64;
    }
    Ok(*hasher.finalize().as_bytes())
}
