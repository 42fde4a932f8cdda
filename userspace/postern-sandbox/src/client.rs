//! How the role is asked: a line with the sealed job enclosed, and its answer.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use postern_model::sandbox::{MAX_REPLY, Places, Report, RulesId, RulesReport, SandboxReply, SandboxRequest, SandboxStatus};
use postern_model::watch::WATCH_SOCKET;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
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

/// Has a job ([`crate::job::Job::seal`]) done, with YARA rules that it has ready; its cells are watched by a connection to edge ([`watch_at`]), if
/// there is one. Dropped before the answer, the job ends.
///
/// # Errors
/// When the role is not there, has no place or no cell.
pub async fn open(
    socket: &Path,
    places: Places,
    rules: Option<RulesId>,
    watch: Option<&UnixStream>,
    sealed: &File,
) -> Result<Report, SandboxError> {
    let request = SandboxRequest::Open { places, rules, is_watched: watch.is_some() };
    let enclosed: Vec<BorrowedFd<'_>> = [sealed.as_fd()].into_iter().chain(watch.map(AsFd::as_fd)).collect();
    match ask(socket, &request, &enclosed).await? {
        // The role is no more believed than a cell.
        SandboxReply::Report { report } if report.is_sound() => Ok(report),
        _ => Err(SandboxError::Unexpected),
    }
}

/// A connection to edge, if it is there, to be handed on with a job. `socket`: the role sandbox's; edge's lies beside it.
pub async fn watch_at(socket: &Path) -> Option<UnixStream> {
    UnixStream::connect(socket.with_file_name(WATCH_SOCKET)).await.ok()
}

/// Has it make YARA rules ready, for [`open`] with their number; what came of it.
///
/// # Errors
/// When the role is not there, or the rules were not looked at.
pub async fn rules(socket: &Path, sources: &Sources) -> Result<RulesReport, SandboxError> {
    told_of(sources, ask(socket, &SandboxRequest::Rules, &[sources.sealed().as_fd()]).await?)
}

/// Has it say what is wrong with YARA rules, and keep nothing of them.
///
/// # Errors
/// As [`rules`].
pub async fn try_rules(socket: &Path, sources: &Sources) -> Result<RulesReport, SandboxError> {
    told_of(sources, ask(socket, &SandboxRequest::TryRules, &[sources.sealed().as_fd()]).await?)
}

fn told_of(sources: &Sources, reply: SandboxReply) -> Result<RulesReport, SandboxError> {
    match reply {
        SandboxReply::Rules { report } if report.id == sources.id => Ok(report),
        _ => Err(SandboxError::Unexpected),
    }
}

/// What it does and did.
///
/// # Errors
/// When the role is not there.
pub async fn status(socket: &Path) -> Result<SandboxStatus, SandboxError> {
    match ask(socket, &SandboxRequest::Status, &[]).await? {
        SandboxReply::Status { status } => Ok(status),
        _ => Err(SandboxError::Unexpected),
    }
}

async fn ask(socket: &Path, request: &SandboxRequest, enclosed: &[BorrowedFd<'_>]) -> Result<SandboxReply, SandboxError> {
    match converse(socket, request, enclosed).await.map_err(SandboxError::Away)? {
        SandboxReply::Busy { running, waiting } => Err(SandboxError::Busy { running, waiting }),
        SandboxReply::Failed { why } => Err(SandboxError::NoCell(why)),
        SandboxReply::Refused { why } => Err(SandboxError::Refused(why)),
        SandboxReply::UnknownRules => Err(SandboxError::UnknownRules),
        reply => Ok(reply),
    }
}

async fn converse(socket: &Path, request: &SandboxRequest, enclosed: &[BorrowedFd<'_>]) -> io::Result<SandboxReply> {
    let stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    postern_control::enclosed::send(&stream, &line, enclosed).await?;
    line.clear();
    if BufReader::new(stream).take(MAX_REPLY).read_until(b'\n', &mut line).await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok(serde_json::from_slice(&line)?)
}
