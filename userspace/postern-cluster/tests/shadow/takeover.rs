//! The origin is lost: every accepted mail is delivered, to each recipient once.

use postern_cluster::shadow::HandedOver;
use tempfile::tempdir;

use super::nodes::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_and_never_back() {
    for point in 0..12 {
        let dir = tempdir().unwrap();
        let log = Delivered::default();
        let start = || Start { delivered: log.clone(), ..Start::default() };
        let mut a = Node::start(1, &dir.path().join("a"), start());
        let mut b = Node::start(2, &dir.path().join("b"), start());
        join_ready(&mut a, &mut b).await;
        // Three mails a round: one stays, one goes to one of its recipients, one is done.
        for n in 0..=point {
            let _ = a.accept_small(3 * n).await;
            let _ = a.accept_small(3 * n + 1).await;
            let _ = a.accept_small(3 * n + 2).await;
            a.deliver(3 * n + 1, 1);
            a.deliver_all(3 * n + 2);
        }
        let left = 2 * (point + 1);
        until("the holder was told of all deliveries", || b.held() == left).await;
        let a_id = a.id;
        a.kill().await;
        b.shadow.removed(a_id);
        let all = each_once(0..3 * (point + 1));
        until("all are delivered", || log.lock().len() >= all.len() && b.held() == 0).await;
        assert_eq!(sorted(&log), all, "killed after round {point}");
        assert_eq!(b.shadow.counts().adopted, left);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_come_in_pieces_and_are_whole() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    // Adopted mail is copied on; nobody is there.
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    join_ready(&mut a, &mut b).await;
    let content: Vec<u8> = (0..20_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (large, small) = tokio::join!(a.accept(mail(0), &content), a.accept(mail(1), b"small\r\n"));
    let hash = large.unwrap().mail().hash;
    let _ = small.unwrap();
    assert_eq!(b.held(), 2);
    let (b_dir, a_id) = (b.dir.clone(), a.id);
    a.kill().await;
    b.shadow.removed(a_id);
    until("both are delivered", || b.delivered.lock().len() == 4).await;
    b.kill().await;
    until_closed(&b_dir).await;
    // Its copy was verified against this hash, and so is what is adopted.
    assert_eq!(hash, *blake3::hash(&content).as_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_long_enough_is_a_loss_and_word_by_others_is_no_silence() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    join_ready(&mut a, &mut b).await;
    let _ = a.accept_small(0).await;
    let mut short = settings(2);
    short.takeover_after = postern_model::time::Span::millis(400);
    b.shadow.apply(&short);
    cut(&mut a, &mut b);
    for _ in 0..30 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        b.shadow.heard(a.id);
    }
    assert_eq!(b.shadow.counts().adopted, 0, "a third one hears of it");
    until("nobody does any more", || b.shadow.counts().adopted == 1).await;
    // The cut ends: it is alive, and what is still queued there is withdrawn.
    join_ready(&mut a, &mut b).await;
    until("it is told", || *a.withdrawn.lock() == [id(0)] && a.spool.ids().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_comes_back_does_not_deliver_what_was_taken_over() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let start = |members| Start { delivered: log.clone(), members, ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), start(vec![node(2)]));
    let mut b = Node::start(2, &dir.path().join("b"), start(vec![node(1)]));
    assert!(a.deliver_restored().await.is_empty());
    join_ready(&mut a, &mut b).await;
    for n in 0..300 {
        let _ = a.accept_small(n).await;
    }
    let (a_id, a_dir) = (a.id, a.dir.clone());
    a.kill().await;
    b.shadow.removed(a_id);
    until("taken over", || log.lock().len() == 600).await;
    until_closed(&a_dir).await;
    let mut a = Node::start(1, &a_dir, start(vec![node(2)]));
    let _ = a.accept_small(1000).await;
    join(&mut a, &mut b);
    assert!(a.deliver_restored().await.is_empty());
    until("only new mail is its own", || a.spool.ids() == [id(1000)]).await;
    assert_eq!(sorted(&log), each_once(0..300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_right_before_a_kill_is_known_to_the_holder() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let start = || Start { delivered: log.clone(), members: vec![node(2)], ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), start());
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    join_ready(&mut a, &mut b).await;
    for n in 0..3 {
        let _ = a.accept_small(n).await;
    }
    // As after a kill before the notes were written: its disk is the one from before the deliveries.
    copy_dir(&a.dir, &dir.path().join("killed"));
    a.deliver(0, 0);
    a.deliver_all(1);
    until("the holder was told", || b.held() == 2).await;
    a.kill().await;
    let mut a = Node::start(1, &dir.path().join("killed"), start());
    join(&mut a, &mut b);
    assert_eq!(a.deliver_restored().await, [id(0), id(2)]);
    assert_eq!(sorted(&log), each_once(0..3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_restarts_still_takes_over_and_one_killed_meanwhile_goes_on() {
    for kill_after in [0, 1, 30, 150, 400] {
        let dir = tempdir().unwrap();
        let log = Delivered::default();
        let start = || Start { delivered: log.clone(), ..Start::default() };
        let mut a = Node::start(1, &dir.path().join("a"), Start::default());
        let mut b = Node::start(2, &dir.path().join("b"), start());
        join_ready(&mut a, &mut b).await;
        for n in 0..300 {
            let _ = a.accept_small(n).await;
        }
        let (a_id, b_dir) = (a.id, b.dir.clone());
        a.kill().await;
        if kill_after > 0 {
            b.shadow.removed(a_id);
            until("some are adopted", || log.lock().len() >= kill_after).await;
        }
        b.kill().await;
        until_closed(&b_dir).await;
        let mut b = Node::start(2, &b_dir, start());
        b.deliver_restored().await;
        b.shadow.removed(a_id);
        until("all are delivered", || log.lock().len() >= 600 && b.held() == 0).await;
        assert_eq!(sorted(&log), each_once(0..300), "killed after {kill_after} deliveries");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adoption_that_stopped_between_its_two_spools_is_ended_at_the_start() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let start = || Start { delivered: log.clone(), ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut b = Node::start(2, &dir.path().join("b"), start());
    join_ready(&mut a, &mut b).await;
    let _ = a.accept_small(0).await;
    let (a_id, b_dir) = (a.id, b.dir.clone());
    a.kill().await;
    // It is in the own spool; the node stops before the copy is dropped.
    let _ = b.accept_small(0).await;
    b.kill().await;
    until_closed(&b_dir).await;
    let mut b = Node::start(2, &b_dir, start());
    assert_eq!((b.deliver_restored().await, b.held()), (vec![id(0)], 0));
    b.shadow.removed(a_id);
    // A second adoption would be seen here: another origin's comes after it.
    let mut c = Node::start(3, &dir.path().join("c"), Start::default());
    join_ready(&mut c, &mut b).await;
    let _ = c.accept_small(1).await;
    let c_id = c.id;
    c.kill().await;
    b.shadow.removed(c_id);
    until("the later one is delivered", || log.lock().len() >= 4).await;
    assert_eq!(sorted(&log), each_once(0..2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_holders_one_adopts() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let start = || Start { settings: settings(3), delivered: log.clone(), ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), start());
    let mut b = Node::start(2, &dir.path().join("b"), start());
    let mut c = Node::start(3, &dir.path().join("c"), start());
    join_ready(&mut a, &mut b).await;
    join_ready(&mut a, &mut c).await;
    join_ready(&mut b, &mut c).await;
    for n in 0..200 {
        let _ = a.accept_small(n).await;
    }
    assert_eq!((b.held(), c.held()), (200, 200));
    let a_id = a.id;
    a.kill().await;
    b.shadow.removed(a_id);
    c.shadow.removed(a_id);
    until("all are delivered and no copy is left", || log.lock().len() >= 400 && b.held() == 0 && c.held() == 0).await;
    assert_eq!(sorted(&log), each_once(0..200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_node_gives_all_away() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let start = || Start { delivered: log.clone(), ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), start());
    let mut b = Node::start(2, &dir.path().join("b"), start());
    // These were accepted alone.
    for n in 0..100 {
        let _ = a.accept_small(n).await;
    }
    join_ready(&mut a, &mut b).await;
    for n in 100..200 {
        let _ = a.accept_small(n).await;
    }
    a.deliver(150, 0);
    assert_eq!(a.shadow.hand_over().await, HandedOver { given: 200, kept: 0 });
    until("the other delivers them", || log.lock().len() >= 400).await;
    assert_eq!(sorted(&log), each_once(0..200));
    assert!(a.spool.ids().is_empty() && a.held() == 0, "it takes no copies any more");
}
