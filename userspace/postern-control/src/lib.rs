//! The unix socket of a role: one JSON object a line, one reply to each, in order. What is no request ends the connection.
//!
//! What is asked and answered is the role's (`postern_model::control`, `postern_model::os`); nothing is decided here. A role whose
//! conversation is of another form (`postern_sandbox::role`, `postern_edge::watch`) brings its own to [`each`]; [`enclosed`] hands descriptors over.

pub mod enclosed;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// After an accept that failed (no more descriptors).
const PAUSE: Duration = Duration::from_millis(200);

/// Opens the socket for its owner and group; one left by a dead process is replaced, a live one is not.
///
/// # Errors
/// When it cannot be made, or somebody serves there.
pub fn listen(path: &Path, role: &str) -> io::Result<UnixListener> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("another {role} serves here")));
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// What a role makes of its socket.
pub trait Role: Send + Sync + 'static {
    type Request: DeserializeOwned + Send;
    type Reply: Serialize + Send + Sync;

    /// For the log.
    const NAME: &'static str;
    /// Connections served side by side.
    const CONNECTIONS: usize;
    /// Octets of the longest line that is read.
    const LONGEST_LINE: usize;

    /// Who may ask; an error ends the connection.
    ///
    /// # Errors
    /// Why not.
    fn admit(&self, _: &UnixStream) -> io::Result<()> {
        Ok(())
    }

    fn answer(self: &Arc<Self>, request: Self::Request) -> impl Future<Output = Self::Reply> + Send;
}

pub async fn serve<R: Role>(listener: UnixListener, role: Arc<R>) {
    let conversation = move |stream| {
        let role = Arc::clone(&role);
        async move { converse(stream, &role).await }
    };
    each(listener, R::NAME, R::CONNECTIONS, conversation).await;
}

/// Has a conversation of a role's own with everybody who connects, so many side by side.
pub async fn each<F>(listener: UnixListener, role: &'static str, connections: usize, conversation: impl Fn(UnixStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let conversation = conversation(stream);
                tokio::spawn(async move {
                    if let Err(e) = conversation.await {
                        tracing::warn!("a connection to {role} ended: {e}");
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::error!("accepting on the socket of {role} failed: {e}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse<R: Role>(stream: UnixStream, role: &Arc<R>) -> io::Result<()> {
    role.admit(&stream)?;
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        (&mut from).take(R::LONGEST_LINE as u64).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return Err(io::Error::other("a line without end, or too long"));
        }
        let reply = role.answer(serde_json::from_slice(&line)?).await;
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        to.write_all(&answer).await?;
    }
}
