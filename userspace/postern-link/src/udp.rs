//! The UDP sockets, as a transport of our own for the QUIC engine.
//!
//! iroh's own IP transport tells every connection, a stranger's too, all addresses of this machine's interfaces, sends probes to
//! every address that the other side names, and cannot be told not to (a number of such addresses below 8 is ignored,
//! endpoint/quic.rs). With this transport in its place it has no IP address to tell and no socket to probe with. Packets leave
//! by [`Correspondents`] only.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use iroh::endpoint::transports::{CustomEndpoint, CustomSender, CustomTransport, RecvInfo, Transmit};
use iroh_base::CustomAddr;
use nix::sys::socket::sockopt::UdpGroSegment;
use noq_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use parking_lot::{Mutex, RwLock};
use postern_model::node::NodeKey;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::{debug, warn};

use crate::correspondents::{Correspondents, Place};
use crate::refusals::{Refusal, Refusals};

/// What the kernel may hold for us between two readings, if its own limit (net.core.rmem_max) permits: 20 ms of 1 Gbit/s.
const RECEIVE_BUFFER: usize = 2 << 20;

/// RFC 9000 §17: this bit is set in every packet of QUIC; what comes without it is no packet of ours.
const FIXED_BIT: u8 = 0x40;

/// Stands for an address of our own among the engine's addresses.
const OURS: u64 = 0x706f_7375;

/// Ports that are tried until one is free for both families.
const PORTS_TRIED: usize = 16;

/// The sockets of one endpoint.
pub struct Udp {
    /// None when they are closed.
    sockets: RwLock<Vec<Arc<Socket>>>,
    pub correspondents: Mutex<Correspondents>,
    refusals: Arc<Refusals>,
    local: n0_watcher::Watchable<Vec<CustomAddr>>,
}

struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    bound: SocketAddr,
    /// Who waits until the socket takes more.
    blocked: Mutex<Vec<Waker>>,
}

/// Binds them all or none. `[::]` stands for both families, and for IPv4 alone where there is no IPv6.
fn bind_all(listen: &[SocketAddr]) -> io::Result<Vec<Arc<Socket>>> {
    let mut sockets = Vec::new();
    for address in listen {
        if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            sockets.push(Socket::bind(*address)?);
            continue;
        }
        let v4 = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        if listen.iter().any(|a| a.is_ipv4() && a.port() == address.port()) {
            sockets.push(Socket::bind(*address)?);
            continue;
        }
        let mut left = if address.port() == 0 { PORTS_TRIED } else { 1 };
        loop {
            left -= 1;
            let six = match Socket::bind(*address) {
                Err(e) if e.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => None,
                Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable => None,
                other => Some(other?),
            };
            match Socket::bind(v4(six.as_ref().map_or(address.port(), |s| s.bound.port()))) {
                Ok(four) => {
                    sockets.extend(six);
                    sockets.push(four);
                    break;
                }
                Err(e) if e.kind() == io::ErrorKind::AddrInUse && left > 0 => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(sockets)
}

impl Socket {
    fn receive(&self, cx: &mut Context, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.io.poll_recv_ready(cx))?;
            match self.io.try_io(Interest::READABLE, || self.state.recv(UdpSockRef::from(&self.io), bufs, metas)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn bind(address: SocketAddr) -> io::Result<Arc<Self>> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::DGRAM, None)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let io = UdpSocket::from_std(socket.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&io))?;
        // The engine's buffers hold one packet each, as it asks only its own transports for more; the kernel must not join packets.
        if let Err(e) = nix::sys::socket::setsockopt(&io, UdpGroSegment, &false) {
            debug!("packets cannot come joined on this kernel: {e}");
        }
        if let Err(e) = state.set_recv_buffer_size(UdpSockRef::from(&io), RECEIVE_BUFFER) {
            debug!("the receive buffer stays as it is: {e}");
        }
        let bound = io.local_addr()?;
        Ok(Arc::new(Self { io, state, bound, blocked: Mutex::new(Vec::new()) }))
    }

    fn suits(&self, address: SocketAddr) -> bool {
        let bound = self.bound.ip();
        self.bound.is_ipv4() == address.is_ipv4() && (bound.is_unspecified() || bound.is_loopback() == address.ip().is_loopback())
    }
}

impl Udp {
    /// Binds the sockets; inside a runtime.
    ///
    /// # Errors
    /// When an address is taken, or is not of this machine.
    pub fn bind(listen: &[SocketAddr], key: NodeKey, refusals: Arc<Refusals>) -> io::Result<Arc<Self>> {
        let sockets = bind_all(listen)?;
        if sockets.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on"));
        }
        // The engine wants an address of its own to show; it shows it to nobody, as nothing is published.
        let local = n0_watcher::Watchable::new(vec![CustomAddr::from_parts(OURS, &key.0)]);
        Ok(Arc::new(Self { sockets: RwLock::new(sockets), correspondents: Mutex::default(), refusals, local }))
    }

    /// Where peers can reach us: the bound addresses, and for a wildcard those of the interfaces that are up.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let mut found = Vec::new();
        for socket in self.sockets.read().iter() {
            if socket.bound.ip().is_unspecified() {
                found.extend(interfaces(socket.bound.is_ipv4()).into_iter().map(|ip| SocketAddr::new(ip, socket.bound.port())));
            } else {
                found.push(socket.bound);
            }
        }
        found
    }

    /// Nothing is received or sent any more, and the ports are free. The engine keeps its handle for as long as somebody has one.
    pub fn close(&self) {
        self.sockets.write().clear();
    }

    /// Gives each packet its place, and takes the octets of those away that nobody should read.
    fn sort(&self, number: usize, bufs: &[IoSliceMut<'_>], metas: &mut [RecvMeta], infos: &mut [RecvInfo]) {
        let now = Instant::now();
        let mut correspondents = self.correspondents.lock();
        for ((buf, meta), info) in bufs.iter().zip(metas).zip(infos) {
            let looks_like_ours = meta.len > 0 && buf.first().is_some_and(|first| first & FIXED_BIT != 0);
            let place = looks_like_ours.then(|| correspondents.heard(meta.addr, number, now)).flatten();
            let local = meta.dst_ip.take().filter(|ip| !ip.is_loopback()).map(to_ours);
            *info = RecvInfo::new(place.unwrap_or(Place::NOBODY).to_custom(), local);
            if place.is_none() {
                self.refusals.count(if looks_like_ours { Refusal::TooManySources } else { Refusal::Garbage });
                // The engine passes over an empty packet.
                meta.len = 0;
                meta.stride = 0;
            }
        }
    }
}

fn to_ours(ip: IpAddr) -> CustomAddr {
    match ip {
        IpAddr::V4(ip) => CustomAddr::from_parts(OURS, &ip.octets()),
        IpAddr::V6(ip) => CustomAddr::from_parts(OURS, &ip.octets()),
    }
}

fn from_ours(address: &CustomAddr) -> Option<IpAddr> {
    let data = address.data();
    let v4 = || <[u8; 4]>::try_from(data).map(IpAddr::from);
    (address.id() == OURS).then(|| v4().or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from)).ok()).flatten()
}

/// Addresses of interfaces that are up; loopback ones only when there are no others, link-local ones never.
fn interfaces(v4: bool) -> Vec<IpAddr> {
    let all = match nix::ifaddrs::getifaddrs() {
        Ok(all) => all,
        Err(e) => {
            warn!("the addresses of this machine cannot be read: {e}");
            return Vec::new();
        }
    };
    let up = all.filter(|i| i.flags.contains(nix::net::if_::InterfaceFlags::IFF_UP)).filter_map(|i| i.address);
    let ips = up.filter_map(|a| match (a.as_sockaddr_in(), a.as_sockaddr_in6()) {
        (Some(a), _) => Some(IpAddr::V4(a.ip())),
        (_, Some(a)) => Some(IpAddr::V6(a.ip())),
        _ => None,
    });
    let local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let (loopback, others): (Vec<_>, Vec<_>) = ips.filter(|ip| ip.is_ipv4() == v4 && !local(ip)).partition(IpAddr::is_loopback);
    if others.is_empty() { loopback } else { others }
}

/// The engine's handle of the sockets.
#[derive(Clone)]
pub struct Transport(pub Arc<Udp>);

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.sockets.read().iter().map(|s| s.bound)).finish()
    }
}

impl CustomTransport for Transport {
    fn bind(&self) -> io::Result<Box<dyn CustomEndpoint>> {
        Ok(Box::new(Reader { udp: self.clone(), turn: 0 }))
    }
}

#[derive(Debug)]
struct Reader {
    udp: Transport,
    /// The socket that is read first, in turn, so that a busy one does not starve the others.
    turn: usize,
}

impl CustomEndpoint for Reader {
    fn watch_local_addrs(&self) -> n0_watcher::Direct<Vec<CustomAddr>> {
        self.udp.0.local.watch()
    }

    fn create_sender(&self) -> Arc<dyn CustomSender> {
        Arc::new(self.udp.clone())
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
        infos: &mut [RecvInfo],
    ) -> Poll<io::Result<usize>> {
        let udp = &self.udp.0;
        let sockets = udp.sockets.read();
        let count = sockets.len();
        if count == 0 {
            return Poll::Pending;
        }
        self.turn = (self.turn + 1) % count;
        let mut failed = None;
        for number in (0..count).map(|i| (self.turn + i) % count) {
            match sockets[number].receive(cx, bufs, metas) {
                Poll::Ready(Ok(n)) => {
                    udp.sort(number, &bufs[..n], &mut metas[..n], &mut infos[..n]);
                    return Poll::Ready(Ok(n));
                }
                Poll::Ready(Err(e)) => failed = Some(e),
                Poll::Pending => {}
            }
        }
        // The engine gives up after a number of failures in a row.
        failed.map_or(Poll::Pending, |e| Poll::Ready(Err(e)))
    }

    fn max_transmit_segments(&self) -> NonZeroUsize {
        self.udp.0.sockets.read().iter().map(|s| s.state.max_gso_segments()).min().unwrap_or(NonZeroUsize::MIN)
    }
}

impl CustomSender for Transport {
    fn is_valid_send_addr(&self, address: &CustomAddr) -> bool {
        Place::from_custom(address).is_some()
    }

    fn poll_send(&self, cx: &mut Context, to: &CustomAddr, from: Option<&CustomAddr>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        let udp = &self.0;
        let route = Place::from_custom(to).and_then(|place| udp.correspondents.lock().route(place, Instant::now()));
        let Some((destination, socket)) = route else {
            udp.refusals.count(Refusal::NobodyThere);
            return Poll::Ready(Ok(()));
        };
        let sockets = udp.sockets.read();
        let Some(socket) = socket.and_then(|n| sockets.get(n)).or_else(|| sockets.iter().find(|s| s.suits(destination))) else {
            return Poll::Ready(Ok(()));
        };
        let src_ip = from.and_then(from_ours).filter(|ip| socket.bound.ip().is_unspecified() && ip.is_ipv4() == destination.is_ipv4());
        let packet = noq_udp::Transmit {
            destination,
            // The engine does not show us its marks.
            ecn: None,
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip,
        };
        match socket.io.try_io(Interest::WRITABLE, || socket.state.try_send(UdpSockRef::from(&socket.io), &packet)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                socket.wait(cx);
                Poll::Pending
            }
            // Lost, as packets may be: the peer is unreachable just now, or the packet probed for a size that does not fit.
            Err(e) => {
                if !noq_udp::is_msg_size_err(&e) {
                    debug!(%destination, "sending: {e}");
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Socket {
    /// Wakes this task when the socket takes more. tokio remembers one waiting task a socket, and each connection has its own.
    fn wait(self: &Arc<Self>, cx: &Context) {
        let mut blocked = self.blocked.lock();
        if !blocked.iter().any(|w| w.will_wake(cx.waker())) {
            blocked.push(cx.waker().clone());
        }
        if blocked.len() > 1 {
            return;
        }
        let socket = self.clone();
        tokio::spawn(async move {
            // An error is found by whoever sends next.
            let _ = socket.io.writable().await;
            for waker in std::mem::take(&mut *socket.blocked.lock()) {
                waker.wake();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_wildcard_listens_on_both_families_with_one_port() {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let udp = Udp::bind(&[any], NodeKey([1; 32]), Arc::default()).unwrap();
        assert!(udp.sockets.read().iter().any(|s| s.bound.is_ipv4()));
        let ports: std::collections::BTreeSet<_> = udp.sockets.read().iter().map(|s| s.bound.port()).collect();
        assert_eq!(ports.len(), 1);
        assert!(udp.addresses().iter().all(|a| !a.ip().is_unspecified()) && !udp.addresses().is_empty());
    }

    #[test]
    fn our_own_addresses_read_back() {
        for ip in ["192.0.2.7", "2001:db8::7"] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(from_ours(&to_ours(ip)), Some(ip));
        }
        assert_eq!(from_ours(&Place::NOBODY.to_custom()), None);
    }
}
