//! What steering would do with a packet, and why.

use std::io::BufRead;
use std::net::{IpAddr, SocketAddr};

use postern_ebpf_abi::config::{feature, ports};
use postern_ebpf_abi::judge::Tables;
use postern_ebpf_abi::rate::{bucket, take};
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::address::Address;
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::decide::{Arrival, NO_PEER, SteerTables, Verdict, decide};
use postern_ebpf_abi::steer::ring::{Peer, Ring, peer};
use postern_ebpf_abi::steer::seen::{Kind, Seen};

use super::HostTables;
use crate::clock;
use crate::kernel::steer::ip_of;
use crate::steer::peers::mac_text;

/// State of a listener in /proc/net/tcp (`TCP_LISTEN`).
const LISTEN: &str = "0A";

/// What becomes of a packet that the stages have let pass for the reason `given`.
pub(super) fn steered(tables: &HostTables<'_>, features: u32, arrival: &Arrival, seen: &Seen, given: Reason) -> Verdict {
    let mut verdict = Verdict::of(given);
    if features & feature::STEER != 0 {
        verdict = decide(tables, arrival, seen, given);
        if verdict.forged {
            tables.say("steering: its mark is not believed, it comes from no peer".into());
        }
        if verdict.sender != NO_PEER {
            tables.say(format!("steering: forwarded by peer {}", verdict.sender));
        }
        if let Some(ring) = tables.ring_in_force().filter(|_| verdict.peer != NO_PEER) {
            tables.say(format!("steering: to peer {}, {}, hop {}", verdict.peer, described(ring.peer(verdict.peer)), verdict.hop));
        }
    }
    if verdict.reason.passes() && features & feature::COOKIES != 0 && seen.kind == Kind::Open && tables.is_flooded(seen.port) {
        tables.say("SYN cookies: more new connections than the network stack is to get; if the listener's queue is full".into());
        verdict.reason = Reason::AnswerCookie;
    }
    verdict
}

fn described(p: &Peer) -> String {
    if p.is(peer::TUNNEL) { format!("in a tunnel to {}", ip_of(&p.address)) } else { format!("at {}", mac_text(p.mac)) }
}

impl HostTables<'_> {
    fn ring_in_force(&self) -> Option<&Ring> {
        self.ring.get_or_init(|| self.or_fail(self.maps.steer.ring())).as_deref()
    }

    fn is_flooded(&self, port: u16) -> bool {
        let above = self.maps.front.config().cookies_above;
        let roles = ports::roles(self.port_word(ports::word(port)), port);
        if above == 0 || roles & ports::SMTP == 0 {
            return false;
        }
        let found = self.or_fail(self.maps.rate_total.get(&bucket::TO_THE_STACK)).unwrap_or(0);
        !take(found, (clock::boot_ns() / 1_000_000) as u32, above, above).1
    }
}

impl SteerTables for HostTables<'_> {
    fn roles_of(&self, address: &Address) -> u32 {
        let roles = self.or_fail(self.maps.steer.roles(address).map(Some)).unwrap_or(0);
        if roles == 0 {
            self.say(format!("steering: {} is no virtual address", ip_of(address)));
        }
        roles
    }

    fn is_service(&self, port: u16) -> bool {
        ports::roles(self.port_word(ports::word(port)), port) != 0
    }

    fn ring(&self) -> Option<&Ring> {
        let ring = self.ring_in_force();
        self.say(match ring {
            Some(ring) => format!("steering: ring {}", ring.version),
            None => "steering: no ring in force".into(),
        });
        ring
    }

    fn has_socket(&self, connection: &Connection) -> bool {
        let found = connection_here(connection);
        self.say(format!("steering: a socket of this connection is {}", if found { "here" } else { "not here" }));
        found
    }

    fn remembered(&self, connection: &Connection) -> Option<u32> {
        let found = self.or_fail(self.maps.steer.connection(connection));
        self.say(match found {
            Some(number) => format!("steering: this connection was sent to peer {number} before"),
            None => "steering: nothing remembered of this connection".into(),
        });
        found
    }

    /// Only the kernel knows its cookies.
    fn is_cookie(&self, _: &Seen) -> bool {
        self.say("steering: whether it acknowledges a SYN cookie of this node is only seen on the packet itself; taken as no".into());
        false
    }
}

/// Whether the kernel has a socket of this connection that is no listener. It lists them all: for a question that a person asks.
fn connection_here(connection: &Connection) -> bool {
    let local = SocketAddr::new(ip_of(&connection.address), connection.port);
    let remote = SocketAddr::new(ip_of(&connection.client), connection.client_port);
    // A socket of both families has its IPv4 connections in the second list.
    ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].iter().any(|path| {
        let Ok(file) = std::fs::File::open(path) else { return false };
        std::io::BufReader::new(file).lines().skip(1).map_while(Result::ok).any(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            let (Some(here), Some(there), Some(state)) = (words.next(), words.next(), words.next()) else { return false };
            state != LISTEN && listed(here) == Some(local) && listed(there) == Some(remote)
        })
    })
}

/// An end of a connection as the kernel lists it: words of an address in its own order, a port.
fn listed(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip: IpAddr = match address.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut octets = [0; 16];
            for i in 0..4 {
                octets[4 * i..4 * i + 4].copy_from_slice(&word(8 * i)?);
            }
            std::net::Ipv6Addr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::kernel::steer::address_of;

    #[test]
    fn a_connection_of_this_machine_is_found() {
        for listener in ["127.0.0.1:0", "[::1]:0", "[::]:0"] {
            let listener = TcpListener::bind(listener).unwrap();
            let mut to = listener.local_addr().unwrap();
            if to.ip().is_unspecified() {
                to.set_ip([127, 0, 0, 1].into());
            }
            let client = TcpStream::connect(to).unwrap();
            let from = client.local_addr().unwrap();
            let mut connection = Connection {
                address: address_of(to.ip()),
                client: address_of(from.ip()),
                port: to.port(),
                client_port: from.port(),
                zero: 0,
            };
            assert!(connection_here(&connection), "{from} to {to}");
            connection.client_port ^= 1;
            assert!(!connection_here(&connection));
        }
    }
}
