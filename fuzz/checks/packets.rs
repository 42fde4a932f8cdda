//! A frame from the wire, given to the parser that runs in the XDP program (`postern_ebpf_abi::packet`).
//!
//! Its answer must be that of a second parser which is written here, over slices and without care for speed; it must not
//! depend on where the driver cut the frame into a linear part and fragments; and octets behind the packet change nothing.
//! `userspace/postern-edge/tests/fuzzed.rs` gives the same frames to the program in the kernel.

use postern_ebpf_abi::address::Source;
use postern_ebpf_abi::packet::{EXTENSION_HEADERS, Packet, VLAN_TAGS, parse, plain};
use postern_ebpf_abi::reason::Reason;

use crate::cut::Cut;

/// Longest linear part that is tried; the headers that matter lie before it.
const LONGEST_LINEAR: usize = 300;

pub fn check(frame: &[u8]) {
    let answer = parse(frame);
    assert_eq!(answer, expected(frame), "the second parser says otherwise");
    for linear in 14..=frame.len().min(LONGEST_LINEAR) {
        assert_eq!(in_two_steps(&Cut { frame, linear }), answer, "cut after {linear} octets");
    }
    // The shortest frame has 60 octets: what is shorter is filled up on the wire. Without a length in the packet the filling
    // cannot be told from it.
    if answer.is_ok() && has_length(frame) {
        assert_eq!(parse([frame, &[0xff; 46]].concat().as_slice()), answer, "with octets behind it");
    }
}

/// As the program does it: what is plain at one look, else the linear part, and the whole when that drops something which goes on.
fn in_two_steps(cut: &Cut<'_>) -> Result<Packet, Reason> {
    if let Some(packet) = plain(cut) {
        return Ok(packet);
    }
    match parse(cut) {
        Err(reason) if reason.drops() => parse(cut.frame),
        other => other,
    }
}

/// The octets behind Ethernet's header and the tags, and what they are.
fn network(frame: &[u8]) -> Option<(u16, &[u8])> {
    let mut kind = be16(frame, 12)?;
    let mut rest = frame.get(14..)?;
    for _ in 0..VLAN_TAGS {
        if kind == 0x8100 || kind == 0x88a8 {
            kind = be16(rest, 2)?;
            rest = &rest[4..];
        }
    }
    Some((kind, rest))
}

fn has_length(frame: &[u8]) -> bool {
    network(frame).and_then(|(kind, rest)| be16(rest, if kind == 0x0800 { 2 } else { 4 })).is_some_and(|length| length != 0)
}

fn expected(frame: &[u8]) -> Result<Packet, Reason> {
    match network(frame) {
        Some((0x0800, rest)) => ipv4(rest),
        Some((0x86dd, rest)) => ipv6(rest),
        Some(_) => Err(Reason::PassNotIp),
        None => Err(Reason::DropMalformed),
    }
}

fn ipv4(packet: &[u8]) -> Result<Packet, Reason> {
    let header = packet.first_chunk::<20>().ok_or(Reason::DropMalformed)?;
    let header_octets = usize::from(header[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // 0: more than the field can say.
    let packet = if total == 0 { packet } else { packet.get(..total).ok_or(Reason::DropMalformed)? };
    if header[0] >> 4 != 4 || header_octets < 20 || (total != 0 && total < header_octets) {
        return Err(Reason::DropMalformed);
    }
    if header[9] != 6 {
        return Err(Reason::PassNotTcp);
    }
    let offset = u16::from_be_bytes([header[6] & 0x1f, header[7]]);
    let more = header[6] & 0x20 != 0;
    if offset > 0 {
        return Err(if offset == 1 { Reason::DropTinyFragment } else { Reason::PassFragment });
    }
    let source = Source::V4(u32::from_be_bytes([header[12], header[13], header[14], header[15]]));
    tcp(packet.get(header_octets..).unwrap_or_default(), total != 0, more, source, header[1])
}

fn ipv6(packet: &[u8]) -> Result<Packet, Reason> {
    let header = packet.first_chunk::<40>().ok_or(Reason::DropMalformed)?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let rest = &packet[40..];
    let mut rest = if length == 0 { rest } else { rest.get(..length).ok_or(Reason::DropMalformed)? };
    if header[0] >> 4 != 6 {
        return Err(Reason::DropMalformed);
    }
    let half = |at: usize| header[at..at + 8].iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet));
    let source = Source::V6(half(8), half(16));
    let (mut next, mut more) = (header[6], false);
    for _ in 0..EXTENSION_HEADERS {
        if !is_extension(next) {
            break;
        }
        let cut = if more { Reason::DropTinyFragment } else { Reason::DropMalformed };
        // Of a chain that goes on beyond what is there, the first four octets must be.
        let start = rest.first_chunk::<4>().ok_or(cut)?;
        let octets = match next {
            44 => 8,
            51 => (usize::from(start[1]) + 2) * 4,
            _ => (usize::from(start[1]) + 1) * 8,
        };
        if length != 0 && octets > rest.len() {
            return Err(cut);
        }
        if next == 44 {
            let offset = u16::from_be_bytes([start[2], start[3]]) >> 3;
            if offset > 0 {
                return Err(match start[0] {
                    6 if offset == 1 => Reason::DropTinyFragment,
                    what if what == 6 || is_extension(what) => Reason::PassFragment,
                    _ => Reason::PassNotTcp,
                });
            }
            more = start[3] & 1 == 1;
        }
        next = start[0];
        rest = rest.get(octets..).unwrap_or_default();
    }
    match next {
        6 => tcp(rest, length != 0, more, source, header[0] << 4 | header[1] >> 4),
        other if is_extension(other) => Err(Reason::DropHeaderChain),
        _ => Err(Reason::PassNotTcp),
    }
}

fn tcp(segment: &[u8], has_length: bool, more: bool, source: Source, class: u8) -> Result<Packet, Reason> {
    let cut = if more { Reason::DropTinyFragment } else { Reason::DropMalformed };
    if has_length && segment.len() < 20 {
        return Err(cut);
    }
    let header = segment.first_chunk::<14>().ok_or(cut)?;
    let octets = usize::from(header[12] >> 4) * 4;
    if octets < 20 {
        return Err(Reason::DropMalformed);
    }
    if segment.len() < octets {
        return Err(cut);
    }
    let (syn, ack) = (header[13] & 0x02 != 0, header[13] & 0x10 != 0);
    Ok(Packet { source, port: u16::from_be_bytes([header[2], header[3]]), opens: syn && !ack, class })
}

/// RFC 7045 §3 (with the numbers that IANA lists as IPv6 extension headers and that real stacks skip).
fn is_extension(protocol: u8) -> bool {
    [0, 43, 44, 51, 60, 135, 139, 140].contains(&protocol)
}

fn be16(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}
