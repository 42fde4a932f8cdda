//! Sockets that the service manager opened for this process (`LISTEN_FDS`, sd_listen_fds(3)): each listener of the settings takes
//! its own by address; one that nobody takes is a mistake in the unit, and is said instead of being closed in silence.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{SockType, SockaddrStorage, getsockname, getsockopt, sockopt};

/// First descriptor handed over.
const FIRST: i32 = 3;
/// Descriptors looked at; more listeners than this nobody has.
const MAX: i32 = 1024;

#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    #[error("LISTEN_FDS says `{0}`: it must be the number of sockets that were handed over, at most {MAX}")]
    Number(String),
    #[error("descriptor {fd}, handed over by the service manager (LISTEN_FDS), is not open")]
    NotOpen { fd: i32 },
    #[error("descriptor {fd}, handed over by the service manager (LISTEN_FDS), is no listening TCP socket")]
    NotListening { fd: i32 },
    #[error("descriptor {fd}, handed over by the service manager (LISTEN_FDS), is no listening unix socket, or not the only descriptor")]
    NotTheOne { fd: i32 },
    #[error(
        "the service manager handed over a socket on {0} that no listener of the settings is for: name the address in smtp.listen, \
         smtp.trusted_listen, console.listen or acme.listen, or take it out of the unit"
    )]
    Unknown(SocketAddr),
}

#[derive(Debug, Default)]
pub struct Inherited(Vec<(SocketAddr, TcpListener)>);

impl Inherited {
    /// The listening TCP sockets handed to this process. To be called once, before anything else is opened: what is open then is
    /// ours because somebody handed it over.
    ///
    /// # Errors
    /// When one of them is something else.
    pub fn take() -> Result<Self, InheritError> {
        (FIRST..FIRST + count()?).map(listener).collect::<Result<_, _>>().map(Self)
    }

    /// The socket for `address`, when it was inherited.
    pub fn claim(&mut self, address: SocketAddr) -> Option<TcpListener> {
        // `[::]` and `0.0.0.0` stand for each other, but not when both were handed over.
        let is_wildcard = |have: &SocketAddr| have.port() == address.port() && have.ip().is_unspecified() && address.ip().is_unspecified();
        let position = |fits: &dyn Fn(&SocketAddr) -> bool| self.0.iter().position(|(have, _)| fits(have));
        let at = position(&|have| *have == address).or_else(|| position(&is_wildcard))?;
        Some(self.0.swap_remove(at).1)
    }

    /// To be called when every listener had its turn.
    ///
    /// # Errors
    /// The first socket that nobody claimed.
    pub fn finish(self) -> Result<(), InheritError> {
        match self.0.first() {
            Some((address, _)) => Err(InheritError::Unknown(*address)),
            None => Ok(()),
        }
    }
}

/// The one listening unix socket of a role that has no other. To be called once, before anything else is opened.
///
/// # Errors
/// When what was handed over is something else, or more.
pub fn unix() -> Result<Option<UnixListener>, InheritError> {
    match count()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(InheritError::NotTheOne { fd: FIRST + 1 }),
    }
    let is_unix = getsockname::<SockaddrStorage>(FIRST).is_ok_and(|a| a.as_unix_addr().is_some());
    if !(is_listening(FIRST)? && is_unix) {
        return Err(InheritError::NotTheOne { fd: FIRST });
    }
    // SAFETY: the service manager passed this socket to this process and to nobody else in it.
    Ok(Some(UnixListener::from(unsafe { OwnedFd::from_raw_fd(FIRST) })))
}

/// Descriptors handed to this process.
fn count() -> Result<i32, InheritError> {
    let said = |name: &str| std::env::var(name).ok();
    if said("LISTEN_PID").and_then(|v| v.parse().ok()) != Some(std::process::id()) {
        return Ok(0);
    }
    let Some(text) = said("LISTEN_FDS") else { return Ok(0) };
    text.parse().ok().filter(|n| (0..=MAX).contains(n)).ok_or(InheritError::Number(text))
}

/// Whether a descriptor is a listening stream socket; from now on no child inherits it.
fn is_listening(fd: i32) -> Result<bool, InheritError> {
    // SAFETY: a call that changes a flag of a descriptor, and says so when it is not open.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(InheritError::NotOpen { fd });
    }
    // SAFETY: it is open, and nothing in this process closes it during this function.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(getsockopt(&borrowed, sockopt::AcceptConn) == Ok(true) && getsockopt(&borrowed, sockopt::SockType) == Ok(SockType::Stream))
}

/// Looks before it takes: a descriptor that is not ours to own is left alone.
fn listener(fd: i32) -> Result<(SocketAddr, TcpListener), InheritError> {
    let is_listening = is_listening(fd)?;
    let is_internet = getsockname::<SockaddrStorage>(fd).is_ok_and(|a| a.as_sockaddr_in().is_some() || a.as_sockaddr_in6().is_some());
    if !(is_listening && is_internet) {
        return Err(InheritError::NotListening { fd });
    }
    // SAFETY: the service manager passed this socket to this process and to nobody else in it.
    let socket = TcpListener::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let address = socket.local_addr().map_err(|_| InheritError::NotListening { fd })?;
    Ok((canonical(address), socket))
}

/// Without the zone and flow that the kernel may add.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => address,
        ip => SocketAddr::new(ip, address.port()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_listener_takes_its_own() {
        let listen = |address: &str| {
            let socket = TcpListener::bind(address).unwrap();
            (socket.local_addr().unwrap(), socket)
        };
        let (exact, any) = (listen("127.0.0.1:0"), listen("0.0.0.0:0"));
        let (exact_at, any_at) = (exact.0, any.0);
        let mut inherited = Inherited(vec![any, exact]);
        assert!(inherited.claim("127.0.0.2:1".parse().unwrap()).is_none());
        assert_eq!(inherited.claim(exact_at).unwrap().local_addr().unwrap(), exact_at);
        assert!(inherited.claim(exact_at).is_none(), "once");
        let six = SocketAddr::new("::".parse().unwrap(), any_at.port());
        assert_eq!(inherited.claim(six).unwrap().local_addr().unwrap(), any_at);
        assert!(inherited.finish().is_ok());
        let left = listen("127.0.0.1:0");
        let said = Inherited(vec![left]).finish().unwrap_err().to_string();
        assert!(said.contains("127.0.0.1:") && said.contains("console.listen"), "{said}");
    }
}
