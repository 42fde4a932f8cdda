//! What steering reads of a frame: more than the stages before, which have judged it already.
//!
//! An ICMP error is read as far as the packet that it quotes: it belongs to whoever sent that. What quotes too little, or a packet
//! that its receiver never sent, is no error that an honest router makes.

use super::address::Address;
use crate::packet::{EXTENSION_HEADERS, Frame, is_extension, network};
use crate::reason::Reason;

/// What kind of packet it is to steering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Echo, UDP and everything else that is not steered.
    Other,
    /// TCP that asks for a new connection: SYN without ACK.
    Open,
    /// Any other TCP.
    Segment,
    /// The first fragment of a TCP packet.
    FirstFragment,
    /// Another one, without ports.
    LaterFragment,
    /// An ICMP error about a TCP packet.
    Error,
    /// The same about a later fragment: without ports.
    ErrorWithoutPorts,
    /// One that quotes too little, or what its receiver never sent.
    BadQuote,
    /// IP in IP; the family of what is inside.
    TunnelV4,
    TunnelV6,
}

/// A packet as steering sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    pub is_v6: bool,
    /// A sender that must be told when it is too big: IPv6, or IPv4 with DF.
    pub whole: bool,
    /// A piece of a packet.
    pub is_fragment: bool,
    /// Where the IP header begins.
    pub ip_at: usize,
    /// Octets from there to the transport header.
    pub headers: usize,
    /// Octets of the IP packet.
    pub length: usize,
    /// Type of service, or traffic class.
    pub class: u8,
    /// TTL, or hop limit.
    pub ttl: u8,
    /// TCP flags.
    pub flags: u8,
    pub source: Address,
    pub destination: Address,
    /// The other end of the connection: the source, or where the quoted packet went.
    pub client: Address,
    pub client_port: u16,
    /// The port at the destination.
    pub port: u16,
}

pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

#[inline(always)]
fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

#[inline(always)]
fn v4_at(octets: &[u8], at: usize) -> Address {
    Address::v4(u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]))
}

#[inline(always)]
fn half(o: &[u8], at: usize) -> u64 {
    u64::from_be_bytes([o[at], o[at + 1], o[at + 2], o[at + 3], o[at + 4], o[at + 5], o[at + 6], o[at + 7]])
}

#[inline(always)]
fn v6_at(octets: &[u8], at: usize) -> Address {
    Address::v6(half(octets, at), half(octets, at + 8))
}

/// Reads a frame that [`crate::packet::parse`] has let pass; `Err` is the reason it is passed or dropped for all the same.
#[inline(always)]
pub fn read<F: Frame + ?Sized>(frame: &F) -> Result<Seen, Reason> {
    let Some((kind, at)) = network(frame) else { return Err(Reason::DropMalformed) };
    match kind {
        0x0800 => ipv4(frame, at),
        0x86dd => ipv6(frame, at),
        _ => Err(Reason::PassNotIp),
    }
}

#[inline(always)]
fn ipv4<F: Frame + ?Sized>(frame: &F, at: usize) -> Result<Seen, Reason> {
    let Some(h) = frame.read::<20>(at) else { return Err(Reason::DropMalformed) };
    let headers = ((h[0] & 15) as usize) * 4;
    if h[0] >> 4 != 4 || headers < 20 {
        return Err(Reason::DropMalformed);
    }
    let total = word(&h, 2) as usize;
    if total != 0 && (total < headers || !frame.holds(at + total)) {
        return Err(Reason::DropMalformed);
    }
    let length = if total == 0 { frame.length().saturating_sub(at) } else { total };
    let fragment = word(&h, 6);
    let source = v4_at(&h, 12);
    let mut seen = Seen {
        kind: Kind::Other,
        is_v6: false,
        whole: fragment & 0x4000 != 0,
        is_fragment: fragment & 0x3fff != 0,
        ip_at: at,
        headers,
        length,
        class: h[1],
        ttl: h[8],
        flags: 0,
        source,
        destination: v4_at(&h, 16),
        client: source,
        client_port: 0,
        port: 0,
    };
    let (later, first) = (fragment & 0x1fff != 0, fragment & 0x3fff == 0x2000);
    match h[9] {
        6 if later => seen.kind = Kind::LaterFragment,
        6 => segment(frame, &mut seen, first)?,
        1 if !later => seen.kind = quote_v4(frame, &mut seen),
        // Whether it is cut in pieces is for who strips the outer header to see.
        4 => seen.kind = Kind::TunnelV4,
        41 => seen.kind = Kind::TunnelV6,
        _ => {}
    }
    Ok(seen)
}

#[inline(always)]
fn ipv6<F: Frame + ?Sized>(frame: &F, at: usize) -> Result<Seen, Reason> {
    let Some(h) = frame.read::<40>(at) else { return Err(Reason::DropMalformed) };
    if h[0] >> 4 != 6 {
        return Err(Reason::DropMalformed);
    }
    let payload = word(&h, 4) as usize;
    if !frame.holds(at + 40 + payload) {
        return Err(Reason::DropMalformed);
    }
    let length = if payload == 0 { frame.length().saturating_sub(at) } else { 40 + payload };
    let source = v6_at(&h, 8);
    let mut seen = Seen {
        kind: Kind::Other,
        is_v6: true,
        whole: true,
        is_fragment: false,
        ip_at: at,
        headers: 40,
        length,
        class: h[0] << 4 | h[1] >> 4,
        ttl: h[7],
        flags: 0,
        source,
        destination: v6_at(&h, 24),
        client: source,
        client_port: 0,
        port: 0,
    };
    let mut next = h[6];
    let mut first = false;
    let mut headers = 0;
    while headers < EXTENSION_HEADERS {
        if !is_extension(next) {
            break;
        }
        let Some(e) = frame.read::<4>(at + seen.headers) else { return Err(Reason::DropMalformed) };
        let size = match next {
            44 => 8,
            51 => (e[1] as usize + 2) * 4,
            _ => (e[1] as usize + 1) * 8,
        };
        if next == 44 {
            let fragment = word(&e, 2);
            seen.is_fragment = true;
            if fragment >> 3 != 0 {
                if e[0] == 6 || is_extension(e[0]) {
                    seen.kind = Kind::LaterFragment;
                }
                return Ok(seen);
            }
            first = fragment & 1 == 1;
        }
        next = e[0];
        seen.headers += size;
        headers += 1;
    }
    match next {
        6 => segment(frame, &mut seen, first)?,
        58 => seen.kind = quote_v6(frame, &mut seen),
        4 => seen.kind = Kind::TunnelV4,
        41 => seen.kind = Kind::TunnelV6,
        _ => {}
    }
    Ok(seen)
}

#[inline(always)]
fn segment<F: Frame + ?Sized>(frame: &F, seen: &mut Seen, first_of_more: bool) -> Result<(), Reason> {
    let Some(h) = frame.read::<14>(seen.ip_at + seen.headers) else { return Err(Reason::DropMalformed) };
    seen.client_port = word(&h, 0);
    seen.port = word(&h, 2);
    seen.flags = h[13];
    seen.kind = if first_of_more {
        Kind::FirstFragment
    } else if h[13] & (SYN | ACK) == SYN {
        Kind::Open
    } else {
        Kind::Segment
    };
    Ok(())
}

/// Octets before the quoted packet in an ICMP error of either family.
const ICMP_HEADER: usize = 8;
/// A router quotes at least the header and so much behind it (RFC 792).
const QUOTED: usize = 8;

#[inline(always)]
fn quote_v4<F: Frame + ?Sized>(frame: &F, seen: &mut Seen) -> Kind {
    let at = seen.ip_at + seen.headers;
    // With the code: the verifier proves no access to a single octet.
    let Some([kind, _]) = frame.read::<2>(at) else { return Kind::BadQuote };
    // Destination unreachable with "fragmentation needed", time exceeded, parameter problem.
    if !matches!(kind, 3 | 11 | 12) {
        return Kind::Other;
    }
    let at = at + ICMP_HEADER;
    let Some(q) = frame.read::<20>(at) else { return Kind::BadQuote };
    let header = ((q[0] & 15) as usize) * 4;
    let total = word(&q, 2) as usize;
    let needed = seen.headers + ICMP_HEADER + header + QUOTED;
    if q[0] >> 4 != 4 || header < 20 || total < header + QUOTED || needed > seen.length || v4_at(&q, 12) != seen.destination {
        return Kind::BadQuote;
    }
    if q[9] != 6 {
        return Kind::Other;
    }
    seen.client = v4_at(&q, 16);
    if word(&q, 6) & 0x1fff != 0 {
        return Kind::ErrorWithoutPorts;
    }
    quoted_ports(frame, at + header, seen)
}

#[inline(always)]
fn quote_v6<F: Frame + ?Sized>(frame: &F, seen: &mut Seen) -> Kind {
    let at = seen.ip_at + seen.headers;
    // With the code: the verifier proves no access to a single octet.
    let Some([kind, _]) = frame.read::<2>(at) else { return Kind::BadQuote };
    // RFC 4443 §2.1: unreachable, packet too big, time exceeded, parameter problem. Neighbour discovery begins at 133.
    if !matches!(kind, 1..=4) {
        return Kind::Other;
    }
    let at = at + ICMP_HEADER;
    let Some(q) = frame.read::<40>(at) else { return Kind::BadQuote };
    let room = seen.length.saturating_sub(seen.headers + ICMP_HEADER + 40);
    if q[0] >> 4 != 6 || room < QUOTED || (word(&q, 4) as usize) < QUOTED || v6_at(&q, 8) != seen.destination {
        return Kind::BadQuote;
    }
    // What a mail server sends has no extension headers, at most that of a fragment.
    let (next, ports_at) = match q[6] {
        44 => {
            let Some(e) = frame.read::<4>(at + 40) else { return Kind::BadQuote };
            if e[0] == 6 && word(&e, 2) >> 3 != 0 {
                seen.client = v6_at(&q, 24);
                return Kind::ErrorWithoutPorts;
            }
            if room < 8 + QUOTED {
                return Kind::BadQuote;
            }
            (e[0], at + 48)
        }
        next => (next, at + 40),
    };
    if next != 6 {
        return Kind::Other;
    }
    seen.client = v6_at(&q, 24);
    quoted_ports(frame, ports_at, seen)
}

#[inline(always)]
fn quoted_ports<F: Frame + ?Sized>(frame: &F, at: usize, seen: &mut Seen) -> Kind {
    let Some(p) = frame.read::<4>(at) else { return Kind::BadQuote };
    // It was sent from here: the service's port is its source.
    seen.port = word(&p, 0);
    seen.client_port = word(&p, 2);
    Kind::Error
}
