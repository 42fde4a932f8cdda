//! Between the archive, which is written and read by blocking calls, and targets, which are asynchronous.

use std::io::{self, Read, Write};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Octets that go to a target at once, and the size of a part at an object store: at least 5 MiB there, and the same for all
/// but the last. Three are in memory at a time: one being filled, one waiting, one under way.
pub(crate) const PIECE: usize = 8 << 20;

/// A writer whose octets come out of the channel, in pieces of [`PIECE`].
pub(crate) struct PipeWriter {
    pieces: mpsc::Sender<Bytes>,
    filling: BytesMut,
}

pub(crate) fn pipe() -> (PipeWriter, mpsc::Receiver<Bytes>) {
    let (pieces, received) = mpsc::channel(1);
    (PipeWriter { pieces, filling: BytesMut::new() }, received)
}

impl PipeWriter {
    fn send(&mut self) -> io::Result<()> {
        if self.filling.is_empty() {
            return Ok(());
        }
        let piece = self.filling.split().freeze();
        // Who reads gave up, and has said why.
        self.pieces.blocking_send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// What is left goes out. A writer that is dropped without it leaves a stream that nobody may take for whole.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.send()
    }
}

impl Write for PipeWriter {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.filling.capacity() == 0 {
            self.filling.reserve(PIECE);
        }
        let taken = octets.len().min(PIECE - self.filling.len());
        self.filling.extend_from_slice(&octets[..taken]);
        if self.filling.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An asynchronous reader for a thread that may block.
pub(crate) struct BlockingReader<R> {
    pub runtime: Handle,
    pub inner: R,
}

impl<R: AsyncRead + Unpin> Read for BlockingReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.inner.read(into))
    }
}
