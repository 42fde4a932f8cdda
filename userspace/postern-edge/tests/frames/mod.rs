//! Frames written as words: `ip4:192.0.2.1 tcp:25 syn`. The words are explained in tests/packets/README.md.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod inner;
pub mod kernel;
pub mod network;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Default)]
struct Words {
    tags: Vec<u16>,
    kind: Option<u16>,
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    options: usize,
    fragment: u16,
    protocol: Option<u8>,
    total: Option<u16>,
    header: Option<u8>,
    version: Option<u8>,
    /// Next header value, octets after the two first.
    extensions: Vec<(u8, Vec<u8>)>,
    transport: Vec<u8>,
    to: Option<IpAddr>,
    /// MAC addresses: destination and source.
    macs: [[u8; 6]; 2],
    class: u8,
    ttl: u8,
    quote: inner::Quote,
    outer: inner::Outer,
    flags: u8,
    data_offset: Option<u8>,
    data: usize,
    pad: usize,
    keep: Option<usize>,
    cut: usize,
}

/// Builds the frame that `text` describes; what cannot be understood is named.
pub fn build(text: &str) -> Result<Vec<u8>, String> {
    let mut w = Words { macs: [OWN_MAC, ROUTER_MAC], ttl: 64, ..Words::default() };
    let mut port = None;
    let mut from_port = 40_000;
    for word in text.split_ascii_whitespace() {
        let (name, value) = word.split_once([':', '=']).unwrap_or((word, ""));
        let number = || value.parse::<usize>().map_err(|_| format!("{word}: not a number"));
        let times = || if value.is_empty() { Ok(1) } else { number() };
        match name {
            "vlan" => w.tags.push(0x8100),
            "svlan" => w.tags.push(0x88a8),
            "type" => w.kind = Some(u16::from_str_radix(value, 16).map_err(|_| format!("{word}: not hexadecimal"))?),
            "ip4" => w.v4 = Some(value.parse().map_err(|_| format!("{word}: no IPv4 address"))?),
            "ip6" => w.v6 = Some(word[4..].parse().map_err(|_| format!("{word}: no IPv6 address"))?),
            "to" => w.to = Some(word[3..].parse().map_err(|_| format!("{word}: no address"))?),
            "mac" => w.macs[0] = mac(value)?,
            "by" => w.macs[1] = mac(value)?,
            "hop" => w.class |= mark(number()?)? << 2,
            "class" => w.class |= u8::from_str_radix(value, 16).map_err(|_| format!("{word}: not hexadecimal"))?,
            "ttl" => w.ttl = number()? as u8,
            "sport" => from_port = number()? as u16,
            _ if w.quote.reads(name, &word[(name.len() + 1).min(word.len())..])? => {}
            _ if w.outer.reads(name, &word[(name.len() + 1).min(word.len())..])? => {}
            "opts" => w.options = number()?,
            "frag" => w.fragment |= number()? as u16,
            "mf" => w.fragment |= 0x2000,
            "df" => w.fragment |= 0x4000,
            "proto" => w.protocol = Some(number()? as u8),
            "total" => w.total = Some(number()? as u16),
            "ihl" => w.header = Some(number()? as u8),
            "version" => w.version = Some(number()? as u8),
            "hbh" => w.extensions.extend(vec![(0, vec![0; 6]); times()?]),
            "route" => w.extensions.extend(vec![(43, vec![0; 6]); times()?]),
            "dest" => w.extensions.extend(vec![(60, vec![0; 6]); times()?]),
            "ah" => w.extensions.extend(vec![(51, vec![0; 22]); times()?]),
            "long" => w.extensions.push((60, vec![0; number()? * 8 + 6])),
            // frag6=OFFSET, with `+` for "more follow"
            "frag6" => {
                let (offset, more) = value.strip_suffix('+').map_or((value, 0u16), |v| (v, 1));
                let offset: u16 = offset.parse().map_err(|_| format!("{word}: not a number"))?;
                let mut body = vec![0; 6];
                body[0..2].copy_from_slice(&(offset << 3 | more).to_be_bytes());
                w.extensions.push((44, body));
            }
            "tcp" => port = Some(number()? as u16),
            "udp" => {
                w.protocol = Some(17);
                w.transport = vec![0; 8];
                w.transport[2..4].copy_from_slice(&(number()? as u16).to_be_bytes());
            }
            "fin" => w.flags |= 1,
            "syn" => w.flags |= 2,
            "rst" => w.flags |= 4,
            "ack" => w.flags |= 16,
            "doff" => w.data_offset = Some(number()? as u8),
            "tcpopts" => w.data_offset = Some(5 + number()? as u8),
            "data" => w.data = number()?,
            "pad" => w.pad = number()?,
            "len" => w.keep = Some(number()?),
            "cut" => w.cut = number()?,
            _ => return Err(format!("{word}: no such word")),
        }
    }
    if let Some(port) = port {
        let offset = w.data_offset.unwrap_or(5);
        let mut tcp = vec![0; 20.max(usize::from(offset) * 4)];
        tcp[0..2].copy_from_slice(&from_port.to_be_bytes());
        tcp[2..4].copy_from_slice(&port.to_be_bytes());
        tcp[12] = offset << 4;
        tcp[13] = w.flags;
        tcp.extend(vec![0; w.data]);
        w.transport = tcp;
    }
    if w.quote.is_some() {
        w.protocol = w.protocol.or(Some(if w.v6.is_some() { 58 } else { 1 }));
        w.transport = w.quote.message(w.v6.is_some());
    }
    Ok(frame(w))
}

/// The guard's own address on layer 2, and that of the router which brings packets from outside.
pub const OWN_MAC: [u8; 6] = [2; 6];
pub const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 2, 1];

/// `own`, `router`, `all`, the number of a peer, or the address in hexadecimal.
pub fn mac(text: &str) -> Result<[u8; 6], String> {
    match text {
        "own" => return Ok(OWN_MAC),
        "router" => return Ok(ROUTER_MAC),
        "all" => return Ok([0xff; 6]),
        _ => {}
    }
    if text.len() == 12 {
        let bits = u64::from_str_radix(text, 16).map_err(|_| format!("{text}: no MAC address"))?.to_be_bytes();
        return Ok(std::array::from_fn(|i| bits[i + 2]));
    }
    let number: u8 = text.parse().map_err(|_| format!("{text}: no number of a peer"))?;
    Ok([2, 0, 0, 0, 1, number])
}

/// DSCP of a packet that was forwarded so often.
fn mark(hop: usize) -> Result<u8, String> {
    match hop {
        0 => Ok(0),
        1 => Ok(0b00_0011),
        2 => Ok(0b00_0111),
        _ => Err(format!("hop {hop}: 0 to 2")),
    }
}

/// The internet checksum.
pub fn sum(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |o| u32::from(*o)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Puts the checksum into an IPv4 header.
fn seal(header: &mut [u8]) {
    header[10..12].fill(0);
    let sum = sum(header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
}

fn frame(w: Words) -> Vec<u8> {
    let mut f = w.macs.concat();
    for tag in &w.tags {
        f.extend(tag.to_be_bytes());
        f.extend([0, 7]);
    }
    let kind = w.kind.unwrap_or(if w.v6.is_some() {
        0x86dd
    } else if w.v4.is_some() {
        0x0800
    } else {
        0x0806
    });
    f.extend(kind.to_be_bytes());
    let protocol = w.protocol.unwrap_or(6);
    if let Some(source) = w.v4 {
        let header = 20 + w.options * 4;
        let mut ip = vec![1; header];
        ip[0] = w.version.unwrap_or(4) << 4 | w.header.unwrap_or((header / 4) as u8);
        ip[2..4].copy_from_slice(&w.total.unwrap_or((header + w.transport.len()) as u16).to_be_bytes());
        ip[6..8].copy_from_slice(&w.fragment.to_be_bytes());
        ip[1] = w.class;
        ip[8] = w.ttl;
        ip[9] = protocol;
        ip[12..16].copy_from_slice(&source.octets());
        let to = if let Some(IpAddr::V4(to)) = w.to { to.octets() } else { [203, 0, 113, 25] };
        ip[16..20].copy_from_slice(&to);
        seal(&mut ip);
        f.extend(ip);
        f.extend(&w.transport);
    } else if let Some(source) = w.v6 {
        let mut chain = Vec::new();
        for (i, (kind, body)) in w.extensions.iter().enumerate() {
            chain.push(w.extensions.get(i + 1).map_or(protocol, |(next, _)| *next));
            let size = body.len() + 2;
            chain.push(match kind {
                44 => 0,
                51 => (size / 4 - 2) as u8,
                _ => (size / 8 - 1) as u8,
            });
            chain.extend(body);
        }
        chain.extend(&w.transport);
        let mut ip = vec![0; 40];
        ip[0] = w.version.unwrap_or(6) << 4;
        ip[4..6].copy_from_slice(&w.total.unwrap_or(chain.len() as u16).to_be_bytes());
        ip[6] = w.extensions.first().map_or(protocol, |(kind, _)| *kind);
        (ip[0], ip[1]) = (ip[0] | w.class >> 4, w.class << 4);
        ip[7] = w.ttl;
        ip[8..24].copy_from_slice(&source.octets());
        let to = if let Some(IpAddr::V6(to)) = w.to { to } else { "2001:db8:25::25".parse().unwrap_or(Ipv6Addr::LOCALHOST) };
        ip[24..40].copy_from_slice(&to.octets());
        f.extend(ip);
        f.extend(chain);
    } else {
        f.extend(vec![0; 46]);
    }
    w.outer.wrap(&mut f, 14 + 4 * w.tags.len());
    f.extend(vec![0; w.pad]);
    f.truncate(w.keep.unwrap_or(f.len()).min(f.len() - w.cut.min(f.len())));
    f
}
