//! What happens before the greeting: the balancer's PROXY header, the greeting pause, the client that does
//! not wait for it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use postern_model::reason::Reason;
use postern_smtp::proxy_protocol::{self, Proxied, ProxyError};
use tokio::net::TcpStream;

/// A balancer sends its header at once.
const PROXY_HEADER_WITHIN: Duration = Duration::from_secs(10);
/// More than the longest header, so that one that is too long is seen as such.
const HEADER_BUFFER: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub(super) enum ArrivalError {
    #[error("the balancer closed before its PROXY header was whole")]
    Closed,
    #[error("the balancer sent no PROXY header in time")]
    Late,
    #[error(transparent)]
    Header(#[from] ProxyError),
    #[error("reading the PROXY header")]
    Io(#[source] io::Error),
}

impl ArrivalError {
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Late => Reason::Timeout,
            _ => Reason::Policy,
        }
    }
}

/// Reads the PROXY header: who is there, and what came behind the header.
pub(super) async fn proxy_header(stream: &TcpStream) -> Result<(Proxied, Vec<u8>), ArrivalError> {
    tokio::time::timeout(PROXY_HEADER_WITHIN, read_header(stream)).await.unwrap_or(Err(ArrivalError::Late))
}

async fn read_header(stream: &TcpStream) -> Result<(Proxied, Vec<u8>), ArrivalError> {
    let mut got = Vec::with_capacity(256);
    loop {
        stream.readable().await.map_err(ArrivalError::Io)?;
        match stream.try_read_buf(&mut got) {
            Ok(0) => return Err(ArrivalError::Closed),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(ArrivalError::Io(e)),
        }
        if let Some((who, used)) = proxy_protocol::parse(&got)? {
            got.drain(..used);
            return Ok((who, got));
        }
        if got.len() > HEADER_BUFFER {
            return Err(ArrivalError::Header(ProxyError::TooLong));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    Kept,
    /// The client sent something.
    Broken,
    /// The client went away.
    Gone,
}

/// Waits out the greeting pause and watches whether the client does.
pub(super) async fn greeting_pause(stream: &TcpStream, pause: Duration) -> Silence {
    if pause.is_zero() {
        return Silence::Kept;
    }
    let listen = async {
        let mut octet = [0];
        match stream.peek(&mut octet).await {
            Ok(1..) => Silence::Broken,
            Ok(0) | Err(_) => Silence::Gone,
        }
    };
    tokio::time::timeout(pause, listen).await.unwrap_or(Silence::Kept)
}

/// The two ends of a connection, with IPv4 addresses written as such.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}
