//! The same router on HTTPS and on the node's unix socket. HTTP/1.1 only: a page needs one stream at most.

use std::convert::Infallible;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_mta::panics::contained_future;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::caller::Peer;

/// Connections of browsers and programs at a time.
const CONNECTIONS: usize = 256;
/// Connections on the unix socket at a time.
const LOCAL_CONNECTIONS: usize = 64;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A request's header must come within this time; an idle connection is closed after it.
const HEADER: Duration = Duration::from_secs(30);
/// Octets of a request's header.
const HEADER_OCTETS: usize = 64 * 1024;
/// How long requests may still take when the node stops.
const DRAIN: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {path}: {source}")]
    Unix {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} is there and no socket: move it away")]
    NoSocket(PathBuf),
}

/// Gives the TLS configuration of the moment, so that a renewed certificate is used at once.
pub type Acceptor = Arc<dyn Fn() -> TlsAcceptor + Send + Sync>;

/// Binds the unix socket (0660): who may connect is an admin. An old socket file is replaced.
///
/// # Errors
/// When the path cannot be bound.
pub fn bind_unix(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |source| ListenError::Unix { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(ListenError::NoSocket(path.to_owned()));
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

/// Serves the unix socket until `stop`.
pub async fn serve_unix(listener: UnixListener, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(LOCAL_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! { a = listener.accept() => a, () = stop.cancelled() => return };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors: do not spin
            continue;
        };
        let Ok(credentials) = stream.peer_cred() else { continue };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            serve_one(stream, router, Peer::Unix { uid: credentials.uid() }, stop).await;
            drop(place);
        });
    }
}

/// Serves HTTPS until `stop`.
pub async fn serve_https(listener: TcpListener, acceptor: Acceptor, router: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! { a = listener.accept() => a, () = stop.cancelled() => return };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (router, stop, tls) = (router.clone(), stop.clone(), acceptor());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                Ok(Ok(stream)) => serve_one(stream, router, Peer::Tcp(address), stop).await,
                Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake with the console failed"),
                Err(_) => tracing::debug!(%address, "TLS handshake with the console took too long"),
            }
            drop(place);
        });
    }
}

/// A fault of the program ends one connection, not the node.
async fn serve_one(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router, peer: Peer, stop: CancellationToken) {
    if let Err(error) = contained_future(converse(stream, router, peer, stop)).await {
        tracing::error!(?peer, %error, "a console connection was lost");
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router, peer: Peer, stop: CancellationToken) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(HEADER_OCTETS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(?peer, %error, "a console connection ended");
            }
        }
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(DRAIN, connection).await;
        }
    }
}
