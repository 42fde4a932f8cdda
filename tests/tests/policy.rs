//! The operator's rules on real mail: one mail, a different fate for each recipient, and none that is lost.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use postern_tests::backend::{Backend, Taken};
use postern_tests::gateway::{Gateway, binary};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{mail_with, plain_mail, send};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);

const RULES: &str = r#"
[policy]
allow_discard = true
[[policy.lists]]
name = "bosses"
entries = ["erika@example.net"]
[[policy.lists]]
name = "pests"
role = "block"
entries = ["pest.example"]
[[policy.rules]]
name = "No programs"
what.attachment_names = ["*.exe"]
unless.who.recipients = ["list:bosses"]
action.decide = "reject"
action.reply = "programs are not taken here, ask the help desk"
[[policy.rules]]
name = "From outside"
who.direction = "inbound"
action.subject_prefix = "[EXTERN]"
action.add_headers = ["X-Origin: outside"]
[[policy.rules]]
name = "Lotteries wait"
what.subject = ["lottery"]
who.recipients = ["max@example.net"]
action.decide = "quarantine"
[[policy.rules]]
name = "Moved"
who.recipients = ["old@*"]
action.redirect_to = ["new@example.net"]
action.add_recipients = ["audit@example.net"]
[[policy.rules]]
name = "Nobody reads it"
who.recipients = ["noreply@example.net"]
action.decide = "discard"
"#;

fn smtp() -> SocketAddr {
    "127.0.0.1:2525".parse().unwrap()
}

fn settings(rules: &str) -> String {
    format!(
        "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [edge]\nallow = [\"127.0.0.0/8\"]\n[filter.bayes]\nenabled = false\n[sandbox]\nenabled = false\n\
         [delivery]\nretry_first = \"1s\"\nretry_max = \"2s\"\n\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n{rules}"
    )
}

fn node(dir: &Path, rules: &str) -> Gateway {
    Gateway::node(&binary(), dir, &settings(rules)).unwrap()
}

fn to(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| format!("{n}@example.net")).collect()
}

fn deliver(names: &[&str], data: &str) -> String {
    let to = to(names);
    send(smtp(), "anna@example.org", &to.iter().map(String::as_str).collect::<Vec<_>>(), data).unwrap()
}

/// Each delivery as its recipients, and whether it has the rule's marks.
fn shape(taken: &[Taken]) -> Vec<(String, bool)> {
    let mut all: Vec<(String, bool)> = taken
        .iter()
        .map(|t| {
            let mut to: Vec<&str> = t.to.iter().map(|a| a.split('@').next().unwrap()).collect();
            to.sort_unstable();
            (to.join("+"), t.data.contains("Subject: [EXTERN] ") && t.data.contains("X-Origin: outside\r\n"))
        })
        .collect();
    all.sort();
    all
}

fn step<'j>(journey: &'j Value, event: &str) -> &'j Value {
    journey["steps"].as_array().unwrap().iter().find(|s| s["event"] == event).unwrap_or(&Value::Null)
}

fn journeys(gateway: &Gateway, subject: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    postern_tests::gateway::wait_until(&format!("{count} journeys of {subject}"), LIMIT, || {
        let page = gateway.ask(&["journey", "search", "--subject", subject]).unwrap_or_default();
        found = page["journeys"].as_array().cloned().unwrap_or_default();
        found.len() == count
    })
    .unwrap();
    found.iter().map(|j| gateway.ask(&["journey", "show", j["mail"].as_str().unwrap()]).unwrap()).collect()
}

#[test]
fn each_recipient_gets_what_the_rules_say_and_nothing_is_lost() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let dir = scratch.path().join("rules");
    let gateway = node(&dir, RULES);

    // One mail for five: three ways of delivering it, one that waits, one that nobody reads.
    let said = deliver(&["erika", "max", "old", "noreply", "new"], &plain_mail("Your lottery win"));
    assert!(said.starts_with("250 2.0.0 queued as "), "{said}");
    let told = said.rsplit(' ').next().unwrap().to_owned();
    let taken = backend.wait_for(1, LIMIT).unwrap();
    assert_eq!(shape(&taken), [("audit+erika+new".to_owned(), true)]);
    assert!(
        taken[0].data.contains("\r\nSubject: [EXTERN] Your lottery win\r\n") && !taken[0].data.contains("noreply"),
        "{}",
        taken[0].data
    );
    let kept = gateway.ask(&["quarantine", "list"]).unwrap();
    assert_eq!(kept["mails"].as_array().unwrap().len(), 1, "{kept}");
    assert_eq!((&kept["mails"][0]["recipients"][0], &kept["mails"][0]["reason"]), (&"max@example.net".into(), &"policy".into()), "{kept}");

    // Tracking knows both, each with its rules and what they saw; the sender was told the one that is delivered.
    let both = journeys(&gateway, "lottery", 2);
    let of = |action: &str| both.iter().find(|j| j["summary"]["action"] == action).unwrap_or_else(|| panic!("{action}: {both:?}"));
    let (delivered, waiting) = (of("accept"), of("quarantine"));
    assert_eq!(delivered["summary"]["mail"], told.as_str());
    assert_eq!(step(delivered, "split")["parts"][0], waiting["summary"]["mail"]);
    assert_eq!(step(waiting, "split")["parts"][0], delivered["summary"]["mail"]);
    let decision = &step(waiting, "policy")["decisions"][0];
    assert_eq!((&decision["recipient"], &decision["action"]), (&"max@example.net".into(), &"quarantine".into()), "{waiting}");
    let rule = decision["rules"].as_array().unwrap().iter().find(|r| r["rule"] == "Lotteries wait").unwrap();
    let evidence = rule["evidence"].to_string();
    assert!(evidence.contains("what.subject: `lottery` matches the subject") && evidence.contains("max@example.net is listed"), "{rule}");
    let redirected =
        step(delivered, "policy")["decisions"].as_array().unwrap().iter().find(|d| d["recipient"] == "old@example.net").unwrap();
    assert!(redirected.to_string().contains("new@example.net in place of old@example.net"), "{redirected}");
    let asked = gateway.ask(&["journey", "search", "--recipient", "old@example.net"]).unwrap();
    assert_eq!(asked["journeys"][0]["mail"], told.as_str(), "whom it was sent to finds it: {asked}");

    // Released, it goes to whom it was kept for, with the marks.
    gateway.ask(&["quarantine", "release", kept["mails"][0]["mail"].as_str().unwrap()]).unwrap();
    assert_eq!(shape(&backend.wait_for(2, LIMIT).unwrap())[1], ("max".to_owned(), true));

    // Refused for all: the rule's own words. For some: they are kept, the others get it.
    let program: &[(&str, &str, &[u8])] = &[("setup.EXE", "application/octet-stream", b"MZ")];
    let said = deliver(&["max", "moritz"], &mail_with("Setup", "", program));
    assert!(said.starts_with("550 5.7.1 programs are not taken here, ask the help desk ("), "{said}");
    let said = deliver(&["max", "erika", "moritz"], &mail_with("Setup for three", "", program));
    assert!(said.starts_with("250"), "{said}");
    assert_eq!(shape(&backend.wait_for(3, LIMIT).unwrap())[1], ("erika".to_owned(), true));
    let kept = gateway.ask(&["quarantine", "list"]).unwrap();
    assert_eq!(kept["mails"][0]["recipients"].as_array().unwrap().len(), 2, "{kept}");
    let refused = journeys(&gateway, "Setup", 3);
    assert_eq!(refused.iter().filter(|j| j["summary"]["action"] == "reject").count(), 1, "{refused:?}");

    // Dropped for all, blocked by a list.
    assert!(deliver(&["noreply"], &plain_mail("Into the void")).starts_with("250"));
    assert_eq!(journeys(&gateway, "void", 1)[0]["summary"]["action"], "discard");
    let said = send(smtp(), "x@pest.example", &["erika@example.net"], &plain_mail("Pest")).unwrap();
    assert!(said.starts_with("550 5.7.1 refused by local policy"), "{said}");
    assert_eq!(step(&journeys(&gateway, "Pest", 1)[0], "policy")["decisions"][0]["rules"][0]["rule"], "list:pests");

    // A field that the sender forged in a rule's name goes.
    let forged = plain_mail("Forged").replace("MIME-Version", "x-origin: inside\nMIME-Version");
    deliver(&["erika"], &forged);
    let taken = backend.wait_for(4, LIMIT).unwrap();
    let data = &taken.iter().find(|t| t.data.contains("Forged")).unwrap().data;
    assert!(data.contains("X-Origin: outside") && !data.contains("inside"), "{data}");

    // A rule that cannot be used changes nothing, and its error says where.
    let bad = scratch.path().join("bad.toml");
    let present = fs::read_to_string(dir.join("postern.toml")).unwrap();
    fs::write(&bad, present.replace("list:bosses", "list:boses")).unwrap();
    let error = gateway.ask(&["settings", "apply", bad.to_str().unwrap()]).unwrap_err().to_string();
    assert!(error.contains("rule `No programs`: there is no list `boses` (there are bosses, pests)"), "{error}");
    // A good one holds for the next mail, and can be taken back.
    let strict = scratch.path().join("strict.toml");
    fs::write(&strict, present.replace("[policy]\n", "[policy]\nwhen_mixed = \"reject\"\n")).unwrap();
    gateway.ask(&["settings", "apply", strict.to_str().unwrap(), "-m", "refuse for all"]).unwrap();
    let said = deliver(&["max", "erika"], &mail_with("Setup again", "", program));
    assert!(said.starts_with("550 5.7.1 programs"), "{said}");
    assert_eq!(backend.count(), 4);
    drop(gateway);
}

#[test]
fn parts_of_a_mail_survive_the_end_of_the_node() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("node");
    let gateway = node(&dir, RULES);
    // Nobody is there to deliver to. Large bodies lie in files, small ones in the log.
    let large = postern_tests::documents::noise(2_000_000);
    let mails = [plain_mail("Small lottery"), mail_with("Large lottery", "", &[("noise.bin", "application/octet-stream", &large)])];
    for mail in &mails {
        let said = deliver(&["erika", "max", "old"], mail);
        assert!(said.starts_with("250"), "{said}");
    }
    // The end without a warning: Running kills.
    drop(gateway);
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let gateway = Gateway::again(&binary(), &dir).unwrap();
    let taken = backend.wait_for(2, LIMIT).unwrap();
    assert_eq!(shape(&taken), [("audit+erika+new".to_owned(), true), ("audit+erika+new".to_owned(), true)]);
    let mut kept = Value::Null;
    postern_tests::gateway::wait_until("both are in the quarantine", LIMIT, || {
        kept = gateway.ask(&["quarantine", "list"]).unwrap_or_default();
        kept["mails"].as_array().is_some_and(|m| m.len() == 2)
    })
    .unwrap();
    for mail in kept["mails"].as_array().unwrap() {
        gateway.ask(&["quarantine", "release", mail["mail"].as_str().unwrap()]).unwrap();
    }
    let all = backend.wait_for(4, LIMIT).unwrap();
    // The same octets for all of them.
    let body = |t: &Taken| t.data.split_once("\r\n\r\n").unwrap().1.to_owned();
    for subject in ["Small lottery", "Large lottery"] {
        let of: Vec<&Taken> = all.iter().filter(|t| t.data.contains(subject)).collect();
        assert_eq!((of.len(), body(of[0])), (2, body(of[1])), "{subject}");
    }
    drop(gateway);
}
