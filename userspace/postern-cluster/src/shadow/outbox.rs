//! The sending half of a stream: messages in the order they were put in, written by a task of its own.
//!
//! Copies wait for room. Changes never wait; when too many gather, the peer does not read, and the stream is given up. Of marks
//! only the last one is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use postern_link::stream::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::bounds::{OUTBOX_NOTES, OUTBOX_OCTETS};
use super::mark::Mark;
use super::protocol::Message;

/// Messages written in one go; what waits is bounded in octets, too.
const TOGETHER: usize = 64;

/// The stream is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Message,
    /// The last mark is put in when it is written.
    Mark,
}

struct Frame {
    what: What,
    octets: Vec<u8>,
    /// Held until it is written; `None` for a note.
    room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

pub struct Outbox {
    frames: mpsc::UnboundedSender<Frame>,
    room: Arc<Semaphore>,
    notes: Arc<AtomicUsize>,
    mark: Arc<Mutex<Option<Mark>>>,
    stop: CancellationToken,
}

impl Outbox {
    /// Writes until `stop`, or until the stream breaks, which it tells by `stop`.
    pub fn start(sender: Sender, stop: CancellationToken) -> Self {
        let (frames, waiting) = mpsc::unbounded_channel();
        let (notes, mark) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        tokio::spawn(write(sender, waiting, Arc::clone(&notes), Arc::clone(&mark), stop.clone()));
        Self { frames, room: Arc::new(Semaphore::new(OUTBOX_OCTETS)), notes, mark, stop }
    }

    /// Puts a message in when there is room.
    pub async fn send(&self, message: &Message<'_>) -> Result<(), Gone> {
        let octets = message.encode();
        let share = u32::try_from(octets.len().min(OUTBOX_OCTETS)).unwrap_or(u32::MAX);
        let room = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Gone),
            room = Arc::clone(&self.room).acquire_many_owned(share) => room.map_err(|_| Gone)?,
        };
        self.frames.send(Frame { what: What::Message, octets, room: Some(room) }).map_err(|_| Gone)
    }

    /// Puts a message in at once.
    pub fn note(&self, message: &Message<'_>) {
        if self.notes.fetch_add(1, Ordering::Relaxed) >= OUTBOX_NOTES {
            self.stop.cancel();
            return;
        }
        // A stream that is gone is brought to the same state when it is opened again.
        let _ = self.frames.send(Frame { what: What::Message, octets: message.encode(), room: None });
    }

    /// Ends the stream: the peer does not keep to what was agreed.
    pub fn give_up(&self) {
        self.stop.cancel();
    }

    /// Puts a mark in at once, in the place of one that waits.
    pub fn mark(&self, mark: Mark) {
        let mut waiting = self.mark.lock();
        let is_later = waiting.is_none_or(|old| (old.segment, old.offset) < (mark.segment, mark.offset));
        let is_first = waiting.is_none();
        if is_later {
            *waiting = Some(mark);
        }
        drop(waiting);
        if is_first {
            self.notes.fetch_add(1, Ordering::Relaxed);
            let _ = self.frames.send(Frame { what: What::Mark, octets: Vec::new(), room: None });
        }
    }
}

async fn write(
    mut sender: Sender,
    mut waiting: mpsc::UnboundedReceiver<Frame>,
    notes: Arc<AtomicUsize>,
    mark: Arc<Mutex<Option<Mark>>>,
    stop: CancellationToken,
) {
    let all = async {
        let mut frames = Vec::with_capacity(TOGETHER);
        while waiting.recv_many(&mut frames, TOGETHER).await > 0 {
            notes.fetch_sub(frames.iter().filter(|f| f.room.is_none()).count(), Ordering::Relaxed);
            for frame in frames.iter_mut().filter(|f| f.what == What::Mark) {
                frame.octets = mark.lock().take().map(|mark| Message::Mark(mark).encode()).unwrap_or_default();
            }
            if sender.send_together(&frames).await.is_err() {
                break;
            }
            // Gives the room back.
            frames.clear();
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = all => {}
    }
    stop.cancel();
}
