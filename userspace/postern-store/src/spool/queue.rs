//! What waits for the committer: records to be written, and who waits for each.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use postern_model::id::MailId;
use tokio::sync::oneshot;

use super::body::{Body, BodyFile, Content, StoredBody};
use super::index::Entry;
use super::record::{Kind, NOTE, extent};
use super::shared::Shared;
use super::{Failure, SpoolError};

/// Notes wait for company at most this long.
const NOTE_DELAY: Duration = Duration::from_millis(100);
/// This many notes are reason enough for a batch.
pub(super) const NOTES_URGENT: usize = 1024;
/// Notes kept while the disk refuses; more are refused themselves (their loss means repeated deliveries, no lost mail).
pub(super) const NOTES_MAX: usize = 1 << 20;

/// One record to be written.
pub(super) struct Job {
    pub kind: Kind,
    pub id: MailId,
    pub meta: Vec<u8>,
    pub body: Payload,
    pub body_sum: u32,
    /// What the record says of notes ([`NOTE`]); given by the queue, and by whoever moves a mail.
    pub note: u64,
    pub answer: Answer,
}

pub(super) enum Payload {
    None,
    /// Copied into the segment.
    Inline(Body),
    Moved(StoredBody),
    /// In its file, durable already; `None` when the file was the spool's before.
    External(Option<BodyFile>),
}

impl Payload {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(body) => body.bytes(),
            Self::Moved(body) => body.bytes(),
            Self::None | Self::External(_) => &[],
        }
    }
}

pub(super) enum Answer {
    Mail(oneshot::Sender<Result<Receipt, Failure>>),
    Change(oneshot::Sender<Result<(), Failure>>),
    Note,
    /// A move is dropped when the mail was changed after `expected` was seen.
    Move {
        expected: Entry,
        done: std::sync::mpsc::Sender<Result<(), Failure>>,
    },
}

/// Travels to the waiting session. When the session is gone before it took it, nobody knows of the mail and no 250 was
/// sent: the mail is dropped again.
#[derive(Debug)]
pub(super) struct Receipt {
    shared: Weak<Shared>,
    id: Option<MailId>,
}

impl Receipt {
    pub fn taken(mut self) {
        self.id = None;
    }

    pub fn new(shared: &Arc<Shared>, id: MailId) -> Self {
        Self { shared: Arc::downgrade(shared), id: Some(id) }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let (Some(id), Some(shared)) = (self.id, self.shared.upgrade()) {
            let _ = shared.queue.push_note(Job::note(id, Kind::Done, Vec::new()));
        }
    }
}

impl Job {
    pub fn note(id: MailId, kind: Kind, meta: Vec<u8>) -> Self {
        Self::change(id, kind, meta, Answer::Note)
    }

    /// A record without a body.
    pub fn change(id: MailId, kind: Kind, meta: Vec<u8>, answer: Answer) -> Self {
        Self { kind, id, meta, body: Payload::None, body_sum: 0, note: 0, answer }
    }

    pub fn extent(&self) -> u64 {
        extent(len32(self.meta.len() + NOTE), len32(self.body.bytes().len()))
    }

    pub fn refuse(self, failure: &Failure) {
        match self.answer {
            Answer::Mail(waiter) => drop(waiter.send(Err(failure.clone()))),
            Answer::Change(waiter) => drop(waiter.send(Err(failure.clone()))),
            Answer::Move { done, .. } => drop(done.send(Err(failure.clone()))),
            Answer::Note => {}
        }
    }
}

pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    moves: Vec<Job>,
    jobs: Vec<Job>,
    /// How many of `jobs` are notes: nobody waits for them.
    notes: usize,
    /// Number of the last note; notes are numbered in the order in which they get into the log.
    last_note: u64,
    first_note: Option<Instant>,
    stop: bool,
}

impl Queue {
    /// Notes are numbered from `last_note` on.
    pub fn new(last_note: u64) -> Self {
        Self { waiting: Mutex::new(Waiting { last_note, ..Waiting::default() }), wake: Condvar::new() }
    }

    pub fn push(&self, mut job: Job) {
        let mut waiting = self.waiting.lock();
        if matches!(job.answer, Answer::Move { .. }) {
            waiting.moves.push(job);
        } else {
            job.note = waiting.last_note;
            waiting.jobs.push(job);
        }
        self.wake.notify_one();
    }

    /// The note's number; `None` when too many wait already.
    pub fn push_note(&self, mut job: Job) -> Option<u64> {
        let mut waiting = self.waiting.lock();
        if waiting.notes >= NOTES_MAX {
            return None;
        }
        waiting.last_note += 1;
        let number = waiting.last_note;
        job.note = number;
        waiting.jobs.push(job);
        waiting.notes += 1;
        if waiting.first_note.is_none() {
            // The first one starts the clock; the others ride along.
            waiting.first_note = Some(Instant::now());
            self.wake.notify_one();
        } else if waiting.notes == NOTES_URGENT {
            self.wake.notify_one();
        }
        Some(number)
    }

    pub fn stop(&self) {
        self.waiting.lock().stop = true;
        self.wake.notify_one();
    }

    /// Waits until there is work that cannot wait, and takes all. `retry_at`: the disk refused, and is tried again then.
    pub fn take(&self, retry_at: Option<Instant>, group_commit: Duration) -> Taken {
        let mut waiting = self.waiting.lock();
        loop {
            let urgent = waiting.jobs.len() > waiting.notes || !waiting.moves.is_empty() || waiting.notes >= NOTES_URGENT;
            let due = match (retry_at, waiting.first_note) {
                _ if urgent || waiting.stop => break,
                (Some(retry), _) => Some(retry),
                (None, Some(first)) => Some(first + NOTE_DELAY),
                (None, None) => None,
            };
            match due {
                Some(due) if due <= Instant::now() => break,
                Some(due) => drop(self.wake.wait_until(&mut waiting, due)),
                None => self.wake.wait(&mut waiting),
            }
        }
        if !group_commit.is_zero() && !waiting.stop && retry_at.is_none() {
            // The operator wants larger batches: wait for the rest of the window.
            let until = Instant::now() + group_commit;
            while !waiting.stop && !self.wake.wait_until(&mut waiting, until).timed_out() {}
        }
        let moves = std::mem::take(&mut waiting.moves);
        let jobs = std::mem::replace(&mut waiting.jobs, Vec::with_capacity(64));
        waiting.notes = 0;
        waiting.first_note = None;
        Taken { moves, jobs, stop: waiting.stop }
    }
}

/// What the committer took.
pub(super) struct Taken {
    pub moves: Vec<Job>,
    pub jobs: Vec<Job>,
    pub stop: bool,
}

/// Lengths are limited to 32 bits where they come in.
pub(super) fn len32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl Body {
    /// The body as it goes into the log: in the record, or a file that was made durable under the mail's name.
    pub(super) fn into_payload(self, shared: &Shared, id: MailId) -> Result<Payload, SpoolError> {
        match self.content {
            Content::File { mut file, inline: false, .. } => {
                file.persist(&shared.bodies, id)?;
                Ok(Payload::External(Some(file)))
            }
            _ => Ok(Payload::Inline(self)),
        }
    }
}
