//! Shells on real files, joined by streams within this process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use postern_cluster::ledger::bounds::MESSAGE_OCTETS;
use postern_cluster::ledger::fact::{Fact, GreylistPass};
use postern_cluster::ledger::kind::KindSet;
use postern_cluster::ledger::origin::{NodeId, Origin};
use postern_cluster::shell::handle::{LedgerHandle, WriteError};
use postern_cluster::shell::news::News;
use postern_cluster::shell::{Beginning, start};
use postern_link::stream::Stream;
use postern_model::time::Timestamp;
use tokio::sync::oneshot;

const KEEP: Duration = Duration::from_secs(24 * 3600);
const LIMIT: Duration = Duration::from_secs(20);

fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

async fn shell(dir: &Path, n: u8) -> LedgerHandle {
    let path = dir.join(format!("{n}.db"));
    start(Beginning { node: node(n), members: (1..=3).map(node).collect(), kinds: KindSet::ALL, path }).await.unwrap()
}

async fn join(a: &LedgerHandle, b: &LedgerHandle) -> [oneshot::Receiver<()>; 2] {
    let (here, there) = Stream::pair(64 * 1024);
    [a.connected(b.node(), here).await, b.connected(a.node(), there).await]
}

fn fact(n: u16) -> Fact {
    let mut subject = [0; 16];
    subject[..2].copy_from_slice(&n.to_le_bytes());
    Fact::GreylistPass(subject, GreylistPass { passed: Timestamp(i64::from(n)) })
}

async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let looked = tokio::time::timeout(LIMIT, async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("{what}: not in {LIMIT:?}"));
}

async fn have(shells: &[&LedgerHandle], rows: u64) {
    for shell in shells {
        until(&format!("{rows} rows at {:?}", shell.node()), || async { shell.rows().await.is_ok_and(|n| n == rows) }).await;
    }
}

async fn alike(a: &LedgerHandle, b: &LedgerHandle) {
    until("the same vectors", || async { a.status().await.unwrap().vector == b.status().await.unwrap().vector }).await;
}

/// Subjects told until there are as many as said.
async fn told(shell: &LedgerHandle, from: BTreeMap<Origin, u64>, many: usize) -> (BTreeSet<Vec<u8>>, BTreeMap<Origin, u64>) {
    let mut news = shell.subscribe(from).await;
    let (mut subjects, mut through) = (BTreeSet::new(), BTreeMap::new());
    while subjects.len() < many {
        match tokio::time::timeout(LIMIT, news.recv()).await.expect("news in time").unwrap() {
            News::Forget(origin) => drop(through.remove(&origin)),
            News::Batch(batch) => {
                assert!(batch.facts.is_sorted_by_key(|f| f.seq));
                assert!(batch.facts.iter().all(|f| f.seq > through.get(&batch.origin).copied().unwrap_or(0)), "told twice");
                through.insert(batch.origin, batch.through);
                subjects.extend(batch.facts.iter().filter_map(|f| match f.fact {
                    Fact::GreylistPass(subject, _) => Some(subject.to_vec()),
                    _ => None,
                }));
            }
        }
    }
    (subjects, through)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_writes_all_have_also_after_a_restart_in_the_middle() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (shell(dir.path(), 1).await, shell(dir.path(), 2).await);
    join(&a, &b).await;
    a.write(fact(0), KEEP).await.unwrap();
    have(&[&b], 1).await;
    // B is away while A writes more than a page, and is cut off while it fetches.
    b.stop().await;
    let writes = (1..3000).map(|n| {
        let a = a.clone();
        async move { a.write(fact(n), KEEP).await }
    });
    futures_util::future::try_join_all(writes).await.unwrap();
    let b = shell(dir.path(), 2).await;
    let [over, _] = join(&a, &b).await;
    b.disconnected(node(1)).await;
    let _ = tokio::time::timeout(LIMIT, over).await.expect("the other side sees the end");
    b.write(fact(5000), KEEP).await.unwrap();
    // C comes, too, and hears of A through B alone.
    let c = shell(dir.path(), 3).await;
    join(&a, &b).await;
    join(&b, &c).await;
    have(&[&a, &b, &c], 3001).await;
    alike(&a, &c).await;
    // What C applies is all of it, once; after a restart only what is new.
    let (subjects, through) = told(&c, BTreeMap::new(), 3001).await;
    assert_eq!(subjects.len(), 3001);
    c.stop().await;
    let c = shell(dir.path(), 3).await;
    c.write(fact(6000), KEEP).await.unwrap();
    let (subjects, _) = told(&c, through, 1).await;
    assert_eq!(subjects.len(), 1);
    let status = b.status().await.unwrap();
    assert!(status.oddities.iter().all(|(o, _)| !matches!(o.name(), "unreadable" | "ill-typed" | "forked-origin")), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_lost_is_made_anew_and_filled_by_the_peers() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (shell(dir.path(), 1).await, shell(dir.path(), 2).await);
    join(&a, &b).await;
    a.write(fact(1), KEEP).await.unwrap();
    b.write(fact(2), KEEP).await.unwrap();
    have(&[&a, &b], 2).await;
    let before = a.status().await.unwrap().own;
    std::fs::remove_file(dir.path().join("1.db")).unwrap();
    assert_eq!(a.write(fact(3), KEEP).await, Err(WriteError::NotSaved), "it went into a file that nobody will find");
    until("a new incarnation", || async { a.status().await.unwrap().own != before }).await;
    a.write(fact(4), KEEP).await.unwrap();
    have(&[&a, &b], 3).await;
    alike(&a, &b).await;
    let status = a.status().await.unwrap();
    assert_eq!((status.openings, status.failures), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_restored_from_a_backup_takes_a_new_incarnation_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (shell(dir.path(), 1).await, shell(dir.path(), 2).await);
    join(&a, &b).await;
    a.write(fact(1), KEEP).await.unwrap();
    a.stop().await;
    std::fs::copy(dir.path().join("1.db"), dir.path().join("backup")).unwrap();
    let a = shell(dir.path(), 1).await;
    join(&a, &b).await;
    a.write(fact(2), KEEP).await.unwrap();
    have(&[&b], 2).await;
    let before = a.status().await.unwrap().own;
    a.stop().await;
    std::fs::copy(dir.path().join("backup"), dir.path().join("1.db")).unwrap();
    let a = shell(dir.path(), 1).await;
    a.write(fact(3), KEEP).await.unwrap();
    join(&a, &b).await;
    until("a new incarnation", || async { a.status().await.unwrap().own != before }).await;
    alike(&a, &b).await;
    let (subjects, _) = told(&a, BTreeMap::new(), 3).await;
    assert_eq!(subjects.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_send_garbage_or_do_not_read_harm_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (shell(dir.path(), 1).await, shell(dir.path(), 2).await);
    // The third node's end of its streams is this test.
    let (here, mut liar) = Stream::pair(1024);
    a.connected(node(3), here).await;
    for garbage in [&b""[..], b"\x01\xff", &[7; 900]] {
        liar.sender.send(garbage).await.unwrap();
    }
    until("garbage is counted", || async { a.status().await.unwrap().oddities.iter().map(|(_, n)| n).sum::<u64>() >= 3 }).await;
    // It reads nothing, and A writes until something waits for it.
    let mut written = 0;
    let liars = loop {
        a.write(fact(written), KEEP).await.unwrap();
        written += 1;
        let status = a.status().await.unwrap();
        let liars = *status.peers.iter().find(|p| p.node == node(3)).unwrap();
        if liars.outbox > 0 {
            break liars;
        }
        assert!(written < 5000, "{status:?}");
    };
    assert!(!liars.is_in_sync());
    // The other peer is served meanwhile.
    join(&a, &b).await;
    have(&[&b], written.into()).await;
    // A message longer than any ends the stream, before it is read.
    let (here, mut liar) = Stream::pair(1024);
    let over = a.connected(node(3), here).await;
    let _ = liar.sender.send(&vec![0; MESSAGE_OCTETS + 1]).await;
    let _ = tokio::time::timeout(LIMIT, over).await.expect("the stream is over");
    // Who is removed is not heard any more.
    let (here, _there) = Stream::pair(1024);
    let over = a.connected(node(3), here).await;
    a.set_members([node(1), node(2)].into_iter().collect()).await;
    let _ = tokio::time::timeout(LIMIT, over).await.expect("the removed node's stream is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_never_wait_and_a_stop_makes_them_durable() {
    let dir = tempfile::tempdir().unwrap();
    let a = shell(dir.path(), 1).await;
    (0..1000).for_each(|n| a.post(fact(n), KEEP));
    let dropped = a.status().await.unwrap().dropped;
    a.stop().await;
    assert_eq!(a.write(fact(1), KEEP).await, Err(WriteError::Stopped));
    let a = shell(dir.path(), 1).await;
    assert_eq!(a.rows().await.unwrap() + dropped, 1000);
}
