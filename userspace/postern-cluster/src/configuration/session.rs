//! One peer's document and ours, brought together over a stream for as long as it lives.

use std::time::SystemTime;

use bytes::Bytes;
use postern_document::sync::MAX_MESSAGE;
use postern_document::{ReceiveError, Received, SyncSession};
use postern_link::stream::{Receiver, Stream, StreamError};
use postern_model::time::Timestamp;
use tokio::sync::mpsc;

use super::Configuration;

/// Messages read ahead.
const AHEAD: usize = 2;

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the peer sent what cannot be taken: {0}")]
    Refused(#[from] ReceiveError),
}

impl Configuration {
    /// Runs until the stream ends.
    ///
    /// # Errors
    /// When it broke, or the peer does not keep to the protocol.
    pub async fn keep_in_step(self, stream: Stream) -> Result<(), SessionError> {
        let Stream { mut sender, receiver } = stream;
        let mut session = SyncSession::new();
        let mut changes = self.changes();
        let (forward, mut messages) = mpsc::channel(AHEAD);
        let reading = tokio::spawn(read(receiver, forward));
        let _ends_with_us = AbortOnDrop(reading.abort_handle());
        loop {
            changes.borrow_and_update();
            while let Some(message) = self.with(|document| session.generate(document)) {
                sender.send(&message).await?;
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                message = messages.recv() => match message {
                    None => return Ok(()),
                    Some(message) => self.take(&mut session, &message?)?,
                }
            }
        }
    }

    fn take(&self, session: &mut SyncSession, message: &[u8]) -> Result<(), ReceiveError> {
        let received = session.receive(&mut self.0.state.lock().document, message)?;
        if received == Received::News {
            self.took_news(Timestamp::from_system(SystemTime::now()));
        }
        Ok(())
    }
}

/// A receive that is given up in the middle would lose octets: so it has a task of its own.
async fn read(mut receiver: Receiver, forward: mpsc::Sender<Result<Bytes, StreamError>>) {
    loop {
        let message = match receiver.receive(MAX_MESSAGE).await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => return,
            Err(e) => Err(e),
        };
        let is_last = message.is_err();
        if forward.send(message).await.is_err() || is_last {
            return;
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
