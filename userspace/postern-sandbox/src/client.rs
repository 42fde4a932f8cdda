//! How the role is asked: a line with the sealed job enclosed, and its answer.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use postern_model::sandbox::{MAX_REPLY, Places, Report, RulesId, RulesReport, SandboxReply, SandboxRequest, SandboxStatus};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;

use crate::yara::Sources;

#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("the role sandbox does not answer: {0}")]
    Away(#[source] io::Error),
    #[error("the role sandbox has no free place: {running} attachments are taken apart, {waiting} wait")]
    Busy { running: usize, waiting: usize },
    #[error("no cell can be had: {0}")]
    NoCell(String),
    #[error("the role sandbox does not have the YARA rules ready")]
    UnknownRules,
    #[error("the role sandbox refuses: {0}")]
    Refused(String),
    #[error("the role sandbox answers something else than was asked")]
    Unexpected,
}

/// Has a job ([`crate::job::Job::seal`]) done, with YARA rules that it has ready. Dropped before the answer, the job ends.
///
/// # Errors
/// When the role is not there, has no place or no cell.
pub async fn open(socket: &Path, places: Places, rules: Option<RulesId>, sealed: &File) -> Result<Report, SandboxError> {
    match ask(socket, &SandboxRequest::Open { places, rules }, Some(sealed)).await? {
        // The role is no more believed than a cell.
        SandboxReply::Report { report } if report.is_sound() => Ok(report),
        _ => Err(SandboxError::Unexpected),
    }
}

/// Has it make YARA rules ready, for [`open`] with their number; what came of it.
///
/// # Errors
/// When the role is not there, or the rules were not looked at.
pub async fn rules(socket: &Path, sources: &Sources) -> Result<RulesReport, SandboxError> {
    match ask(socket, &SandboxRequest::Rules, Some(sources.sealed())).await? {
        SandboxReply::Rules { report } if report.id == sources.id => Ok(report),
        _ => Err(SandboxError::Unexpected),
    }
}

/// What it does and did.
///
/// # Errors
/// When the role is not there.
pub async fn status(socket: &Path) -> Result<SandboxStatus, SandboxError> {
    match ask(socket, &SandboxRequest::Status, None).await? {
        SandboxReply::Status { status } => Ok(status),
        _ => Err(SandboxError::Unexpected),
    }
}

async fn ask(socket: &Path, request: &SandboxRequest, enclosed: Option<&File>) -> Result<SandboxReply, SandboxError> {
    match converse(socket, request, enclosed).await.map_err(SandboxError::Away)? {
        SandboxReply::Busy { running, waiting } => Err(SandboxError::Busy { running, waiting }),
        SandboxReply::Failed { why } => Err(SandboxError::NoCell(why)),
        SandboxReply::Refused { why } => Err(SandboxError::Refused(why)),
        SandboxReply::UnknownRules => Err(SandboxError::UnknownRules),
        reply => Ok(reply),
    }
}

async fn converse(socket: &Path, request: &SandboxRequest, enclosed: Option<&File>) -> io::Result<SandboxReply> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let descriptors: Vec<_> = enclosed.iter().map(|f| f.as_raw_fd()).collect();
    let control = [ControlMessage::ScmRights(&descriptors)];
    let control = if descriptors.is_empty() { &[][..] } else { &control[..] };
    let send = || Ok(sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(&line)], control, MsgFlags::MSG_NOSIGNAL, None)?);
    let sent = stream.async_io(Interest::WRITABLE, send).await?;
    stream.write_all(line.get(sent..).unwrap_or_default()).await?;
    line.clear();
    if BufReader::new(stream).take(MAX_REPLY).read_until(b'\n', &mut line).await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok(serde_json::from_slice(&line)?)
}
