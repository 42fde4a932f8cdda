//! The socket: one JSON object a line, one reply to each, in order. What is no request ends the connection.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use postern_model::control::{EdgeReply, EdgeRequest, MAX_LINE};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{RoleError, Shared};

/// Connections served side by side: node, the command line, a few more.
const CONNECTIONS: usize = 32;

/// Opens the socket for its owner and group; one left by a dead process is replaced, a live one is not.
pub fn listen(path: &Path) -> Result<UnixListener, RoleError> {
    let error = |source| RoleError::Socket { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(error)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(error(io::Error::new(io::ErrorKind::AddrInUse, "another edge serves here")));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(error(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(error)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(error)?;
    Ok(listener)
}

pub async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    if let Err(e) = converse(stream, &shared).await {
                        tracing::warn!("a connection to edge ended: {e}");
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::error!("accepting on edge's socket failed: {e}");
                tokio::time::sleep(super::TICK).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut from).take(MAX_LINE as u64).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return Err(io::Error::other("a line without end, or too long"));
        }
        let request: EdgeRequest = serde_json::from_slice(&line)?;
        let feeds_change = matches!(request, EdgeRequest::Apply { .. } | EdgeRequest::ReloadFeeds);
        let steering_changes = matches!(request, EdgeRequest::Apply { .. } | EdgeRequest::Steer { .. });
        let shared_here = Arc::clone(shared);
        let reply = tokio::task::spawn_blocking(move || shared_here.state.lock().handle(request)).await;
        let reply = reply.unwrap_or_else(|e| EdgeReply::Refused { why: format!("edge failed at this request: {e}") });
        if feeds_change {
            shared.feeds.notify_one();
        }
        if steering_changes {
            shared.steering.notify_one();
        }
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        to.write_all(&answer).await?;
    }
}
