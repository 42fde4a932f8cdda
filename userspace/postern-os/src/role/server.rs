//! The socket: one JSON object a line, one reply to each, in order. What is no request ends the connection.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postern_model::os::{MAX_LINE, OsReply, OsRequest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{RoleError, SOCKET, Shared, work};

/// The node, the menus, a person.
const CONNECTIONS: usize = 16;
const PAUSE: Duration = Duration::from_millis(200);

pub fn listen(path: &Path) -> Result<UnixListener, RoleError> {
    let error = |source| RoleError::Socket { path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(error(e)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(error)?;
    // Its group is the node's (see the unit).
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
                        tracing::warn!("a connection to os ended: {e}");
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::error!("accepting on os' socket failed: {e}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Root, and whoever owns the folder of the socket: the node. The edge is of the same group and has no business here.
fn is_allowed(stream: &UnixStream) -> io::Result<bool> {
    let uid = stream.peer_cred()?.uid();
    let node = std::fs::metadata(Path::new(SOCKET).parent().unwrap_or(Path::new("/")))?.uid();
    Ok(uid == 0 || uid == node)
}

async fn converse(stream: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    if !is_allowed(&stream)? {
        return Err(io::Error::other("whoever asks is neither root nor the node"));
    }
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut from).take(MAX_LINE as u64).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        let request: OsRequest = serde_json::from_slice(&line)?;
        let reply = work::answer(shared, request).await.unwrap_or_else(|why| OsReply::Refused { why });
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        to.write_all(&answer).await?;
    }
}
