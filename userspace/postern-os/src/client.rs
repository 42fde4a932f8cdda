//! The other end of the role's socket: one question, one answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use postern_model::os::{MAX_LINE, OsReply, OsRequest, OsStatus};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Restarting the network takes some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum OsClientError {
    #[error("the role os does not answer ({0}): this works on the appliance only")]
    Away(#[source] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("the role os answered something else than was asked")]
    Unexpected,
}

/// # Errors
/// When the role is not there, or refuses.
pub async fn ask(socket: &Path, request: &OsRequest) -> Result<OsReply, OsClientError> {
    let late = |_| OsClientError::Away(io::ErrorKind::TimedOut.into());
    match tokio::time::timeout(PATIENCE, converse(socket, request)).await.map_err(late)? {
        Ok(OsReply::Refused { why }) => Err(OsClientError::Refused(why)),
        Ok(reply) => Ok(reply),
        Err(e) => Err(OsClientError::Away(e)),
    }
}

/// # Errors
/// As [`ask`].
pub async fn status(socket: &Path) -> Result<OsStatus, OsClientError> {
    match ask(socket, &OsRequest::Status).await? {
        OsReply::Status { status } => Ok(*status),
        _ => Err(OsClientError::Unexpected),
    }
}

/// For what is answered by text.
///
/// # Errors
/// As [`ask`].
pub async fn text(socket: &Path, request: &OsRequest) -> Result<String, OsClientError> {
    match ask(socket, request).await? {
        OsReply::Text { text } => Ok(text),
        _ => Err(OsClientError::Unexpected),
    }
}

async fn converse(socket: &Path, request: &OsRequest) -> io::Result<OsReply> {
    let (from, mut to) = UnixStream::connect(socket).await?.into_split();
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    line.clear();
    BufReader::new(from).take(MAX_LINE as u64).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}
