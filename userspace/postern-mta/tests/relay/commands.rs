//! What operators do with the queue.

use postern_model::envelope::Direction;
use postern_model::journey::Step;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_model::time::Span;
use postern_mta::queue::{Changed, Filter, OperatorError, Status};

use super::backend::Backend;
use super::node::{Node, backend, domain, settings, until};

fn filter(edit: impl FnOnce(&mut Filter)) -> Filter {
    let mut f = Filter::default();
    edit(&mut f);
    f
}

/// A queue of three mails that all wait for an hour after a 4xx.
async fn waiting() -> (Node, Backend) {
    let peer = Backend::play(
        "connection\nS: 220 b.example ESMTP\nC: EHLO\nS: 250-b\nS: 250 PIPELINING\nC: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 450 4.2.0 Greylisted\nS: 503 no\ndrop\n",
    )
    .await;
    let mut scene = settings(vec![
        domain("here.example", vec![backend(peer.port, Protocol::Smtp, TlsPolicy::Off)]),
        domain("there.example", vec![backend(peer.port, Protocol::Smtp, TlsPolicy::Off)]),
    ]);
    scene.delivery.retry_first = Span::hours(1);
    scene.delivery.retry_max = Span::hours(1);
    scene.delivery.smarthosts =
        vec![postern_model::settings::delivery::Backend { host: "/nowhere".into(), ..backend(0, Protocol::Smtp, TlsPolicy::Off) }];
    scene.delivery.max_mails_per_connection = 1;
    let node = Node::start(scene);
    for (from, to) in [("ann@a.example", "one@here.example"), ("bob@b.example", "two@there.example"), ("", "three@here.example")] {
        let id = node.accept(Direction::Outbound, from, &[to]).await;
        until("it waits", || async { node.queue.list(&Filter::id(id), None, 1)[0].status == Status::Waiting }).await;
    }
    (node, peer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_find_what_they_name() {
    let (node, _peer) = waiting().await;
    let found = |f: Filter| node.queue.list(&f, None, 10).iter().map(|r| r.sender.clone()).collect::<Vec<_>>();
    assert_eq!(found(filter(|f| f.sender = Some("ANN@".into()))), ["ann@a.example"]);
    assert_eq!(found(filter(|f| f.sender = Some("<>".into()))), [""]);
    assert_eq!(found(filter(|f| f.recipient = Some("two".into()))), ["bob@b.example"]);
    assert_eq!(found(filter(|f| f.domain = Some("Here.example".into()))), ["ann@a.example", ""]);
    assert_eq!(found(filter(|f| f.reply = Some("greylisted".into()))).len(), 3);
    assert_eq!(found(filter(|f| f.status = Some(Status::Held))).len(), 0);
    assert_eq!(found(filter(|f| f.older_than = Some(Span::hours(1)))).len(), 0);
    assert_eq!(found(filter(|f| f.younger_than = Some(Span::hours(1)))).len(), 3);
    let first = node.queue.list(&Filter::default(), None, 1).remove(0);
    assert_eq!(node.queue.list(&Filter::default(), Some(first.id), 10).len(), 2);
    let json = serde_json::to_value(&first).unwrap();
    assert_eq!(json["status"], "waiting");
    let read: Filter = serde_json::from_str(r#"{"sender": "ann", "older_than": "1h"}"#).unwrap();
    assert_eq!(read.older_than, Some(Span::hours(1)));
    assert!(serde_json::from_str::<Filter>(r#"{"sendr": "ann"}"#).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_do_what_they_say() {
    let (mut node, peer) = waiting().await;
    let q = &node.queue;
    let ann = filter(|f| f.sender = Some("ann".into()));
    let one = Changed { changed: 1, ..Changed::default() };

    assert!(matches!(q.delete(&Filter::default(), "eve").await, Err(OperatorError::OpenFilter)));
    assert!(matches!(q.reroute(&ann, Some("not a host"), "eve").await, Err(OperatorError::Reroute(_))));

    assert_eq!(q.hold(&ann, "eve").await.unwrap(), one);
    assert_eq!(q.hold(&ann, "eve").await.unwrap(), Changed { unfit: 1, ..Changed::default() });
    assert_eq!(q.retry(&ann, "eve").await.unwrap(), Changed { unfit: 1, ..Changed::default() });
    assert_eq!(q.list(&ann, None, 1)[0].status, Status::Held);
    assert_eq!(q.list(&ann, None, 1)[0].recipients[0].next_attempt, None);

    // To another host, and released: delivered there.
    let other = Backend::polite().await;
    let to = format!("127.0.0.1:{}", other.port);
    assert_eq!(q.reroute(&ann, Some(&to), "eve").await.unwrap(), one);
    assert_eq!(q.count(&ann), 1);
    assert_eq!(q.release(&ann, "eve").await.unwrap(), one);
    until("it is delivered elsewhere", || async { q.count(&ann) == 0 }).await;
    assert!(other.mails()[0].contains("one@here.example"));

    // Retried now: a second question at the backend long before the hour is over.
    let bob = filter(|f| f.sender = Some("bob".into()));
    let asked = || peer.seen.lock().commands.iter().filter(|c| c.contains("bob@")).count();
    assert_eq!(asked(), 1);
    q.retry(&bob, "eve").await.unwrap();
    until("it is tried again", || async { asked() == 2 }).await;
    until("it waits again", || async { q.list(&bob, None, 1)[0].status == Status::Waiting }).await;

    // Returned: a notification to bob takes its place. The null path has nobody to return to.
    assert_eq!(q.return_to_sender(&bob, "eve").await.unwrap(), one);
    let null_to_here = filter(|f| f.domain = Some("here.example".into()));
    assert_eq!(q.return_to_sender(&null_to_here, "eve").await.unwrap(), Changed { unfit: 1, ..Changed::default() });
    let to_bob = filter(|f| f.recipient = Some("bob@b.example".into()));
    assert_eq!(q.count(&to_bob), 1);
    until("nothing is being sent", || async { q.count(&filter(|f| f.status = Some(Status::Active))) == 0 }).await;

    let rest = filter(|f| f.all = true);
    assert_eq!(q.delete(&rest, "eve").await.unwrap(), Changed { changed: 2, ..Changed::default() });
    assert_eq!(q.status().mails, 0);

    let mut actions = Vec::new();
    while let Ok(event) = node.events.try_recv() {
        if let Step::QueueAction { action, by } = event.step {
            assert_eq!(by, "eve");
            actions.push(action.split(' ').next().unwrap().to_owned());
        }
    }
    assert_eq!(actions, ["hold", "reroute", "release", "retry", "returned", "deleted", "deleted"]);

    let dir = node.stop().await;
    let (_, restored) = super::node::open(&dir, &settings(Vec::new()));
    assert!(restored.is_empty(), "operators' decisions are durable: {restored:?}");
}
