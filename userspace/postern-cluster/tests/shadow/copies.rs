//! Copies while their origin lives.

use postern_cluster::shadow::Pace;
use postern_cluster::shadow::protocol::{Answer, MAIL_FORMAT, Message};
use postern_link::stream::Stream;
use postern_model::queue::{Disposition, QueueChange};
use postern_model::settings::cluster::{ClusterSettings, WithoutPeer};
use postern_store::spool::SpoolError;
use tempfile::tempdir;

use super::nodes::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_there_before_the_answer_and_goes_with_the_delivery() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    join_ready(&mut a, &mut b).await;
    for n in 0..50 {
        let _ = a.accept_small(n).await;
        assert_eq!(b.held(), n + 1, "held when the answer is given");
    }
    assert_eq!((a.shadow.counts().shadowed, a.shadow.counts().unshadowed), (50, 0));
    (0..50).for_each(|n| a.deliver_all(n));
    until("the copies are gone", || b.held() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_holder_then_alone_or_put_off() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut others: Vec<Node> = [2, 3].map(|n| Node::start(n, &dir.path().join(n.to_string()), Start::default())).into();
    for other in &mut others {
        join_ready(&mut a, other).await;
    }
    let _ = a.accept_small(0).await;
    let first = others.iter().position(|o| o.held() == 1).expect("one holds it");
    cut(&mut a, &mut others[first]);
    until("the other one holds it now", || others[1 - first].held() == 1).await;
    let _ = a.accept_small(1).await;
    assert_eq!(others[1 - first].held(), 2);
    cut(&mut a, &mut others[1 - first]);
    let _ = a.accept_small(2).await;
    assert_eq!(a.shadow.counts().unshadowed, 1);
    a.shadow.apply(&ClusterSettings { without_peer: WithoutPeer::Defer, ..settings(2) });
    let refused = a.accept(mail(3), b"deferred\r\n").await.unwrap_err();
    assert!(matches!(refused, SpoolError::NoCopy), "{refused}");
    until("it is not in the spool", || !a.spool.contains(id(3))).await;
    // The first is back: it gets what it lacks, and drops what is held elsewhere.
    join_ready(&mut a, &mut others[first]).await;
    until("all three are held", || a.shadow.counts().lacking == 0 && others[first].held() == 3).await;
}

/// A node that is started again hears mail at once, its peers a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_mail_after_a_start_waits_for_a_peer_that_may_come() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start { members: vec![node(1), node(2), node(3)], ..Start::default() });
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), a.accept_small(0)).await;
    assert!(early.is_err(), "it waits");
    let mut body = a.spool.body().unwrap();
    body.write(b"early\r\n").unwrap();
    let (spool, body) = (a.spool.clone(), body.finish().unwrap());
    let waiting = tokio::spawn(async move { spool.accept(mail(1), body).await.unwrap() });
    join_ready(&mut a, &mut b).await;
    let _ = waiting.await.unwrap();
    assert_eq!((b.held(), a.shadow.counts().unshadowed), (1, 0));
    // Nobody waits for those who are known to be away.
    cut(&mut a, &mut b);
    a.shadow.unreachable(node(3));
    let _ = a.accept_small(2).await;
    assert_eq!(a.shadow.counts().unshadowed, 1);
}

/// Its only peer did not answer in time once: it is tried again with one mail at a time, and takes all as soon as it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resting_peer_is_tried_when_there_is_no_other() {
    let dir = tempdir().unwrap();
    let pace = Pace { rest: std::time::Duration::from_secs(600), ..pace() };
    let a = Node::start(1, &dir.path().join("a"), Start { pace, ..Start::default() });
    let (here, mut there) = Stream::pair(64 * 1024);
    let shadow = a.shadow.clone();
    tokio::spawn(async move { shadow.open(node(2), here).await });
    there.sender.send(&Message::Ready.encode()).await.unwrap();
    until("it is ready", || a.shadow.ready_peers() == 1).await;
    let _ = a.accept_small(0).await;
    assert_eq!(a.shadow.counts().unshadowed, 1, "no answer within copy_timeout");
    let answering = tokio::spawn(take_copies(there));
    for n in 1..4 {
        let _ = a.accept_small(n).await;
    }
    assert_eq!((a.shadow.counts().shadowed, a.shadow.counts().unshadowed), (3, 1));
    answering.abort();
}

/// A holder that says yes to all.
async fn take_copies(mut stream: Stream) {
    while let Ok(Some(octets)) = stream.receiver.receive(1 << 20).await {
        if let Ok(Message::Copy { number, .. }) = Message::decode(&octets) {
            stream.sender.send(&Message::Answers(vec![(number, Answer::HELD)]).encode()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_copies_lie_on_three_nodes() {
    let dir = tempdir().unwrap();
    let start = || Start { settings: settings(3), ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), start());
    let mut b = Node::start(2, &dir.path().join("b"), start());
    let mut c = Node::start(3, &dir.path().join("c"), start());
    join_ready(&mut a, &mut b).await;
    let _ = a.accept_small(0).await;
    assert_eq!((b.held(), a.shadow.counts().lacking), (1, 1));
    join_ready(&mut a, &mut c).await;
    until("the third has it, too", || c.held() == 1).await;
    let _ = a.accept_small(1).await;
    assert_eq!((b.held(), c.held()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_goes_away_leaves_no_copy() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    join_ready(&mut a, &mut b).await;
    let large = vec![b'x'; 3 * 1024 * 1024];
    for n in 0..40 {
        let content: &[u8] = if n % 4 == 0 { &large } else { b"small\r\n" };
        // Ever later in the course of the acceptance.
        let accepting = a.accept(mail(n), content);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(n * 150), accepting).await.map(|done| {
            let _ = done.unwrap();
            a.deliver_all(n);
        });
    }
    until("nothing is left on either side", || a.spool.ids().is_empty() && b.held() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_the_holder_is_not_the_origins_trouble() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    // More than any disk has: for others only, twice the reserve is too much.
    let stat = nix::sys::statvfs::statvfs(dir.path()).unwrap();
    let reserve = stat.blocks_available() * stat.fragment_size() * 3 / 4;
    let spool = postern_model::settings::delivery::SpoolSettings { reserve, ..spool_settings() };
    let mut b = Node::start(2, &dir.path().join("b"), Start { spool, ..Start::default() });
    join_ready(&mut a, &mut b).await;
    let _ = a.accept_small(0).await;
    assert_eq!((a.shadow.counts().unshadowed, b.held()), (1, 0));
    let _ = b.accept_small(1).await;
    assert_eq!(a.held(), 1, "its own mail is still taken, and copied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantined_copies_follow_their_mail() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut b = Node::start(2, &dir.path().join("b"), Start::default());
    join_ready(&mut a, &mut b).await;
    for n in 0..3 {
        let mut mail = mail(n);
        mail.disposition = Disposition::Quarantine;
        let _ = a.accept(mail, b"evil\r\n").await.unwrap();
        a.spool.quarantine_move(id(n)).await.unwrap();
    }
    until("they are in the holder's quarantine", || b.held() == 0 && b.shadow.quarantined(id(2)).is_some()).await;
    let (origin, copy) = b.shadow.quarantined(id(0)).unwrap();
    assert_eq!((origin, copy.body()), (a.id, &b"evil\r\n"[..]));
    assert!(a.spool.quarantine().delete(id(0)).unwrap());
    until("deleted there, too", || b.shadow.quarantined(id(0)).is_none()).await;
    cut(&mut a, &mut b);
    assert!(a.spool.quarantine().delete(id(1)).unwrap());
    join_ready(&mut a, &mut b).await;
    until("what was deleted during a cut goes after it", || b.shadow.quarantined(id(1)).is_none()).await;
    assert!(b.shadow.quarantined(id(2)).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_mail_whose_holder_is_lost_gets_another_one() {
    let dir = tempdir().unwrap();
    let mut a = Node::start(1, &dir.path().join("a"), Start::default());
    let mut others: Vec<Node> = [2, 3].map(|n| Node::start(n, &dir.path().join(n.to_string()), Start::default())).into();
    for other in &mut others {
        join_ready(&mut a, other).await;
    }
    for n in 0..40 {
        let mut mail = mail(n);
        mail.disposition = Disposition::Quarantine;
        let _ = a.accept(mail, format!("evil {n}\r\n").as_bytes()).await.unwrap();
        a.spool.quarantine_move(id(n)).await.unwrap();
    }
    let kept = |node: &Node| (0..40).filter(|n| node.shadow.quarantined(id(*n)).is_some()).count();
    until("a holder has all", || others.iter().any(|o| kept(o) == 40)).await;
    let first = others.iter().position(|o| kept(o) == 40).unwrap();
    assert_eq!(kept(&others[1 - first]), 0);
    cut(&mut a, &mut others[first]);
    assert!(a.spool.quarantine().delete(id(0)).unwrap());
    until("the other one has what is left", || kept(&others[1 - first]) == 39).await;
    assert_eq!(others[1 - first].shadow.quarantined(id(7)).unwrap().1.body(), b"evil 7\r\n");
    until("and nothing of it in its queue", || others[1 - first].held() == 0).await;
    // The first is back: its copies are not needed any more.
    join_ready(&mut a, &mut others[first]).await;
    until("it drops them", || kept(&others[first]) == 0).await;
    assert_eq!(kept(&others[1 - first]), 39);

    // After a start nobody is asked to copy again what a holder has.
    let (a_dir, moved) = (a.dir.clone(), a.shadow.counts().moved);
    assert_eq!(moved, 0, "those are mails of the queue");
    cut(&mut a, &mut others[first]);
    cut(&mut a, &mut others[1 - first]);
    a.kill().await;
    until_closed(&a_dir).await;
    // Both are joined by then, on a machine that does other things as well.
    let keep_after = std::time::Duration::from_secs(3);
    let mut a = Node::start(1, &a_dir, Start { pace: Pace { keep_after, ..pace() }, ..Start::default() });
    for other in &mut others {
        join_ready(&mut a, other).await;
    }
    tokio::time::sleep(keep_after + pace().tick * 10).await;
    assert_eq!((kept(&others[first]), kept(&others[1 - first])), (0, 39));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_and_lies_end_the_stream_or_the_copy_and_nothing_else() {
    let dir = tempdir().unwrap();
    let b = Node::start(2, &dir.path().join("b"), Start::default());
    for garbage in [&[0u8, 1, 2][..], &[1, 1, 255, 255], &[]] {
        let (mut here, there) = Stream::pair(64 * 1024);
        let serving = tokio::spawn({
            let shadow = b.shadow.clone();
            async move { shadow.serve(node(9), there).await }
        });
        here.sender.send(garbage).await.unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(5), serving).await.expect("it ends").unwrap();
    }
    let (mut here, there) = Stream::pair(64 * 1024);
    let shadow = b.shadow.clone();
    let serving = tokio::spawn(async move { shadow.serve(node(9), there).await });
    let mut lie = mail(0);
    lie.size = 4;
    let meta = postcard::to_stdvec(&lie).unwrap();
    lie.id = id(1);
    let other = postcard::to_stdvec(&lie).unwrap();
    let unknown = [9, 200, 1, 2, 3];
    here.sender.send(&unknown).await.unwrap();
    for message in [
        Message::Piece { number: 77, body: b"of nothing" },
        Message::Change { id: id(5), change: &[99] },
        Message::Copy { number: 1, format: MAIL_FORMAT, mail: b"no mail", body: b"" },
        Message::Copy { number: 2, format: MAIL_FORMAT + 1, mail: &meta, body: b"body" },
        Message::Copy { number: 3, format: MAIL_FORMAT, mail: &meta, body: b"body" },
        Message::Begin { number: 4, format: MAIL_FORMAT, mail: &other, size: 3 },
        Message::Piece { number: 4, body: b"longer than it said" },
    ] {
        here.sender.send(&message.encode()).await.unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() < 4 {
        let octets = here.receiver.receive(1 << 20).await.unwrap().unwrap();
        if let Message::Answers(some) = Message::decode(&octets).unwrap() {
            answers.extend(some);
        }
    }
    assert!(answers.iter().all(|(_, a)| *a == Answer::DAMAGED), "{answers:?}");
    assert_eq!(b.held(), 0);
    drop(here);
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_during_a_short_cut_is_made_up_for() {
    let dir = tempdir().unwrap();
    let log = Delivered::default();
    let start = || Start { delivered: log.clone(), ..Start::default() };
    let mut a = Node::start(1, &dir.path().join("a"), start());
    let mut b = Node::start(2, &dir.path().join("b"), start());
    join_ready(&mut a, &mut b).await;
    for n in 0..4 {
        let _ = a.accept_small(n).await;
    }
    cut(&mut a, &mut b);
    a.deliver(0, 1);
    a.deliver_all(1);
    a.spool.record(id(2), QueueChange::Reroute(Some("mx.example.org:25".into()))).await.unwrap();
    join_ready(&mut a, &mut b).await;
    until("the delivered one is dropped", || b.held() == 3).await;
    a.spool.settle().await.unwrap();
    // A change behind all others: when it is there, so are they.
    let _ = a.accept_small(9).await;
    a.deliver_all(9);
    until("all changes came", || b.held() == 3).await;
    let a_id = a.id;
    a.kill().await;
    b.shadow.removed(a_id);
    until("all are delivered", || log.lock().len() >= 10).await;
    assert_eq!(sorted(&log), each_once([0, 1, 2, 3, 9]));
}
