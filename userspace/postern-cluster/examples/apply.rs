//! How many rows a second one core applies: `cargo run --release -p postern-cluster --example apply [rows]`.
//!
//! Pages of a peer are decoded, judged and given to a store in memory. The disk is not measured.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use postern_cluster::ledger::bounds::PAGE_ROWS;
use postern_cluster::ledger::fact::{CellKey, Counts, Fact};
use postern_cluster::ledger::kind::KindSet;
use postern_cluster::ledger::machine::{Ledger, Now, Setup};
use postern_cluster::ledger::message::{Cause, Delta, Message};
use postern_cluster::ledger::origin::{Head, History, Life, NodeId, Origin};
use postern_cluster::ledger::output::{Done, Output};
use postern_cluster::ledger::row::{Bucket, Row};
use postern_cluster::sim::store::Store;
use postern_model::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let rows: u64 = std::env::args().nth(1).map_or(500_000, |n| n.parse().expect("a number of rows"));
    let messages = pushes(rows);
    let octets: usize = messages.iter().map(Vec::len).sum();
    let (here, peer) = (NodeId([1; 16]), NodeId([2; 16]));
    let now = Now { wall: Timestamp(1_790_000_000_000), steady: Duration::ZERO };
    let members = [here, peer].into_iter().collect();
    let setup = Setup { node: here, incarnation: 1, life: Life(1), kinds: KindSet::ALL, members };
    let mut store = Store::default();
    let mut ledger = Ledger::open(setup, store.open(), now);
    ledger.connected(now, peer);
    let begun = Instant::now();
    let mut applied = 0;
    for message in &messages {
        ledger.receive(now, peer, message);
        while let Some(output) = ledger.poll() {
            match output {
                Output::Commit { id, steps } => {
                    store.carry_out(steps);
                    ledger.done(now, Done::Committed { id });
                }
                Output::Applied { facts, .. } => applied += facts.len(),
                _ => {}
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(applied as u64, rows);
    println!("| rows | octets | seconds | rows a second |");
    println!("|---|---|---|---|");
    println!("| {rows} | {octets} | {seconds:.3} | {:.0} |", rows as f64 / seconds);
}

fn pushes(rows: u64) -> Vec<Vec<u8>> {
    let (origin, life) = (Origin { node: NodeId([2; 16]), incarnation: 2 }, Life(2));
    let at = Timestamp(1_790_000_000_000);
    let mut history = History::default();
    history.begin(life, 1);
    let seqs: Vec<u64> = (1..=rows).collect();
    let page = |page: &[u64]| {
        let row = |seq: &u64| {
            let mut subject = [0; 16];
            // Every fourth row replaces one before.
            subject[..8].copy_from_slice(&(seq * 3 / 4).to_le_bytes());
            let (key, value) = Fact::TokenCount(CellKey { subject, day: 1, life }, Counts { good: *seq, bad: 0 }).encode().unwrap();
            Row { seq: *seq, kind: 6, key: key.into(), value: value.into(), at, bucket: Bucket::ending(at, HOUR), extra: vec![].into() }
        };
        let rows = page.iter().map(row).collect();
        let head = Some(Head { seq: page[page.len() - 1], life });
        Message::Delta(Delta { cause: Cause::Push, origin, after: page[0] - 1, rows, head, history: history.clone() }).encode()
    };
    seqs.chunks(PAGE_ROWS).map(page).collect()
}
