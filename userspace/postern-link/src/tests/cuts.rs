//! A line between two members that can be cut in either direction.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Node, ask, local};

/// Forwards what comes from the dialer to the other, and back.
struct Line {
    to: SocketAddr,
    there: Arc<AtomicBool>,
    back: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl Line {
    fn new(end: SocketAddr) -> Self {
        let (near, far) = (UdpSocket::bind(local()).unwrap(), UdpSocket::bind(local()).unwrap());
        let line = Self {
            to: near.local_addr().unwrap(),
            there: Arc::new(AtomicBool::new(true)),
            back: Arc::new(AtomicBool::new(true)),
            ended: Arc::default(),
        };
        let dialer = Arc::new(parking_lot::Mutex::new(None));
        for socket in [&near, &far] {
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        }
        let ends = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let (open, ended, seen) = (line.there.clone(), line.ended.clone(), dialer.clone());
        std::thread::spawn(move || {
            let mut packet = [0; 65536];
            while !ended.load(Ordering::Relaxed) {
                let Ok((n, from)) = near.recv_from(&mut packet) else { continue };
                *seen.lock() = Some(from);
                if open.load(Ordering::Relaxed) {
                    let _ = ends.1.send_to(&packet[..n], end);
                }
            }
        });
        let (open, ended) = (line.back.clone(), line.ended.clone());
        std::thread::spawn(move || {
            let mut packet = [0; 65536];
            while !ended.load(Ordering::Relaxed) {
                let Ok((n, _)) = far.recv_from(&mut packet) else { continue };
                if let Some(to) = *dialer.lock()
                    && open.load(Ordering::Relaxed)
                {
                    let _ = ends.0.send_to(&packet[..n], to);
                }
            }
        });
        line
    }

    fn set(&self, there: bool, back: bool) {
        self.there.store(there, Ordering::Relaxed);
        self.back.store(back, Ordering::Relaxed);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Both say so within five seconds, whichever direction is cut, and meet again when it heals.
async fn cut(there: bool, back: bool) {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    let line = Line::new(b.address());
    b.knows([(a.key(), vec![])]);
    a.knows([(b.key(), vec![line.to])]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    ask(&a, &mut b).await;
    line.set(there, back);
    let start = Instant::now();
    let (of_a, of_b) = (a.id(), b.id());
    let (ours, theirs) = tokio::join!(
        async {
            let why = a.down(of_b).await;
            (why, start.elapsed())
        },
        async {
            let why = b.down(of_a).await;
            (why, start.elapsed())
        }
    );
    for (why, after) in [ours, theirs] {
        assert!(after < Duration::from_secs(5), "open {there} {back}: {after:?}, {why}");
        assert!(after > Duration::from_secs(2), "open {there} {back}: a short loss is no cut: {after:?}, {why}");
    }
    assert!(!a.link.is_connected(b.id()));
    line.set(true, true);
    a.up(b.id()).await;
    b.up(a.id()).await;
    ask(&b, &mut a).await;
}

#[tokio::test]
async fn a_cut_is_known_to_both_within_five_seconds() {
    tokio::join!(cut(false, true), cut(true, false), cut(false, false));
}

/// A second without a line is nothing.
#[tokio::test]
async fn a_short_loss_is_no_cut() {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    let line = Line::new(b.address());
    b.knows([(a.key(), vec![])]);
    a.knows([(b.key(), vec![line.to])]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    line.set(false, false);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    line.set(true, true);
    ask(&a, &mut b).await;
    assert!(a.changes().is_empty() && b.changes().is_empty());
}
