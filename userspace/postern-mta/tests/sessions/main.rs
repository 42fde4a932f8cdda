//! Sessions over real sockets, with a real spool and a host that knows the answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod client;
mod house;

use std::net::SocketAddr;
use std::time::Duration;

use client::Client;
use house::{House, Policy};
use postern_model::reason::Reason;
use postern_model::settings::Settings;
use postern_model::time::Span;
use postern_mta::journey::Refusal;

const PATIENCE: Duration = Duration::from_secs(20);

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.smtp.listen = vec!["127.0.0.1:0".parse().unwrap()];
    settings.smtp.trusted_listen = Vec::new();
    settings.smtp.greeting_pause = Span::millis(0);
    settings.smtp.tarpit = Span::millis(0);
    settings.delivery.spool.segment_size = 4 * 1024 * 1024;
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_answered_with_250_only_when_it_is_in_the_spool() {
    let house = House::open(settings(), Policy::default());
    let mut client = Client::connect(house.address).await;
    client.expect("220 mx.example.org ESMTP").await;
    client.send("EHLO client.example\r\n").await;
    client.expect_last("250 LIMITS RCPTMAX=1000 MAILMAX=1000").await;
    client.send("MAIL FROM:<a@client.example> BODY=8BITMIME\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<unknown@example.org>\r\nDATA\r\n").await;
    client.expect("250 2.1.0 sender ok").await;
    client.expect("250 2.1.5 recipient ok").await;
    client.expect("550 5.1.1 no such mailbox here").await;
    client.expect("354 go ahead, end with CR LF . CR LF").await;
    client.send("Subject: x\r\n\r\n..dots\r\n.\r\n").await;
    let said = client.line().await;
    let id = said.strip_prefix("250 2.0.0 queued as ").unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert_eq!(house.spool.read(id).unwrap().bytes(), b"Subject: x\r\n\r\n.dots\r\n");
    client.send("QUIT\r\n").await;
    client.expect("221 2.0.0 mx.example.org bye").await;
    client.expect_end().await;
    let visit = house.last_visit().await;
    assert_eq!((visit.helo.as_str(), visit.unknown_recipients, visit.errors), ("client.example", 1, 0));
    assert!(house.serving.stop(PATIENCE).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_mail_is_not_in_the_spool_and_the_reply_has_its_id() {
    let house = House::open(settings(), Policy { data: Some(Reason::ScoreReject), ..Policy::default() });
    let mut client = Client::greeted(house.address).await;
    client.mail("Subject: spam\r\n\r\nbuy\r\n.\r\n").await;
    let said = client.line().await;
    assert!(said.starts_with("550 5.7.1 message refused: it was judged to be spam ("), "{said}");
    // The session goes on.
    client.send("NOOP\r\n").await;
    client.expect("250 2.0.0 ok").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starttls_forgets_what_was_said_and_agrees_on_the_hybrid_key_exchange() {
    let house = House::open(settings(), Policy::default());
    let mut client = Client::greeted(house.address).await;
    client.send("STARTTLS\r\nMAIL FROM:<injected@client.example>\r\n").await;
    client.expect("220 2.0.0 ready for TLS").await;
    let mut client = client.start_tls().await;
    client.send("RCPT TO:<b@example.org>\r\n").await;
    client.expect("503 5.5.1 say MAIL first").await;
    client.send("EHLO client.example\r\n").await;
    client.expect_last("250 LIMITS RCPTMAX=1000 MAILMAX=1000").await;
    client.mail(&format!("Subject: x\r\n\r\n{}.\r\n", "a line of text\r\n".repeat(10_000))).await;
    assert!(client.line().await.starts_with("250 2.0.0 queued as "));
    client.send("QUIT\r\n").await;
    client.expect("221 2.0.0 mx.example.org bye").await;
    client.expect_end().await;
    let tls = house.last_visit().await.tls.expect("TLS");
    assert_eq!((tls.version.as_str(), tls.key_exchange.as_deref()), ("TLSv1.3", Some("X25519MLKEM768")));
    assert!(tls.cipher.starts_with("TLS13_"), "{}", tls.cipher);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_before_the_greeting_is_sent_away() {
    let mut settings = settings();
    settings.smtp.greeting_pause = Span::seconds(20);
    let house = House::open(settings, Policy::default());
    let mut client = Client::connect(house.address).await;
    client.send("EHLO bot.example\r\n").await;
    client.expect("554 5.5.1 you spoke before the greeting").await;
    client.expect_end().await;
    assert!(house.last_visit().await.pregreet);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_client_gets_its_reason_in_place_of_the_greeting() {
    let house = House::open(settings(), Policy { connected: Some(Refusal::of(Reason::Banned)), ..Policy::default() });
    let mut client = Client::connect(house.address).await;
    client.expect("554 5.7.1 connection refused: too many bad attempts, try again later").await;
    client.expect_end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancer_names_the_client_and_nobody_else_may() {
    let mut with = settings();
    with.smtp.proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
    with.smtp.limits.max_connections_per_source = 1;
    let house = House::open(with, Policy::default());
    let header = "PROXY TCP4 192.0.2.7 198.51.100.25 49152 25\r\n";
    let mut first = Client::connect(house.address).await;
    first.send(header).await;
    first.expect("220 mx.example.org ESMTP").await;
    // The limit for a source counts clients, not balancers.
    let mut same = Client::connect(house.address).await;
    same.send(header).await;
    same.expect("421 4.7.0 too much from your address, try again later").await;
    let mut other = Client::connect(house.address).await;
    other.send_octets(&[&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[192, 0, 2, 8, 198, 51, 100, 25, 1, 0, 0, 25]].concat()).await;
    other.expect("220 mx.example.org ESMTP").await;
    other.send("QUIT\r\n").await;
    other.expect("221 2.0.0 mx.example.org bye").await;
    let visit = house.last_visit().await;
    assert_eq!(visit.address, "192.0.2.8:256".parse::<SocketAddr>().unwrap());
    assert_eq!(visit.local, "198.51.100.25:25".parse::<SocketAddr>().unwrap());
    let mut silent = Client::connect(house.address).await;
    silent.send("EHLO client.example\r\n").await;
    silent.expect("550 5.7.1 refused by local policy").await;

    let house = House::open(settings(), Policy::default());
    let mut liar = Client::connect(house.address).await;
    liar.expect("220 mx.example.org ESMTP").await;
    liar.send(header).await;
    liar.expect("500 5.5.1 unknown command").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_are_bounded_and_come_free_again() {
    let mut settings = settings();
    settings.smtp.limits.max_connections = 4;
    settings.smtp.limits.max_connections_per_source = 3;
    let house = House::open(settings, Policy::default());
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(house.address).await;
        client.expect("220 mx.example.org ESMTP").await;
        inside.push(client);
    }
    let mut refused = Client::connect(house.address).await;
    refused.expect("421 4.7.0 too much from your address, try again later").await;
    let mut elsewhere = Client::connect_from("127.0.0.2", house.address).await;
    elsewhere.expect("220 mx.example.org ESMTP").await;
    let mut refused = Client::connect_from("127.0.0.3", house.address).await;
    refused.expect("421 4.3.2 too busy, try again later").await;
    let census = house.door.census();
    assert_eq!((census.open, census.refused_full, census.refused_source), (4, 1, 1));
    assert_eq!(census.idle_seconds, 10);
    drop(inside);
    drop(elsewhere);
    house.door_empties().await;
    Client::greeted(house.address).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_limits_end_who_is_idle_and_who_trickles() {
    let mut settings = settings();
    settings.smtp.limits.idle = Span::millis(300);
    settings.smtp.limits.data_idle = Span::millis(300);
    let house = House::open(settings.clone(), Policy::default());
    let mut idle = Client::greeted(house.address).await;
    idle.expect("421 4.4.2 timeout, closing").await;
    idle.expect_end().await;
    let mut stuck = Client::greeted(house.address).await;
    stuck.mail("Subject: never ends\r\n").await;
    stuck.expect("421 4.4.2 timeout, closing").await;
    stuck.expect_end().await;
    assert_eq!(house.door.census().timed_out, 2);

    // One octet now and then keeps nobody inside: neither in a command nor in a mail; nor does a mail that never ends.
    let limits = [(200, 300_000, 300_000), (300_000, 200, 300_000), (300_000, 300_000, 700)];
    for (in_a_mail, (idle, data_idle, session)) in [false, true, true].into_iter().zip(limits) {
        let l = &mut settings.smtp.limits;
        (l.idle, l.data_idle, l.session) = (Span::millis(idle), Span::millis(data_idle), Span::millis(session));
        let house = House::open(settings.clone(), Policy::default());
        let mut loris = Client::greeted(house.address).await;
        if in_a_mail {
            loris.mail("Subject: x\r\n").await;
        }
        loris.trickle_until("421 4.4.2 timeout, closing").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_a_mail_come_in_and_sends_the_idle_away() {
    let house = House::open(settings(), Policy::default());
    let mut idle = Client::greeted(house.address).await;
    let mut sending = Client::greeted(house.address).await;
    sending.mail("Subject: last one\r\n").await;
    let address = house.address;
    let stopped = tokio::spawn(house.serving.stop(PATIENCE));
    idle.expect("421 4.3.2 service is closing down, try again").await;
    idle.expect_end().await;
    let closed = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, closed).await.expect("still accepting");
    sending.send("\r\nbody\r\n.\r\n").await;
    assert!(sending.line().await.starts_with("250 2.0.0 queued as "));
    sending.expect("421 4.3.2 service is closing down, try again").await;
    sending.expect_end().await;
    assert!(stopped.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_refuses_at_the_port_and_its_end_lets_in_again() {
    let mut settings = settings();
    // A port by number, as in every real settings file: one that the kernel chose is not kept over a pause.
    settings.smtp.listen = vec![std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()];
    let house = House::open(settings, Policy::default());
    for _ in 0..2 {
        let mut idle = Client::greeted(house.address).await;
        let leaving = async move {
            idle.expect("421 4.3.2 service is closing down, try again").await;
            idle.expect_end().await;
        };
        let (all_left, ()) = tokio::join!(house.serving.pause(PATIENCE), leaving);
        assert!(all_left);
        let refused = tokio::net::TcpStream::connect(house.address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        house.serving.resume().unwrap();
        let mut client = Client::greeted(house.address).await;
        client.mail("Subject: after the pause\r\n").await;
        client.send("\r\nbody\r\n.\r\n").await;
        assert!(client.line().await.starts_with("250 2.0.0 queued as "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_recipients_add_up_and_errors_cost_time() {
    let mut settings = settings();
    settings.smtp.limits.max_unknown_recipients = 3;
    settings.smtp.tarpit = Span::millis(50);
    let house = House::open(settings, Policy::default());
    let mut client = Client::greeted(house.address).await;
    client.send("MAIL FROM:<a@client.example>\r\n").await;
    client.expect("250 2.1.0 sender ok").await;
    let began = std::time::Instant::now();
    for _ in 0..2 {
        client.send("RCPT TO:<unknown@example.org>\r\n").await;
        client.expect("550 5.1.1 no such mailbox here").await;
    }
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
    client.send("RCPT TO:<unknown@example.org>\r\n").await;
    client.expect("421 4.7.1 too many unknown recipients").await;
    client.expect_end().await;
}

/// Ten thousand clients that say EHLO and then nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_sessions_take_little_memory_and_good_mail_gets_through() {
    const CLIENTS: usize = 10_000;
    if !house::allow_descriptors(2 * CLIENTS as u64 + 200) {
        eprintln!("skipped: this process may not open {} descriptors", 2 * CLIENTS + 200);
        return;
    }
    let mut settings = settings();
    settings.smtp.limits.max_connections_per_source = 2 * CLIENTS;
    settings.smtp.limits.connections_per_minute = u32::MAX;
    let house = House::open(settings, Policy::default());
    drop(Client::greeted(house.address).await);
    house.door_empties().await;
    let before = house::resident();
    let address = house.address;
    let idle = tokio::task::spawn_blocking(move || (0..CLIENTS).map(|_| house::idle_client(address)).collect::<Vec<_>>()).await.unwrap();
    let after = house::resident();
    assert_eq!(house.door.census().open, CLIENTS);
    let took = after.saturating_sub(before);
    eprintln!("{CLIENTS} idle sessions: {} KiB, {} octets each", took / 1024, took / CLIENTS);
    assert!(took < 100 * 1024 * 1024, "{took} octets");
    let mut client = Client::greeted(house.address).await;
    client.mail("Subject: good\r\n\r\nmail\r\n.\r\n").await;
    assert!(client.line().await.starts_with("250 2.0.0 queued as "));
    drop(idle);
}

/// What a session costs by itself; printed, not judged (STYLE 32). Run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cpu_of_a_session() {
    const MAILS: usize = 20_000;
    let mut settings = settings();
    settings.smtp.limits.max_transactions = MAILS;
    let (address, done) = house::on_a_thread_of_its_own(settings, Policy { discard: true, ..Policy::default() });
    house::blocking_client(address, MAILS, 4096);
    let cpu = done();
    println!("{MAILS} mails of 4 KiB over one connection: {:.1} µs of CPU each", cpu.as_secs_f64() * 1e6 / MAILS as f64);
}
