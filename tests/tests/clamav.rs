//! A real clamd: what is infected is refused, what is clean passes, and a clamd that is dead, silent or too small loses no mail
//! and holds none up for longer than the settings say.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use postern_tests::backend::Backend;
use postern_tests::clamd::{Clamd, INFECTED, NAME};
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{mail_with, plain_mail, send};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(2);
const STREAM_MAX: usize = 1024 * 1024;
const DEFER: &str = "when_unavailable = \"defer\"";
const CLAMD_PORT: u16 = 3310;

fn smtp() -> SocketAddr {
    "127.0.0.1:2525".parse().unwrap()
}

fn node(dir: &Path, clamd: &str, when: &str) -> Gateway {
    let settings = format!(
        "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [edge]\nallow = [\"127.0.0.0/8\"]\n[sandbox]\nenabled = false\n\
         [antivirus]\nclamd = \"{clamd}\"\ntimeout = \"2s\"\n{when}\n\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n"
    );
    Gateway::node(&binary(), dir, &settings).unwrap()
}

fn deliver(data: &str) -> String {
    send(smtp(), "anna@example.org", &["erika@example.net"], data).unwrap()
}

/// The journey of the newest mail with this subject.
fn journey(gateway: &Gateway, subject: &str) -> Value {
    gateway.journey(subject, LIMIT).unwrap()
}

fn with_attachment(subject: &str, content: &[u8]) -> String {
    mail_with(subject, "", &[("notes.bin", "application/octet-stream", content)])
}

#[test]
fn a_real_clamd_judges_and_its_absence_loses_no_mail() {
    if let Some(why) = lacking(&["clamd"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let clamd = Clamd::start(&scratch.path().join("clamd"), CLAMD_PORT, STREAM_MAX).unwrap();
    let (unix, tcp) = (format!("unix:{}", clamd.socket.display()), format!("tcp:127.0.0.1:{CLAMD_PORT}"));
    let large: Vec<u8> = (0..4 * STREAM_MAX as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();

    let mut passed = 0;
    for (n, target) in [&unix, &tcp].into_iter().enumerate() {
        let gateway = node(&scratch.path().join(format!("judging{n}")), target, DEFER);
        assert!(deliver(&plain_mail("Clean mail")).starts_with("250 2.0.0"));
        for (subject, mail) in [
            ("Infected text", plain_mail("Infected text") + INFECTED + "\n"),
            ("Infected attachment", with_attachment("Infected attachment", format!("\0\x01\x02{INFECTED}\0").as_bytes())),
        ] {
            let said = deliver(&mail);
            assert!(said.starts_with("550 5.7.1") && said.contains("virus"), "{target} {subject}: {said}");
            let journey = journey(&gateway, subject);
            assert_eq!(journey["summary"]["reason"], "virus", "{journey}");
            assert!(journey.to_string().contains(NAME), "{journey}");
        }
        // Larger than clamd takes: `defer` would put it off for ever, so it passes, and the journey says that it was not scanned.
        let said = deliver(&with_attachment("Large mail", &large));
        assert!(said.starts_with("250 2.0.0"), "{target}: {said}");
        assert!(journey(&gateway, "Large mail").to_string().contains("ANTIVIRUS_TOO_LARGE"));
        assert_eq!(gateway.log().matches("raise clamd's StreamMaxLength").count(), 1, "{}", gateway.log());
        assert!(!gateway.log().contains("clamd does not answer"), "{}", gateway.log());
        passed += 2;
        backend.wait_for(passed, LIMIT).unwrap();
    }

    // Taken and kept, where the settings say so; it does not reach the backend.
    let gateway = node(&scratch.path().join("keeping"), &unix, "when_infected = \"quarantine\"");
    assert!(deliver(&(plain_mail("Infected and kept") + INFECTED + "\n")).starts_with("250 2.0.0"));
    wait_until("the mail in quarantine", LIMIT, || {
        let kept = gateway.ask(&["quarantine", "list"]).unwrap();
        kept["mails"].as_array().is_some_and(|m| m.len() == 1 && m[0]["reason"] == "virus")
    })
    .unwrap_or_else(|e| panic!("{e}: {}", gateway.ask(&["quarantine", "list"]).unwrap()));
    drop(gateway);

    // Dead: the mail passes with a note, or is put off, as the settings say.
    drop(clamd);
    for (when, code) in [("pass", "250 2.0.0"), ("defer", "451 4.7.1")] {
        let gateway = node(&scratch.path().join(format!("dead-{when}")), &unix, &format!("when_unavailable = \"{when}\""));
        let said = deliver(&plain_mail("Not scanned"));
        assert!(said.starts_with(code), "{when}: {said}");
        let journey = journey(&gateway, "Not scanned");
        assert!(journey.to_string().contains("ANTIVIRUS_UNAVAILABLE"), "{journey}");
        if when == "defer" {
            assert_eq!(journey["summary"]["reason"], "check-unavailable", "{journey}");
        } else {
            passed += 1;
        }
        deliver(&plain_mail("Not scanned either"));
        assert_eq!(gateway.log().matches("clamd does not answer").count(), 1, "once, not for every mail:\n{}", gateway.log());
        passed += usize::from(when == "pass");
    }

    // Back again, under the same node; then silent: the wait ends when the settings say.
    let gateway = node(&scratch.path().join("back"), &tcp, DEFER);
    assert!(deliver(&plain_mail("Too early")).starts_with("451"));
    let clamd = Clamd::start(&scratch.path().join("clamd"), CLAMD_PORT, STREAM_MAX).unwrap();
    assert!(deliver(&plain_mail("Scanned again")).starts_with("250"));
    assert!(gateway.log().contains("clamd answers again"), "{}", gateway.log());
    passed += 1;
    drop(clamd);
    let _silent = TcpListener::bind(("127.0.0.1", CLAMD_PORT)).unwrap();
    let began = Instant::now();
    assert!(deliver(&plain_mail("Never answered")).starts_with("451"));
    let took = began.elapsed();
    assert!(took >= TIMEOUT && took < TIMEOUT + Duration::from_secs(3), "{took:?}");

    let all = backend.wait_for(passed, LIMIT).unwrap();
    assert_eq!(all.len(), passed);
    assert!(all.iter().all(|mail| !mail.data.contains(INFECTED)));
}
