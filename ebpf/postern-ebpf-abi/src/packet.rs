//! From the first octet of the frame to source, port and "opens a connection".
//!
//! Bounded: two VLAN tags, IPv4 options, six IPv6 extension headers. What is no TCP is passed; what contradicts itself is
//! dropped, since the stack behind us would drop it too and only attacks look like that.

use crate::address::Source;
use crate::reason::Reason;

/// VLAN tags that are read: customer and service tag (IEEE 802.1ad).
pub const VLAN_TAGS: usize = 2;
/// IPv6 extension headers that are read.
pub const EXTENSION_HEADERS: usize = 6;

const ETHERNET: usize = 14;
const TCP_HEADER: usize = 20;

/// The octets of a frame.
pub trait Frame {
    /// The `N` octets from `at`, if the frame holds them.
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]>;
    /// The first 48 octets as pairs in network order, if the frame holds them.
    fn start(&self) -> Option<[u16; 24]>;
    /// Octets that lie in one piece, from the first on: all of them, as a rule.
    fn linear(&self) -> usize;
    /// Whether the frame is at least this long.
    fn holds(&self, octets: usize) -> bool;
    fn length(&self) -> usize;
}

impl Frame for [u8] {
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.first_chunk().copied()
    }
    fn start(&self) -> Option<[u16; 24]> {
        let octets = self.read::<48>(0)?;
        Some(core::array::from_fn(|i| u16::from_ne_bytes([octets[2 * i], octets[2 * i + 1]])))
    }
    fn linear(&self) -> usize {
        self.len()
    }
    fn holds(&self, octets: usize) -> bool {
        octets <= self.len()
    }
    fn length(&self) -> usize {
        self.len()
    }
}

/// A TCP packet, or the first fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    pub source: Source,
    /// Destination port.
    pub port: u16,
    /// SYN without ACK: it asks for a new connection.
    pub opens: bool,
    /// Type of service, or traffic class: it bears a peer's mark ([`crate::steer::mark`]).
    pub class: u8,
}

/// Reads what nearly every packet is: TCP over IPv4 without tag, options or fragments, in one piece. One look at its first
/// octets instead of five; `None` decides nothing, [`parse`] does.
#[inline(always)]
pub fn plain<F: Frame + ?Sized>(frame: &F) -> Option<Packet> {
    let h = frame.start()?;
    let word = |at: usize| u16::from_be(h[at / 2]);
    let total = word(16) as usize;
    let tcp_header = (word(46) >> 12) as usize * 4;
    let is_plain = word(12) == 0x0800 && word(14) >> 8 == 0x45 && word(20) & 0x3fff == 0 && word(22) & 0xff == 6;
    if !is_plain || tcp_header < TCP_HEADER || total < 20 + tcp_header || frame.linear() < ETHERNET + total {
        return None;
    }
    let source = Source::V4((word(26) as u32) << 16 | word(28) as u32);
    Some(Packet { source, port: word(36), opens: word(46) & 0x12 == 0x02, class: word(14) as u8 })
}

/// What lies behind Ethernet's header and the VLAN tags, and where; `None` when the frame ends before.
#[inline(always)]
pub(crate) fn network<F: Frame + ?Sized>(frame: &F) -> Option<(u16, usize)> {
    let [high, low] = frame.read::<2>(12)?;
    let mut kind = u16::from_be_bytes([high, low]);
    let mut at = ETHERNET;
    let mut tags = 0;
    while tags < VLAN_TAGS {
        if kind != 0x8100 && kind != 0x88a8 {
            break;
        }
        let [_, _, high, low] = frame.read::<4>(at)?;
        kind = u16::from_be_bytes([high, low]);
        at += 4;
        tags += 1;
    }
    Some((kind, at))
}

/// Reads a frame; `Err` is the reason it is passed or dropped for without asking any table.
#[inline(always)]
pub fn parse<F: Frame + ?Sized>(frame: &F) -> Result<Packet, Reason> {
    let Some((kind, at)) = network(frame) else { return Err(Reason::DropMalformed) };
    match kind {
        0x0800 => ipv4(frame, at),
        0x86dd => ipv6(frame, at),
        _ => Err(Reason::PassNotIp),
    }
}

#[inline(always)]
fn ipv4<F: Frame + ?Sized>(frame: &F, at: usize) -> Result<Packet, Reason> {
    let Some(h) = frame.read::<20>(at) else { return Err(Reason::DropMalformed) };
    let header = ((h[0] & 15) as usize) * 4;
    if h[0] >> 4 != 4 || header < 20 {
        return Err(Reason::DropMalformed);
    }
    // A total length of 0 stands on packets above 64 KiB inside the machine (BIG TCP): nothing to compare.
    let total = u16::from_be_bytes([h[2], h[3]]) as usize;
    if total != 0 && (total < header || !frame.holds(at + total)) {
        return Err(Reason::DropMalformed);
    }
    if h[9] != 6 {
        return Err(Reason::PassNotTcp);
    }
    let fragment = u16::from_be_bytes([h[6], h[7]]);
    let first_of_more = match (fragment & 0x1fff, fragment & 0x2000 != 0) {
        (0, more) => more,
        // RFC 1858 §3.2: an offset of one unit writes over the flags of the first fragment.
        (1, _) => return Err(Reason::DropTinyFragment),
        _ => return Err(Reason::PassFragment),
    };
    let payload = if total == 0 { usize::MAX } else { total - header };
    let source = Source::V4(u32::from_be_bytes([h[12], h[13], h[14], h[15]]));
    tcp(frame, at + header, payload, first_of_more, source, h[1])
}

#[inline(always)]
fn ipv6<F: Frame + ?Sized>(frame: &F, at: usize) -> Result<Packet, Reason> {
    let Some(h) = frame.read::<24>(at) else { return Err(Reason::DropMalformed) };
    if h[0] >> 4 != 6 {
        return Err(Reason::DropMalformed);
    }
    // 0: jumbograms (RFC 2675) and BIG TCP.
    let payload = u16::from_be_bytes([h[4], h[5]]) as usize;
    let start = at + 40;
    if !frame.holds(start + payload) {
        return Err(Reason::DropMalformed);
    }
    let source = Source::V6(
        u64::from_be_bytes([h[8], h[9], h[10], h[11], h[12], h[13], h[14], h[15]]),
        u64::from_be_bytes([h[16], h[17], h[18], h[19], h[20], h[21], h[22], h[23]]),
    );
    let mut next = h[6];
    let mut skipped = 0usize;
    let mut first_of_more = false;
    let mut headers = 0;
    while headers <= EXTENSION_HEADERS {
        if next == 6 {
            let rest = if payload == 0 { usize::MAX } else { payload.saturating_sub(skipped) };
            return tcp(frame, start + skipped, rest, first_of_more, source, h[0] << 4 | h[1] >> 4);
        }
        if !is_extension(next) {
            return Err(Reason::PassNotTcp);
        }
        if headers == EXTENSION_HEADERS {
            break;
        }
        let Some(e) = frame.read::<4>(start + skipped) else { return Err(broken_chain(first_of_more)) };
        let size = match next {
            44 => 8,
            // RFC 4302 §2.2: the authentication header counts in units of four.
            51 => (e[1] as usize + 2) * 4,
            _ => (e[1] as usize + 1) * 8,
        };
        // Before anything in it is believed: behind the packet's end lies what fills up the frame.
        if payload != 0 && skipped + size > payload {
            return Err(broken_chain(first_of_more));
        }
        if next == 44 {
            let fragment = u16::from_be_bytes([e[2], e[3]]);
            match fragment >> 3 {
                0 => first_of_more = fragment & 1 == 1,
                1 if e[0] == 6 => return Err(Reason::DropTinyFragment),
                _ if e[0] == 6 || is_extension(e[0]) => return Err(Reason::PassFragment),
                _ => return Err(Reason::PassNotTcp),
            }
        }
        next = e[0];
        skipped += size;
        headers += 1;
    }
    Err(Reason::DropHeaderChain)
}

/// Hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, shim6.
#[inline(always)]
pub(crate) fn is_extension(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140)
}

/// RFC 7112 §5: the first fragment holds the whole header chain.
#[inline(always)]
fn broken_chain(first_of_more: bool) -> Reason {
    if first_of_more { Reason::DropTinyFragment } else { Reason::DropMalformed }
}

/// `payload` octets follow from `at` as far as the IP header knows.
#[inline(always)]
fn tcp<F: Frame + ?Sized>(frame: &F, at: usize, payload: usize, first_of_more: bool, source: Source, class: u8) -> Result<Packet, Reason> {
    if payload < TCP_HEADER {
        return Err(broken_chain(first_of_more));
    }
    let Some(h) = frame.read::<14>(at) else { return Err(broken_chain(first_of_more)) };
    let header = ((h[12] >> 4) as usize) * 4;
    if header < TCP_HEADER {
        return Err(Reason::DropMalformed);
    }
    // RFC 1858 §3.1: the whole header must be here, or a later fragment could bring other flags.
    if payload < header || !frame.holds(at + header) {
        return Err(broken_chain(first_of_more));
    }
    let flags = h[13];
    Ok(Packet { source, port: u16::from_be_bytes([h[2], h[3]]), opens: flags & 0x12 == 0x02, class })
}

#[cfg(test)]
mod tests;
