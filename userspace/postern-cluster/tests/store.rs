//! The simulator's store in memory is the specification: the one on SQLite answers alike after any steps.

#![allow(clippy::unwrap_used)]

use postern_cluster::ledger::origin::{Head, History, Life, NodeId, Origin};
use postern_cluster::ledger::output::Step;
use postern_cluster::ledger::row::{Bucket, Row};
use postern_cluster::sim::store::Store;
use postern_model::time::Timestamp;
use postern_store::ledger::LedgerStore;
use proptest::prelude::*;

const ORIGINS: u8 = 3;

fn origin() -> impl Strategy<Value = Origin> {
    (0..ORIGINS).prop_map(|n| Origin { node: NodeId([n / 2; 16]), incarnation: u64::MAX - u64::from(n) })
}

/// Few keys and numbers, so that rows meet; the last number there can be, too. A key belongs to a number, as an honest
/// writer never gives one number to two rows.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let seq = prop_oneof![9 => 1u64..40, 1 => Just(1 << 48)];
    let row = (seq, 0u32..6, 0usize..60).prop_map(|(seq, bucket, size)| Row {
        seq,
        kind: (seq % 2) as u16 * 40_000,
        key: vec![(seq % 7) as u8; (seq % 3) as usize].into(),
        value: vec![seq as u8; size].into(),
        at: Timestamp(seq as i64 - 20),
        bucket: Bucket(bucket),
        extra: vec![7; size % 4].into(),
    });
    // Rows of a step ascend.
    prop::collection::vec(row, 0..80).prop_map(|mut rows| {
        rows.sort_by_key(|r| r.seq);
        rows.dedup_by_key(|r| r.seq);
        rows
    })
}

fn step() -> impl Strategy<Value = Step> {
    let head = (1u64..100, 1u64..9).prop_map(|(seq, life)| {
        let mut history = History::default();
        history.begin(Life(u64::MAX - life), seq);
        (Head { seq, life: Life(u64::MAX - life) }, history)
    });
    prop_oneof![
        6 => (origin(), rows()).prop_map(|(origin, rows)| Step::Put { origin, rows }),
        4 => (origin(), rows()).prop_map(|(origin, rows)| Step::Stage { origin, rows }),
        2 => origin().prop_map(|origin| Step::Promote { origin }),
        1 => origin().prop_map(|origin| Step::Discard { origin }),
        2 => (origin(), head).prop_map(|(origin, (head, history))| Step::Head { origin, head, history }),
        1 => origin().prop_map(|origin| Step::Own { origin }),
        1 => (origin(), origin()).prop_map(|(from, to)| Step::Move { from, to }),
        1 => origin().prop_map(|origin| Step::Forget { origin }),
        1 => (0u32..5).prop_map(|now| Step::Expire { now: Bucket(now) }),
    ]
}

async fn compare(memory: &mut Store, store: LedgerStore) -> LedgerStore {
    for n in 0..ORIGINS {
        let origin = Origin { node: NodeId([n / 2; 16]), incarnation: u64::MAX - u64::from(n) };
        for (after, rows, octets) in [(0, 1000, 1 << 20), (0, 3, 1 << 20), (7, 1000, 90), (39, 5, 1), (u64::MAX, 9, 9), (1 << 48, 9, 9)] {
            let page = store.read(origin, after, rows, octets).await.unwrap();
            assert_eq!(page, memory.read(origin, after, rows, octets), "{origin:?} after {after}");
        }
    }
    assert_eq!(store.count().await.unwrap(), memory.rows().count() as u64);
    // A start.
    let path = store.path().to_owned();
    store.close().await;
    let (store, found) = LedgerStore::open(&path).await.unwrap();
    let kept = memory.open();
    assert_eq!((found.own, found.heads), (kept.own, kept.heads));
    store
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn both_stores_answer_alike(commits in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (mut store, _) = LedgerStore::open(&dir.path().join("ledger.db")).await.unwrap();
            let mut memory = Store::default();
            for steps in commits {
                store.commit(&steps).await.unwrap();
                memory.carry_out(steps);
            }
            store = compare(&mut memory, store).await;
            store.close().await;
        });
    }
}
