//! Group commit: one thread takes everything that was queued, writes it in one go, syncs once and answers everybody.
//! While it syncs the next batch gathers.
//!
//! The order in the log is decided here and nowhere else, and the index follows the log only after the sync:
//! what is in the index is durable.
//!
//! After a failed write or sync nothing of the batch is believed and the segment is never written again: the kernel
//! may have dropped the dirty pages and say "fine" to a second fsync. Its valid length is recorded (`Cut`) in the
//! segment after it. When that fails too, the spool refuses mail until a later try succeeds.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use postern_model::id::MailId;

use super::index::{Entry, Position, Segment};
use super::queue::{Answer, Job, NOTES_MAX, Payload, Receipt, len32};
use super::record::{Header, Kind, NOTE, Place, SEGMENT_HEADER};
use super::segment::{SegmentFile, segment_path};
use super::{Failure, Shared, SpoolError, io_error};

/// A larger batch would let the first of it wait too long.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// The end of each segment is kept for what is not mail: on a full disk the way out of it is to record what is done.
const NOTE_ROOM: u64 = 64 * 1024;
/// Between two tries of a disk that refuses.
const RETRY: Duration = Duration::from_millis(250);

struct Active {
    file: Arc<SegmentFile>,
    end: u64,
}

pub(super) struct Committer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// Taken from the queue, not yet written: what did not fit, and notes of failed batches.
    carry: VecDeque<Job>,
    /// Number of the last batch.
    batch: u64,
    /// Abandoned segments and where their valid part ends; not yet durable.
    cuts: Vec<Place>,
    retry_at: Option<Instant>,
    /// No new segment can be made; the last one may still take notes.
    starved: bool,
    arena: Vec<u8>,
}

/// One batch, laid out.
#[derive(Default)]
struct Layout {
    jobs: Vec<(Job, Place, Header)>,
    /// In file order: ranges of the arena, each with the job whose body follows.
    pieces: Vec<(Range<usize>, Option<usize>)>,
    bytes: u64,
    /// Changes of this batch by mail: the index does not know them yet.
    changed: AHashMap<MailId, Option<Place>>,
}

impl Committer {
    pub fn new(shared: Arc<Shared>, batch: u64) -> Self {
        Self { shared, active: None, carry: VecDeque::new(), batch, cuts: Vec::new(), retry_at: None, starved: false, arena: Vec::new() }
    }

    /// Opens the first segment, so that a spool that cannot write fails at the start, and puts down what was jotted in the last life.
    pub fn start(&mut self, jotted: Vec<Job>) -> Result<(), SpoolError> {
        self.active = Some(self.next_segment()?);
        self.carry.extend(jotted);
        while self.retry_at.is_none() && !self.carry.is_empty() {
            self.write_batch();
        }
        Ok(())
    }

    pub fn run(mut self) {
        loop {
            let stop = self.gather();
            if self.retry_at.is_some() {
                self.try_again(stop);
            }
            while self.retry_at.is_none() && !self.carry.is_empty() {
                self.write_batch();
            }
            if stop {
                let failure = Failure::closed();
                self.carry.drain(..).for_each(|job| job.refuse(&failure));
                if let Some(active) = self.active.take() {
                    self.seal(&active);
                }
                return;
            }
        }
    }

    /// Waits for work and takes it. True when the spool is to stop after it.
    fn gather(&mut self) -> bool {
        let taken = self.shared.queue.take(self.retry_at, self.shared.group_commit);
        // Moves first: they were checked against the index, which knows nothing of this batch.
        taken.moves.into_iter().rev().for_each(|job| self.carry.push_front(job));
        self.carry.extend(taken.jobs);
        taken.stop
    }

    fn next_segment(&self) -> Result<Active, SpoolError> {
        let file = Arc::new(self.shared.take_segment()?);
        let allocated = file.file.metadata().map_or(0, |m| m.len());
        let segment = Segment { file: Arc::clone(&file), end: SEGMENT_HEADER, allocated, live: 0, live_bytes: 0 };
        self.shared.index.lock().segments.insert(file.number, segment);
        self.shared.bell.ring();
        Ok(Active { file, end: SEGMENT_HEADER })
    }

    /// All in it is synced. The unused rest goes, for an opening would have to search it for records behind damage;
    /// when it stays, that costs time and nothing else.
    fn seal(&self, full: &Active) {
        let cut = full.file.file.set_len(full.end).is_ok();
        if let Some(segment) = self.shared.index.lock().segments.get_mut(&full.file.number).filter(|_| cut) {
            segment.allocated = full.end;
        }
    }

    fn write_batch(&mut self) {
        let fits = |active: &Active| self.carry.front().is_none_or(|job| self.fits(job, active.end));
        if !self.active.as_ref().is_some_and(fits) {
            match self.next_segment() {
                Ok(next) => {
                    if let Some(full) = self.active.replace(next) {
                        self.seal(&full);
                    }
                }
                Err(error) => {
                    self.starved = true;
                    return self.trouble(&error);
                }
            }
        }
        let Some(active) = self.active.take() else { return };
        let layout = self.lay_out(&active);
        if layout.jobs.is_empty() {
            self.active = Some(active);
            return;
        }
        match self.write(&active, &layout) {
            Ok(()) => {
                self.cuts.clear();
                self.succeed(active, layout);
            }
            Err(error) => self.abandon(&active, layout, &error),
        }
    }

    fn fits(&self, job: &Job, end: u64) -> bool {
        let size = self.shared.segment_size;
        let room = if matches!(job.answer, Answer::Mail(_)) { size - NOTE_ROOM.min(size / 16) } else { size };
        // One that fits nowhere gets a segment for itself.
        end == SEGMENT_HEADER || end + job.extent() <= room
    }

    /// Lays out as much of `carry` as goes into one batch and the rest of the segment.
    fn lay_out(&mut self, active: &Active) -> Layout {
        self.batch += 1;
        self.arena.clear();
        let mut layout = Layout::default();
        let none = MailId::from_bytes([0; 16]);
        for cut in std::mem::take(&mut self.cuts) {
            let job = Job::note(none, Kind::Cut, Vec::new());
            self.place(&mut layout, active, job, cut);
            self.cuts.push(cut);
        }
        let index_lock = Arc::clone(&self.shared);
        let index = index_lock.index.lock();
        while let Some(job) = self.carry.front() {
            if !self.fits(job, active.end + layout.bytes) || layout.bytes > BATCH_BYTES {
                break;
            }
            let Some(job) = self.carry.pop_front() else { break };
            let known = index.mails.get(&job.id);
            let in_batch = layout.changed.get(&job.id).copied();
            match &job.answer {
                Answer::Mail(_) => match known {
                    None if in_batch.is_none() => {
                        // Marks the id as used, so that a second one in this batch is refused too.
                        layout.changed.insert(job.id, None);
                        self.place(&mut layout, active, job, Place::NONE);
                    }
                    _ => {
                        let failure = Failure::Duplicate(job.id);
                        job.refuse(&failure);
                    }
                },
                Answer::Move { expected, done } => {
                    if known == Some(expected) && in_batch.is_none() {
                        self.place(&mut layout, active, job, Place::NONE);
                    } else {
                        drop(done.send(Ok(())));
                    }
                }
                // Without effect: whoever waits for it knows that all before it is on disk.
                Answer::Change(_) if job.kind == Kind::Cut => drop(self.place(&mut layout, active, job, Place::NONE)),
                Answer::Change(_) | Answer::Note => {
                    let previous = match (known, in_batch) {
                        (Some(_), Some(previous)) => previous,
                        (Some(entry), None) => Some(entry.change),
                        (None, _) => None,
                    };
                    match previous {
                        Some(previous) => {
                            let done = job.kind == Kind::Done;
                            let id = job.id;
                            let at = self.place(&mut layout, active, job, previous);
                            layout.changed.insert(id, (!done).then_some(at));
                        }
                        None => {
                            let failure = Failure::Unknown(job.id);
                            job.refuse(&failure);
                        }
                    }
                }
            }
        }
        drop(index);
        layout
    }

    fn place(&mut self, layout: &mut Layout, active: &Active, job: Job, previous: Place) -> Place {
        let body = job.body.bytes();
        let note = job.note.to_le_bytes();
        let header = Header {
            kind: job.kind,
            external: matches!(job.body, Payload::External(_)),
            id: job.id,
            batch: self.batch,
            previous,
            meta_len: len32(job.meta.len() + NOTE),
            meta_sum: crc32c::crc32c_append(crc32c::crc32c(&job.meta), &note),
            body_len: len32(body.len()),
            body_sum: job.body_sum,
        };
        let at = Place { segment: active.file.number, offset: u32::try_from(active.end + layout.bytes).unwrap_or(u32::MAX) };
        let from = self.arena.len();
        self.arena.extend_from_slice(&header.encode(active.file.tag));
        self.arena.extend_from_slice(&job.meta);
        self.arena.extend_from_slice(&note);
        let padding = usize::try_from(header.extent() - header.length()).unwrap_or(0);
        if body.is_empty() {
            self.arena.resize(self.arena.len() + padding, 0);
            match layout.pieces.last_mut() {
                // One piece for neighbours without a body.
                Some((range, None)) => range.end = self.arena.len(),
                _ => layout.pieces.push((from..self.arena.len(), None)),
            }
        } else {
            layout.pieces.push((from..self.arena.len(), Some(layout.jobs.len())));
            let pad = self.arena.len();
            self.arena.resize(pad + padding, 0);
            layout.pieces.push((pad..self.arena.len(), None));
        }
        layout.bytes += header.extent();
        layout.jobs.push((job, at, header));
        at
    }

    fn write(&self, active: &Active, layout: &Layout) -> Result<(), SpoolError> {
        let mut pieces = Vec::with_capacity(layout.pieces.len() * 2);
        for (range, body) in &layout.pieces {
            if !range.is_empty() {
                pieces.push(IoSlice::new(&self.arena[range.clone()]));
            }
            if let Some((job, ..)) = body.and_then(|i| layout.jobs.get(i)) {
                pieces.push(IoSlice::new(job.body.bytes()));
            }
        }
        let path = || segment_path(&self.shared.dir, active.file.number);
        active.file.write(&mut pieces, active.end).map_err(|e| io_error("cannot write the segment", &path())(e))?;
        active.file.file.sync_data().map_err(|e| io_error("cannot sync the segment", &path())(e))
    }

    fn succeed(&mut self, mut active: Active, layout: Layout) {
        active.end += layout.bytes;
        let tidy = {
            let mut index = self.shared.index.lock();
            if let Some(segment) = index.segments.get_mut(&active.file.number) {
                segment.end = active.end;
            }
            index.position = Position { segment: active.file.number, offset: active.end };
            index.counters.batches += 1;
            index.counters.written += layout.bytes;
            for (job, at, header) in &layout.jobs {
                match job.kind {
                    Kind::Mail => {
                        let body_len = if header.external { Entry::EXTERNAL } else { header.body_len };
                        match job.answer {
                            Answer::Move { .. } => index.counters.moved += 1,
                            _ => index.counters.accepted += 1,
                        }
                        index.insert(job.id, Entry { at: *at, meta_len: header.meta_len, body_len, change: Place::NONE });
                    }
                    Kind::Change => {
                        if let Some(entry) = index.mails.get_mut(&job.id) {
                            entry.change = *at;
                        }
                    }
                    Kind::Done => {
                        index.counters.done += 1;
                        index.remove(job.id);
                    }
                    Kind::Cut => {}
                }
            }
            let dead_oldest = index.segments.len() > 1 && index.segments.first_key_value().is_some_and(|(_, s)| s.live == 0);
            dead_oldest || !index.dead_bodies.is_empty()
        };
        self.active = Some(active);
        for (job, ..) in layout.jobs {
            if let Payload::External(Some(file)) = job.body {
                file.keep();
            }
            match job.answer {
                Answer::Mail(waiter) => {
                    // When nobody waits any more the receipt comes back, is dropped and takes the mail with it.
                    drop(waiter.send(Ok(Receipt::new(&self.shared, job.id))));
                }
                Answer::Change(waiter) => drop(waiter.send(Ok(()))),
                Answer::Move { done, .. } => drop(done.send(Ok(()))),
                Answer::Note => {}
            }
        }
        if tidy {
            self.shared.bell.ring();
        }
    }

    /// The batch failed: its waiters hear so, its notes stay, its segment ends where the batch began.
    fn abandon(&mut self, active: &Active, layout: Layout, error: &SpoolError) {
        tracing::error!(segment = active.file.number, valid = active.end, %error, "the spool abandons a segment");
        self.shared.index.lock().counters.failed_batches += 1;
        let failure = Failure::of(error);
        let mut notes = VecDeque::new();
        for (job, ..) in layout.jobs {
            match job.answer {
                Answer::Note if job.kind != Kind::Cut => notes.push_back(job),
                _ => job.refuse(&failure),
            }
        }
        notes.append(&mut self.carry);
        self.carry = notes;
        if active.end > SEGMENT_HEADER || !self.discard(active) {
            self.seal(active);
            self.cuts.push(Place { segment: active.file.number, offset: u32::try_from(active.end).unwrap_or(u32::MAX) });
        }
        match self.next_segment() {
            Ok(next) => {
                self.active = Some(next);
                // Only a batch that succeeds shows that the disk is well again.
                if self.shared.trouble.is_any() {
                    self.trouble(error);
                } else {
                    self.shared.trouble.set(&failure);
                    self.try_again(false);
                }
            }
            Err(next) => self.trouble(&next),
        }
    }

    /// Removes a segment nothing durable is in; false when that fails.
    fn discard(&self, active: &Active) -> bool {
        let removed = std::fs::remove_file(segment_path(&self.shared.dir, active.file.number)).is_ok();
        if removed {
            self.shared.index.lock().segments.remove(&active.file.number);
        }
        removed
    }

    /// The disk refuses: everybody hears so at once, notes are kept, a new try comes later.
    fn trouble(&mut self, error: &SpoolError) {
        if !self.shared.trouble.is_any() || self.retry_at.is_none() {
            tracing::error!(%error, "the spool takes no mail until the disk recovers");
        }
        let failure = Failure::of(error);
        self.shared.trouble.set(&failure);
        self.retry_at = Some(Instant::now() + RETRY);
        self.refuse_waiters(&failure);
    }

    fn refuse_waiters(&mut self, failure: &Failure) {
        let (notes, others): (VecDeque<Job>, VecDeque<Job>) = self.carry.drain(..).partition(|j| matches!(j.answer, Answer::Note));
        self.carry = notes;
        others.into_iter().for_each(|job| job.refuse(failure));
        let excess = self.carry.len().saturating_sub(NOTES_MAX);
        self.carry.drain(..excess);
    }

    /// Tries the disk with what nobody waits for: the cuts, and the notes behind them.
    fn try_again(&mut self, now: bool) {
        if !now && self.retry_at.is_some_and(|at| at > Instant::now()) {
            if let Some(failure) = self.shared.trouble.get() {
                self.refuse_waiters(&failure);
            }
            return;
        }
        if self.starved || self.active.is_none() {
            match self.next_segment() {
                Ok(next) => {
                    self.starved = false;
                    if let Some(full) = self.active.replace(next) {
                        self.seal(&full);
                    }
                }
                Err(error) => {
                    self.trouble(&error);
                    return self.write_notes();
                }
            }
        }
        if self.cuts.is_empty() {
            // A record without effect: something has to be written and synced to know.
            self.cuts.push(Place::NONE);
        }
        let Some(active) = self.active.take() else { return };
        let layout = self.lay_out(&active);
        match self.write(&active, &layout) {
            Ok(()) => {
                self.retry_at = None;
                self.cuts.clear();
                self.shared.trouble.clear();
                self.succeed(active, layout);
                tracing::info!("the spool takes mail again");
            }
            Err(error) => self.abandon(&active, layout, &error),
        }
    }

    /// The disk is full, but the last segment has room for what frees others.
    fn write_notes(&mut self) {
        let Some(active) = self.active.take() else { return };
        let layout = self.lay_out(&active);
        if layout.jobs.is_empty() {
            self.active = Some(active);
            return;
        }
        match self.write(&active, &layout) {
            Ok(()) => self.succeed(active, layout),
            Err(error) => self.abandon(&active, layout, &error),
        }
    }
}
