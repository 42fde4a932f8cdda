//! Packets in packets: what an ICMP error quotes, and the outer header of a tunnel.

use std::net::IpAddr;

use super::{mark, seal};

/// An ICMP error and the packet that it quotes.
#[derive(Default)]
pub struct Quote {
    /// Type, code, and the word behind the checksum.
    icmp: Option<(u8, u8)>,
    mtu: u16,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    source_port: u16,
    port: u16,
    protocol: Option<u8>,
    total: Option<u16>,
    header: Option<u8>,
    options: usize,
    fragment: u16,
    /// Octets of the quote that are there.
    keep: Option<usize>,
}

impl Quote {
    pub fn is_some(&self) -> bool {
        self.icmp.is_some()
    }

    /// Whether the word is one of a quote.
    pub fn reads(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let number = || value.parse::<usize>().map_err(|_| format!("{name}={value}: not a number"));
        let address = || value.parse::<IpAddr>().map_err(|_| format!("{name}:{value}: no address"));
        match name {
            "icmp" => {
                let (kind, code) = value.split_once('.').ok_or("icmp=TYPE.CODE")?;
                let part = |text: &str| text.parse::<u8>().map_err(|_| format!("icmp={value}: not numbers"));
                self.icmp = Some((part(kind)?, part(code)?));
                (self.source_port, self.port) = (25, 40_000);
            }
            "mtu" => self.mtu = number()? as u16,
            "qsrc" => self.source = Some(address()?),
            "qdst" => self.destination = Some(address()?),
            "qsport" => self.source_port = number()? as u16,
            "qdport" => self.port = number()? as u16,
            "qproto" => self.protocol = Some(number()? as u8),
            "qtotal" => self.total = Some(number()? as u16),
            "qihl" => self.header = Some(number()? as u8),
            "qopts" => self.options = number()?,
            "qfrag" => self.fragment = number()? as u16,
            "qkeep" => self.keep = Some(number()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The ICMP message: no checksum, the program asks for none.
    pub fn message(&self, is_v6: bool) -> Vec<u8> {
        let (kind, code) = self.icmp.unwrap_or_default();
        let [m0, m1] = self.mtu.to_be_bytes();
        let mut message = vec![kind, code, 0, 0, 0, 0, m0, m1];
        let mut segment = vec![0; 20];
        segment[..2].copy_from_slice(&self.source_port.to_be_bytes());
        segment[2..4].copy_from_slice(&self.port.to_be_bytes());
        let protocol = self.protocol.unwrap_or(6);
        let mut quote;
        if is_v6 {
            let address = |a: Option<IpAddr>, usual: &str| match a {
                Some(IpAddr::V6(a)) => a.octets(),
                _ => usual.parse::<std::net::Ipv6Addr>().map_or([0; 16], |a| a.octets()),
            };
            quote = vec![0; 40];
            quote[0] = self.header.unwrap_or(6) << 4;
            quote[4..6].copy_from_slice(&self.total.unwrap_or(1460).to_be_bytes());
            quote[6] = if self.fragment != 0 { 44 } else { protocol };
            quote[8..24].copy_from_slice(&address(self.source, "2001:db8:25::25"));
            quote[24..40].copy_from_slice(&address(self.destination, "2001:db8:1::7"));
            if self.fragment != 0 {
                // 65535 stands for a first fragment.
                let offset = if self.fragment == u16::MAX { 1 } else { self.fragment << 3 };
                quote.extend([protocol, 0]);
                quote.extend(offset.to_be_bytes());
                quote.extend([0; 4]);
            }
        } else {
            let address = |a: Option<IpAddr>, usual: [u8; 4]| if let Some(IpAddr::V4(a)) = a { a.octets() } else { usual };
            let header = 20 + 4 * self.options;
            quote = vec![1; header];
            quote[0] = 0x40 | self.header.unwrap_or((header / 4) as u8);
            quote[2..4].copy_from_slice(&self.total.unwrap_or(1500).to_be_bytes());
            quote[6..8].copy_from_slice(&self.fragment.to_be_bytes());
            quote[9] = protocol;
            quote[12..16].copy_from_slice(&address(self.source, [203, 0, 113, 25]));
            quote[16..20].copy_from_slice(&address(self.destination, [192, 0, 2, 7]));
        }
        quote.extend(segment);
        quote.truncate(self.keep.unwrap_or(quote.len()));
        message.extend(quote);
        message
    }
}

/// The header of a tunnel.
#[derive(Default)]
pub struct Outer {
    ends: Option<(IpAddr, IpAddr)>,
    hop: u8,
    options: usize,
    fragment: u16,
    protocol: Option<u8>,
    /// Octets of the packet inside that are there.
    keep: Option<usize>,
}

impl Outer {
    pub fn reads(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let number = || value.parse::<usize>().map_err(|_| format!("{name}={value}: not a number"));
        match name {
            // outer:FROM>TO
            "outer" => {
                let (from, to) = value.split_once('>').ok_or("outer:FROM>TO")?;
                let address = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("{text}: no address"));
                self.ends = Some((address(from)?, address(to)?));
            }
            "ohop" => self.hop = mark(number()?)?,
            "oopts" => self.options = number()?,
            "ofrag" => self.fragment = number()? as u16,
            "oproto" => self.protocol = Some(number()? as u8),
            "okeep" => self.keep = Some(number()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Puts the header into a frame whose packet begins at `link`.
    pub fn wrap(&self, frame: &mut Vec<u8>, link: usize) {
        let Some(ends) = self.ends else { return };
        let inner_is_v6 = frame[link - 2..link] == [0x86, 0xdd];
        let mut packet = frame.split_off(link);
        packet.truncate(self.keep.unwrap_or(packet.len()));
        let protocol = self.protocol.unwrap_or(if inner_is_v6 { 41 } else { 4 });
        match ends {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                frame[link - 2..].copy_from_slice(&[0x08, 0x00]);
                let octets = 20 + 4 * self.options;
                let mut h = vec![0; octets];
                (h[0], h[1]) = (0x40 | (octets / 4) as u8, self.hop << 2);
                h[2..4].copy_from_slice(&((octets + packet.len()) as u16).to_be_bytes());
                // Don't fragment, unless it is one.
                let fragment = if self.fragment == 0 { 0x4000 } else { self.fragment };
                h[6..8].copy_from_slice(&fragment.to_be_bytes());
                (h[8], h[9]) = (64, protocol);
                h[12..16].copy_from_slice(&from.octets());
                h[16..20].copy_from_slice(&to.octets());
                seal(&mut h);
                frame.extend(h);
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                frame[link - 2..].copy_from_slice(&[0x86, 0xdd]);
                let mut h = vec![0; 40];
                let class = self.hop << 2;
                (h[0], h[1]) = (0x60 | class >> 4, class << 4);
                let more = if self.fragment == 0 { 0 } else { 8 };
                h[4..6].copy_from_slice(&((packet.len() + more) as u16).to_be_bytes());
                (h[6], h[7]) = (if self.fragment == 0 { protocol } else { 44 }, 64);
                h[8..24].copy_from_slice(&from.octets());
                h[24..40].copy_from_slice(&to.octets());
                if self.fragment != 0 {
                    h.extend([protocol, 0]);
                    h.extend((self.fragment << 3).to_be_bytes());
                    h.extend([0; 4]);
                }
                frame.extend(h);
            }
            _ => {}
        }
        frame.extend(packet);
    }
}
