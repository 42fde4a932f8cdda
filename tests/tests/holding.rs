//! Mails that wait for the sandbox behind their 250: they survive the node's death, are delivered or kept by what the sandbox then says,
//! and by the settings when it says nothing; none is lost, none comes twice.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postern_tests::backend::Backend;
use postern_tests::documents::{archive, document, macro_document, noise};
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{mail_with, send};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(40);

fn smtp() -> SocketAddr {
    "127.0.0.1:2525".parse().unwrap()
}

fn settings(more: &str) -> String {
    format!(
        "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [edge]\nallow = [\"127.0.0.0/8\"]\n[filter.bayes]\nenabled = false\n{more}\n\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n"
    )
}

/// A place for data, and a mail server behind it, in a network of its own.
fn house() -> Option<(tempfile::TempDir, Backend)> {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return None;
    }
    alone().unwrap();
    Some((tempfile::tempdir().unwrap(), Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap()))
}

fn sandbox(settings: &str) -> String {
    format!("[sandbox]\ntimeout = \"2s\"\n{settings}")
}

fn node(dir: &Path, more: &str) -> Gateway {
    Gateway::node(&binary(), dir, &settings(more)).unwrap()
}

fn deliver(subject: &str, name: &str, content: &[u8]) {
    let mail = mail_with(subject, "", &[(name, "application/octet-stream", content)]);
    let said = send(smtp(), "anna@example.org", &["erika@example.net"], &mail).unwrap();
    assert!(said.starts_with("250 2.0.0"), "{subject}: {said}");
}

fn letter() -> Vec<u8> {
    document(&[("word/document.xml", b"<w:document/>")])
}

fn steps(gateway: &Gateway, subject: &str) -> Vec<Value> {
    gateway.journey(subject, LIMIT).unwrap()["steps"].as_array().unwrap().clone()
}

fn step(gateway: &Gateway, subject: &str, event: &str) -> Option<Value> {
    steps(gateway, subject).into_iter().find(|s| s["event"] == event)
}

/// Its journey, once it waits no more.
fn ended(gateway: &Gateway, subject: &str) -> Value {
    wait_until(&format!("{subject} to wait no more"), LIMIT, || step(gateway, subject, "hold-ended").is_some()).unwrap();
    step(gateway, subject, "hold-ended").unwrap()
}

fn action(gateway: &Gateway, subject: &str) -> String {
    gateway.journey(subject, LIMIT).unwrap()["summary"]["action"].as_str().unwrap().to_owned()
}

fn waiting(gateway: &Gateway) -> u64 {
    gateway.ask(&["status"]).unwrap()["queue"]["waiting_for_sandbox"].as_u64().unwrap()
}

fn in_quarantine(gateway: &Gateway) -> Vec<String> {
    let found = gateway.ask(&["quarantine", "list"]).unwrap();
    found["mails"].as_array().unwrap().iter().map(|m| m["subject"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_mail_that_waits_survives_its_node_and_is_judged_when_the_sandbox_is_there() {
    let Some((scratch, backend)) = house() else { return };
    let dir = scratch.path().join("node");
    let hold = sandbox("when_unavailable = \"hold\"");
    let mut gateway = node(&dir, &hold);
    deliver("An honest text", "letter.docx", &letter());
    deliver("A letter with a macro", "letter.docm", &macro_document());
    deliver("Somebody is in a hurry", "letter.docx", &document(&[("word/document.xml", b"<w:document></w:document>")]));
    for subject in ["An honest text", "A letter with a macro"] {
        assert_eq!(action(&gateway, subject), "hold");
        let held = step(&gateway, subject, "held").unwrap();
        assert!(held["why"][0].as_str().unwrap().contains("does not answer"), "{held}");
    }
    assert_eq!(waiting(&gateway), 3);
    let queue = gateway.ask(&["queue", "list"]).unwrap();
    let row = &queue["mails"][0];
    assert_eq!((&row["status"], &row["reason"]), (&"held".into(), &"check-unavailable".into()), "{queue}");
    assert_eq!(row["held_until"].as_i64().unwrap() - row["accepted"].as_i64().unwrap(), 15 * 60 * 1000);

    // kill -9 with three mails that were answered with 250.
    gateway.process.0.kill().unwrap();
    gateway.process.0.wait().unwrap();
    let gateway = Gateway::again(&binary(), &dir).unwrap();
    wait_until("the three to wait again", LIMIT, || waiting(&gateway) == 3).unwrap();
    assert_eq!(backend.mails().len(), 0);

    // A person need not wait.
    let hurried = queue["mails"].as_array().unwrap().iter().find(|m| m["subject"] == "Somebody is in a hurry").unwrap();
    gateway.ask(&["queue", "release", hurried["id"].as_str().unwrap()]).unwrap();
    backend.wait_for(1, LIMIT).unwrap();
    assert_eq!(waiting(&gateway), 2);

    let sandbox_role = Gateway::sandbox(&binary(), &dir, &settings(&hold)).unwrap();
    for (subject, ending, then) in [("An honest text", "deliver", "accept"), ("A letter with a macro", "quarantine", "quarantine")] {
        let end = ended(&gateway, subject);
        assert_eq!((&end["action"], &end["why"]), (&ending.into(), &"the sandbox has looked at it".into()), "{end}");
        assert_eq!(action(&gateway, subject), then);
    }
    let taken_apart = step(&gateway, "A letter with a macro", "taken-apart").unwrap().to_string();
    assert!(taken_apart.contains("MACRO_SUSPICIOUS"), "{taken_apart}");
    wait_until("the macro to be kept", LIMIT, || in_quarantine(&gateway) == ["A letter with a macro"]).unwrap();
    // Looked at once more: by a cell of now, not by what is remembered of it.
    let kept = gateway.ask(&["quarantine", "list"]).unwrap()["mails"][0]["mail"].as_str().unwrap().to_owned();
    let opened = || gateway.ask(&["sandbox", "status"]).unwrap()["opened"].as_u64().unwrap();
    let before = opened();
    let again = gateway.ask(&["quarantine", "open", &kept]).unwrap();
    assert!(again["attachments"].to_string().contains("MACRO_SUSPICIOUS") && opened() == before + 1, "{again}");
    wait_until("the second report in its journey", LIMIT, || step(&gateway, "A letter with a macro", "opened-again").is_some()).unwrap();
    let delivered = backend.wait_for(2, LIMIT).unwrap();
    let letter = &delivered.iter().find(|m| m.data.contains("Subject: An honest text\r\n")).unwrap().data;
    assert!(letter.contains("X-Postern-Result: accept;") && !letter.contains("SANDBOX_UNAVAILABLE"), "{letter}");
    assert_eq!((waiting(&gateway), gateway.ask(&["queue", "list"]).unwrap()["total"].as_u64()), (0, Some(0)));

    // Once more through a restart: what is done is done. And nobody to open anything is said so.
    drop((gateway, sandbox_role));
    let gateway = Gateway::again(&binary(), &dir).unwrap();
    let refused = gateway.ask(&["quarantine", "open", &kept]).unwrap_err().to_string();
    assert!(refused.contains("the sandbox did not look at it: letter.docm"), "{refused}");
    let _sandbox = Gateway::sandbox(&binary(), &dir, &settings(&hold)).unwrap();
    deliver("The last one", "letter.docx", &document(&[("word/document.xml", b"<w:document>again</w:document>")]));
    wait_until("the last one", LIMIT, || backend.mails().iter().any(|m| m.data.contains("The last one"))).unwrap();
    assert_eq!(backend.mails().len(), 3);
    drop(gateway);
}

#[test]
fn what_the_sandbox_never_looks_at_is_delivered_or_kept_as_the_settings_say() {
    let Some((scratch, backend)) = house() else { return };

    for (then, action_then, delivered) in [("deliver", "accept", 1), ("quarantine", "quarantine", 1)] {
        let gateway = node(
            &scratch.path().join(then),
            &sandbox(&format!("when_unavailable = \"hold\"\nhold = {{ time = \"5s\", then = \"{then}\" }}")),
        );
        deliver("Nobody comes", "letter.docx", &letter());
        assert_eq!(action(&gateway, "Nobody comes"), "hold");
        let end = ended(&gateway, "Nobody comes");
        assert_eq!(end["action"], then);
        assert!(end["why"].as_str().unwrap().starts_with("its time is over: letter.docx: "), "{end}");
        assert_eq!(action(&gateway, "Nobody comes"), action_then);
        backend.wait_for(delivered, LIMIT).unwrap();
        wait_until("nothing to wait", LIMIT, || waiting(&gateway) == 0).unwrap();
    }
    assert!(backend.mails()[0].data.contains("SANDBOX_UNAVAILABLE"), "{}", backend.mails()[0].data);

    // More than may wait: the one that is too many is decided at once.
    let bounds = "when_unavailable = \"hold\"\nhold = { max_mails = 2, then = \"deliver\" }";
    let gateway = node(&scratch.path().join("full"), &sandbox(bounds));
    for subject in ["The first", "The second", "The third"] {
        deliver(subject, "letter.docx", &letter());
    }
    backend.wait_for(2, LIMIT).unwrap();
    assert_eq!((waiting(&gateway), action(&gateway, "The third")), (2, "accept".to_owned()));
    assert!(gateway.log().contains("a mail is not held"), "{}", gateway.log());
    drop(gateway);
    let bounds = "when_unavailable = \"hold\"\nhold = { max_size = 2000000 }";
    let gateway = node(&scratch.path().join("large"), &sandbox(bounds));
    for subject in ["A large one", "One too large"] {
        deliver(subject, "noise.bin", &noise(1_000_000));
    }
    assert_eq!((action(&gateway, "A large one"), action(&gateway, "One too large")), ("hold".to_owned(), "quarantine".to_owned()));
    drop(gateway);

    // By a rule, for one of two recipients; the other has it at once.
    let rules = "[policy]\n[[policy.rules]]\nname = \"wait\"\nwho.recipients = [\"erika@example.net\"]\naction.decide = \"hold\"\n";
    let gateway = node(&scratch.path().join("rule"), &format!("{}\n{rules}", sandbox("")));
    let mail = mail_with("For two", "", &[("letter.docx", "application/octet-stream", &letter())]);
    let said = send(smtp(), "anna@example.org", &["erika@example.net", "max@example.net"], &mail).unwrap();
    assert!(said.starts_with("250"), "{said}");
    let delivered = backend.wait_for(3, LIMIT).unwrap();
    assert_eq!(delivered[2].to, ["max@example.net"], "{delivered:?}");
    wait_until("one to wait", LIMIT, || waiting(&gateway) == 1).unwrap();
    let mail = mail_with("Nothing to wait for", "text", &[]);
    send(smtp(), "anna@example.org", &["erika@example.net"], &mail).unwrap();
    backend.wait_for(4, LIMIT).unwrap();
}

#[test]
fn what_takes_longer_than_a_client_waits_has_twice_the_time() {
    let Some((scratch, backend)) = house() else { return };
    let hold = sandbox("when_unavailable = \"hold\"");
    let gateway = node(scratch.path(), &hold);
    let _sandbox = Gateway::sandbox(&binary(), scratch.path(), &settings(&hold)).unwrap();
    // 64 words on each of 400 locked files: far more than seconds.
    let files: Vec<(String, Vec<u8>)> = (0..400).map(|n| (format!("{n}.bin"), noise(64))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let words: String = (0..64).map(|n| format!("word{n} ")).collect();
    let mail = mail_with("Slow", &words, &[("slow.zip", "application/zip", &archive(&files, Some("?")))]);
    assert!(send(smtp(), "anna@example.org", &["erika@example.net"], &mail).unwrap().starts_with("250"));
    assert_eq!(step(&gateway, "Slow", "held").unwrap()["why"][0], "slow.zip: it takes longer than a client waits");
    let end = ended(&gateway, "Slow");
    assert_eq!(end["why"], "the sandbox has looked at it", "{end}");
    backend.wait_for(1, LIMIT).unwrap();
    let all = steps(&gateway, "Slow");
    let verdicts: Vec<&Value> = all.iter().filter(|s| s["event"] == "judged").collect();
    assert_eq!(verdicts.len(), 2, "{all:?}");
    assert!(verdicts[1].to_string().contains("SANDBOX_CELL_TIMEOUT"), "{}", verdicts[1]);
}
