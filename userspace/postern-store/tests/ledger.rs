//! The ledger's file: killed, full, damaged, deleted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use postern_model::node::NodeId;
use postern_model::time::Timestamp;
use postern_store::ledger::origin::{Head, History, Life, Origin};
use postern_store::ledger::row::{Bucket, Row};
use postern_store::ledger::step::{Page, Step};
use postern_store::ledger::{LedgerStore, LedgerStoreError};
use rand::Rng;

const ORIGIN: Origin = Origin { node: NodeId([1; 16]), incarnation: 7 };
const ROUNDS: u64 = 10;
/// Rows of a commit.
const ROWS: u64 = 50;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Commit number `n`: its rows, of which one in five replaces one of the commit before, and the head after them.
fn commit(n: u64, size: usize) -> Vec<Step> {
    let row = |seq: u64| Row {
        seq,
        kind: 6,
        key: if seq.is_multiple_of(5) { b"again".to_vec() } else { seq.to_le_bytes().to_vec() }.into(),
        value: vec![n as u8; size].into(),
        at: Timestamp(0),
        bucket: Bucket(9),
        extra: vec![].into(),
    };
    let (first, last) = (n * ROWS + 1, (n + 1) * ROWS);
    let mut history = History::default();
    history.begin(Life(3), 1);
    vec![
        Step::Put { origin: ORIGIN, rows: (first..=last).map(row).collect() },
        Step::Head { origin: ORIGIN, head: Head { seq: last, life: Life(3) }, history },
    ]
}

async fn page(store: &LedgerStore) -> Page {
    store.read(ORIGIN, 0, usize::MAX, usize::MAX).await.unwrap()
}

/// Whole commits, the first so and so many of them.
fn assert_whole(page: &Page) -> u64 {
    let commits = page.head.seq / ROWS;
    assert_eq!(page.head.seq % ROWS, 0);
    let expected: Vec<u64> = (1..=page.head.seq).filter(|s| !s.is_multiple_of(5) || *s == page.head.seq).collect();
    assert_eq!(page.rows.iter().map(|r| r.seq).collect::<Vec<_>>(), expected);
    commits
}

/// Commits until it is killed; says each number after it is durable.
fn child(path: &str) {
    runtime().block_on(async {
        let (store, _) = LedgerStore::open(Path::new(path)).await.unwrap();
        let first = page(&store).await.head.seq / ROWS;
        for n in first.. {
            store.commit(&commit(n, 100)).await.unwrap();
            std::io::stdout().write_all(format!("C {n}\n").as_bytes()).unwrap();
        }
    });
}

#[test]
fn kill_9_at_any_moment_loses_no_commit_and_halves_none() {
    if let Ok(path) = std::env::var("LEDGER_TEST_CHILD") {
        return child(&path);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    let mut said = 0;
    for _ in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill_9_at_any_moment_loses_no_commit_and_halves_none", "--nocapture"])
            .env("LEDGER_TEST_CHILD", &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).filter(|l| l.starts_with("C "));
        let more = rand::rng().random_range(1..12);
        let mut last = 0;
        for _ in 0..more {
            last = lines.next().expect("the child goes on")[2..].parse().unwrap();
        }
        std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..3000)));
        child.kill().unwrap();
        // What it still said before it died.
        last = lines.last().map_or(last, |l| l[2..].parse().unwrap_or(last));
        child.wait().unwrap();
        said = last + 1;
        let commits = runtime().block_on(async {
            let (store, found) = LedgerStore::open(&path).await.unwrap();
            assert_eq!(found.heads.len(), 1);
            let page = page(&store).await;
            store.close().await;
            assert_whole(&page)
        });
        assert!(commits == said || commits == said + 1, "{commits} commits are there, {said} were said to be");
    }
    assert!(said >= ROUNDS);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().filter(|e| e.as_ref().unwrap().path().to_string_lossy().contains("damaged")).count(),
        0
    );
}

/// A tmpfs on `dir`, seen by this thread and those it starts. False when that is not permitted.
fn mount_tmpfs(dir: &Path, size: &str) -> bool {
    let none = None::<&str>;
    let mounted = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none))
        .and_then(|()| mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some(format!("size={size}").as_str())));
    if let Err(error) = mounted {
        println!("skipped: a tmpfs in an own mount namespace is not permitted here: {error}");
    }
    mounted.is_ok()
}

#[test]
fn a_full_disk_fails_commits_whole_and_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    if !mount_tmpfs(dir.path(), "3m") {
        return;
    }
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1_500_000]).unwrap();
    runtime().block_on(async {
        let (store, _) = LedgerStore::open(&dir.path().join("ledger.db")).await.unwrap();
        let mut n = 0;
        let error = loop {
            match store.commit(&commit(n, 400)).await {
                Ok(()) => n += 1,
                Err(error) => break error,
            }
            assert!(n < 1000, "the disk never filled");
        };
        assert!(matches!(error, LedgerStoreError::Failed { .. }), "{error:?}");
        assert!(n > 5, "only {n} commits fitted");
        assert_eq!(assert_whole(&page(&store).await), n);
        std::fs::remove_file(&ballast).unwrap();
        store.commit(&commit(n, 400)).await.unwrap();
        assert_eq!(assert_whole(&page(&store).await), n + 1);
        store.close().await;
    });
}

#[test]
fn a_deleted_file_is_noticed_and_a_damaged_one_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger.db");
    runtime().block_on(async {
        let (store, _) = LedgerStore::open(&path).await.unwrap();
        store.commit(&[Step::Own { origin: ORIGIN }]).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let error = store.commit(&commit(0, 10)).await.unwrap_err();
        assert!(matches!(&error, LedgerStoreError::Lost { .. }), "{error:?}");
        let (store, found) = store.open_again("deleted").await.unwrap();
        assert_eq!(found.own, None, "a new file makes a new incarnation");
        store.commit(&[Step::Own { origin: ORIGIN }]).await.unwrap();
        store.commit(&commit(0, 10)).await.unwrap();
        store.close().await;
        let (store, found) = LedgerStore::open(&path).await.unwrap();
        assert_eq!(found.own, Some(ORIGIN));
        store.close().await;
        std::fs::write(&path, vec![0x5a; 20_000]).unwrap();
        let (store, found) = LedgerStore::open(&path).await.unwrap();
        assert_eq!((found.own, page(&store).await.rows.len()), (None, 0));
        store.close().await;
        let aside = std::fs::read_dir(dir.path()).unwrap().filter(|e| e.as_ref().unwrap().path().to_string_lossy().contains("damaged"));
        assert!(aside.count() >= 2, "both are kept for a look");
    });
}
