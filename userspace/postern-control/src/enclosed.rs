//! Lines with descriptors enclosed (SCM_RIGHTS): for conversations in which something is handed over.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Octets that are read at once.
const PIECE: usize = 4096;

/// Why something is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("the request cannot be read: {0}")]
    Read(#[source] io::Error),
    #[error("the request has no end: it is one line")]
    NoEnd,
    #[error("more than one line: one is asked, and answered")]
    More,
    #[error("the request is longer than {most} octets")]
    TooLong { most: usize },
}

/// A line without its end, and what came with it.
#[derive(Debug)]
pub struct Line {
    pub text: Vec<u8>,
    pub enclosed: Vec<OwnedFd>,
}

/// The next line, which is answered before another one may come; `None` when the other end has hung up.
///
/// # Errors
/// What its sender is to be told.
pub async fn receive(stream: &UnixStream, most: usize) -> Result<Option<Line>, LineError> {
    let mut line = Line { text: Vec::new(), enclosed: Vec::new() };
    loop {
        let got = stream.async_io(Interest::READABLE, || receive_some(stream, &mut line)).await;
        match (got.map_err(LineError::Read)?, line.text.is_empty()) {
            (0, true) => return Ok(None),
            (0, false) => return Err(LineError::NoEnd),
            _ => {}
        }
        match line.text.iter().position(|b| *b == b'\n') {
            Some(at) if at + 1 == line.text.len() => {
                line.text.pop();
                return Ok(Some(line));
            }
            Some(_) => return Err(LineError::More),
            None if line.text.len() >= most => return Err(LineError::TooLong { most }),
            None => {}
        }
    }
}

/// One recvmsg(2). Room is for three descriptors, so that one too many is seen; what is beyond that the kernel closes.
fn receive_some(stream: &UnixStream, line: &mut Line) -> io::Result<usize> {
    let mut buffer = [0; PIECE];
    let mut room = nix::cmsg_space!([RawFd; 3]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let octets = message.bytes;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel made them for this process with this message, and nobody else knows them.
            line.enclosed.extend(descriptors.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    line.text.extend_from_slice(buffer.get(..octets).unwrap_or_default());
    Ok(octets)
}

/// Sends octets, with descriptors enclosed at the first of them.
///
/// # Errors
/// When nobody reads there.
pub async fn send(stream: &UnixStream, octets: &[u8], enclosed: &[BorrowedFd<'_>]) -> io::Result<()> {
    let descriptors: Vec<RawFd> = enclosed.iter().map(AsRawFd::as_raw_fd).collect();
    let mut sent = 0;
    while let Some(rest) = octets.get(sent..).filter(|rest| !rest.is_empty()) {
        let control = [ControlMessage::ScmRights(&descriptors)];
        let control = if sent == 0 && !descriptors.is_empty() { &control[..] } else { &[][..] };
        let some = || Ok(sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(rest)], control, MsgFlags::MSG_NOSIGNAL, None)?);
        sent += stream.async_io(Interest::WRITABLE, some).await?;
    }
    Ok(())
}
