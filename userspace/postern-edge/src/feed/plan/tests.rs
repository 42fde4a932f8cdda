#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::net::IpAddr;

use postern_ebpf_abi::address::{Hashed, KeyV6, Source};
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4, host, sieve};
use postern_ebpf_abi::feed::v6::FeedsV6;
use postern_ebpf_abi::feed::{FeedTable, listed};
use proptest::prelude::*;

use super::*;

/// A generation held in memory, asked by the same function as the kernel's.
struct Model {
    v4: Box<FeedsV4>,
    buckets: Vec<Bucket>,
    v6: Box<FeedsV6>,
    keys: HashMap<KeyV6, u32>,
}

impl Model {
    fn of(plan: &Plan) -> Self {
        let keys = plan.v6.keys.iter().copied().zip(plan.v6.feeds.iter().copied()).collect();
        Self { v4: plan.v4.generation(1), buckets: plan.v4.buckets.clone(), v6: plan.v6.generation(1), keys }
    }
}

impl FeedTable for Model {
    type Bucket = Box<Bucket>;

    fn feeds_v4(&self) -> Option<&FeedsV4> {
        Some(&self.v4)
    }
    fn feeds_v6(&self) -> Option<&FeedsV6> {
        Some(&self.v6)
    }
    fn bucket_v4(&self, table: u32, index: u32) -> Option<Box<Bucket>> {
        assert_eq!(table, 1);
        self.buckets.get(index as usize).copied().map(Box::new)
    }
    fn feed_v6(&self, table: u32, key: &KeyV6) -> Option<u32> {
        assert_eq!(table, 1);
        self.keys.get(key).copied()
    }
}

fn rules(list: &[&str]) -> Vec<Rule> {
    list.iter().map(|t| Rule { network: t.parse().unwrap(), feed: 0 }).collect()
}

fn source(address: IpAddr) -> Source {
    match address {
        IpAddr::V4(a) => Source::V4(a.to_bits()),
        IpAddr::V6(a) => Source::V6((a.to_bits() >> 64) as u64, a.to_bits() as u64),
    }
}

/// Lengths in use for IPv4, longest first.
fn lengths(plan: &Plan) -> Vec<u32> {
    let head = &plan.v4.head;
    [head.hosts].iter().chain(&head.networks).filter(|c| c.buckets > 0).map(|c| c.length).collect()
}

#[test]
fn halves_are_joined_and_covered_rules_dropped() {
    let p = plan(&rules(&["192.0.2.0/25", "192.0.2.128/25", "192.0.2.7/32", "192.0.3.0/24", "10.0.0.0/8", "10.1.0.0/16"]), 1).unwrap();
    assert_eq!((p.elements(), lengths(&p)), (2, vec![23, 8]));
    let m = Model::of(&p);
    assert_eq!(listed(&m, &Hashed::of(1, Source::V4(0xc000_0200))), Some(0));
    assert_eq!(listed(&m, &Hashed::of(1, Source::V4(0xc000_0400))), None);
}

/// The lines allow no /0; all the /8s and all the /16s together are one.
#[test]
fn everything_may_be_listed_piece_by_piece() {
    let v4 = (0..256u32).map(|i| ipnet::Ipv4Net::new((i << 24).into(), 8).unwrap().into());
    let v6 = (0..65_536u128).map(|i| ipnet::Ipv6Net::new((i << 112).into(), 16).unwrap().into());
    let list: Vec<Rule> = v4.chain(v6).map(|network| Rule { network, feed: 0 }).collect();
    let p = plan(&list, 1).unwrap();
    assert_eq!((lengths(&p), p.v6.lengths.clone()), (vec![0], vec![0]));
    let m = Model::of(&p);
    for address in ["0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1", "ffff::ffff"] {
        assert_eq!(listed(&m, &Hashed::of(1, source(address.parse().unwrap()))), Some(0), "{address}");
    }
}

#[test]
fn a_length_of_few_rules_is_expanded_into_one_of_many() {
    let mut list: Vec<Rule> = (0..10_000u32)
        .map(|i| Rule { network: ipnet::Ipv4Net::new((0xc000_0000 | (i * 2)).into(), 32).unwrap().into(), feed: 0 })
        .collect();
    list.extend(rules(&["10.0.0.0/31", "10.9.0.0/30", "11.0.0.0/24"]));
    let p = plan(&list, 1).unwrap();
    assert_eq!(lengths(&p), [32], "a lookup saved is worth the 256 entries of one /24");
    assert_eq!(p.elements(), 10_000 + 2 + 4 + 256);
    list.extend(rules(&["12.0.0.0/8"]));
    assert_eq!(lengths(&plan(&list, 1).unwrap()), [32, 8], "but not worth the 16 million of a /8");
}

/// Enough for full buckets whose rules lie in the next ones; every fourth feed number has its upper bits set.
#[test]
fn every_one_of_half_a_million_hosts_is_found_with_its_feed() {
    let address = |i: u32| i.wrapping_mul(0x9e37_79b1);
    let feed = |i: u32| if i.is_multiple_of(4) { 1023 } else { i as u16 % 700 };
    let list: Vec<Rule> =
        (0..500_000u32).map(|i| Rule { network: ipnet::Ipv4Net::new(address(i).into(), 32).unwrap().into(), feed: feed(i) }).collect();
    let p = plan(&list, 0x0123_4567_89ab_cdef).unwrap();
    assert!(p.v4.buckets.iter().filter(|b| b.0[7] >> 32 != 0).count() > 100, "no bucket is full");
    let m = Model::of(&p);
    for i in 0..500_000 {
        assert_eq!(listed(&m, &Hashed::of(0x0123_4567_89ab_cdef, Source::V4(address(i)))), Some(feed(i).into()), "{:#x}", address(i));
        assert_eq!(listed(&m, &Hashed::of(0x0123_4567_89ab_cdef, Source::V4(address(i + 500_000)))), None);
    }
}

/// More hosts than the filter can tell apart: the sieve has them, the filter only the networks.
#[test]
fn millions_of_hosts_are_sieved() {
    let mut list: Vec<Rule> =
        (0..4_000_000u32).map(|i| Rule { network: ipnet::Ipv4Net::new((i * 900).into(), 32).unwrap().into(), feed: 3 }).collect();
    list.extend((0..300_000u32).map(|i| Rule { network: ipnet::Ipv4Net::new((0xe000_0000 | i << 9).into(), 24).unwrap().into(), feed: 4 }));
    let p = plan(&list, 77).unwrap();
    assert_eq!((p.v4.head.sieve_words, lengths(&p)), (500_000, vec![32, 24]));
    let m = Model::of(&p);
    for i in (0..4_000_000).step_by(97) {
        assert_eq!(listed(&m, &Hashed::of(77, Source::V4(i * 900))), Some(3));
        assert_eq!(listed(&m, &Hashed::of(77, Source::V4(i * 900 + 1))), None);
    }
    assert_eq!(listed(&m, &Hashed::of(77, Source::V4(0xe000_02ff))), Some(4));
    assert_eq!(listed(&m, &Hashed::of(77, Source::V4(0xe000_01ff))), None);
    // Each of them passes the sieve; of the others few, or a packet would pay for the sieve and for the table.
    let passes = |address: u32| {
        let hash = Hashed::of(77, Source::V4(address)).hash;
        let (line, word) = sieve(hash, p.v4.head.sieve_words);
        !p.v4.buckets[line as usize].0[word] & host(hash) == 0
    };
    assert!((0..4_000_000).step_by(97).all(|i| passes(i * 900)));
    let others = (0..100_000u32).filter(|i| passes(i * 899 + 450)).count();
    assert!((1_000..10_000).contains(&others), "{others} of 100,000 pass");
}

#[test]
fn nothing_is_listed_by_no_rules() {
    let p = plan(&[], 1).unwrap();
    assert_eq!((p.v4.head, p.elements()), (Default::default(), 0));
    let m = Model::of(&p);
    assert_eq!(listed(&m, &Hashed::of(1, Source::V4(0))), None);
    assert_eq!(listed(&m, &Hashed::of(1, Source::V6(0, 0))), None);
}

#[test]
fn all_lengths_at_once_stay_within_six() {
    let list: Vec<Rule> =
        (8..=32u8).map(|l| Rule { network: format!("{}.{}.0.0/{l}", 20 + l, l).parse::<IpNet>().unwrap().trunc(), feed: 0 }).collect();
    let p = plan(&list, 1).unwrap();
    assert!(lengths(&p).len() <= LENGTHS);
    assert!(p.elements() < 10_000, "{}", p.elements());
}

#[test]
fn what_would_fill_the_memory_is_refused() {
    let list: Vec<Rule> = (17..=127u8)
        .flat_map(|l| (0..50u128).map(move |i| (l, i)))
        .map(|(l, i)| Rule {
            network: ipnet::Ipv6Net::new((u128::from(l) << 120 | (i * 2) << (128 - l)).into(), l).unwrap().trunc().into(),
            feed: 0,
        })
        .collect();
    let refused = plan(&list, 1).err();
    assert!(matches!(refused, Some(PlanError::TooLarge { .. })), "{refused:?}");
}

fn network() -> impl Strategy<Value = IpNet> {
    // From a small universe, so that rules overlap, touch and are hit.
    let v4 = (0u32..1 << 14, 14u8..=32).prop_map(|(a, l)| ipnet::Ipv4Net::new((0xc000_0000 | a).into(), l).unwrap().trunc().into());
    let v6 = (0u128..1 << 12, prop::sample::select(vec![29u8, 32, 40, 48, 56, 64, 128]))
        .prop_map(|(a, l)| ipnet::Ipv6Net::new((0x2001_0db8 << 96 | (a >> 4) << 72 | (a & 15)).into(), l).unwrap().trunc().into());
    prop_oneof![v4, v6]
}

fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (0u32..1 << 14).prop_map(|a| IpAddr::V4((0xc000_0000 | a).into()));
    let v6 = (0u128..1 << 12).prop_map(|a| IpAddr::V6((0x2001_0db8 << 96 | (a >> 4) << 72 | (a & 15)).into()));
    prop_oneof![v4, v6]
}

proptest! {
    /// The plan, asked by the program's own function, agrees with the plain meaning of the rules.
    #[test]
    fn the_plan_means_what_the_rules_mean(
        list in prop::collection::vec((network(), 0u16..3), 0..60),
        asked in prop::collection::vec(address(), 60),
        seed: u64,
    ) {
        let list: Vec<Rule> = list.into_iter().map(|(network, feed)| Rule { network, feed }).collect();
        let m = Model::of(&plan(&list, seed).unwrap());
        for address in asked {
            let hits: Vec<&Rule> = list.iter().filter(|r| r.network.contains(&address)).collect();
            let found = listed(&m, &Hashed::of(seed, source(address)));
            prop_assert_eq!(found.is_some(), !hits.is_empty(), "{}", address);
            if let Some(feed) = found {
                prop_assert!(hits.iter().any(|r| u32::from(r.feed) == feed));
            }
        }
    }
}
