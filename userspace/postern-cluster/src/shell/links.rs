//! The two tasks of a peer's stream.

use std::sync::Arc;

use postern_link::stream::{Receiver, Sender, Stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::Event;
use crate::ledger::bounds::MESSAGE_OCTETS;
use crate::ledger::origin::NodeId;

/// Messages handed to a writer beyond the one it is sending.
const AHEAD: usize = 1;

/// A stream in use; dropped, it ends.
pub(super) struct Link {
    pub(super) number: u64,
    pub(super) outbox: mpsc::Sender<Arc<[u8]>>,
    tasks: [AbortHandle; 2],
}

impl Drop for Link {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// `ended` is dropped when the stream is over.
pub(super) fn start(peer: NodeId, number: u64, stream: Stream, events: mpsc::Sender<Event>, ended: oneshot::Sender<()>) -> Link {
    let (outbox, messages) = mpsc::channel(AHEAD);
    let writing = tokio::spawn(write(stream.sender, messages, events.clone())).abort_handle();
    let stop_writing = writing.clone();
    let reading = tokio::spawn(async move {
        read(peer, number, stream.receiver, &events).await;
        stop_writing.abort();
        let _ = events.send(Event::Ended { peer, link: number }).await;
        drop(ended);
    });
    Link { number, outbox, tasks: [writing, reading.abort_handle()] }
}

/// Reads at the shell's pace: while it is busy the peer's stream fills up.
async fn read(peer: NodeId, link: u64, mut receiver: Receiver, events: &mpsc::Sender<Event>) {
    loop {
        match receiver.receive(MESSAGE_OCTETS).await {
            Ok(Some(message)) => {
                if events.send(Event::Received { peer, link, message }).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return tracing::debug!(?peer, %error, "a stream of the ledger ended"),
        }
    }
}

/// A stream that cannot be written is noticed by the reader, too.
async fn write(mut sender: Sender, mut messages: mpsc::Receiver<Arc<[u8]>>, events: mpsc::Sender<Event>) {
    while let Some(message) = messages.recv().await {
        if sender.send(&message).await.is_err() || events.send(Event::Ready).await.is_err() {
            return;
        }
    }
}
