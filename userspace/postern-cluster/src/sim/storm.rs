//! A storm: everything that can go wrong, drawn from the seed; then calm, until all nodes agree.

use std::time::Duration;

use rand::Rng;
use rand::seq::SliceRandom;

use super::laws;
use super::workload::write_some;
use super::world::World;

/// What a storm may do beside loss, cuts, crashes and writes.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    pub actions: usize,
    /// Restores from backups, each node at most once: two before the first is noticed are one fault too many.
    pub restores: bool,
    /// One clock ten minutes off.
    pub clocks: bool,
    /// Stores that refuse all work for a while.
    pub full_disks: bool,
}

impl Storm {
    pub const ALL: Self = Self { actions: 120, restores: true, clocks: true, full_disks: true };
}

/// Lets a storm pass over a cluster.
pub fn rage(world: &mut World, storm: Storm) {
    let nodes = world.len();
    world.network.lost = world.rng.random_range(0..200);
    world.network.doubled = world.rng.random_range(0..200);
    world.network.latency_ms = 1..world.rng.random_range(2..400);
    world.network.rate = [None, Some(20_000), Some(2_000_000)][world.rng.random_range(0..3)];
    if storm.clocks {
        let wrong = world.rng.random_range(0..nodes);
        world.nodes[wrong].clock = if world.rng.random() { 600_000 } else { -600_000 };
    }
    let mut restored = vec![false; nodes];
    for _ in 0..storm.actions {
        let pause = world.rng.random_range(1..400);
        world.run(Duration::from_millis(pause));
        let (a, b) = (world.rng.random_range(0..nodes), world.rng.random_range(0..nodes));
        match world.rng.random_range(0..100) {
            0..50 => {
                let rows =
                    if world.rng.random_range(0..15) == 0 { world.rng.random_range(1000..4000) } else { world.rng.random_range(1..60) };
                write_some(world, a, rows);
            }
            50..56 => drop(world.network.cuts.insert((a, b))),
            56..60 => partition(world),
            60..68 => heal_network(world),
            68..72 => world.disconnect(a, b),
            72..76 => world.connect(a, b),
            76..82 => world.crash(a),
            82..90 => world.start(a),
            90..94 => {
                if !restored[a] {
                    world.nodes[a].backup = Some(world.nodes[a].store.clone());
                }
            }
            94..97 if storm.restores && !restored[a] && world.nodes[a].backup.is_some() => {
                restored[a] = true;
                world.restore(a);
            }
            97 if storm.full_disks => world.nodes[a].store_fails ^= true,
            _ => world.nodes[a].commit_ms = 1..world.rng.random_range(2..300),
        }
    }
}

/// Ends all trouble and waits, at most four minutes of the cluster's time, until the laws hold.
///
/// # Errors
/// The law that does not hold then.
pub fn calm(world: &mut World) -> Result<Duration, String> {
    heal_network(world);
    (world.network.lost, world.network.doubled, world.network.rate) = (0, 0, None);
    world.network.latency_ms = 1..20;
    for n in 0..world.len() {
        world.nodes[n].store_fails = false;
        world.nodes[n].commit_ms = 1..5;
        world.start(n);
    }
    for a in 0..world.len() {
        for b in 0..a {
            world.connect(a, b);
        }
    }
    let begun = world.now;
    loop {
        world.run(Duration::from_secs(5));
        match laws::check(world) {
            Ok(()) => return Ok(world.now - begun),
            Err(broken) if world.now - begun > Duration::from_secs(240) => return Err(broken),
            Err(_) => {}
        }
    }
}

fn partition(world: &mut World) {
    let mut nodes: Vec<usize> = (0..world.len()).collect();
    nodes.shuffle(&mut world.rng);
    let (left, right) = nodes.split_at(world.rng.random_range(0..nodes.len()));
    for &a in left {
        for &b in right {
            world.network.cuts.extend([(a, b), (b, a)]);
        }
    }
}

fn heal_network(world: &mut World) {
    world.network.cuts.clear();
}
