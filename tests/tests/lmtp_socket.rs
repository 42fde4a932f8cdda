//! LMTP over a unix socket: a real Dovecot, and a backend that takes a mail for some recipients and not for others.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postern_tests::backend::Backend;
use postern_tests::dovecot::Dovecot;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{plain_mail, send};

const LIMIT: Duration = Duration::from_secs(15);

fn node(dir: &Path, sockets: &[(&str, &Path)]) -> Gateway {
    let mut settings = "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
                        [edge]\nallow = [\"127.0.0.0/8\"]\n[delivery]\nretry_first = \"1s\"\nretry_max = \"1s\"\n"
        .to_owned();
    for (domain, socket) in sockets {
        settings.push_str(&format!(
            "[[domains]]\nname = \"{domain}\"\nbackends = [{{ host = \"{}\", protocol = \"lmtp\" }}]\n",
            socket.display()
        ));
    }
    Gateway::node(&binary(), dir, &settings).unwrap()
}

fn deliver(to: &[&str], subject: &str) {
    let server: SocketAddr = "127.0.0.1:2525".parse().unwrap();
    let said = send(server, "anna@example.org", to, &plain_mail(subject)).unwrap();
    assert!(said.starts_with("250 2.0.0"), "{said}");
}

#[test]
fn dovecot_takes_mail_over_its_unix_socket() {
    if let Some(why) = lacking(&["dovecot"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let dovecot = Dovecot::start(&scratch.path().join("dovecot"), 2424, 2443).unwrap();
    let gateway = node(&scratch.path().join("gateway"), &[("example.net", &dovecot.lmtp_socket)]);
    deliver(&["erika@example.net", "otto@example.net"], "By socket");
    for user in ["erika@example.net", "otto@example.net"] {
        let mails = dovecot.wait_for(user, 1, LIMIT).unwrap_or_else(|e| panic!("{e}\n{}", gateway.log()));
        assert!(mails[0].contains("Subject: By socket") && mails[0].contains("X-Postern-Result:"), "{}", mails[0]);
    }
}

#[test]
fn each_recipient_has_its_own_fate() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("lmtp");
    let gateway = node(&scratch.path().join("gateway"), &[("example.net", &socket)]);

    // Nobody there yet: the mail waits, and goes when somebody is.
    deliver(&["erika@example.net"], "Early");
    wait_until("a first attempt", LIMIT, || gateway.ask(&["queue", "list"]).unwrap().to_string().contains("No such file")).unwrap();
    let backend = Backend::lmtp(&socket).unwrap();
    let mails = backend.wait_for(1, LIMIT).unwrap();
    assert_eq!((mails[0].from.as_str(), mails[0].to.as_slice()), ("anna@example.org", &["erika@example.net".to_owned()][..]));

    // One taken, one put off, one refused: after the data, each by its own reply (RFC 2033 §4.2).
    deliver(&["erika@example.net", "full@example.net", "gone@example.net"], "Three");
    let mails = backend.wait_for(2, LIMIT).unwrap();
    assert_eq!(mails[1].to, ["erika@example.net"]);
    let mut last = String::new();
    wait_until("two recipients left", LIMIT, || {
        last = gateway.ask(&["queue", "list"]).unwrap().to_string();
        last.contains("mailbox full")
    })
    .unwrap_or_else(|e| panic!("{e}: {last}\n{}", gateway.log()));
    wait_until("a second try for the full mailbox only", LIMIT, || {
        let found = gateway.ask(&["queue", "list", "--recipient", "full@example.net"]).unwrap();
        last = found.to_string();
        found["mails"][0]["recipients"]
            .as_array()
            .is_some_and(|all| all.iter().any(|r| r["address"] == "full@example.net" && r["attempts"].as_u64().is_some_and(|n| n >= 2)))
            || last.contains("\"attempts\":2")
    })
    .unwrap_or_else(|e| panic!("{e}: {last}"));
    assert_eq!(backend.mails().len(), 2, "nobody gets a mail twice");
}
