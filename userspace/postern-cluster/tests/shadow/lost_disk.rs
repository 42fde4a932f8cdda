//! A disk that went back: restored from an older copy, its spool deleted. What the holders have is taken back; after an ordinary kill nothing is.

use std::path::{Path, PathBuf};

use postern_model::id::MailId;
use postern_model::queue::{Disposition, QueueChange};
use postern_model::reason::Reason;
use tempfile::tempdir;

use super::nodes::*;

fn start(log: &Delivered, members: &[u8]) -> Start {
    Start { delivered: log.clone(), members: members.iter().map(|n| node(*n)).collect(), ..Start::default() }
}

/// Two nodes that hold copies for each other, and the first one's directory.
async fn two(dir: &Path, log: &Delivered) -> (Node, Node, PathBuf) {
    let a_dir = dir.join("a");
    let mut a = Node::start(1, &a_dir, start(log, &[2]));
    let mut b = Node::start(2, &dir.join("b"), start(log, &[1]));
    join_ready(&mut a, &mut b).await;
    (a, b, a_dir)
}

fn copy_of(from: &Path) -> tempfile::TempDir {
    let copy = tempdir().unwrap();
    copy_dir(from, copy.path());
    copy
}

fn put_back(copy: &Path, dir: &Path) {
    std::fs::remove_dir_all(dir).unwrap();
    copy_dir(copy, dir);
}

/// Accepted, and moved into the quarantine.
async fn quarantine(node: &Node, number: u64) -> MailId {
    let id = node.accept_small(number).await.mail().id;
    let spam = QueueChange::Disposition(Disposition::Quarantine, Reason::ScoreQuarantine);
    node.spool.record(id, spam).await.unwrap();
    node.spool.quarantine_move(id).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_restored_from_an_older_copy_takes_back_what_its_holder_has() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let (a, b, a_dir) = two(dir.path(), &log).await;
    let _ = a.accept_small(0).await;
    let old = quarantine(&a, 1).await;
    until("the holder has both", || b.held() == 1 && b.kept() == 1).await;
    // As of a machine that runs on: no start lies between the copy and what comes after it.
    a.spool.settle().await.unwrap();
    let copy = copy_of(&a_dir);

    let _ = a.accept_small(10).await;
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let _ = a.accept(mail(11), &large).await.unwrap();
    let _ = a.accept_small(12).await;
    a.deliver(12, 1);
    let _ = a.accept_small(13).await;
    a.deliver_all(13);
    let young = quarantine(&a, 14).await;
    until("the holder knows all", || b.held() == 4 && b.kept() == 2).await;
    a.kill().await;
    until_closed(&a_dir).await;
    put_back(copy.path(), &a_dir);

    // The holder was restarted meanwhile: what it remembers is on its disk.
    let b_dir = b.dir.clone();
    b.kill().await;
    until_closed(&b_dir).await;
    let mut b = Node::start(2, &b_dir, start(&log, &[1]));
    let mut a = Node::start(1, &a_dir, start(&log, &[2]));
    join_ready(&mut a, &mut b).await;
    until("those of the queue are delivered, by their node", || sorted(&log) == each_once([10, 11, 12, 13])).await;
    assert_eq!(a.deliver_restored().await, [id(0)]);
    until("the quarantine has both", || [old, young].iter().all(|id| a.spool.quarantine().contains(*id))).await;
    assert_eq!(a.spool.quarantine().read(young).unwrap().body(), b"mail 14\r\n");
    until("the holder has copies of what is quarantined, and of nothing else", || b.held() == 0 && b.kept() == 2).await;
    assert_eq!(b.shadow.counts().adopted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_comes_late_still_knows_what_was_lost() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let (a, mut b, a_dir) = two(dir.path(), &log).await;
    a.spool.settle().await.unwrap();
    let copy = copy_of(&a_dir);
    let before = b.mark_of(1);
    let _ = a.accept_small(1).await;
    until("the holder was told that it is on the disk", || b.mark_of(1) != before).await;
    a.kill().await;
    until_closed(&a_dir).await;
    put_back(copy.path(), &a_dir);

    // Far beyond where the lost part ended, and through one more start.
    let a = Node::start(1, &a_dir, start(&log, &[]));
    for n in 100..200 {
        let _ = a.accept_small(n).await;
        a.deliver_all(n);
    }
    a.kill().await;
    until_closed(&a_dir).await;
    let mut a = Node::start(1, &a_dir, start(&log, &[2]));
    join_ready(&mut a, &mut b).await;
    until("it is delivered", || log.lock().iter().any(|(mail, _)| *mail == id(1))).await;
    until("and its copy is gone", || b.held() == 0).await;
    assert_eq!(sorted(&log), each_once(std::iter::once(1).chain(100..200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_was_deleted_is_filled_again() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let (a, mut b, a_dir) = two(dir.path(), &log).await;
    for n in 0..50 {
        let _ = a.accept_small(n).await;
    }
    a.kill().await;
    until_closed(&a_dir).await;
    std::fs::remove_dir_all(a_dir.join("spool")).unwrap();
    let mut a = Node::start(1, &a_dir, start(&log, &[2]));
    join_ready(&mut a, &mut b).await;
    until("all are delivered and no copy stays", || log.lock().len() == 100 && b.held() == 0).await;
    assert_eq!(sorted(&log), each_once(0..50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_holders_of_a_mail_give_it_back_once() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let three = |members: &[u8]| Start { settings: settings(3), ..start(&log, members) };
    let a_dir = dir.path().join("a");
    let mut a = Node::start(1, &a_dir, three(&[2, 3]));
    let mut b = Node::start(2, &dir.path().join("b"), three(&[1, 3]));
    let mut c = Node::start(3, &dir.path().join("c"), three(&[1, 2]));
    join_ready(&mut a, &mut b).await;
    join_ready(&mut a, &mut c).await;
    a.spool.settle().await.unwrap();
    let copy = copy_of(&a_dir);
    for n in 0..40 {
        let _ = a.accept_small(n).await;
    }
    until("both have all", || b.held() == 40 && c.held() == 40).await;
    a.kill().await;
    until_closed(&a_dir).await;
    put_back(copy.path(), &a_dir);
    let mut a = Node::start(1, &a_dir, three(&[2, 3]));
    join(&mut a, &mut b);
    join(&mut a, &mut c);
    until("no copy stays", || b.held() == 0 && c.held() == 0).await;
    assert_eq!(sorted(&log), each_once(0..40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_ordinary_kill_a_copy_of_a_finished_mail_is_not_delivered_again() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let (mut a, mut b, a_dir) = two(dir.path(), &log).await;
    for n in 0..10 {
        let _ = a.accept_small(n).await;
    }
    cut(&mut a, &mut b);
    for n in 0..10 {
        a.deliver_all(n);
    }
    a.kill().await;
    assert_eq!(b.held(), 10, "it heard of no delivery");
    until_closed(&a_dir).await;
    let mut a = Node::start(1, &a_dir, start(&log, &[2]));
    join_ready(&mut a, &mut b).await;
    until("the copies are dropped", || b.held() == 0).await;
    assert_eq!(sorted(&log), each_once(0..10));
}
