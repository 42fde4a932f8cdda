//! What agreement costs: in a cluster in sync, and as the cluster grows.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use postern_cluster::ledger::bounds::{CHECK_EVERY, FULL_MESH};
use postern_cluster::sim::storm::calm;
use postern_cluster::sim::workload::write_some;
use postern_cluster::sim::world::{Traffic, World};

fn traffic(world: &World) -> Traffic {
    world
        .nodes
        .iter()
        .fold(Traffic::default(), |sum, n| Traffic { messages: sum.messages + n.sent.messages, octets: sum.octets + n.sent.octets })
}

#[test]
fn ten_nodes_in_sync_cost_at_most_200_octets_a_pair_and_check() {
    let mut world = World::new(1, 10);
    (0..10).for_each(|n| write_some(&mut world, n, 100));
    calm(&mut world).unwrap();
    // From the middle of one round to the middle of another.
    world.run(CHECK_EVERY / 2);
    let before = traffic(&world);
    let rounds = 12;
    world.run(CHECK_EVERY * rounds);
    let after = traffic(&world);
    let pairs_and_checks = 45 * u64::from(rounds);
    let octets = (after.octets - before.octets) as f64 / pairs_and_checks as f64;
    let messages = (after.messages - before.messages) as f64 / pairs_and_checks as f64;
    println!("10 nodes in sync: {messages:.2} messages and {octets:.1} octets a pair and check");
    // A check that finds nothing new is answered every twelfth time.
    assert!((1.0..1.2).contains(&messages), "checks were not made as planned: {messages}");
    assert!(octets <= 200.0, "{octets} octets");
}

/// Cost of one node over a quarter of a minute in which each node writes ten rows a second, and the time until all agree afterwards.
struct Cost {
    nodes: usize,
    messages: f64,
    octets: f64,
    agreed: Duration,
}

fn cost(nodes: usize) -> Cost {
    let mut world = World::new(7, nodes);
    world.run(Duration::from_secs(12));
    let before = traffic(&world);
    for _ in 0..15 {
        (0..nodes).for_each(|n| write_some(&mut world, n, 10));
        world.run(Duration::from_secs(1));
    }
    let after = traffic(&world);
    let agreed = calm(&mut world).unwrap();
    let per_node = |octets: u64| octets as f64 / nodes as f64;
    Cost { nodes, messages: per_node(after.messages - before.messages), octets: per_node(after.octets - before.octets), agreed }
}

#[test]
fn the_cost_of_a_node_grows_at_most_linearly() {
    let table: Vec<Cost> = [5, 10, 20, 32, 50, 100].into_iter().map(cost).collect();
    println!("| nodes | messages a node | octets a node | octets a node and peer | agreed within |");
    println!("|---|---|---|---|---|");
    for c in &table {
        let peer = c.octets / (c.nodes - 1) as f64;
        println!("| {} | {:.0} | {:.0} | {peer:.0} | {:?} |", c.nodes, c.messages, c.octets, c.agreed);
    }
    // Linear in the number of peers, with a fifth for what a round more or less makes; compared within each way of spreading.
    let share = |c: &Cost| (c.messages / (c.nodes - 1) as f64, c.octets / (c.nodes - 1) as f64);
    for way in [table.iter().filter(|c| c.nodes <= FULL_MESH).collect::<Vec<_>>(), table.iter().filter(|c| c.nodes > FULL_MESH).collect()] {
        for pair in way.windows(2) {
            let ((m1, o1), (m2, o2)) = (share(pair[0]), share(pair[1]));
            assert!(m2 <= m1 * 1.2, "messages grow faster than nodes from {} to {}", pair[0].nodes, pair[1].nodes);
            assert!(o2 <= o1 * 1.2, "octets grow faster than nodes from {} to {}", pair[0].nodes, pair[1].nodes);
        }
    }
}
