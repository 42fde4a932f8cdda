//! The spool's housekeeping, off the path of sessions: the next segment is made ahead of need, dead segments are freed
//! from the oldest on, a live rest is moved on, body files of done mails are unlinked.
//!
//! Segments are freed in order only. So whatever a `Done` refers to is in its own or an older segment, and by the time
//! its segment is freed there is no record left that could bring the mail back.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use postern_model::id::MailId;
use postern_model::queue::QueuedMail;

use super::body::{StoredBody, body_path};
use super::index::Entry;
use super::queue::{Answer, Job, Payload};
use super::record::{Kind, MAIL_PREFIX};
use super::recover::{MAX_SPARES, set_aside};
use super::segment::{SegmentFile, segment_path, spare_path, sync_dir};
use super::{Shared, SpoolError, io_error, scan};

/// Looks around at least this often.
const ROUND: Duration = Duration::from_secs(1);
/// One batch of moves; sessions wait for it once.
const MOVE_BYTES: u64 = 512 * 1024;
/// Moves take at most this share of the disk's rate.
const MOVE_BYTES_PER_SECOND: u64 = 32 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Bell {
    state: Mutex<BellState>,
    wake: Condvar,
}

#[derive(Default)]
struct BellState {
    rung: bool,
    stop: bool,
}

impl Bell {
    pub fn ring(&self) {
        self.state.lock().rung = true;
        self.wake.notify_one();
    }

    pub fn stop(&self) {
        self.state.lock().stop = true;
        self.wake.notify_one();
    }

    fn stopped(&self) -> bool {
        self.state.lock().stop
    }

    /// Sleeps until rung; `false` when all ends.
    fn wait(&self, until: Instant) -> bool {
        let mut state = self.state.lock();
        while !state.rung && !state.stop {
            if self.wake.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.rung = false;
        !state.stop
    }

    /// Sleeps whatever rings; ends early only when all ends.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut state = self.state.lock();
        while !state.stop && !self.wake.wait_until(&mut state, until).timed_out() {}
    }
}

pub(super) fn run(shared: &Arc<Shared>) {
    let mut said = None;
    while shared.bell.wait(Instant::now() + ROUND) {
        match round(shared) {
            Ok(()) => said = None,
            Err(error) => {
                let text = error.to_string();
                // The same trouble every second is said once.
                if said.as_ref() != Some(&text) {
                    tracing::warn!(%error, "the spool cannot tidy up");
                    said = Some(text);
                }
                shared.bell.pause(ROUND);
            }
        }
    }
    shared.give_back();
}

fn round(shared: &Arc<Shared>) -> Result<(), SpoolError> {
    unlink_bodies(shared);
    while !shared.bell.stopped() && free_oldest(shared)? {}
    shared.prepare_segment()?;
    while !shared.bell.stopped() && wants_move(shared) {
        move_oldest(shared)?;
        if !free_oldest(shared)? {
            break;
        }
    }
    Ok(())
}

fn unlink_bodies(shared: &Shared) {
    let dead = std::mem::take(&mut shared.index.lock().dead_bodies);
    for id in dead {
        // One that stays is an orphan and removed at the next open.
        let _ = std::fs::remove_file(body_path(&shared.bodies, id));
    }
}

/// Frees the oldest segment when nothing in it is alive. True when it did.
fn free_oldest(shared: &Shared) -> Result<bool, SpoolError> {
    let (number, file) = {
        let index = shared.index.lock();
        // The newest is being written.
        if index.segments.len() < 2 {
            return Ok(false);
        }
        match index.segments.first_key_value() {
            Some((number, segment)) if segment.live == 0 => (*number, Arc::clone(&segment.file)),
            _ => return Ok(false),
        }
    };
    let path = segment_path(&shared.dir, number);
    // Nobody finds it in the index any more once it is out; then only the two here may hold it.
    let removed = shared.index.lock().segments.remove(&number);
    let Some(segment) = removed else { return Ok(false) };
    let allocated = segment.allocated;
    drop(segment);
    let mut supply = shared.supply.lock();
    let alone = Arc::strong_count(&file) == 1;
    let done = if alone && supply.spares.len() < MAX_SPARES && allocated <= shared.segment_size {
        let spare = spare_path(&shared.dir, number);
        let renamed = std::fs::rename(&path, &spare);
        renamed.map(|()| supply.spares.push(spare))
    } else {
        std::fs::remove_file(&path)
    };
    drop(supply);
    match done.map_err(io_error("cannot free the segment", &path)).and_then(|()| sync_dir(&shared.dir)) {
        Ok(()) => {
            shared.index.lock().counters.freed_segments += 1;
            Ok(true)
        }
        Err(error) => {
            // It still is the oldest: later ones must not go before it.
            if path.exists() {
                let back = super::index::Segment { file, end: 0, allocated, live: 0, live_bytes: 0 };
                shared.index.lock().segments.insert(number, back);
            }
            Err(error)
        }
    }
}

/// More is dead than alive, and more than two segments.
fn wants_move(shared: &Shared) -> bool {
    let index = shared.index.lock();
    let sealed = index.segments.len().saturating_sub(1);
    let (mut used, mut live) = (0, 0);
    for segment in index.segments.values().take(sealed) {
        used += segment.end;
        live += segment.live_bytes;
    }
    sealed > 0 && used - live.min(used) > live + 2 * shared.segment_size
}

/// Appends every live mail of the oldest segment again, with its changes worked in.
fn move_oldest(shared: &Arc<Shared>) -> Result<(), SpoolError> {
    let oldest = shared.index.lock().segments.first_key_value().map(|(_, s)| (Arc::clone(&s.file), s.end));
    let Some((file, end)) = oldest else { return Ok(()) };
    let scanned = scan::scan(&file.file, file.tag, end);
    let mut mails = scanned.records.iter().filter(|(_, h)| h.kind == Kind::Mail).map(|(_, h)| h.id).peekable();
    while mails.peek().is_some() && !shared.bell.stopped() {
        let start = Instant::now();
        let (answers, answered) = mpsc::channel();
        let (mut bytes, mut sent) = (0, 0);
        while bytes < MOVE_BYTES {
            let Some(id) = mails.next() else { break };
            let entry = shared.index.lock().mails.get(&id).copied().filter(|e| e.at.segment == file.number);
            let Some(entry) = entry else { continue };
            match move_job(shared, &file, id, entry, answers.clone()) {
                Ok(job) => {
                    bytes += entry.extent();
                    sent += 1;
                    shared.queue.push(job);
                }
                Err(SpoolError::Damaged(_)) => {
                    // It could not be read for delivery either.
                    tracing::error!(mail = %id, segment = file.number, "a damaged mail is set aside");
                    let at = u64::from(entry.at.offset);
                    set_aside(&shared.dir, &file, at..at + entry.extent())?;
                    shared.index.lock().counters.damaged += 1;
                    let _ = shared.queue.push_note(Job::note(id, Kind::Done, Vec::new()));
                }
                Err(error) => return Err(error),
            }
        }
        drop(answers);
        for _ in 0..sent {
            match answered.recv() {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => return Err(failure.error()),
                Err(mpsc::RecvError) => return Ok(()),
            }
        }
        let due = Duration::from_micros(bytes.saturating_mul(1_000_000) / MOVE_BYTES_PER_SECOND);
        shared.bell.pause(due.saturating_sub(start.elapsed()));
    }
    Ok(())
}

fn move_job(
    shared: &Shared,
    file: &Arc<SegmentFile>,
    id: MailId,
    entry: Entry,
    done: mpsc::Sender<Result<(), super::Failure>>,
) -> Result<Job, SpoolError> {
    let (mail, note) = shared.load(id, &entry)?;
    let header = scan::header(&file.file, file.tag, entry.at.offset).map_err(|_| SpoolError::Damaged(id))?;
    let body = if entry.is_external() {
        Payload::External(None)
    } else {
        // Copied as it is, with the sum it had: damage is not made good by a new sum.
        let at = scan::body_offset(entry.at.offset, &header);
        let mut buffer = vec![0; header.body_len as usize];
        let read = std::os::unix::fs::FileExt::read_exact_at(&file.file, &mut buffer, at);
        read.map_err(io_error("cannot read the segment", &segment_path(&shared.dir, file.number)))?;
        Payload::Moved(StoredBody::memory(buffer, 0))
    };
    let meta = encode_mail(&mail)?;
    Ok(Job { kind: Kind::Mail, id, meta, body, body_sum: header.body_sum, note, answer: Answer::Move { expected: entry, done } })
}

/// The meta data of a mail record.
pub(super) fn encode_mail(mail: &QueuedMail) -> Result<Vec<u8>, SpoolError> {
    let mut meta = Vec::with_capacity(MAIL_PREFIX + 512);
    meta.extend_from_slice(&mail.hash);
    meta.extend_from_slice(&mail.size.to_le_bytes());
    postcard::to_extend(mail, meta).map_err(|e| SpoolError::Io {
        what: "cannot encode the mail",
        path: mail.id.to_string().into(),
        source: std::io::Error::other(e),
    })
}
