//! Outbound mail by MX, asked of a real name server, into mail servers on port 25 of addresses of their own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use postern_tests::backend::Backend;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::nsd::Nsd;
use postern_tests::smtp::{plain_mail, send};

const LIMIT: Duration = Duration::from_secs(20);
const NAME_SERVER: [u8; 4] = [127, 0, 0, 53];
const DEAF_SERVER: [u8; 4] = [127, 0, 0, 54];

const ZONE: &str = "
ns A 127.0.0.53
a.mx A 127.0.1.1
b.mx A 127.0.1.2
c.mx A 127.0.1.3
silent.mx A 127.0.1.8
dead.mx A 127.0.1.9
alias.mx CNAME a.mx
equal MX 10 a.mx
equal MX 10 b.mx
equal MX 20 c.mx
deadfirst MX 10 dead.mx
deadfirst MX 20 c.mx
silentfirst MX 10 silent.mx
silentfirst MX 20 c.mx
implicit A 127.0.1.4
implicit6 AAAA ::1
alias MX 10 alias.mx
renamed CNAME equal
null MX 0 .
text TXT \"neither MX nor address\"
circle MX 10 gateway.example.
circle MX 20 c.mx
dangling MX 10 nobody
";

fn node(dir: &Path, server: [u8; 4]) -> Gateway {
    let settings = format!(
        "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = [\"127.0.0.1:2526\"]\ntrusted_networks = [\"127.0.0.0/8\"]\n\
         [console]\nlisten = []\n[dns]\nservers = [\"{}\"]\ntimeout = \"2s\"\n[edge]\nallow = [\"127.0.0.0/8\"]\n\
         [delivery]\nconnect_timeout = \"2s\"\nreply_timeout = \"2s\"\nmax_mails_per_connection = 1\nretry_first = \"1s\"\nretry_max = \"2s\"\n\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n",
        IpAddr::from(server)
    );
    Gateway::node(&binary(), dir, &settings).unwrap()
}

fn submit(to: &str) {
    let port: SocketAddr = "127.0.0.1:2526".parse().unwrap();
    let said = send(port, "anna@example.net", &[to], &plain_mail(to)).unwrap();
    assert!(said.starts_with("250 2.0.0"), "{to}: {said}");
}

/// Waits until the mail to an address waits with these words as its last reply.
fn waits_with(gateway: &Gateway, to: &str, words: &[&str]) -> Duration {
    let mut last = String::new();
    wait_until(&format!("{to} to wait"), LIMIT, || {
        last = gateway.ask(&["queue", "list", "--recipient", to]).unwrap().to_string();
        words.iter().all(|w| last.contains(w))
    })
    .unwrap_or_else(|e| panic!("{e}: {last}\n{}", gateway.log()))
}

#[test]
fn mail_goes_where_the_name_server_says() {
    if let Some(why) = lacking(&["nsd"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let nsd = Nsd::start(&scratch.path().join("nsd"), NAME_SERVER.into(), &[("test", ZONE), ("late", "")]).unwrap();
    let host = |text: &str| Backend::smtp(text.parse().unwrap()).unwrap();
    let ours = host("127.0.0.1:2524");
    let [a, b, c] = [host("127.0.1.1:25"), host("127.0.1.2:25"), host("127.0.1.3:25")];
    let (implicit, implicit6) = (host("127.0.1.4:25"), host("[::1]:25"));
    let _silent = TcpListener::bind("127.0.1.8:25").unwrap();
    let gateway = node(&scratch.path().join("gateway"), NAME_SERVER);

    // By preference; equal ones share.
    for n in 0..20 {
        submit(&format!("u{n}@equal.test"));
    }
    wait_until("20 mails at a and b", LIMIT, || a.mails().len() + b.mails().len() == 20).unwrap();
    assert!(!a.mails().is_empty() && !b.mails().is_empty() && c.mails().is_empty());
    assert!(a.mails()[0].data.contains("X-Postern") || a.mails()[0].data.contains("Received:"));

    // A dead first host, and one that takes the connection and says nothing.
    submit("u@deadfirst.test");
    c.wait_for(1, LIMIT).unwrap();
    let began = Instant::now();
    submit("u@silentfirst.test");
    c.wait_for(2, LIMIT).unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(6), "{took:?}");
    // The next mail does not wait for it again.
    let began = Instant::now();
    submit("u2@silentfirst.test");
    c.wait_for(3, LIMIT).unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    // No MX: the domain's own address, of either kind. An exchanger, and a domain, that are another's alias.
    submit("u@implicit.test");
    implicit.wait_for(1, LIMIT).unwrap();
    submit("u@implicit6.test");
    implicit6.wait_for(1, LIMIT).unwrap();
    let so_far = a.mails().len();
    submit("u@alias.test");
    a.wait_for(so_far + 1, LIMIT).unwrap();
    submit("u@renamed.test");
    wait_until("the mail to an aliased domain", LIMIT, || a.mails().len() + b.mails().len() == 22).unwrap();

    // For good: the sender is told at once, with the code and why.
    let refused = [
        ("u@null.test", "5.1.10", "takes no mail"),
        ("u@nowhere.test", "5.1.2", "does not exist"),
        ("u@text.test", "5.4.4", "neither MX nor address"),
        ("u@circle.test", "5.4.6", "this host"),
    ];
    for (n, (to, status, words)) in refused.iter().enumerate() {
        submit(to);
        let told = ours.wait_for(n + 1, LIMIT).unwrap_or_else(|e| panic!("{to}: {e}\n{}", gateway.log()));
        let notice = &told[n];
        assert_eq!((notice.from.as_str(), notice.to[0].as_str()), ("", "anna@example.net"));
        assert!(notice.data.contains(&format!("Status: {status}")) && notice.data.contains(words), "{to}: {}", notice.data);
        assert!(
            notice.data.contains(&format!("Final-Recipient: rfc822;{to}")) || notice.data.contains(&format!("rfc822; {to}")),
            "{}",
            notice.data
        );
    }

    // It may work later: an exchanger without address, SERVFAIL, and a server that may not be asked (REFUSED).
    submit("u@dangling.test");
    waits_with(&gateway, "u@dangling.test", &["4.4.3", "nobody.test"]);
    submit("u@elsewhere.example");
    waits_with(&gateway, "u@elsewhere.example", &["4.4.3"]);
    submit("u@late");
    waits_with(&gateway, "u@late", &["4.4.3"]);
    nsd.write("late", "ns A 127.0.0.53\n@ MX 10 host\nhost A 127.0.1.3").unwrap();
    let so_far = c.mails().len();
    c.wait_for(so_far + 1, LIMIT).unwrap_or_else(|e| panic!("{e}: {}{}", gateway.log(), nsd.log()));
    assert_eq!(ours.mails().len(), refused.len(), "nobody is told of mail that waits");

    // The name server goes away: known answers die with their TTL, mail waits and leaves when it is back.
    drop(nsd);
    std::thread::sleep(Duration::from_secs(2));
    submit("u3@deadfirst.test");
    waits_with(&gateway, "u3@deadfirst.test", &["4.4.3"]);
    let _nsd = Nsd::start(&scratch.path().join("nsd"), NAME_SERVER.into(), &[("test", ZONE)]).unwrap();
    let so_far = c.mails().len();
    c.wait_for(so_far + 1, LIMIT).unwrap();
}

#[test]
fn a_name_server_that_does_not_answer_holds_mail_for_a_bounded_time() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let _deaf = UdpSocket::bind((IpAddr::from(DEAF_SERVER), 53)).unwrap();
    let _ours = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let gateway = node(&scratch.path().join("gateway"), DEAF_SERVER);
    // Receiving goes on meanwhile: inbound mail is judged without its answers.
    let began = Instant::now();
    let inbound = send("127.0.0.1:2525".parse().unwrap(), "otto@stranger.test", &["erika@example.net"], &plain_mail("Unknown")).unwrap();
    println!("inbound with a deaf name server: {inbound} after {:?}", began.elapsed());
    assert!(inbound.starts_with("250 2.0.0"), "{inbound}");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let began = Instant::now();
    submit("u@equal.test");
    waits_with(&gateway, "u@equal.test", &["4.4.3", "no answer in time"]);
    println!("outbound put off after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
