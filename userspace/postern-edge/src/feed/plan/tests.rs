#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::net::IpAddr;

use postern_ebpf_abi::address::Source;
use postern_ebpf_abi::feed::{FeedTable, listed};
use proptest::prelude::*;

use super::*;

/// A generation held in memory, asked by the same function as the kernel's.
struct Model {
    plan: Plan,
    v4: HashMap<FeedKeyV4, u32>,
    v6: HashMap<KeyV6, u32>,
}

impl Model {
    fn of(plan: Plan) -> Self {
        let v4 = plan.keys_v4.iter().copied().zip(plan.feeds_v4.iter().copied()).collect();
        let v6 = plan.keys_v6.iter().copied().zip(plan.feeds_v6.iter().copied()).collect();
        Self { plan, v4, v6 }
    }
}

impl FeedTable for Model {
    fn generation(&self) -> u32 {
        0
    }
    fn shape(&self, _: u32) -> FeedShape {
        self.plan.shape
    }
    fn feed_bits_v4(&self, _: u32, word: u32) -> u64 {
        self.plan.bits_v4[word as usize]
    }
    fn feed_whole_v4(&self, _: u32, word: u32) -> u64 {
        self.plan.whole_v4[word as usize]
    }
    fn feed_bits_v6(&self, _: u32, word: u32) -> u64 {
        self.plan.bits_v6[word as usize]
    }
    fn feed_v4(&self, _: u32, key: &FeedKeyV4) -> Option<u32> {
        self.v4.get(key).copied()
    }
    fn feed_v6(&self, _: u32, key: &KeyV6) -> Option<u32> {
        self.v6.get(key).copied()
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

#[test]
fn halves_are_joined_and_covered_rules_dropped() {
    let p = plan(&rules(&["192.0.2.0/25", "192.0.2.128/25", "192.0.2.7/32", "192.0.3.0/24", "10.0.0.0/8", "10.1.0.0/16"]), 1).unwrap();
    let keys: Vec<(u32, u32)> = p.keys_v4.iter().map(|k| (k.address, k.length)).collect();
    assert_eq!(keys, [(0x0a00_0000, 8), (0xc000_0200, 23)]);
    assert_eq!(p.shape.v4[..3], [23, 8, 255]);
}

#[test]
fn a_length_of_few_rules_is_expanded_into_one_of_many() {
    let mut list: Vec<Rule> = (0..10_000u32)
        .map(|i| Rule { network: ipnet::Ipv4Net::new((0xc000_0000 | (i * 2)).into(), 32).unwrap().into(), feed: 0 })
        .collect();
    list.extend(rules(&["10.0.0.0/31", "10.9.0.0/30", "11.0.0.0/24"]));
    let p = plan(&list, 1).unwrap();
    assert_eq!(p.shape.v4[..2], [32, 255], "a lookup saved is worth the 256 entries of one /24");
    assert_eq!(p.keys_v4.len(), 10_000 + 2 + 4 + 256);
    list.extend(rules(&["12.0.0.0/8"]));
    let p = plan(&list, 1).unwrap();
    assert_eq!((p.shape.v4[0], p.shape.v4[2]), (32, 255), "but not worth the 16 million of a /8");
}

#[test]
fn nothing_is_listed_by_no_rules() {
    let m = Model::of(plan(&[], 1).unwrap());
    assert_eq!(m.plan.shape, FeedShape::EMPTY);
    assert_eq!(listed(&m, 1, &Source::V4(0)), None);
}

#[test]
fn all_lengths_at_once_stay_within_six() {
    let list: Vec<Rule> =
        (8..=32u8).map(|l| Rule { network: format!("{}.{}.0.0/{l}", 20 + l, l).parse::<IpNet>().unwrap().trunc(), feed: 0 }).collect();
    let p = plan(&list, 1).unwrap();
    assert!(p.shape.v4.iter().filter(|l| **l != FeedShape::END).count() <= LENGTHS);
    assert!(p.keys_v4.len() < 10_000, "{}", p.keys_v4.len());
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
    let v4 = (0u32..1 << 14, 18u8..=32).prop_map(|(a, l)| ipnet::Ipv4Net::new((0xc000_0000 | a).into(), l).unwrap().trunc().into());
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
        let m = Model::of(plan(&list, seed).unwrap());
        for address in asked {
            let hits: Vec<&Rule> = list.iter().filter(|r| r.network.contains(&address)).collect();
            let found = listed(&m, seed, &source(address));
            prop_assert_eq!(found.is_some(), !hits.is_empty(), "{}", address);
            if let Some(feed) = found {
                prop_assert!(hits.iter().any(|r| u32::from(r.feed) == feed));
            }
        }
    }
}
