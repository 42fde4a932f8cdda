//! A sighting as the kernel writes it, made readable.

use std::net::{Ipv4Addr, Ipv6Addr};

use postern_ebpf_abi::watch::{Sight as Raw, kind};
use postern_model::watch::{Sight, Sighting};

use super::calls;

/// `None`: what no version of ours writes.
pub fn read(raw: &Raw) -> Option<Sighting> {
    let first = || text(octets(&raw.text, raw.text_length));
    let what = match raw.kind {
        kind::EXEC => Sight::Exec { path: first() },
        kind::WRITE => Sight::Write { path: first() },
        kind::CONNECT => Sight::Connect { address: address(octets(&raw.text, raw.text_length)) },
        kind::CALL => {
            let text = if calls::has_address(raw.call) { address(octets(&raw.text, raw.text_length)) } else { first() };
            let [a, b, c, d, e, f, ..] = raw.arguments;
            Sight::Call {
                name: calls::name(raw.call),
                arguments: [a, b, c, d, e, f],
                text,
                more: self::text(octets(&raw.more, raw.more_length)),
            }
        }
        _ => return None,
    };
    Some(Sighting { at: raw.at, process: raw.process, thread: raw.thread, name: text(&raw.name), what })
}

fn octets(all: &[u8], length: u32) -> &[u8] {
    all.get(..length as usize).unwrap_or(all)
}

fn text(octets: &[u8]) -> String {
    let end = octets.iter().position(|b| *b == 0).unwrap_or(octets.len());
    String::from_utf8_lossy(&octets[..end]).into_owned()
}

/// As people write it: `192.0.2.7:80`, `[2001:db8::1]:80`, a path; empty where there is none.
fn address(octets: &[u8]) -> String {
    let Some((family, rest)) = octets.split_first_chunk::<2>() else { return String::new() };
    let port = || rest.first_chunk::<2>().map(|port| u16::from_be_bytes(*port));
    let address = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => port().zip(rest.get(2..6)).map(|(port, ip)| format!("{}:{port}", Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]))),
        libc::AF_INET6 => port()
            .zip(rest.get(6..22).and_then(|ip| <[u8; 16]>::try_from(ip).ok()))
            .map(|(port, ip)| format!("[{}]:{port}", Ipv6Addr::from(ip))),
        // One of the abstract names begins with a zero.
        libc::AF_UNIX => rest.split(|b| *b == 0).find(|part| !part.is_empty()).map(text),
        // Disconnects.
        libc::AF_UNSPEC => None,
        family => Some(format!("address family {family}")),
    };
    address.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use postern_ebpf_abi::watch::TEXT;

    use super::*;

    fn raw(kind: u32, call: u32, first: &[u8], second: &[u8]) -> Raw {
        let (mut text, mut more) = ([0xff; TEXT], [0xff; TEXT]);
        text[..first.len()].copy_from_slice(first);
        more[..second.len()].copy_from_slice(second);
        let (text_length, more_length) = (first.len() as u32, second.len() as u32);
        let arguments = [1, 2, 3, 4, 5, 6, 0, 0];
        Raw {
            at: 1,
            cgroup: 9,
            arguments,
            process: 7,
            thread: 8,
            kind,
            call,
            text_length,
            more_length,
            name: *b"sh\0ell\0\0\0\0\0\0\0\0\0\0",
            text,
            more,
        }
    }

    fn what(kind: u32, call: libc::c_long, first: &[u8], second: &[u8]) -> Sight {
        read(&raw(kind, call as u32, first, second)).map(|s| s.what).unwrap_or(Sight::Exec { path: "nothing".into() })
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(what(kind::EXEC, 0, b"/bin/sh\0", b""), Sight::Exec { path: "/bin/sh".into() });
        let rename = Sight::Call { name: "rename".into(), arguments: [1, 2, 3, 4, 5, 6], text: "a".into(), more: "b".into() };
        assert_eq!(what(kind::CALL, libc::SYS_rename, b"a\0", b"b\0"), rename);
        for (octets, text) in [
            (&b"\x02\0\0\x50\xc0\0\x02\x07\0\0\0\0\0\0\0\0"[..], "192.0.2.7:80"),
            (b"\x0a\0\x01\xbb\0\0\0\0\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0", "[2001:db8::1]:443"),
            (b"\x01\0/run/x.sock\0", "/run/x.sock"),
            (b"\x01\0\0abstract", "abstract"),
            (b"\0\0\0\0", ""),
            (b"\x11\0\0", "address family 17"),
            (b"\x02\0\0", ""),
            (b"\x02", ""),
            (b"", ""),
        ] {
            assert_eq!(what(kind::CONNECT, 0, octets, b""), Sight::Connect { address: text.into() }, "{octets:?}");
        }
        let sighting = read(&raw(kind::WRITE, 0, b"/tmp/x\0", b"")).unwrap_or_else(|| unreachable!("it is one"));
        assert_eq!((sighting.name.as_str(), sighting.process, sighting.thread), ("sh", 7, 8));
        assert_eq!(read(&raw(9, 0, b"", b"")), None);
        // A length that is none of ours takes what there is.
        assert!(read(&Raw { text_length: u32::MAX, ..raw(kind::EXEC, 0, b"x\0", b"") }).is_some());
    }
}
