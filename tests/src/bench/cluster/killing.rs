//! kill -9 of a node under load, again and again: nothing that was answered with 250 may be lost.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::{Bar, Found, Setting, united};
use crate::cluster::load::{Load, Outcome};
use crate::cluster::nodes::Cluster;
use crate::gateway::wait_until;

const NODES: usize = 3;
const SESSIONS: usize = 6;
const PAUSE: Duration = Duration::from_millis(10);
const SIZE: usize = 2048;
/// In every tenth round the node does not come back.
const FOR_GOOD: usize = 10;
/// For takeover, and for a peer's retries.
const ARRIVE: Duration = Duration::from_secs(20);
/// Numbers of mails named in a line.
const SHOWN: usize = 5;
const SETTINGS: &str = "[cluster]\ntakeover_after = \"2s\"\n";

struct Round {
    number: usize,
    node: usize,
    is_for_good: bool,
    is_stuck: bool,
    outcome: Outcome,
    /// For each mail that came twice: how long before the kill it had arrived first, in milliseconds; less than zero: after it.
    twice: Vec<(u64, f64)>,
    longest_gap: Duration,
    /// Mails that a node which was destroyed had taken without a copy: no peer took one in time.
    alone: u64,
}

/// # Errors
/// When the cluster cannot be had, or a node does not start again.
pub fn measure(setting: &Setting, rounds: usize) -> anyhow::Result<Found> {
    println!("killing: seed {}", setting.seed);
    let mut rng = StdRng::seed_from_u64(setting.seed);
    let mut cluster = united(setting, &setting.folder, NODES, SETTINGS)?;
    let mut done = Vec::new();
    for number in 1..=rounds {
        let round = round(&mut cluster, &mut rng, number)?;
        if !round.outcome.lost.is_empty() || !round.outcome.twice.is_empty() {
            let what = if round.is_for_good { "destroyed" } else { "killed" };
            println!(
                "round {number}: node {} {what}, {} mails without a copy: lost {}, twice {}",
                round.node,
                round.alone,
                some(&round.outcome.lost),
                round.twice.iter().take(SHOWN).map(|(n, ms)| format!("{n} ({ms:.1} ms before)")).collect::<Vec<_>>().join(", ")
                    + &format!(", their answers read: {:?}", round.outcome.repeated)
            );
            keep_logs(&cluster, &setting.folder, number);
        }
        done.push(round);
    }
    Ok(found(setting.seed, &done))
}

fn round(cluster: &mut Cluster, rng: &mut StdRng, number: usize) -> anyhow::Result<Round> {
    cluster.backend.clear();
    let node = rng.random_range(0..NODES);
    let is_for_good = number.is_multiple_of(FOR_GOOD);
    // In half of the rounds, and when it is for good, it reaches the mail server no more: what it took since is its own to keep.
    let is_stuck = is_for_good || rng.random();
    if is_stuck {
        cluster.network.cut(node, NODES + 1);
    }
    let alone = unshadowed(cluster, node);
    let load = Load::start(cluster.client(), cluster.doors(), SESSIONS, PAUSE, SIZE)?;
    // The node is killed in the middle of whatever it does.
    thread::sleep(Duration::from_micros(rng.random_range(200_000..900_000)));
    let down = Duration::from_millis(rng.random_range(0..500));
    let alone = if is_for_good { unshadowed(cluster, node).saturating_sub(alone) } else { 0 };
    let killed = Instant::now();
    if is_for_good { cluster.destroy(node) } else { cluster.kill(node) }?;
    cluster.network.heal();
    if is_for_good {
        thread::sleep(down);
        replace(cluster, node)?;
    } else {
        thread::sleep(down);
        cluster.start(node)?;
    }
    thread::sleep(Duration::from_millis(200));
    let account = load.stop();
    // What does not come in time is lost: the outcome says so.
    let _ = wait_until("all that was promised", ARRIVE, || {
        cluster.backend.count() >= account.taken.len() && account.arrived(&cluster.backend.mails()) == account.taken.len()
    });
    // One that comes a second time may come a little later.
    thread::sleep(Duration::from_millis(if is_for_good { 3000 } else { 300 }));
    let outcome = account.settle(&cluster.backend.mails());
    let before = |first: &Instant| {
        super::milliseconds(killed.saturating_duration_since(*first)) - super::milliseconds(first.saturating_duration_since(killed))
    };
    let twice = outcome.twice.iter().map(|(n, first)| (*n, before(first))).collect();
    Ok(Round { number, node, is_for_good, is_stuck, outcome, twice, longest_gap: account.longest_gap, alone })
}

/// Mails that a node took without a copy, since its start.
fn unshadowed(cluster: &Cluster, node: usize) -> u64 {
    cluster.api(node).get("/cluster").ok().and_then(|view| view["copies"]["unshadowed"].as_u64()).unwrap_or(0)
}

/// A new machine of the same name and address; the old member is removed, so that its mails are taken over.
fn replace(cluster: &mut Cluster, node: usize) -> anyhow::Result<()> {
    let by = (node + 1) % NODES;
    let name = format!("node{node}.example");
    let view = cluster.api(by).get("/cluster")?;
    let gone = view["members"].as_array().and_then(|m| m.iter().find(|m| m["name"] == *name)).cloned().unwrap_or(Value::Null);
    // Not removed at once: that would adopt at once, and what is to be seen here is the time running out.
    thread::sleep(Duration::from_secs(3));
    if let Some(id) = gone["id"].as_str() {
        cluster.api(by).delete(&format!("/cluster/members/{id}"))?;
    }
    cluster.start(node)?;
    cluster.join(node, by)
}

/// The first few of many.
fn some(numbers: &[u64]) -> String {
    let more = if numbers.len() > SHOWN { format!(" and {} more", numbers.len() - SHOWN) } else { String::new() };
    format!("{:?}{more}", &numbers[..numbers.len().min(SHOWN)])
}

fn keep_logs(cluster: &Cluster, folder: &Path, round: usize) {
    for (n, node) in cluster.nodes.iter().enumerate() {
        let _ = std::fs::write(folder.join(format!("round{round}-node{n}.log")), node.log());
    }
}

fn found(seed: u64, rounds: &[Round]) -> Found {
    let row = |what: &str, chosen: Vec<&Round>| {
        let sum = |of: fn(&Outcome) -> usize| chosen.iter().map(|r| of(&r.outcome)).sum::<usize>();
        let gap = chosen.iter().map(|r| r.longest_gap).max().unwrap_or_default();
        let counts = [chosen.len(), sum(|o| o.taken), sum(|o| o.lost.len()), sum(|o| o.twice.len()), sum(|o| o.repeated.len())];
        let mut row = vec![what.to_owned()];
        row.extend(counts.map(|n| n.to_string()));
        row.push(chosen.iter().map(|r| r.alone).sum::<u64>().to_string());
        row.push(format!("{:.0}", super::milliseconds(gap)));
        row
    };
    let sum = |of: fn(&Outcome) -> usize| rounds.iter().map(|r| of(&r.outcome)).sum::<usize>() as f64;
    let details: Vec<Value> = rounds
        .iter()
        .map(|r| {
            json!({"round": r.number, "without_copy": r.alone, "node": r.node, "for_good": r.is_for_good, "cut_from_backend": r.is_stuck, "taken": r.outcome.taken, "lost": r.outcome.lost,
                "twice": r.twice, "longest_gap_ms": super::milliseconds(r.longest_gap)})
        })
        .collect();
    Found {
        title: format!("kill -9 of one of {NODES} nodes under load, seed {seed}"),
        head: vec!["", "rounds", "mails taken", "lost", "twice", "with their answer read", "taken without a copy", "longest time with no mail taken (ms)"],
        rows: vec![
            row("killed and started again", rounds.iter().filter(|r| !r.is_stuck).collect()),
            row("killed with its queue full, and started again", rounds.iter().filter(|r| r.is_stuck && !r.is_for_good).collect()),
            row("destroyed with its queue full, and a new node joined", rounds.iter().filter(|r| r.is_for_good).collect()),
        ],
        remarks: vec![
            "Taken: answered with 250. A client that got no answer sends its mail again as another one. Queue full: for the whole \
             round it had not reached the mail server. Twice: the mail server had it when the node was killed. With their answer read: \
             the node had been told so by then, as the mail server sees by the way in which the connection ended; the others are those of \
             RFC 1047, whose answer was on its way. Taken without a copy, by nodes that were destroyed: no peer was there, or none took the \
             copy within `copy_timeout`; these may be lost (`without_peer`)."
                .into(),
        ],
        bars: vec![
            Bar::at_most("killing: mails lost", sum(|o| o.lost.len()), 0.0, "mails"),
            Bar::at_most("killing: mails delivered twice", sum(|o| o.twice.len()), 0.0, "mails"),
            Bar::at_most("killing: of these, with the mail server's answer read", sum(|o| o.repeated.len()), 0.0, "mails"),
        ],
        details: json!({"seed": seed, "rounds": details}),
    }
}
