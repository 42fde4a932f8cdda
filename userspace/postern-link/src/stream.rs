//! Streams between peers: whole messages over a two-way run of octets.
//!
//! A message is its length (four octets, little endian) and its octets. Whoever receives says how long a message may be at
//! most; a longer one ends the stream, before memory is taken for it.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Octets of the length in front of a message.
const LENGTH: usize = 4;
/// A message up to here is written together with its length: one call of the engine, and one packet where it fits.
const IN_ONE_PIECE: usize = 64 * 1024;

/// What a stream is for. The number is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Purpose {
    /// Messages of the replication core.
    Ledger = 1,
    /// The configuration document's synchronisation.
    Document = 2,
    /// Copies of mails that were accepted elsewhere.
    Shadow = 3,
    /// One question and its answer.
    Ask = 4,
    /// That a node lives and takes connections, several times a second.
    Pulse = 5,
}

impl Purpose {
    pub const ALL: [Self; 5] = [Self::Ledger, Self::Document, Self::Shadow, Self::Ask, Self::Pulse];

    /// `None`: a purpose of a later version.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|p| *p as u8 == number)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The peer's fault: the stream cannot go on.
    #[error("a message of {length} octets, where {most} are the most")]
    TooLong { length: usize, most: usize },
    /// The connection is gone, or the peer gave the stream up.
    #[error("the stream broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// Both directions of a stream.
pub struct Stream {
    pub sender: Sender,
    pub receiver: Receiver,
}

pub struct Sender(Pin<Box<dyn AsyncWrite + Send>>);
pub struct Receiver(Pin<Box<dyn AsyncRead + Send>>);

impl Stream {
    pub fn new(read: impl AsyncRead + Send + 'static, write: impl AsyncWrite + Send + 'static) -> Self {
        Self { sender: Sender(Box::pin(write)), receiver: Receiver(Box::pin(read)) }
    }

    /// The two ends of a stream within this process; each direction holds at most so many octets.
    pub fn pair(octets: usize) -> (Self, Self) {
        let (here, there) = tokio::io::duplex(octets);
        let split = |end| {
            let (read, write) = tokio::io::split(end);
            Self::new(read, write)
        };
        (split(here), split(there))
    }
}

impl Sender {
    /// Sends one message; waits while the peer does not read.
    ///
    /// # Errors
    /// When the stream broke.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), StreamError> {
        let length = u32::try_from(message.len()).map_err(|_| StreamError::TooLong { length: message.len(), most: u32::MAX as usize })?;
        if message.len() <= IN_ONE_PIECE {
            let mut piece = Vec::with_capacity(LENGTH + message.len());
            piece.extend_from_slice(&length.to_le_bytes());
            piece.extend_from_slice(message);
            self.0.write_all(&piece).await?;
        } else {
            self.0.write_all(&length.to_le_bytes()).await?;
            self.0.write_all(message).await?;
        }
        Ok(self.0.flush().await?)
    }

    /// Sends messages one behind the other in one go: small ones share packets.
    ///
    /// # Errors
    /// When the stream broke.
    pub async fn send_together(&mut self, messages: &[impl AsRef<[u8]> + Sync]) -> Result<(), StreamError> {
        let mut piece = Vec::with_capacity(messages.iter().map(|m| LENGTH + m.as_ref().len()).sum());
        for message in messages.iter().map(AsRef::as_ref) {
            let length =
                u32::try_from(message.len()).map_err(|_| StreamError::TooLong { length: message.len(), most: u32::MAX as usize })?;
            piece.extend_from_slice(&length.to_le_bytes());
            piece.extend_from_slice(message);
        }
        self.0.write_all(&piece).await?;
        Ok(self.0.flush().await?)
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// When the stream broke.
    pub async fn finish(&mut self) -> Result<(), StreamError> {
        Ok(self.0.shutdown().await?)
    }
}

impl Receiver {
    /// The next message of at most `most` octets; `None`: the peer finished.
    ///
    /// # Errors
    /// A longer message, or a stream that broke, also in the middle of a message.
    pub async fn receive(&mut self, most: usize) -> Result<Option<Bytes>, StreamError> {
        let mut head = [0; LENGTH];
        let first = self.0.read(&mut head).await?;
        if first == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut head[first..]).await?;
        let length = u32::from_le_bytes(head) as usize;
        if length > most {
            return Err(StreamError::TooLong { length, most });
        }
        let mut message = BytesMut::zeroed(length);
        self.0.read_exact(&mut message).await?;
        Ok(Some(message.freeze()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn messages_come_whole_and_in_order_and_a_long_one_ends_the_stream() {
        let (mut here, mut there) = Stream::pair(64);
        let sending = tokio::spawn(async move {
            here.sender.send(b"").await.unwrap();
            here.sender.send_together(&[&b"one"[..], &[7; 1000]]).await.unwrap();
            here.sender.send(&[0; 2000]).await.unwrap_err();
        });
        assert_eq!(there.receiver.receive(1000).await.unwrap().unwrap(), &b""[..]);
        assert_eq!(there.receiver.receive(1000).await.unwrap().unwrap(), &b"one"[..]);
        assert_eq!(there.receiver.receive(1000).await.unwrap().unwrap(), &[7; 1000][..]);
        assert!(matches!(there.receiver.receive(1000).await, Err(StreamError::TooLong { length: 2000, most: 1000 })));
        drop(there);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn an_end_is_told_from_a_break() {
        let (mut here, mut there) = Stream::pair(64);
        here.sender.finish().await.unwrap();
        assert!(there.receiver.receive(10).await.unwrap().is_none());
        let (mut here, mut there) = Stream::pair(64);
        here.sender.0.write_all(&[5, 0, 0, 0, 1]).await.unwrap();
        drop(here);
        assert!(matches!(there.receiver.receive(10).await, Err(StreamError::Broken(_))));
    }
}
