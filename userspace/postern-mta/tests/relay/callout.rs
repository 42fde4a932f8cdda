//! The recipient check: table and call-out.

use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_mail::dns::Resolver;
use postern_model::settings::Settings;
use postern_model::settings::delivery::{Protocol, RecipientCheck, TlsPolicy};
use postern_model::time::Span;
use postern_mta::recipients::{Known, Recipients};
use postern_mta::relay::Connector;
use tokio::net::TcpListener;

use super::backend::Backend;
use super::node::{backend, domain, settings, until};

/// Questions come as MAIL, one or two RCPT, RSET; `replies` are those to the RCPTs.
fn question(replies: &[&str]) -> String {
    let rcpts = "C: RCPT TO:\n".repeat(replies.len());
    let answers: String = replies.iter().map(|r| format!("S: {r}\n")).collect();
    format!("C: MAIL FROM:<>\n{rcpts}C: RSET\nS: 250 ok\n{answers}S: 250 reset\n")
}

const HELLO: &str = "connection\nS: 220 b.example ESMTP\nC: EHLO\nS: 250-b.example\nS: 250 PIPELINING\n";

fn checker(port: u16, edit: impl FnOnce(&mut Settings)) -> Recipients {
    let mut scene = settings(vec![domain("here.example", vec![backend(port, Protocol::Smtp, TlsPolicy::Off)])]);
    scene.domains[0].recipient_check = RecipientCheck::Callout;
    scene.smtp.callout.timeout = Span::seconds(5);
    edit(&mut scene);
    let scene = Arc::new(ArcSwap::from_pointee(scene));
    let connector = Arc::new(Connector::new(Arc::clone(&scene), Resolver::off(), "us.example".into()));
    Recipients::new(scene, connector)
}

async fn check(r: &Recipients, address: &str) -> Known {
    r.check(&address.parse().unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_decides_where_there_is_one() {
    let r = checker(1, |s| {
        s.domains[0].recipient_check = RecipientCheck::Table;
        s.domains[0].recipients = vec!["Info@here.example".parse().unwrap()];
        s.domains.push(domain("open.example", Vec::new()));
    });
    assert_eq!(check(&r, "info@HERE.example").await, Known::Exists);
    assert_eq!(check(&r, "nobody@here.example").await, Known::Missing(None));
    assert_eq!(check(&r, "anybody@open.example").await, Known::Exists);
    assert_eq!(check(&r, "anybody@elsewhere.example").await, Known::NotOurs);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_remembered_and_one_connection_serves_all() {
    let script = format!(
        "{HELLO}{}{}{}silence\n",
        // The first question also asks for a mailbox that cannot exist.
        question(&["250 ok", "550 5.1.1 no"]),
        question(&["550 5.1.1 nobody here"]),
        question(&["450 4.2.0 later"]),
    );
    let peer = Backend::play(&script).await;
    let r = checker(peer.port, |_| {});
    assert_eq!(check(&r, "ann@here.example").await, Known::Exists);
    assert_eq!(check(&r, "bob@here.example").await, Known::Missing(Some("550 5.1.1 nobody here".into())));
    assert!(matches!(check(&r, "cat@here.example").await, Known::Unverified(why) if why.contains("450 4.2.0 later")));
    for _ in 0..100 {
        assert_eq!(check(&r, "Ann@here.example").await, Known::Exists);
        assert_eq!(check(&r, "bob@here.example").await, Known::Missing(Some("550 5.1.1 nobody here".into())));
    }
    let seen = peer.seen.lock();
    assert_eq!(seen.connections, 1);
    assert_eq!(seen.commands.iter().filter(|c| c.starts_with("MAIL")).count(), 3);
    assert!(seen.surprises.is_empty(), "{:?}", seen.surprises);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_questions_share_one_answer() {
    let script = format!("{HELLO}{}silence\n", question(&["250 ok", "550 5.1.1 no"]));
    let peer = Backend::play(&script).await;
    let r = checker(peer.port, |_| {});
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let r = r.clone();
        tasks.spawn(async move { check(&r, "ann@here.example").await });
    }
    while let Some(known) = tasks.join_next().await {
        assert_eq!(known.unwrap(), Known::Exists);
    }
    assert_eq!(peer.seen.lock().commands.iter().filter(|c| c.starts_with("MAIL")).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_takes_everything_is_asked_once() {
    let script = format!("{HELLO}{}silence\n", question(&["250 ok", "250 ok"]));
    let peer = Backend::play(&script).await;
    let r = checker(peer.port, |_| {});
    for i in 0..20 {
        assert_eq!(check(&r, &format!("user{i}@here.example")).await, Known::Exists);
    }
    assert_eq!(peer.seen.lock().commands.iter().filter(|c| c.starts_with("MAIL")).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_backend_the_settings_decide() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let strict = checker(port, |_| {});
    assert!(matches!(check(&strict, "ann@here.example").await, Known::Unverified(why) if why.contains("4.4.2")));
    let lenient = checker(port, |s| s.smtp.callout.accept_when_unreachable = true);
    assert_eq!(check(&lenient, "ann@here.example").await, Known::Exists);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_true_is_believed_while_the_backend_is_away() {
    let script = format!("{HELLO}{}drop\n", question(&["250 ok", "550 5.1.1 no"]));
    let peer = Backend::play(&script).await;
    let r = checker(peer.port, |s| s.smtp.callout.positive_ttl = Span::millis(1));
    assert_eq!(check(&r, "ann@here.example").await, Known::Exists);
    let port = peer.port;
    drop(peer);
    // The port is free again: nobody answers any more.
    until("the backend is gone", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() }).await;
    assert_eq!(check(&r, "ann@here.example").await, Known::Exists);
    assert!(matches!(check(&r, "new@here.example").await, Known::Unverified(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_backend_costs_one_timeout() {
    let peer = Backend::play("connection\nsilence\n").await;
    let r = checker(peer.port, |s| s.smtp.callout.timeout = Span::millis(200));
    let begun = std::time::Instant::now();
    for i in 0..20 {
        assert!(matches!(check(&r, &format!("user{i}@here.example")).await, Known::Unverified(_)));
    }
    // The first waits; while the backend rests the others are answered at once.
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}
