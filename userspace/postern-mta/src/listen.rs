//! The listeners: bind sockets or take inherited ones, accept, turn away who has no place, pause and stop gracefully.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::envelope::Direction;
use postern_model::settings::smtp::SmtpSettings;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::door::Door;
use crate::inherited::Inherited;
use crate::session::{self, Arrival, Host};

/// Connections the kernel completes for us before we accept them (it takes at most net.core.somaxconn).
const BACKLOG: i32 = 4096;
/// Wait after accept failed for want of descriptors or memory: others have to end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// A bound socket and the kind of mail that comes through it.
#[derive(Debug)]
pub struct Port {
    pub direction: Direction,
    pub address: SocketAddr,
    listener: StdListener,
}

/// Binds every address of the settings, or takes its inherited socket.
///
/// # Errors
/// The first address that can't be bound.
pub fn bind(settings: &SmtpSettings, inherited: &mut Inherited) -> Result<Vec<Port>, BindError> {
    let inbound = settings.listen.iter().map(|a| (Direction::Inbound, *a));
    let outbound = settings.trusted_listen.iter().map(|a| (Direction::Outbound, *a));
    inbound.chain(outbound).map(|(direction, wanted)| port(direction, wanted, inherited)).collect()
}

fn port(direction: Direction, wanted: SocketAddr, inherited: &mut Inherited) -> Result<Port, BindError> {
    let listener = socket(wanted, inherited)?;
    let address = listener.local_addr().map_err(|source| BindError::Listen { address: wanted, source })?;
    Ok(Port { direction, address, listener })
}

/// Listens on an address, or takes its inherited socket.
///
/// # Errors
/// When it can't be bound.
pub fn socket(wanted: SocketAddr, inherited: &mut Inherited) -> Result<StdListener, BindError> {
    let failed = |source| BindError::Listen { address: wanted, source };
    let listener = match inherited.claim(wanted) {
        Some(listener) => listener,
        None => match open(wanted) {
            // A host without IPv6: its wildcard is that of IPv4.
            Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) && wanted.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), wanted.port())).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        },
    };
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn open(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec().nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 too; one socket for both.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Running listeners.
pub struct Serving<H> {
    door: Arc<Door<H>>,
    ports: Vec<Port>,
    accepting: Mutex<Accepting>,
}

/// The tasks that accept, and what ends them.
#[derive(Default)]
struct Accepting {
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Accepts on all ports. To be called inside a runtime.
///
/// # Errors
/// When a socket can't be handed to the runtime.
pub fn serve<H: Host>(door: &Arc<Door<H>>, ports: Vec<Port>) -> Result<Serving<H>, BindError> {
    let serving = Serving { door: Arc::clone(door), ports, accepting: Mutex::default() };
    serving.accept_on_all()?;
    Ok(serving)
}

impl<H: Host> Serving<H> {
    /// Closes the ports for a while: the kernel refuses new connections, so that clients turn to another host at once. Sessions go on.
    ///
    /// The sockets stay bound to their addresses, also inherited ones and those below 1024: a listening socket that is
    /// shut down for reading listens no more, until it is told to again (Linux, `inet_shutdown`; a port that the kernel chose
    /// is given back, as it is not bound by number).
    pub async fn close(&self) {
        self.accepted_all().await;
        for port in &self.ports {
            if let Err(e) = SockRef::from(&port.listener).shutdown(Shutdown::Read) {
                tracing::warn!(address = %port.address, error = %e, "a port stays open; who connects waits there");
            }
        }
    }

    /// Closes the ports ([`Serving::close`]) and has every session end at its next command. Waits for them, at most `patience`; true when
    /// all ended in time.
    pub async fn pause(&self, patience: Duration) -> bool {
        self.door.end_shift();
        self.close().await;
        tokio::time::timeout(patience, self.door.empty()).await.is_ok()
    }

    /// Clients are asked for segments of so many octets at most (TCP_MAXSEG); 0: as the interface allows. For packets that peers
    /// send on in a tunnel. Connections that are open keep what they have.
    pub fn limit_segments(&self, octets: u32) {
        for port in &self.ports {
            if let Err(e) = SockRef::from(&port.listener).set_tcp_mss(octets) {
                tracing::warn!(address = %port.address, octets, error = %e, "the segments of clients are not limited");
            }
        }
    }

    /// Opens the ports again.
    ///
    /// # Errors
    /// When a socket does not listen any more; the others do.
    pub fn resume(&self) -> Result<(), BindError> {
        for port in &self.ports {
            let listening = SockRef::from(&port.listener).listen(BACKLOG);
            listening.map_err(|source| BindError::Listen { address: port.address, source })?;
        }
        self.door.begin_shift();
        self.accept_on_all()
    }

    /// Stops accepting, has every session end at its next command, and waits for them, at most `patience`.
    /// True when all ended in time.
    pub async fn stop(self, patience: Duration) -> bool {
        self.door.end_shift();
        self.accepted_all().await;
        let Self { door, ports, .. } = self;
        drop(ports);
        let all_left = tokio::time::timeout(patience, door.empty()).await.is_ok();
        if !all_left {
            tracing::warn!(sessions = door.census().open, "sessions are cut off: their mails were not answered with 250");
        }
        all_left
    }

    fn accept_on_all(&self) -> Result<(), BindError> {
        for port in &self.ports {
            let (address, direction) = (port.address, port.direction);
            let listener = port.listener.try_clone().and_then(TcpListener::from_std);
            let listener = listener.map_err(|source| BindError::Listen { address, source })?;
            tracing::info!(%address, ?direction, "receiving mail");
            let mut accepting = self.accepting.lock();
            let task = accept(Arc::clone(&self.door), listener, direction, accepting.stop.clone());
            accepting.tasks.push(tokio::spawn(task));
        }
        Ok(())
    }

    async fn accepted_all(&self) {
        let accepting = std::mem::take(&mut *self.accepting.lock());
        accepting.stop.cancel();
        for task in accepting.tasks {
            let _ = task.await;
        }
    }
}

async fn accept<H: Host>(door: Arc<Door<H>>, listener: TcpListener, direction: Direction, stop: CancellationToken) {
    let mut complained = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                complained = false;
                admit(&door, stream, peer, direction);
            }
            // The client went away between its last packet and our call.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(e) => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::error!(error = %e, "cannot accept connections; trying on");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit<H: Host>(door: &Arc<Door<H>>, stream: TcpStream, peer: SocketAddr, direction: Direction) {
    let place = match door.enter() {
        Ok(place) => place,
        Err(reason) => return session::refuse(&stream, reason),
    };
    let rules = door.rules();
    let ip = peer.ip().to_canonical();
    let is_balancer = rules.smtp.proxy_protocol_from.iter().any(|n| n.contains(&ip));
    let source = if is_balancer {
        None
    } else {
        match door.enter_from(ip, direction) {
            Ok(source) => Some(source),
            Err(reason) => return session::refuse(&stream, reason),
        }
    };
    let Ok(local) = stream.local_addr() else { return };
    // Replies are whole batches: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    tokio::spawn(session::serve(Arrival { stream, peer, local, direction, place, source }));
}
