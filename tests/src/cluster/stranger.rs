//! A stranger in the nodes' network who sends what is no message of theirs, from addresses that are not its own.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::host::Host;

/// Datagrams between two pauses of a millisecond: some two thousand a second, which the switch carries beside everything else.
const BURST: usize = 2;
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// Goes on until it is dropped.
pub struct Stranger {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Stranger {
    /// Sends from `host` to a UDP port of the nodes: in turn from addresses that nobody has, and from the nodes' own.
    ///
    /// # Errors
    /// When there is no raw socket to be had.
    pub fn start(host: &Host, nodes: Vec<Ipv4Addr>, port: u16, seed: u64) -> anyhow::Result<Self> {
        let socket = thread::scope(|scope| {
            let made = scope.spawn(|| -> anyhow::Result<OwnedFd> {
                host.enter()?;
                raw_socket().context("a raw socket")
            });
            made.join().map_err(|_| anyhow::anyhow!("the stranger's thread ended"))?
        })?;
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let sender = thread::Builder::new().name("stranger".into()).spawn({
            let (sent, stop) = (Arc::clone(&sent), Arc::clone(&stop));
            move || {
                let mut rng = StdRng::seed_from_u64(seed);
                while !stop.load(Ordering::Relaxed) {
                    for _ in 0..BURST {
                        let to = nodes[rng.random_range(0..nodes.len())];
                        let from = if rng.random() { nodes[rng.random_range(0..nodes.len())] } else { nobody(&mut rng) };
                        if send(&socket, &datagram(&mut rng, from, to, port), to).is_ok() {
                            sent.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    thread::sleep(Duration::from_millis(1));
                }
            }
        })?;
        Ok(Self { sent, stop, sender: Some(sender) })
    }

    /// Datagrams so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            let _ = sender.join();
        }
    }
}

fn nobody(rng: &mut StdRng) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, rng.random_range(100..250))
}

/// Noise, nothing, what looks like QUIC within a connection, and first packets of handshakes (RFC 9000 §17.2) of this and another version.
fn payload(rng: &mut StdRng) -> Vec<u8> {
    let mut noise = |length: usize| -> Vec<u8> {
        let mut octets = vec![0; length];
        rng.fill_bytes(&mut octets);
        octets
    };
    match noise(1)[0] % 5 {
        0 => noise(37),
        1 => Vec::new(),
        2 => {
            let mut octets = noise(60);
            octets[0] = 0x40 | octets[0] & 0x3f;
            octets
        }
        kind => {
            let mut octets = noise(1200);
            octets[0] = 0xc0 | octets[0] & 0x0f;
            octets[1..5].copy_from_slice(&if kind == 3 { 1_u32 } else { 0xfa_ce_b0_0c }.to_be_bytes());
            // Connection ids of eight octets each, no token, and a length that fits.
            octets[5] = 8;
            octets[14] = 8;
            octets[23] = 0;
            octets[24..26].copy_from_slice(&(0x4000_u16 | 1174).to_be_bytes());
            octets
        }
    }
}

fn datagram(rng: &mut StdRng, from: Ipv4Addr, to: Ipv4Addr, port: u16) -> Vec<u8> {
    let payload = payload(rng);
    let udp = u16::try_from(UDP_HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut packet = vec![0; IP_HEADER];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(udp + IP_HEADER as u16).to_be_bytes());
    (packet[8], packet[9]) = (64, 17);
    packet[12..16].copy_from_slice(&from.octets());
    packet[16..20].copy_from_slice(&to.octets());
    // The members' own port, too: as if a member had sent it.
    let source = if rng.random() { port } else { rng.random_range(1024..60_000) };
    for field in [source, port, udp, 0] {
        packet.extend_from_slice(&field.to_be_bytes());
    }
    packet.extend_from_slice(&payload);
    packet
}

fn raw_socket() -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the descriptor is ours. The kernel fills in the IP header's sum (raw(7)).
    unsafe {
        let raw = libc::socket(libc::AF_INET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW);
        if raw < 0 { Err(io::Error::last_os_error()) } else { Ok(OwnedFd::from_raw_fd(raw)) }
    }
}

fn send(socket: &OwnedFd, packet: &[u8], to: Ipv4Addr) -> nix::Result<usize> {
    let address = nix::sys::socket::SockaddrIn::from(std::net::SocketAddrV4::new(to, 0));
    nix::sys::socket::sendto(socket.as_raw_fd(), packet, &address, nix::sys::socket::MsgFlags::empty())
}
