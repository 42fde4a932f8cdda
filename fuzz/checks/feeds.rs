//! A feed of bad networks as somebody publishes it, and the tables made of it.
//!
//! Every line is a network, nothing or an error that is counted, whatever stands around it and however the file comes; no
//! network is wider than allowed or covers what its line did not say. The tables, asked by the XDP program's own function, list
//! exactly what the lines list.

use std::collections::HashMap;
use std::io::BufReader;
use std::net::IpAddr;

use ipnet::IpNet;
use postern_ebpf_abi::address::{Hashed, KeyV6, Source};
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4};
use postern_ebpf_abi::feed::v6::FeedsV6;
use postern_ebpf_abi::feed::{FeedTable, listed};
use postern_edge::feed::line::{MAX_LINE, MAX_PROBLEMS, Read, ReadError, SHORTEST_V4, SHORTEST_V6, parse, read};
use postern_edge::feed::plan::{Plan, Rule, plan};

/// Networks whose borders are asked for.
const ASKED: usize = 40;

pub fn check(octets: &[u8]) {
    let outcome = read(octets);
    let pieces = read(BufReader::with_capacity(1 + octets.len() % 7, octets));
    let feed = match (outcome, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole, pieces);
            whole
        }
        (Err(ReadError::NothingGood(first, more)), Err(ReadError::NothingGood(..))) => {
            let lines = lines(octets);
            assert!(lines.iter().all(|l| !matches!(line(l), Ok(Some(_)))));
            assert_eq!(lines.iter().filter(|l| line(l).is_err()).count(), more + 1);
            assert!(first.line <= lines.len());
            return;
        }
        (whole, pieces) => panic!("whole: {whole:?}, in pieces: {pieces:?}"),
    };
    counted(octets, &feed);
    // Tables are megabytes, lines are not: one input in eight.
    if !feed.networks.is_empty() && octets.len().is_multiple_of(8) {
        planned(&feed.networks, octets.len() as u64);
    }
}

/// The lines one by one give what the file gave.
fn counted(octets: &[u8], feed: &Read) {
    let lines = lines(octets);
    assert_eq!(feed.lines, lines.len());
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (i, octets) in lines.iter().enumerate() {
        match line(octets) {
            Ok(None) => {}
            Ok(Some(network)) => good.push(network),
            Err(()) => bad.push(i + 1),
        }
    }
    assert_eq!(feed.networks, good);
    assert_eq!(feed.bad_lines, bad.len());
    bad.truncate(MAX_PROBLEMS);
    assert_eq!(feed.problems.iter().map(|p| p.line).collect::<Vec<_>>(), bad);
    assert!(feed.problems.iter().all(|p| p.error.to_string().chars().count() < 200));
}

fn lines(octets: &[u8]) -> Vec<&[u8]> {
    if octets.is_empty() {
        return Vec::new();
    }
    octets.strip_suffix(b"\n").unwrap_or(octets).split(|b| *b == b'\n').collect()
}

/// What one line says, and that it says no more than what is written.
fn line(octets: &[u8]) -> Result<Option<IpNet>, ()> {
    if octets.len() > MAX_LINE {
        return Err(());
    }
    let text = std::str::from_utf8(octets).map_err(|_| ())?;
    let found = parse(text).map_err(|_| ());
    if let Ok(Some(network)) = found {
        let shortest = if network.addr().is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
        assert!(network.prefix_len() >= shortest && network.trunc() == network, "{network}");
        assert_eq!(parse(&network.to_string()), Ok(Some(network)));
    }
    let content = text.trim_start_matches('\u{feff}').trim();
    if !content.starts_with('{') {
        let word = content.split(['#', ';']).next().and_then(|c| c.split_ascii_whitespace().next());
        assert_eq!(found, word.map(meant).transpose(), "{text:?}");
    }
    found
}

/// One word, read again with the arithmetic of 128 bits: IPv4 stands at ::ffff:0:0/96.
fn meant(word: &str) -> Result<IpNet, ()> {
    let (address, length) = word.split_once('/').map_or((word, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().map_err(|_| ())?;
    let (bits, widest) = match address {
        IpAddr::V4(a) => (a.to_ipv6_mapped().to_bits(), 32),
        IpAddr::V6(a) => (a.to_bits(), 128),
    };
    let length = match length {
        None => widest,
        Some(text) if text.len() <= 3 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse::<u32>().map_err(|_| ())?
        }
        Some(_) => return Err(()),
    };
    if length > widest {
        return Err(());
    }
    let length = 128 - widest + length;
    let bits = if length == 0 { 0 } else { bits & u128::MAX << (128 - length) };
    let is_mapped = |bits: u128| bits >> 32 == 0xffff;
    match address {
        // The written address says the family: a mapped one with a shorter prefix would be half of each.
        IpAddr::V6(a) if !is_mapped(a.to_bits()) => {
            if length < SHORTEST_V6.into() {
                Err(())
            } else {
                IpNet::new(IpAddr::V6(bits.into()), length as u8).map_err(|_| ())
            }
        }
        _ if length < 96 + u32::from(SHORTEST_V4) => Err(()),
        _ => IpNet::new(IpAddr::V4((bits as u32).into()), (length - 96) as u8).map_err(|_| ()),
    }
}

fn planned(networks: &[IpNet], seed: u64) {
    let rules: Vec<Rule> = networks.iter().enumerate().map(|(i, network)| Rule { network: *network, feed: (i % 3) as u16 }).collect();
    let Ok(plan) = plan(&rules, seed) else { return };
    let tables = Tables::of(plan);
    for network in networks.iter().take(ASKED) {
        for address in borders(*network) {
            let on: Vec<u32> = rules.iter().filter(|r| r.network.contains(&address)).map(|r| r.feed.into()).collect();
            match listed(&tables, &Hashed::of(seed, source(&address))) {
                Some(feed) => assert!(on.contains(&feed), "{address} is on {on:?}, not on {feed}"),
                None => assert!(on.is_empty(), "{address} is on {on:?}"),
            }
        }
    }
}

/// As the wire says it: a packet of IPv6 from ::ffff:0:0/96 is none of IPv4.
fn source(address: &IpAddr) -> Source {
    match address {
        IpAddr::V4(a) => Source::V4(a.to_bits()),
        IpAddr::V6(a) => Source::V6((a.to_bits() >> 64) as u64, a.to_bits() as u64),
    }
}

/// The first and the last address, and their neighbours outside.
fn borders(network: IpNet) -> [IpAddr; 4] {
    match (network.network(), network.broadcast()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let (a, b) = (a.to_bits(), b.to_bits());
            [a, b, a.wrapping_sub(1), b.wrapping_add(1)].map(|bits| IpAddr::V4(bits.into()))
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let (a, b) = (a.to_bits(), b.to_bits());
            [a, b, a.wrapping_sub(1), b.wrapping_add(1)].map(|bits| IpAddr::V6(bits.into()))
        }
        (a, b) => [a, b, a, b],
    }
}

/// A generation of tables in memory.
struct Tables {
    v4: Box<FeedsV4>,
    buckets: Vec<Bucket>,
    v6: Box<FeedsV6>,
    keys: HashMap<KeyV6, u32>,
}

impl Tables {
    fn of(plan: Plan) -> Self {
        let keys = plan.v6.keys.iter().copied().zip(plan.v6.feeds.iter().copied()).collect();
        Self { v4: plan.v4.generation(1), v6: plan.v6.generation(1), buckets: plan.v4.buckets, keys }
    }
}

impl FeedTable for Tables {
    type Bucket = Box<Bucket>;

    fn feeds_v4(&self) -> Option<&FeedsV4> {
        Some(&self.v4)
    }
    fn feeds_v6(&self) -> Option<&FeedsV6> {
        Some(&self.v6)
    }
    fn bucket_v4(&self, _: u32, index: u32) -> Option<Box<Bucket>> {
        self.buckets.get(index as usize).copied().map(Box::new)
    }
    fn feed_v6(&self, _: u32, key: &KeyV6) -> Option<u32> {
        self.keys.get(key).copied()
    }
}
