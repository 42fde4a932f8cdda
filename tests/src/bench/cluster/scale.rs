//! What a node pays as the cluster grows: simulated nodes, the real replication core, a fixed workload.

/// # Errors
/// Always: this build has no simulator.
#[cfg(not(feature = "sim"))]
pub fn measure(_setting: &super::Setting, _plot: Option<&std::path::Path>) -> anyhow::Result<super::Found> {
    anyhow::bail!("built without the simulator: cargo build -p postern-tests --features sim --bin bench-cluster")
}

#[cfg(feature = "sim")]
pub use simulated::measure;

#[cfg(feature = "sim")]
mod simulated {
    use std::path::Path;
    use std::time::Duration;

    use anyhow::Context;
    use nix::time::{ClockId, clock_gettime};
    use postern_cluster::ledger::bounds::FULL_MESH;
    use postern_cluster::sim::storm::calm;
    use postern_cluster::sim::workload::write_some;
    use postern_cluster::sim::world::{Traffic, World};
    use serde_json::json;

    use super::super::plot::{Line, Panel, svg};
    use super::super::{Bar, Found, Setting};

    const SIZES: [usize; 7] = [3, 10, 20, 32, 50, 75, 100];
    /// Each node writes so many rows a second, so many seconds long.
    const ROWS: usize = 10;
    const SECONDS: usize = 15;

    #[derive(Clone, Copy)]
    struct Cost {
        nodes: usize,
        messages: f64,
        octets: f64,
        cpu_ms: f64,
        agreed: Duration,
    }

    /// # Errors
    /// When nodes do not agree in the end, or the plot cannot be written.
    pub fn measure(setting: &Setting, plot: Option<&Path>) -> anyhow::Result<Found> {
        let costs: Vec<Cost> = SIZES.iter().map(|n| cost(setting.seed, *n)).collect::<anyhow::Result<_>>()?;
        if let Some(path) = plot {
            std::fs::write(path, draw(&costs)).with_context(|| path.display().to_string())?;
        }
        let row = |c: &Cost| {
            let peer = c.octets / (c.nodes - 1) as f64;
            let figures =
                [format!("{:.0}", c.messages), format!("{:.0}", c.octets / 1024.0), format!("{peer:.0}"), format!("{:.1}", c.cpu_ms)];
            let mut row = vec![c.nodes.to_string()];
            row.extend(figures);
            row.push(format!("{} s", c.agreed.as_secs()));
            row
        };
        // Linear in the peers, compared within each way of spreading: to everybody, or to eight in turn.
        let growth = |of: fn(&Cost) -> f64| {
            let each = |c: &Cost| of(c) / (c.nodes - 1) as f64;
            let same_way = |a: &Cost, b: &Cost| (a.nodes <= FULL_MESH) == (b.nodes <= FULL_MESH);
            let steps = costs.windows(2).filter(|p| same_way(&p[0], &p[1])).map(|p| each(&p[1]) / each(&p[0]));
            steps.fold(0.0, f64::max)
        };
        let mut found = Found {
            title: format!("Simulated clusters: cost of a node while each writes {ROWS} rows a second for {SECONDS} s, until all agree"),
            head: vec!["nodes", "messages sent", "KiB sent", "octets a peer", "CPU ms", "all agree within"],
            rows: costs.iter().map(row).collect(),
            remarks: vec![format!(
                "Messages of the replication core, without QUIC. Up to {FULL_MESH} nodes each pushes to all, beyond that to eight in turn. \
                 CPU time includes the simulated network and store. Agreement is looked for every 5 s of the simulated time."
            )],
            bars: Vec::new(),
            details: costs
                .iter()
                .map(|c| json!({"nodes": c.nodes, "messages": c.messages, "octets": c.octets, "cpu_ms": c.cpu_ms, "agreed_s": c.agreed.as_secs_f64()}))
                .collect(),
        };
        // A fifth for what a round more or less makes.
        found.bars.push(Bar::at_most(
            "scale: growth of messages a node and peer, from one size to the next",
            growth(|c| c.messages),
            1.2,
            "x",
        ));
        found.bars.push(Bar::at_most("scale: growth of octets a node and peer, from one size to the next", growth(|c| c.octets), 1.2, "x"));
        Ok(found)
    }

    fn cost(seed: u64, nodes: usize) -> anyhow::Result<Cost> {
        let mut world = World::new(seed, nodes);
        world.run(Duration::from_secs(12));
        let (before, cpu) = (sent(&world), cpu_ms()?);
        for _ in 0..SECONDS {
            (0..nodes).for_each(|n| write_some(&mut world, n, ROWS));
            world.run(Duration::from_secs(1));
        }
        let used = cpu_ms()? - cpu;
        let agreed = calm(&mut world).map_err(|e| anyhow::anyhow!("{nodes} nodes, seed {seed}: {e}"))?;
        let after = sent(&world);
        let each = |n: u64| n as f64 / nodes as f64;
        Ok(Cost {
            nodes,
            messages: each(after.messages - before.messages),
            octets: each(after.octets - before.octets),
            cpu_ms: used / nodes as f64,
            agreed,
        })
    }

    fn sent(world: &World) -> Traffic {
        let add = |sum: Traffic, more: Traffic| Traffic { messages: sum.messages + more.messages, octets: sum.octets + more.octets };
        world.nodes.iter().map(|n| n.sent).fold(Traffic::default(), add)
    }

    fn cpu_ms() -> anyhow::Result<f64> {
        Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?).as_secs_f64() * 1000.0)
    }

    fn draw(costs: &[Cost]) -> String {
        let line = |of: fn(&Cost) -> f64| Line(costs.iter().map(|c| (c.nodes as f64, of(c))).collect());
        svg(&[
            Panel { title: "messages sent by a node", line: line(|c| c.messages) },
            Panel { title: "KiB sent by a node", line: line(|c| c.octets / 1024.0) },
            Panel { title: "CPU ms of a node", line: line(|c| c.cpu_ms) },
        ])
    }
}
