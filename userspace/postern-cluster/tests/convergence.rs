//! The laws under storms. `SEED=n cargo test -p postern-cluster --test convergence` repeats one run; `SEEDS=n` makes that many.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use postern_cluster::ledger::bounds::OUTBOX_OCTETS;
use postern_cluster::ledger::kind::{Kind, KindSet};
use postern_cluster::sim::storm::{Storm, calm, rage};
use postern_cluster::sim::world::World;
use rand::Rng;

/// Says how to repeat a run that panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to repeat this run: SEED={} cargo test -p postern-cluster --test convergence", self.0);
        }
    }
}

fn seeds(many: u64) -> impl Iterator<Item = Seed> {
    let number = |name: &str| std::env::var(name).ok().map(|v| v.parse::<u64>().expect("a number"));
    let range = number("SEED").map_or(0..number("SEEDS").unwrap_or(many), |one| one..one + 1);
    range.map(Seed)
}

fn storm(seed: &Seed, nodes: usize, storm: Storm, before: impl Fn(&mut World)) -> World {
    let mut world = World::new(seed.0, nodes);
    before(&mut world);
    rage(&mut world, storm);
    let calmed = calm(&mut world);
    assert!(world.network.most_waiting <= OUTBOX_OCTETS, "an outbox held {} octets", world.network.most_waiting);
    if let Err(broken) = calmed {
        for (n, ledger) in world.nodes.iter().enumerate().filter_map(|(n, node)| Some((n, node.ledger.as_ref()?))) {
            let odd: Vec<String> = ledger.counters().iter().filter(|c| c.1 > 0).map(|(o, c)| format!("{o} {c}")).collect();
            eprintln!("node {n}, own {:?}, overtaken {}: {}", ledger.own(), world.nodes[n].overtaken, odd.join(", "));
        }
        panic!("seed {}, {nodes} nodes: {broken}", seed.0);
    }
    world
}

#[test]
fn storms_without_restores() {
    for seed in seeds(30) {
        let nodes = 2 + usize::try_from(seed.0 % 6).unwrap();
        storm(&seed, nodes, Storm { restores: false, ..Storm::ALL }, |_| {});
    }
}

#[test]
fn storms_with_everything() {
    let mut overtaken = 0;
    for seed in seeds(30) {
        let nodes = 2 + usize::try_from(seed.0 % 5).unwrap();
        let world = storm(&seed, nodes, Storm::ALL, |_| {});
        overtaken += world.nodes.iter().map(|n| n.overtaken).sum::<u64>();
    }
    println!("{overtaken} restores were noticed");
    assert!(overtaken > 0 || std::env::var("SEED").is_ok(), "no restore was ever noticed: the storms are too mild");
}

#[test]
fn storms_over_mixed_versions() {
    for seed in seeds(30) {
        storm(&seed, 4, Storm::ALL, |world| {
            // Nodes that are down again and again start with the kinds they had.
            for n in 0..2 {
                world.crash(n);
                world.nodes[n].kinds = KindSet::ALL.without(Kind::SandboxVerdict);
                world.start(n);
            }
            world.nodes[3].version = 1 + world.rng.random_range(1..200);
        });
    }
}
