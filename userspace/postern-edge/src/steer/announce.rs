//! Announcements of addresses on a segment: ours, so that packets come here at once, and those of others for addresses that are
//! ours. IPv4: ARP (RFC 5227 §3); IPv6: unsolicited neighbour advertisements (RFC 4861 §7.2.6).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;

use super::wire::{Link, Mac};

const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const ADVERTISEMENT: u8 = 136;
const BROADCAST: Mac = [0xff; 6];
const ETHERNET: usize = 14;

/// Packet sockets on one interface.
pub struct Segment {
    pub index: u32,
    mac: Mac,
    arp: AsyncFd<OwnedFd>,
    advertisements: AsyncFd<OwnedFd>,
}

/// Somebody says that an address is his.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub address: IpAddr,
    pub mac: Mac,
}

impl Segment {
    /// Needs a tokio runtime and CAP_NET_RAW.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn open(link: &Link) -> io::Result<Self> {
        let arp = packet_socket(link.index, ARP)?;
        let advertisements = packet_socket(link.index, IPV6)?;
        // Of all IPv6 packets only neighbour advertisements: load next header, load type, compare.
        SockRef::from(&advertisements).attach_filter(&[
            SockFilter::new(0x30, 0, 0, (ETHERNET + 6) as u32),
            SockFilter::new(0x15, 0, 3, 58),
            SockFilter::new(0x30, 0, 0, (ETHERNET + 40) as u32),
            SockFilter::new(0x15, 0, 1, u32::from(ADVERTISEMENT)),
            SockFilter::new(0x06, 0, 0, 128),
            SockFilter::new(0x06, 0, 0, 0),
        ])?;
        Ok(Self { index: link.index, mac: link.mac, arp: watched(arp)?, advertisements: watched(advertisements)? })
    }

    /// Of the interface, as it was when this was opened.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Says once that an address is at our MAC address.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn announce(&self, address: IpAddr) -> io::Result<()> {
        match address {
            IpAddr::V4(a) => {
                // Hosts differ in which of the two they believe (RFC 5227 §3).
                for operation in [1, 2] {
                    send(self.arp.get_ref(), &arp(self.mac, a, operation))?;
                }
                Ok(())
            }
            IpAddr::V6(a) => send(self.advertisements.get_ref(), &advertisement(self.mac, a)),
        }
    }

    /// The next claim of somebody else, for whatever address.
    pub async fn claim(&self) -> Claim {
        loop {
            let received = tokio::select! {
                received = receive(&self.arp) => received,
                received = receive(&self.advertisements) => received,
            };
            match received {
                Ok(frame) => {
                    if let Some(claim) = read_claim(&frame).filter(|c| c.mac != self.mac) {
                        return claim;
                    }
                }
                // The interface went down: whoever looks after it opens another.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

fn packet_socket(interface: u32, protocol: u16) -> io::Result<OwnedFd> {
    // Bound with its protocol only below, so that nothing of other interfaces is in its queue.
    // SAFETY: plain system calls; the descriptor is owned from here on.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was just made, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all zeros is a valid address structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = interface as i32;
    // SAFETY: the structure lives through the call and its size is right.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_ll>() as u32) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

fn watched(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an owned descriptor stays open and the same as long as its owner lives.
    unsafe { AsyncFd::register(socket) }.map_err(io::Error::from)
}

fn send(socket: &OwnedFd, frame: &[u8]) -> io::Result<()> {
    nix::unistd::write(socket, frame).map(drop).map_err(io::Error::from)
}

async fn receive(socket: &AsyncFd<OwnedFd>) -> io::Result<Vec<u8>> {
    // What is longer is no announcement; it is cut.
    let mut frame = [0; 128];
    loop {
        let mut ready = socket.readable().await?;
        if let Ok(received) = ready.try_io(|fd| nix::unistd::read(fd.get_ref(), &mut frame).map_err(io::Error::from)) {
            return Ok(frame[..received?].to_vec());
        }
    }
}

/// 1: request, 2: reply; sender and target are the same in an announcement.
fn arp(mac: Mac, address: Ipv4Addr, operation: u8) -> Vec<u8> {
    let mut f = Vec::with_capacity(60);
    f.extend(BROADCAST);
    f.extend(mac);
    f.extend(ARP.to_be_bytes());
    f.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    f.extend(mac);
    f.extend(address.octets());
    f.extend(if operation == 1 { [0; 6] } else { mac });
    f.extend(address.octets());
    f.resize(60, 0);
    f
}

fn advertisement(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let all_nodes: [u8; 16] = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets();
    // Override: whoever knew another MAC address forgets it.
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, 0x20, 0, 0, 0];
    message.extend(address.octets());
    // Option 2: target link-layer address, in units of eight octets.
    message.extend([2, 1]);
    message.extend(mac);
    let sum = checksum(&address.octets(), &all_nodes, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let mut f = vec![0x33, 0x33, 0, 0, 0, 1];
    f.extend(mac);
    f.extend(IPV6.to_be_bytes());
    // RFC 4861 §7.1.2: a hop limit of 255, or it came from elsewhere.
    f.extend([0x60, 0, 0, 0, 0, message.len() as u8, 58, 255]);
    f.extend(address.octets());
    f.extend(all_nodes);
    f.extend(message);
    f
}

/// Of ICMPv6, with the pseudo-header of RFC 8200 §8.1.
fn checksum(source: &[u8; 16], destination: &[u8; 16], message: &[u8]) -> u16 {
    let length = (message.len() as u32).to_be_bytes();
    let pseudo = [0, 0, 0, 58];
    let mut sum = 0u32;
    for part in [&source[..], destination, &length, &pseudo, message] {
        for pair in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn read_claim(frame: &[u8]) -> Option<Claim> {
    let part = |at: usize, n: usize| frame.get(at..at + n);
    match u16::from_be_bytes(part(12, 2)?.try_into().ok()?) {
        ARP => {
            let mac = part(22, 6)?.try_into().ok()?;
            let address: [u8; 4] = part(28, 4)?.try_into().ok()?;
            // 0.0.0.0: a probe claims nothing (RFC 5227 §1.1).
            (address != [0; 4]).then_some(Claim { address: IpAddr::from(address), mac })
        }
        IPV6 => {
            let target: [u8; 16] = part(ETHERNET + 48, 16)?.try_into().ok()?;
            let mac = part(6, 6)?.try_into().ok()?;
            (*frame.get(ETHERNET + 40)? == ADVERTISEMENT && *frame.get(ETHERNET + 7)? == 255)
                .then_some(Claim { address: IpAddr::from(target), mac })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MAC: Mac = [2, 0, 0, 0, 0, 9];

    #[test]
    fn announcements_read_back_as_claims() {
        let v4: Ipv4Addr = "198.51.100.250".parse().unwrap();
        let v6: Ipv6Addr = "2001:db8::250".parse().unwrap();
        for operation in [1, 2] {
            assert_eq!(read_claim(&arp(MAC, v4, operation)), Some(Claim { address: v4.into(), mac: MAC }));
        }
        assert_eq!(read_claim(&advertisement(MAC, v6)), Some(Claim { address: v6.into(), mac: MAC }));
    }

    #[test]
    fn what_is_cut_or_forwarded_claims_nothing() {
        let whole = advertisement(MAC, "2001:db8::250".parse().unwrap());
        assert!((0..whole.len() - 8).all(|n| n >= ETHERNET + 64 || read_claim(&whole[..n]).is_none()));
        let mut forwarded = whole.clone();
        forwarded[ETHERNET + 7] = 254;
        assert_eq!(read_claim(&forwarded), None);
        assert_eq!(read_claim(&arp(MAC, Ipv4Addr::UNSPECIFIED, 1)), None);
        assert!((0..32).all(|n| read_claim(&arp(MAC, Ipv4Addr::new(192, 0, 2, 1), 1)[..n]).is_none()));
    }

    /// The sum over everything, the sum included, is all ones.
    #[test]
    fn the_checksum_is_right() {
        let frame = advertisement(MAC, "2001:db8::250".parse().unwrap());
        let ip = &frame[ETHERNET..];
        let (source, destination) = (ip[8..24].try_into().unwrap(), ip[24..40].try_into().unwrap());
        assert_eq!(checksum(source, destination, &ip[40..]), 0);
    }
}
