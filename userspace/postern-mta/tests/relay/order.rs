//! Order, limits and restarts.

use std::time::Duration;

use postern_model::envelope::Direction;
use postern_model::journey::Step;
use postern_model::queue::RecipientStatus;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_mta::queue::{Filter, Status};
use tokio::net::TcpListener;

use super::backend::{Backend, POLITE};
use super::node::{Node, backend, domain, settings, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_was_dead_gets_its_mail_in_order() {
    let port = {
        // A port nobody listens on.
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
    };
    let alive = Backend::polite().await;
    let mut scene = settings(vec![
        domain("dead.example", vec![backend(port, Protocol::Smtp, TlsPolicy::Off)]),
        domain("alive.example", vec![backend(alive.port, Protocol::Smtp, TlsPolicy::Off)]),
    ]);
    scene.delivery.max_connections_per_destination = 1;
    let mut node = Node::start(scene);
    let mut ids = Vec::new();
    for i in 0..20 {
        ids.push(node.accept(Direction::Inbound, &format!("a{i}@b.example"), &["c@dead.example"]).await);
    }
    until("the first attempt failed", || async { node.queue.list(&Filter::id(ids[0]), None, 1)[0].recipients[0].attempts > 0 }).await;
    let tried = node.queue.list(&Filter::default(), None, 100).iter().filter(|r| r.recipients[0].attempts > 0).count();
    assert_eq!(tried, 1, "only the first mail is tried while the destination is dead");
    let why = node.queue.why(ids[5]).await.unwrap();
    assert_eq!(why.destinations[0].destination, "backends of dead.example");
    assert!(why.destinations[0].trouble.as_ref().is_some_and(|t| t.reply.starts_with("450 4.4.2")), "{why:?}");
    assert_eq!(why.destinations[0].hosts[0].host, format!("127.0.0.1:{port}"));

    // Another destination is not held up.
    let other = node.accept(Direction::Inbound, "a@b.example", &["c@alive.example"]).await;
    until("the other destination is served", || async { !node.queue.contains(other) }).await;

    let back = Backend::play_on(TcpListener::bind(("127.0.0.1", port)).await.unwrap(), POLITE);
    until("all are delivered", || async { node.queue.count(&Filter::default()) == 0 }).await;
    let from: Vec<String> = back.seen.lock().commands.iter().filter(|c| c.starts_with("MAIL")).cloned().collect();
    let expected: Vec<String> = (0..20).map(|i| format!("MAIL FROM:<a{i}@b.example>")).collect();
    assert_eq!(from, expected);
    assert_eq!(back.mails().len(), 20);
    let mut delivered = 0;
    while delivered < 21 {
        let event = tokio::time::timeout(Duration::from_secs(10), node.events.recv()).await.unwrap().unwrap();
        delivered += usize::from(matches!(event.step, Step::Delivered { .. }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_connections_hold_and_everything_arrives() {
    let backends = [Backend::polite().await, Backend::polite().await, Backend::polite().await];
    let names = ["one.example", "two.example", "three.example"];
    let domains = names.iter().zip(&backends).map(|(n, b)| domain(n, vec![backend(b.port, Protocol::Smtp, TlsPolicy::Off)]));
    let mut scene = settings(domains.collect());
    scene.delivery.max_connections_per_destination = 2;
    scene.delivery.max_connections = 3;
    let node = Node::start(scene);
    for i in 0..150 {
        let to = format!("c{i}@{}", names[i % 3]);
        node.accept(Direction::Inbound, "a@b.example", &[&to]).await;
        assert!(node.queue.status().connections <= 3);
    }
    until("all are delivered", || async { node.queue.count(&Filter::default()) == 0 }).await;
    for b in &backends {
        let seen = b.seen.lock();
        assert_eq!(seen.mails.len(), 50);
        assert!(seen.most_open <= 2, "{} connections at a time", seen.most_open);
    }
    until("all are counted", || async { node.queue.status().delivered == 150 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_done_goes_on_after_a_restart() {
    let later = Backend::play("connection\nS: 220 b.example ESMTP\nC: EHLO\nS: 250-b\nS: 250 PIPELINING\nC: MAIL\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 451 4.3.0 later\nS: 354 go\ntext\nS: 250 ok\nsilence\n").await;
    let mut scene = settings(vec![domain("here.example", vec![backend(later.port, Protocol::Smtp, TlsPolicy::Off)])]);
    scene.delivery.retry_first = postern_model::time::Span::hours(1);
    scene.delivery.retry_max = postern_model::time::Span::hours(1);
    let node = Node::start(scene.clone());
    let id = node.accept(Direction::Inbound, "a@b.example", &["done@here.example", "open@here.example"]).await;
    let waits = |node: &Node| node.queue.list(&Filter::id(id), None, 1).first().is_some_and(|r| r.status == Status::Waiting);
    until("one recipient is done", || async { waits(&node) }).await;
    let dir = node.stop().await;
    drop(later);

    let polite = Backend::polite().await;
    scene.domains[0].backends[0].port = Some(polite.port);
    let node = Node::start_in(dir, scene);
    let row = node.queue.list(&Filter::id(id), None, 1).remove(0);
    assert_eq!(row.status, Status::Waiting, "the back-off outlives a restart");
    assert_eq!(row.recipients[0].status, RecipientStatus::Delivered);
    assert_eq!(row.recipients[1].last.as_ref().unwrap().reply, "451 4.3.0 later");
    node.queue.retry(&Filter::id(id), "test").await.unwrap();
    until("the other one is done", || async { !node.queue.contains(id) }).await;
    let mails = polite.mails();
    assert!(mails.len() == 1 && mails[0].contains("open@") && !mails[0].contains("done@"), "{mails:?}");
    let dir = node.stop().await;

    let (_, restored) = super::node::open(&dir, &settings(Vec::new()));
    assert!(restored.is_empty(), "{restored:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_backend_takes_over_and_is_remembered() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let spare = Backend::polite().await;
    let mut backends = vec![backend(port, Protocol::Smtp, TlsPolicy::Off), backend(spare.port, Protocol::Smtp, TlsPolicy::Off)];
    backends[1].priority = 10;
    let node = Node::start(settings(vec![domain("here.example", backends)]));
    let id = node.accept(Direction::Inbound, "a@b.example", &["c@here.example"]).await;
    until("it is delivered", || async { !node.queue.contains(id) }).await;
    node.queue.hold(&Filter { all: true, ..Filter::default() }, "test").await.unwrap();
    let held = node.accept_mail(Direction::Inbound, "a@b.example", &["c@here.example"], |m| {
        m.disposition = postern_model::queue::Disposition::Hold;
    });
    let id = held.await;
    node.queue.release(&Filter::id(id), "test").await.unwrap();
    until("it is delivered", || async { !node.queue.contains(id) }).await;
    assert_eq!(spare.mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_edits_are_made_on_the_way_out() {
    let peer = Backend::polite().await;
    let node = Node::start(settings(vec![domain("here.example", vec![backend(peer.port, Protocol::Smtp, TlsPolicy::Off)])]));
    let edit = |m: &mut postern_model::queue::QueuedMail| {
        let start = super::node::TEXT.find("X-Forged").unwrap() as u64;
        m.edits.prepend = b"Received: from us\r\n".to_vec();
        m.edits.remove = vec![(start, start + 13)];
    };
    let id = node.accept_mail(Direction::Inbound, "a@b.example", &["c@here.example"], edit).await;
    until("it is delivered", || async { !node.queue.contains(id) }).await;
    let expected = "RCPT TO:<c@here.example>\nReceived: from us\nFrom: a@inside.example\nSubject: test\n\n..A line with a dot\n";
    assert_eq!(peer.mails(), [expected]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_settings_hold_for_mail_that_waits() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut scene = settings(vec![domain("here.example", vec![backend(port, Protocol::Smtp, TlsPolicy::Off)])]);
    scene.delivery.retry_first = postern_model::time::Span::hours(1);
    scene.delivery.retry_max = postern_model::time::Span::hours(1);
    let node = Node::start(scene.clone());
    let id = node.accept(Direction::Inbound, "a@b.example", &["c@here.example"]).await;
    until("it failed once", || async { node.queue.list(&Filter::id(id), None, 1)[0].recipients[0].attempts > 0 }).await;
    let peer = Backend::polite().await;
    scene.domains = vec![domain("*", vec![backend(peer.port, Protocol::Smtp, TlsPolicy::Off)])];
    node.settings.store(std::sync::Arc::new(scene));
    node.queue.reload();
    node.queue.retry(&Filter::id(id), "test").await.unwrap();
    until("it is delivered", || async { !node.queue.contains(id) }).await;
    node.queue.shutdown(Duration::from_secs(5)).await;
}
