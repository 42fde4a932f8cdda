#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

#[test]
fn a_plain_packet_takes_the_short_way() {
    let mut f = ethernet(&[], 0x0800);
    f.extend(v4(0, 0x4000, &tcp_header(587, 2)));
    assert_eq!(plain(f.as_slice()), Some(Packet { source: Source::V4(0xc000_0207), port: 587, opens: true, class: 0 }));
    f[20] = 0x20;
    assert_eq!(plain(f.as_slice()), None, "more fragments follow");
}

fn ethernet(tags: &[u16], kind: u16) -> Vec<u8> {
    let mut f = vec![2; 12];
    for tag in tags {
        f.extend(tag.to_be_bytes());
        f.extend([0, 5]);
    }
    f.extend(kind.to_be_bytes());
    f
}

fn tcp_header(port: u16, flags: u8) -> Vec<u8> {
    let mut t = vec![0; 20];
    t[2..4].copy_from_slice(&port.to_be_bytes());
    t[12] = 5 << 4;
    t[13] = flags;
    t
}

fn v4(options: usize, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header = 20 + options * 4;
    let mut h = vec![0; header];
    h[0] = 0x40 | (header / 4) as u8;
    h[2..4].copy_from_slice(&((header + payload.len()) as u16).to_be_bytes());
    h[6..8].copy_from_slice(&fragment.to_be_bytes());
    h[9] = 6;
    h[12..16].copy_from_slice(&[192, 0, 2, 7]);
    h.extend(payload);
    h
}

proptest! {
    /// Whatever arrives: an answer, no panic. (The kernel's side runs the same lines under the verifier.)
    #[test]
    fn any_octets_get_an_answer(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(octets.as_slice());
    }

    /// The same with a beginning that leads deep into the parser.
    #[test]
    fn any_octets_behind_ip_get_an_answer(six: bool, octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut f = ethernet(&[0x8100], if six { 0x86dd } else { 0x0800 });
        f.push(if six { 0x60 } else { 0x45 });
        f.extend(octets);
        let _ = parse(f.as_slice());
    }

    /// The short way never answers otherwise than the long one, whichever octets of a plain packet are changed.
    #[test]
    fn the_short_way_agrees(
        data in 0usize..20,
        tags in 0usize..=1,
        options in 0usize..=1,
        changes in prop::collection::vec((12usize..60, any::<u8>()), 0..4),
        cut in 0usize..70,
    ) {
        let mut f = ethernet(&[0x8100][..tags], 0x0800);
        let mut segment = tcp_header(25, 2);
        segment.extend(vec![0; data]);
        f.extend(v4(options, 0x4000, &segment));
        for (at, octet) in changes {
            if let Some(o) = f.get_mut(at) {
                *o = octet;
            }
        }
        f.truncate(f.len().min(90 - cut));
        if let Some(packet) = plain(f.as_slice()) {
            prop_assert_eq!(parse(f.as_slice()), Ok(packet));
        }
    }

    #[test]
    fn tags_and_options_do_not_hide_the_port(tags in 0usize..=2, options in 0usize..=10, port: u16, syn: bool) {
        let mut f = ethernet(&[0x88a8, 0x8100][..tags], 0x0800);
        f.extend(v4(options, 0x4000, &tcp_header(port, if syn { 2 } else { 0x10 })));
        prop_assert_eq!(parse(f.as_slice()), Ok(Packet { source: Source::V4(0xc000_0207), port, opens: syn, class: 0 }));
    }

    /// Cut anywhere, a packet is never passed as one that it is not.
    #[test]
    fn a_cut_frame_is_dropped(options in 0usize..=10, cut in 1usize..54) {
        let mut f = ethernet(&[], 0x0800);
        f.extend(v4(options, 0, &tcp_header(25, 2)));
        let keep = f.len().saturating_sub(cut);
        f.truncate(keep);
        prop_assert_eq!(parse(f.as_slice()), Err(Reason::DropMalformed));
    }

    #[test]
    fn extension_headers_up_to_the_bound(kinds in prop::collection::vec(prop::sample::select(vec![0u8, 43, 51, 60, 135]), 0..9), units in 0u8..3) {
        let mut chain = Vec::new();
        for (i, kind) in kinds.iter().enumerate() {
            let next = kinds.get(i + 1).copied().unwrap_or(6);
            let size = if *kind == 51 { (usize::from(units) + 2) * 4 } else { (usize::from(units) + 1) * 8 };
            let mut e = vec![0; size];
            e[0] = next;
            e[1] = units;
            chain.extend(e);
        }
        chain.extend(tcp_header(25, 2));
        let mut f = ethernet(&[], 0x86dd);
        let mut h = vec![0; 40];
        h[0] = 0x60;
        h[4..6].copy_from_slice(&(chain.len() as u16).to_be_bytes());
        h[6] = kinds.first().copied().unwrap_or(6);
        h[8..16].copy_from_slice(&0x2001_0db8_0000_0001u64.to_be_bytes());
        f.extend(h);
        f.extend(chain);
        let expected = if kinds.len() <= EXTENSION_HEADERS {
            Ok(Packet { source: Source::V6(0x2001_0db8_0000_0001, 0), port: 25, opens: true, class: 0 })
        } else {
            Err(Reason::DropHeaderChain)
        };
        prop_assert_eq!(parse(f.as_slice()), expected);
    }
}

#[test]
fn fragments() {
    let read = |fragment: u16, payload: &[u8]| {
        let mut f = ethernet(&[], 0x0800);
        f.extend(v4(0, fragment, payload));
        parse(f.as_slice())
    };
    let whole = tcp_header(25, 2);
    assert!(read(0x2000, &whole).is_ok(), "a first fragment with the whole header is judged");
    assert_eq!(read(0x2000, &whole[..16]), Err(Reason::DropTinyFragment));
    assert_eq!(read(0x2001, &whole), Err(Reason::DropTinyFragment));
    assert_eq!(read(0x0001, &whole), Err(Reason::DropTinyFragment));
    assert_eq!(read(0x0002, &whole), Err(Reason::PassFragment));
    assert_eq!(read(0, &whole[..16]), Err(Reason::DropMalformed));
}
