//! The PROXY header, version 1 (text) and 2 (binary), that a balancer sends before the client's
//! octets. Only read from the networks in `smtp.proxy_protocol_from`: anybody else could claim any address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Longest version 1 line with its CR LF, by the specification.
const V1_LONGEST: usize = 107;
/// Longest version 2 header we read: addresses and a few TLVs. The specification wants 536 to be taken.
const V2_LONGEST: usize = 16 + 2048;

/// Whom the header speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxied {
    /// The balancer passes on this client, who connected to `local`.
    Client { source: SocketAddr, local: SocketAddr },
    /// The balancer speaks for itself (health checks: LOCAL, UNKNOWN).
    Itself,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("no PROXY header")]
    Missing,
    #[error("a PROXY header that is not well-formed: {0}")]
    Malformed(&'static str),
    #[error("a PROXY header longer than any real one")]
    TooLong,
}

/// Reads the header at the start of `input`. `Ok(None)`: more octets are needed. On success, how
/// many octets it took; what follows is the client's.
///
/// # Errors
/// When `input` can't become a PROXY header any more.
pub fn parse(input: &[u8]) -> Result<Option<(Proxied, usize)>, ProxyError> {
    if starts_like(input, &V2_SIGNATURE) {
        return version_2(input);
    }
    if starts_like(input, b"PROXY ") {
        return version_1(input);
    }
    Err(ProxyError::Missing)
}

/// True when `input` begins with `prefix`, or is a beginning of it.
fn starts_like(input: &[u8], prefix: &[u8]) -> bool {
    let n = input.len().min(prefix.len());
    input[..n] == prefix[..n]
}

fn version_1(input: &[u8]) -> Result<Option<(Proxied, usize)>, ProxyError> {
    let bad = ProxyError::Malformed;
    let window = &input[..input.len().min(V1_LONGEST)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == V1_LONGEST { Err(ProxyError::TooLong) } else { Ok(None) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(bad("line end"))?;
    let line = std::str::from_utf8(line).map_err(|_| bad("not text"))?;
    let used = end + 1;
    let mut words = line.split(' ');
    let _proxy = words.next();
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(Some((Proxied::Itself, used)));
    }
    let mut address = || words.next().and_then(|w| w.parse::<IpAddr>().ok()).ok_or(bad("address"));
    let (source, local) = (address()?, address()?);
    match (family, source, local) {
        ("TCP4", IpAddr::V4(_), IpAddr::V4(_)) | ("TCP6", IpAddr::V6(_), IpAddr::V6(_)) => {}
        _ => return Err(bad("family")),
    }
    // A port is written without sign or leading zeros; `parse` alone would take "+25".
    let plain = |w: &&str| (w.len() == 1 || !w.starts_with('0')) && w.bytes().all(|b| b.is_ascii_digit());
    let mut port = || words.next().filter(plain).and_then(|w| w.parse::<u16>().ok()).ok_or(bad("port"));
    let (source_port, local_port) = (port()?, port()?);
    if words.next().is_some() {
        return Err(bad("too many words"));
    }
    let source = SocketAddr::new(source, source_port);
    let local = SocketAddr::new(local, local_port);
    Ok(Some((Proxied::Client { source, local }, used)))
}

fn version_2(input: &[u8]) -> Result<Option<(Proxied, usize)>, ProxyError> {
    let bad = ProxyError::Malformed;
    let Some((head, rest)) = input.split_first_chunk::<16>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if 16 + length > V2_LONGEST {
        return Err(ProxyError::TooLong);
    }
    if head[12] >> 4 != 2 {
        return Err(bad("version"));
    }
    let local_command = match head[12] & 0xf {
        0 => true,
        1 => false,
        _ => return Err(bad("command")),
    };
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let used = 16 + length;
    if local_command {
        return Ok(Some((Proxied::Itself, used)));
    }
    let port = |at: usize| body.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let v4 = |at: usize| body.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(|b| IpAddr::V4(Ipv4Addr::from(b)));
    let v6 = |at: usize| body.get(at..at + 16).and_then(|b| <[u8; 16]>::try_from(b).ok()).map(|b| IpAddr::V6(Ipv6Addr::from(b)));
    let pair = match head[13] {
        // TCP over IPv4, TCP over IPv6.
        0x11 => v4(0).zip(port(8)).zip(v4(4).zip(port(10))),
        0x21 => v6(0).zip(port(32)).zip(v6(16).zip(port(34))),
        // UNSPEC and unix sockets say nothing about an address; the specification has us go on.
        0x00 | 0x31 | 0x32 => return Ok(Some((Proxied::Itself, used))),
        _ => return Err(bad("protocol")),
    };
    let ((source, source_port), (local, local_port)) = pair.ok_or(bad("addresses cut short"))?;
    let client = Proxied::Client { source: SocketAddr::new(source, source_port), local: SocketAddr::new(local, local_port) };
    Ok(Some((client, used)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn client(source: &str, local: &str) -> Proxied {
        Proxied::Client { source: source.parse().unwrap(), local: local.parse().unwrap() }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut out = V2_SIGNATURE.to_vec();
        out.extend([0x20 | command, family]);
        out.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn every_form_is_read_and_every_beginning_wants_more() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0xc0, 0, 0, 25];
        let mut v6 = [0u8; 36];
        v6[..2].copy_from_slice(&[0x20, 0x01]);
        v6[15] = 1;
        v6[31] = 2;
        v6[32..].copy_from_slice(&[1, 0, 0, 25]);
        let mut with_tlv = v4.to_vec();
        with_tlv.extend([0x04, 0, 1, 0]);
        for (header, want) in [
            (b"PROXY TCP4 192.0.2.1 198.51.100.2 49152 25\r\n".to_vec(), client("192.0.2.1:49152", "198.51.100.2:25")),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n".to_vec(), client("[2001:db8::1]:1", "[2001:db8::2]:25")),
            (b"PROXY UNKNOWN\r\n".to_vec(), Proxied::Itself),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), Proxied::Itself),
            (v2(1, 0x11, &v4), client("192.0.2.1:49152", "198.51.100.2:25")),
            (v2(1, 0x11, &with_tlv), client("192.0.2.1:49152", "198.51.100.2:25")),
            (v2(1, 0x21, &v6), client("[2001::1]:256", "[::2]:25")),
            (v2(0, 0x11, &v4), Proxied::Itself),
            (v2(1, 0, &[]), Proxied::Itself),
        ] {
            let whole = [header.as_slice(), b"EHLO x\r\n"].concat();
            assert_eq!(parse(&whole), Ok(Some((want, header.len()))));
            for cut in 0..header.len() {
                assert_eq!(parse(&whole[..cut]), Ok(None), "{cut} octets of {header:?}");
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "EHLO x\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY TCP4 ::1 ::2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXX",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?} was taken");
        }
        assert_eq!(parse(&[b"PROXY TCP6 ".as_slice(), &[b'1'; 200]].concat()), Err(ProxyError::TooLong));
        assert!(parse(&v2(2, 0x11, &[0; 12])).is_err());
        assert!(parse(&v2(1, 0x12, &[0; 12])).is_err());
        assert!(parse(&v2(1, 0x11, &[0; 11])).is_err());
        assert_eq!(parse(&v2(1, 0x11, &[0; 3000])), Err(ProxyError::TooLong));
    }
}
