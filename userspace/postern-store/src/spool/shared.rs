//! What the sessions, the committer and the keeper of one opened spool share.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};

use super::body::{Budget, MEMORY_LIMIT, StoredBody, body_path, hash_of};
use super::index::{Entry, Index};
use super::jottings::Jottings;
use super::keeper::Bell;
use super::queue::Queue;
use super::record::{HEADER, Kind, MAIL_PREFIX, Place, decode_meta};
use super::recover::{Recovery, decode_mail, set_aside};
use super::segment::{SegmentFile, segment_path, spare_path};
use super::space::Space;
use super::{Failure, SpoolError, io_error, scan};

pub(super) struct Shared {
    pub dir: PathBuf,
    pub bodies: Arc<Path>,
    /// Random; bodies belong to the opened spool they were started in.
    pub instance: u64,
    pub segment_size: u64,
    pub inline_limit: u64,
    pub group_commit: Duration,
    pub budget: Arc<Budget>,
    pub space: Space,
    pub index: Mutex<Index>,
    pub queue: Queue,
    pub jottings: Jottings,
    pub bell: Bell,
    pub supply: Mutex<Supply>,
    pub recovery: Recovery,
    pub trouble: Trouble,
}

/// Segments for the committer. The lock is held while one is made, so that numbers are used in the order they are given.
pub(super) struct Supply {
    pub ready: Option<SegmentFile>,
    pub next_number: u32,
    pub spares: Vec<PathBuf>,
}

/// Why no mail is taken now, if so.
#[derive(Default)]
pub(super) struct Trouble {
    any: AtomicBool,
    what: Mutex<Option<Failure>>,
}

impl Trouble {
    pub fn is_any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub fn set(&self, failure: &Failure) {
        *self.what.lock() = Some(failure.clone());
        self.any.store(true, Ordering::Release);
    }

    pub fn clear(&self) {
        if self.is_any() {
            self.any.store(false, Ordering::Release);
            *self.what.lock() = None;
        }
    }

    pub fn get(&self) -> Option<Failure> {
        if self.is_any() { self.what.lock().clone() } else { None }
    }

    pub fn check(&self) -> Result<(), SpoolError> {
        self.get().map_or(Ok(()), |failure| Err(failure.standing()))
    }
}

impl Supply {
    fn make(&mut self, shared: &Shared) -> Result<SegmentFile, SpoolError> {
        let number = self.next_number;
        let next = number.checked_add(1).ok_or_else(|| SpoolError::Stopped("it used four thousand million segments".to_owned()))?;
        let spare = self.spares.pop();
        let made = SegmentFile::create(&shared.dir, number, shared.segment_size, spare.as_deref())?;
        self.next_number = next;
        shared.space.ask_again();
        Ok(made)
    }
}

impl Shared {
    /// The next segment to write to: the one made ahead, or one made now.
    pub fn take_segment(&self) -> Result<SegmentFile, SpoolError> {
        let mut supply = self.supply.lock();
        match supply.ready.take() {
            Some(ready) => Ok(ready),
            None => supply.make(self),
        }
    }

    /// Makes a segment ahead of need.
    pub fn prepare_segment(&self) -> Result<(), SpoolError> {
        let mut supply = self.supply.lock();
        if supply.ready.is_none() {
            let made = supply.make(self)?;
            supply.ready = Some(made);
        }
        Ok(())
    }

    /// On closing: what was made ahead is a spare again, so that the next opening does not search it for records.
    pub fn give_back(&self) {
        if let Some(ready) = self.supply.lock().ready.take() {
            // When it stays, it is found empty at the next opening.
            let _ = std::fs::rename(segment_path(&self.dir, ready.number), spare_path(&self.dir, ready.number));
        }
    }

    fn lookup(&self, id: MailId) -> Result<Entry, SpoolError> {
        self.index.lock().mails.get(&id).copied().ok_or(SpoolError::Unknown(id))
    }

    /// The mail as it stands: its record, and the changes since, found backwards from the last one; and the last note worked in.
    pub fn load(&self, id: MailId, entry: &Entry) -> Result<(QueuedMail, u64), SpoolError> {
        let mut chain = Vec::new();
        let mut note = 0;
        let mut place = entry.change;
        while place != Place::NONE {
            // A segment that was freed held only changes that were folded into the mail when it was moved.
            let Ok(file) = self.file(id, place) else { break };
            let header = match scan::header(&file.file, file.tag, place.offset).map_err(|e| self.damage_or_io(id, place, e)) {
                // A place leads to older ones only, so this ends.
                Ok(header) if header.kind == Kind::Change && header.id == id && header.previous < place => header,
                // Without older changes the mail is worth an attempt too many, as after recovery.
                Ok(_) | Err(SpoolError::Damaged(_)) => break,
                Err(error) => return Err(error),
            };
            let change = scan::meta(&file.file, place.offset, &header).map_err(|e| self.damage_or_io(id, place, e));
            match change.map(|meta| decode_meta::<QueueChange>(&meta)) {
                Ok(Ok((change, number))) => {
                    chain.push(change);
                    note = note.max(number);
                }
                Ok(Err(_)) | Err(SpoolError::Damaged(_)) => {}
                Err(error) => return Err(error),
            }
            place = header.previous;
        }
        let file = self.file(id, entry.at)?;
        let read = scan::header(&file.file, file.tag, entry.at.offset).and_then(|h| scan::meta(&file.file, entry.at.offset, &h));
        let meta = read.map_err(|e| self.damage_or_io(id, entry.at, e))?;
        let (mut mail, first) = decode_mail(&meta).ok_or(SpoolError::Damaged(id))?;
        chain.iter().rev().for_each(|change| mail.apply(change));
        Ok((mail, note.max(first)))
    }

    pub fn mail(&self, id: MailId) -> Result<QueuedMail, SpoolError> {
        // A move or a change in between shows as an entry that is another one by now.
        loop {
            let entry = self.lookup(id)?;
            let loaded = self.load(id, &entry).map(|(mail, _)| mail);
            if self.lookup(id)? == entry {
                return loaded;
            }
        }
    }

    pub fn read(&self, id: MailId) -> Result<StoredBody, SpoolError> {
        loop {
            let entry = self.lookup(id)?;
            match self.file(id, entry.at).and_then(|file| self.read_at(id, &entry, &file)) {
                Err(_) if self.lookup(id)? != entry => {}
                Err(SpoolError::Damaged(_)) => {
                    self.report_damage(id, &entry);
                    return Err(SpoolError::Damaged(id));
                }
                other => return other,
            }
        }
    }

    /// Holding the file keeps it from being recycled.
    fn file(&self, id: MailId, place: Place) -> Result<Arc<SegmentFile>, SpoolError> {
        self.index.lock().file(place.segment).ok_or(SpoolError::Unknown(id))
    }

    fn read_at(&self, id: MailId, entry: &Entry, segment: &Arc<SegmentFile>) -> Result<StoredBody, SpoolError> {
        let failed = |e| self.damage_or_io(id, entry.at, e);
        let meta = u64::from(entry.at.offset) + HEADER as u64;
        let meta_len = entry.meta_len as usize;
        if !entry.is_external() && entry.body_len as usize <= MEMORY_LIMIT {
            let mut buffer = vec![0; meta_len + entry.body_len as usize];
            segment.file.read_exact_at(&mut buffer, meta).map_err(failed)?;
            let (hash, _) = prefix(&buffer).ok_or(SpoolError::Damaged(id))?;
            let good = buffer.get(meta_len..).is_some_and(|body| *blake3::hash(body).as_bytes() == hash);
            return if good { Ok(StoredBody::memory(buffer, meta_len)) } else { Err(SpoolError::Damaged(id)) };
        }
        let mut head = [0; MAIL_PREFIX];
        segment.file.read_exact_at(&mut head, meta).map_err(failed)?;
        let (hash, size) = prefix(&head).ok_or(SpoolError::Damaged(id))?;
        if entry.is_external() {
            let path = body_path(&self.bodies, id);
            let file = File::open(&path).map_err(|e| missing_or_io(id, &path, e))?;
            let len = file.metadata().map_err(io_error("cannot look at the body", &path))?.len();
            if len != size || hash_of(&file, 0, size).map_err(|e| missing_or_io(id, &path, e))? != hash {
                return Err(SpoolError::Damaged(id));
            }
            return StoredBody::in_file(&file).map_err(io_error("cannot map the body", &path));
        }
        let body = meta + u64::from(entry.meta_len);
        if size != u64::from(entry.body_len) || hash_of(&segment.file, body, size).map_err(failed)? != hash {
            return Err(SpoolError::Damaged(id));
        }
        let path = segment_path(&self.dir, entry.at.segment);
        StoredBody::in_segment(Arc::clone(segment), body, entry.body_len as usize).map_err(io_error("cannot map the body in", &path))
    }

    fn damage_or_io(&self, id: MailId, place: Place, source: std::io::Error) -> SpoolError {
        missing_or_io(id, &segment_path(&self.dir, place.segment), source)
    }

    /// Says it once per reading and keeps the octets for whoever wants to look.
    fn report_damage(&self, id: MailId, entry: &Entry) {
        self.index.lock().counters.damaged += 1;
        tracing::error!(mail = %id, segment = entry.at.segment, offset = entry.at.offset, "the mail is damaged on disk");
        if let Ok(file) = self.file(id, entry.at) {
            let at = u64::from(entry.at.offset);
            if let Err(error) = set_aside(&self.dir, &file, at..at + entry.extent()) {
                tracing::warn!(%error, "the damaged octets are not kept");
            }
        }
    }
}

/// Hash and size of a body from the front of its mail's meta data.
fn prefix(meta: &[u8]) -> Option<([u8; 32], u64)> {
    let hash = meta.get(..32)?.try_into().ok()?;
    let size = meta.get(32..MAIL_PREFIX)?.try_into().ok()?;
    Some((hash, u64::from_le_bytes(size)))
}

/// A file that is gone, too short or holds something else is damage; a disk that does not answer is not.
fn missing_or_io(id: MailId, path: &Path, source: std::io::Error) -> SpoolError {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    match source.kind() {
        NotFound | UnexpectedEof | InvalidData => SpoolError::Damaged(id),
        _ => SpoolError::Io { what: "cannot read", path: path.to_owned(), source },
    }
}
