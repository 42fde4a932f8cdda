//! Notifications to senders.

use postern_model::envelope::{Direction, DsnNotify};
use postern_model::journey::Step;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_model::time::Span;
use postern_mta::queue::Filter;

use super::backend::Backend;
use super::node::{Node, backend, domain, settings, until};

const REFUSE: &str = "connection\nS: 220 b.example ESMTP\nC: EHLO\nS: 250-b\nS: 250 PIPELINING\nC: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 550 5.1.1 no such user\nS: 503 no\ndrop\n";

async fn scene(peer: &Backend, protocol: Protocol) -> (postern_model::settings::Settings, Backend) {
    let home = Backend::polite().await;
    let scene = settings(vec![
        domain("there.example", vec![backend(peer.port, protocol, TlsPolicy::Off)]),
        domain("inside.example", vec![backend(home.port, Protocol::Smtp, TlsPolicy::Off)]),
    ]);
    (scene, home)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sender_inside_is_told_of_a_failure() {
    let peer = Backend::play(REFUSE).await;
    let (scene, home) = scene(&peer, Protocol::Smtp).await;
    let mut node = Node::start(scene);
    let id = node.accept(Direction::Outbound, "me@inside.example", &["you@there.example"]).await;
    until("the notification arrives", || async { !home.mails().is_empty() && node.queue.count(&Filter::default()) == 0 }).await;
    let text = home.mails().remove(0);
    for part in [
        "RCPT TO:<me@inside.example>",
        "report-type=delivery-status",
        "Action: failed",
        "Status: 5.1.1",
        "550 5.1.1 no such user",
        "Subject: test",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(home.seen.lock().commands.iter().any(|c| c.starts_with("MAIL FROM:<>")));
    let mut steps = Vec::new();
    while steps.len() < 2 {
        let event = tokio::time::timeout(std::time::Duration::from_secs(10), node.events.recv()).await.unwrap().unwrap();
        if event.mail == id {
            steps.push(event.step);
        }
    }
    assert!(matches!(&steps[..], [Step::Notified { kind, .. }, Step::Failed { .. }] if kind == "failed"), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_who_must_not_be() {
    let peer = Backend::play(REFUSE).await;
    let (scene, home) = scene(&peer, Protocol::Smtp).await;
    let node = Node::start(scene);
    // The null path; NOTIFY=NEVER; from outside (held).
    node.accept(Direction::Outbound, "", &["you@there.example"]).await;
    let never = |m: &mut postern_model::queue::QueuedMail| m.recipients[0].recipient.notify = Some(DsnNotify::NEVER);
    node.accept_mail(Direction::Outbound, "me@inside.example", &["you@there.example"], never).await;
    let held = node.accept(Direction::Inbound, "me@inside.example", &["you@there.example"]).await;
    until("only the held one is left", || async {
        let rows = node.queue.list(&Filter::default(), None, 10);
        rows.len() == 1 && rows[0].id == held && rows[0].reason.name() == "undeliverable"
    })
    .await;
    assert_eq!(node.queue.status().notified, 0);
    assert!(home.mails().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn success_is_told_when_asked_for() {
    let lmtp = "connection\nS: 220 s LMTP\nC: LHLO\nS: 250-s\nS: 250 PIPELINING\nC: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\ntext\nS: 250 2.0.0 saved\nsilence\n";
    let peer = Backend::play(lmtp).await;
    let (scene, home) = scene(&peer, Protocol::Lmtp).await;
    let node = Node::start(scene);
    let wish = |m: &mut postern_model::queue::QueuedMail| {
        m.recipients[0].recipient.notify = Some(DsnNotify { success: true, failure: true, delay: false });
    };
    node.accept_mail(Direction::Outbound, "me@inside.example", &["you@there.example"], wish).await;
    until("the notification arrives", || async { !home.mails().is_empty() }).await;
    assert!(home.mails()[0].contains("Action: delivered"), "{}", home.mails()[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_mail_is_reported_once_and_given_up_in_the_end() {
    let busy = "connection\nS: 421 4.3.2 busy\ndrop\n";
    let peer = Backend::play(busy).await;
    let (mut scene, home) = scene(&peer, Protocol::Smtp).await;
    scene.delivery.delay_notice = Span::millis(300);
    scene.delivery.lifetime = Span::millis(1500);
    let node = Node::start(scene);
    node.accept(Direction::Outbound, "me@inside.example", &["you@there.example"]).await;
    node.accept(Direction::Outbound, "", &["you@there.example"]).await;
    until("both notifications arrive", || async { home.mails().len() == 2 && node.queue.count(&Filter::default()) == 0 }).await;
    let mails = home.mails();
    assert!(mails[0].contains("Action: delayed") && mails[0].contains("Status: 4.3.2"), "{}", mails[0]);
    assert!(mails[1].contains("Action: failed") && mails[1].contains("5.4.7 given up"), "{}", mails[1]);
}
