//! The watch's socket: what it is asked, what it refuses. What it sees is tried with real cells (`tests/tests/watch.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use postern_control::enclosed;
use postern_edge::watch::server;
use postern_model::watch::{MAX_WATCH_REQUEST, WatchReply};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

const BEGIN: &str = "{\"do\":\"begin\",\"filters\":0,\"is_strict\":true}\n";

struct Edge {
    folder: tempfile::TempDir,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Edge {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("watch.sock")).unwrap();
        Self { folder, serving: tokio::spawn(server::serve(listener)) }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join("watch.sock")).await.unwrap()
    }
}

async fn asked(stream: &UnixStream, line: &str, descriptors: &[BorrowedFd<'_>]) -> WatchReply {
    enclosed::send(stream, line.as_bytes(), descriptors).await.unwrap();
    serde_json::from_slice(&enclosed::receive(stream, 1 << 20).await.unwrap().unwrap().text).unwrap()
}

/// Where cgroup2 is mounted.
fn cgroup2() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).and_then(|line| line.split(' ').nth(1)).map(PathBuf::from)
}

#[tokio::test]
async fn what_is_no_cell_is_not_watched() {
    let edge = Edge::start();
    let stream = edge.connect().await;
    let file = tempfile::tempfile().unwrap();
    let folder = tempfile::Builder::new().prefix("cell-").tempdir().unwrap();
    let named_so = File::open(folder.path()).unwrap();
    let root = cgroup2().map(|path| File::open(path).unwrap());
    let refused =
        |said: WatchReply, why: &str| assert!(matches!(&said, WatchReply::Refused { why: told } if told.contains(why)), "{said:?}");
    refused(asked(&stream, BEGIN, &[]).await, "not one descriptor");
    refused(asked(&stream, BEGIN, &[file.as_fd(), file.as_fd()]).await, "not one descriptor");
    refused(asked(&stream, BEGIN, &[file.as_fd()]).await, "no cell's cgroup");
    refused(asked(&stream, BEGIN, &[named_so.as_fd()]).await, "no cell's cgroup");
    match &root {
        Some(root) => refused(asked(&stream, BEGIN, &[root.as_fd()]).await, "no cell's cgroup"),
        None => println!("partly skipped: no cgroup2 here"),
    }
    refused(asked(&stream, "{\"do\":\"end\"}\n", &[]).await, "nothing is watched");
}

#[tokio::test]
async fn what_is_no_request_ends_the_connection() {
    let edge = Edge::start();
    let long = format!("{}\n", "x".repeat(2 * MAX_WATCH_REQUEST));
    for line in ["nonsense\n", "{\"do\":\"ban\"}\n", "{\"do\":\"end\"}\n{\"do\":\"end\"}\n", &long] {
        let mut stream = edge.connect().await;
        enclosed::send(&stream, line.as_bytes(), &[]).await.unwrap();
        let mut said = Vec::new();
        // What was not read may end it by a reset.
        let _ = stream.read_to_end(&mut said).await;
        assert!(said.is_empty(), "{line}: {}", String::from_utf8_lossy(&said));
    }
}

/// A cgroup is watched once, and whoever hangs up watches no more.
#[tokio::test]
async fn one_watches_at_a_time() {
    let Some(at) = cgroup2() else { return println!("skipped: no cgroup2 here") };
    let path = at.join(format!("cell-{}-edge", std::process::id()));
    if let Err(e) = std::fs::create_dir(&path) {
        return println!("skipped: no cgroup can be made: {e}");
    }
    let cgroup = File::open(&path).unwrap();
    let edge = Edge::start();
    let (one, other) = (edge.connect().await, edge.connect().await);
    let said = asked(&one, BEGIN, &[cgroup.as_fd()]).await;
    if let WatchReply::Refused { why } = &said {
        std::fs::remove_dir(&path).unwrap();
        return println!("skipped: {why}");
    }
    let second = asked(&other, BEGIN, &[cgroup.as_fd()]).await;
    assert!(matches!(&second, WatchReply::Refused { why } if why.contains("watched already")), "{second:?}");
    drop(one);
    let mut again = second;
    for _ in 0..1000 {
        again = asked(&other, BEGIN, &[cgroup.as_fd()]).await;
        if matches!(again, WatchReply::Watching { .. }) {
            break;
        }
    }
    assert!(matches!(again, WatchReply::Watching { .. }), "{again:?}");
    assert_eq!(asked(&other, "{\"do\":\"end\"}\n", &[]).await, WatchReply::Seen { sightings: Vec::new(), lost: 0 });
    std::fs::remove_dir(&path).unwrap();
}
