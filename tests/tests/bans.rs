//! What clients do wrong, and what comes of it: each from an address of its own, so many times as the settings allow.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::time::Duration;

use postern_model::reason::Reason;
use postern_tests::backend::Backend;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{Smtp, plain_mail, stream_from};

const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2525);
const LIMIT: Duration = Duration::from_secs(10);
const THREE: usize = 3;

const SETTINGS: &str = "
[smtp]
listen = [\"127.0.0.1:2525\"]
trusted_listen = []
tarpit = \"0ms\"
[smtp.limits]
max_message_size = 100000
max_header_size = 20000
max_hops = 20
max_connections_per_source = 5
connections_per_minute = 30
[console]
listen = [\"127.0.0.1:8443\"]
[dns]
enabled = false
[edge.bans]
pregreet = 3
relay_attempts = 3
unknown_recipients = 3
rejected_mails = 3
failed_logins = 3
protocol_errors = 0
[[domains]]
name = \"example.net\"
recipient_check = \"table\"
recipients = [\"erika@example.net\"]
backends = [{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }]
";

/// What a client is greeted with.
fn greeting(from: Ipv4Addr) -> String {
    let mut said = String::new();
    let mut stream = stream_from(from, SERVER).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut octets = [0; 200];
    if let Ok(n) = stream.read(&mut octets) {
        said.push_str(&String::from_utf8_lossy(&octets[..n]));
    }
    said
}

fn is_banned(from: Ipv4Addr) -> bool {
    greeting(from).starts_with("554 5.7.1 connection refused: too many bad attempts")
}

/// One visit with one mail; what was said to it.
fn mail(from: Ipv4Addr, to: &str, data: &[u8]) -> String {
    let mut client = Smtp::connect_from(from, SERVER).unwrap();
    client.say("EHLO client.example").unwrap();
    client.say("MAIL FROM:<anna@example.org>").unwrap();
    let said = client.say(&format!("RCPT TO:<{to}>")).unwrap();
    if !said.starts_with("250") {
        return said;
    }
    assert!(client.say("DATA").unwrap().starts_with("354"));
    client.stream.write_all(data).unwrap();
    client.stream.write_all(b"\r\n.\r\n").unwrap();
    client.reply().unwrap()
}

#[test]
fn bad_conduct_is_counted_wherever_it_is_refused() {
    if let Some(why) = lacking(&["curl"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let gateway = Gateway::node(&binary(), &scratch.path().join("gateway"), SETTINGS).unwrap();
    let good = plain_mail("Good").replace('\n', "\r\n");
    let erika = "erika@example.net";

    // While the data come in.
    let with = |field: &str| format!("{field}{good}").into_bytes();
    let bad: [(u8, &str, Vec<u8>); 5] = [
        (1, "552 5.3.4 message too large", with("").into_iter().chain(vec![b'x'; 150]).chain(b"\r\n".repeat(60_000)).collect()),
        (2, "550 5.6.0", with("X-Smuggled: yes\nX-More: yes\r\n")),
        (3, "554 5.4.6", with(&"Received: from a by b; Mon, 02 Nov 2026 10:00:00 +0000\r\n".repeat(25))),
        (4, "552 5.3.4 the header is too large", with(&"X-Long: ever and ever\r\n".repeat(2000))),
        (5, "550 5.6.0", good.replace("Hello", "Hel\rlo").into_bytes()),
    ];
    for (n, reply, data) in bad {
        let from = Ipv4Addr::new(127, 0, 2, n);
        for _ in 0..THREE {
            assert!(!is_banned(from), "{reply}: too soon");
            let said = mail(from, erika, &data);
            assert!(said.starts_with(reply), "{reply}: {said}");
        }
        assert!(is_banned(from), "{reply}\n{}", gateway.log());
    }
    // Refused before anybody knew what they say, and found all the same.
    for (client, reason) in [("127.0.2.1", Reason::TooLarge), ("127.0.2.3", Reason::MailLoop), ("127.0.2.5", Reason::BareNewline)] {
        let found = || gateway.ask(&["journey", "search", "--recipient", erika, "--client", client, "--reason", reason.name()]).unwrap();
        wait_until("the journeys", LIMIT, || found().to_string().matches(reason.name()).count() >= THREE).unwrap();
    }

    // Before: relaying, unknown recipients, speaking first.
    for (n, to, code) in [(11, "u@elsewhere.example", "550 5.7.1"), (12, "nobody@example.net", "550 5.1.1")] {
        let from = Ipv4Addr::new(127, 0, 2, n);
        for _ in 0..THREE {
            let said = mail(from, to, b"");
            assert!(said.starts_with(code), "{said}");
        }
        assert!(is_banned(from), "{to}");
    }
    let early = Ipv4Addr::new(127, 0, 2, 13);
    for _ in 0..THREE {
        let mut stream = stream_from(early, SERVER).unwrap();
        stream.write_all(b"EHLO bot\r\n").unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        assert!(said.starts_with("554 5.5.1"), "{said}");
    }
    assert!(is_banned(early));

    // At the door: far too many connections a minute.
    let eager = Ipv4Addr::new(127, 0, 2, 14);
    let turned_away = (0..40).filter(|_| greeting(eager).starts_with("421 4.7.0")).count();
    assert_eq!(turned_away, 10, "what is over the rate is refused as such, banned or not");
    assert!(gateway.log().contains("127.0.2.14/32"), "{}", gateway.log());

    // At the console.
    let guesser = Ipv4Addr::new(127, 0, 2, 15);
    for _ in 0..THREE {
        let said = Command::new("curl")
            .args([
                "-sk",
                "--interface",
                "127.0.2.15",
                "-H",
                "Content-Type: application/json",
                "-d",
                "{\"name\":\"admin\",\"password\":\"guess\"}",
            ])
            .arg("https://127.0.0.1:8443/api/v1/session")
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&said.stdout).contains("login-failed"), "{said:?}");
    }
    assert!(is_banned(guesser));

    // No offence: a size that is announced and refused, many at a time, and a good mail after all that.
    let polite = Ipv4Addr::new(127, 0, 2, 21);
    for _ in 0..2 * THREE {
        let mut client = Smtp::connect_from(polite, SERVER).unwrap();
        client.say("EHLO client.example").unwrap();
        assert!(client.say("MAIL FROM:<anna@example.org> SIZE=5000000").unwrap().starts_with("552"));
    }
    assert!(!is_banned(polite));
    let many = Ipv4Addr::new(127, 0, 2, 22);
    let held: Vec<_> = (0..5).map(|_| Smtp::connect_from(many, SERVER).unwrap()).collect();
    for _ in 0..2 * THREE {
        assert!(greeting(many).starts_with("421 4.7.0"));
    }
    drop(held);
    wait_until("a place for another", LIMIT, || greeting(many).starts_with("220")).unwrap();
    assert!(mail(many, erika, good.as_bytes()).starts_with("250 2.0.0"));
    backend.wait_for(1, LIMIT).unwrap();
}
