//! How many rows a second one node applies: `cargo run --release -p postern-cluster --example apply [rows] [directory]`.
//!
//! Pages of a peer are decoded, judged and given to a store: one in memory, which measures the core alone, and the one on SQLite
//! in a directory, whose every commit is on the disk before the next page is taken.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use postern_cluster::ledger::bounds::PAGE_ROWS;
use postern_cluster::ledger::fact::{CellKey, Counts, Fact};
use postern_cluster::ledger::kind::KindSet;
use postern_cluster::ledger::machine::{Ledger, Now, Setup};
use postern_cluster::ledger::message::{Cause, Delta, Message};
use postern_cluster::ledger::origin::{Head, History, Life, NodeId, Origin};
use postern_cluster::ledger::output::{Done, Kept, Output, Step};
use postern_cluster::ledger::row::{Bucket, Row};
use postern_cluster::sim::store::Store;
use postern_model::time::Timestamp;
use postern_store::ledger::LedgerStore;

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let rows: u64 = std::env::args().nth(1).map_or(500_000, |n| n.parse().expect("a number of rows"));
    let dir = std::env::args().nth(2).map_or_else(std::env::temp_dir, Into::into);
    let messages = pushes(rows);
    let octets: usize = messages.iter().map(Vec::len).sum();
    println!("| store | rows | octets | seconds | rows a second |");
    println!("|---|---|---|---|---|");
    let print = |store: &str, seconds: f64| println!("| {store} | {rows} | {octets} | {seconds:.3} | {:.0} |", rows as f64 / seconds);
    let mut memory = Store::default();
    let kept = memory.open();
    print("memory", apply(&messages, rows, kept, |steps| memory.carry_out(steps)));
    let dir = tempfile::tempdir_in(dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (store, _) = runtime.block_on(LedgerStore::open(&dir.path().join("ledger.db"))).unwrap();
    print("SQLite", apply(&messages, rows, Kept::default(), |steps| runtime.block_on(store.commit(&steps)).unwrap()));
}

/// Seconds.
fn apply(messages: &[Vec<u8>], rows: u64, kept: Kept, mut commit: impl FnMut(Vec<Step>)) -> f64 {
    let (here, peer) = (NodeId([1; 16]), NodeId([2; 16]));
    let now = Now { wall: Timestamp(1_790_000_000_000), steady: Duration::ZERO };
    let members = [here, peer].into_iter().collect();
    let setup = Setup { node: here, incarnation: 1, life: Life(1), kinds: KindSet::ALL, members };
    let mut ledger = Ledger::open(setup, kept, now);
    ledger.connected(now, peer);
    let begun = Instant::now();
    let mut applied = 0;
    for message in messages {
        ledger.receive(now, peer, message);
        while let Some(output) = ledger.poll() {
            match output {
                Output::Commit { id, steps } => {
                    commit(steps);
                    ledger.done(now, Done::Committed { id });
                }
                Output::Applied { facts, .. } => applied += facts.len(),
                _ => {}
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(applied as u64, rows);
    seconds
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
