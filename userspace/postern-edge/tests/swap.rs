//! Feeds swapped under traffic: not one wrong verdict.
//!
//! Every packet must be judged wholly by the old generation or wholly by the new one. Addresses that both list (by rules of
//! different lengths) must always be dropped and those that neither lists always pass, although each generation lists neighbours of
//! them: a bitmap of one with lengths or a hash of the other would show.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frames;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::reason::Reason;
use postern_edge::feed::load::load;
use postern_edge::feed::plan::{Plan, Rule, plan};
use postern_edge::kernel::guard::Guard;

use frames::kernel::open;

const SWAPS: usize = 60;

fn generation(seed: u64, rules: &[&str]) -> Plan {
    let rules: Vec<Rule> = rules.iter().map(|r| Rule { network: r.parse().unwrap(), feed: 0 }).collect();
    plan(&rules, seed).unwrap()
}

fn packets(guard: &Guard, reason: Reason) -> u64 {
    guard.maps().counters().unwrap().iter().find(|c| c.reason == reason).unwrap().packets
}

#[test]
fn no_wrong_verdict_while_generations_swap() {
    let opened = skip_unless!(open(feature::FEEDS));
    let guard = &opened.guard;
    guard.maps().front.set_ports(&[], &[25]);
    let seed = guard.maps().front.configured().unwrap().seed;
    // 192.0.2.7 and 2001:db8:1::7 are listed in both, 192.0.2.8 and 2001:db8:1:1::8 in neither.
    let plans = [
        generation(seed, &["192.0.2.7/32", "192.0.2.9/32", "2001:db8:1::/64", "10.0.0.0/9"]),
        generation(seed, &["192.0.2.0/29", "192.0.2.10/31", "2001:db8:1::7/128", "2001:db8:1:2::/64", "172.16.0.0/12"]),
    ];
    load(guard.maps(), &plans[0]).unwrap();
    let listed: Vec<Vec<u8>> = ["ip4:192.0.2.7 tcp:25 syn", "ip6:2001:db8:1::7 tcp:25 syn"].map(|t| frames::build(t).unwrap()).into();
    let clean: Vec<Vec<u8>> = ["ip4:192.0.2.8 tcp:25 syn", "ip6:2001:db8:1:1::8 tcp:25 syn"].map(|t| frames::build(t).unwrap()).into();
    let done = AtomicBool::new(false);
    let threads = 3;
    let given: Vec<(u64, u64)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let runner = guard.runner().unwrap();
                let (listed, clean, done) = (&listed, &clean, &done);
                scope.spawn(move || {
                    let (mut to_drop, mut to_pass) = (0, 0);
                    while !done.load(Ordering::Relaxed) {
                        for frame in listed {
                            runner.run(frame, 200).unwrap();
                            to_drop += 200;
                        }
                        for frame in clean {
                            runner.run(frame, 200).unwrap();
                            to_pass += 200;
                        }
                    }
                    (to_drop, to_pass)
                })
            })
            .collect();
        let until = Instant::now() + Duration::from_secs(60);
        for i in 1..=SWAPS {
            load(guard.maps(), &plans[i % 2]).unwrap();
            assert!(Instant::now() < until, "{i} swaps in a minute");
        }
        done.store(true, Ordering::Relaxed);
        workers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    let (to_drop, to_pass) = given.iter().fold((0, 0), |(d, p), g| (d + g.0, p + g.1));
    eprintln!("{SWAPS} swaps, {} packets", to_drop + to_pass);
    assert!(to_drop > 1000, "hardly any traffic: {to_drop}");
    assert_eq!((packets(guard, Reason::DropFeed), packets(guard, Reason::Pass)), (to_drop, to_pass), "(dropped, passed)");
}
