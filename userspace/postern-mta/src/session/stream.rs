//! The octets of a session: in clear, or through TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(super) enum Stream {
    Plain(TcpStream),
    /// Boxed: a connection of rustls is larger than all the rest of a session.
    Tls(Box<TlsStream<TcpStream>>),
    /// During a handshake, and after one that failed.
    Gone,
}

impl Stream {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buffer),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Writes all of `octets` from `at` on, and out of rustls's buffers.
    pub(super) fn poll_write_all(&mut self, cx: &mut Context<'_>, octets: &[u8], at: &mut usize) -> Poll<io::Result<()>> {
        while *at < octets.len() {
            let wrote = match self {
                Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, &octets[*at..]),
                Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, &octets[*at..]),
                Self::Gone => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            };
            match wrote {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => *at += n,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return Poll::Pending,
            }
        }
        match self {
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Self::Plain(_) | Self::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Says that nothing more will come from us.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
