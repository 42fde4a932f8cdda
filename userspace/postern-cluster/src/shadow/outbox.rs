//! The sending half of a stream: messages in the order they were put in, written by a task of its own.
//!
//! Copies wait for room. Changes never wait; when too many gather, the peer does not read, and the stream is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use postern_link::stream::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::bounds::{OUTBOX_NOTES, OUTBOX_OCTETS};
use super::protocol::Message;

/// The stream is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

struct Frame {
    octets: Vec<u8>,
    /// Held until it is written; `None` for a note.
    room: Option<OwnedSemaphorePermit>,
}

pub struct Outbox {
    frames: mpsc::UnboundedSender<Frame>,
    room: Arc<Semaphore>,
    notes: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Outbox {
    /// Writes until `stop`, or until the stream breaks, which it tells by `stop`.
    pub fn start(sender: Sender, stop: CancellationToken) -> Self {
        let (frames, waiting) = mpsc::unbounded_channel();
        let notes = Arc::new(AtomicUsize::new(0));
        tokio::spawn(write(sender, waiting, Arc::clone(&notes), stop.clone()));
        Self { frames, room: Arc::new(Semaphore::new(OUTBOX_OCTETS)), notes, stop }
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
        self.frames.send(Frame { octets, room: Some(room) }).map_err(|_| Gone)
    }

    /// Puts a message in at once.
    pub fn note(&self, message: &Message<'_>) {
        if self.notes.fetch_add(1, Ordering::Relaxed) >= OUTBOX_NOTES {
            self.stop.cancel();
            return;
        }
        // A stream that is gone is brought to the same state when it is opened again.
        let _ = self.frames.send(Frame { octets: message.encode(), room: None });
    }
}

async fn write(mut sender: Sender, mut waiting: mpsc::UnboundedReceiver<Frame>, notes: Arc<AtomicUsize>, stop: CancellationToken) {
    let all = async {
        while let Some(frame) = waiting.recv().await {
            if frame.room.is_none() {
                notes.fetch_sub(1, Ordering::Relaxed);
            }
            if sender.send(&frame.octets).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = all => {}
    }
    stop.cancel();
}
