//! What several nodes see is told once; what a node cannot send a peer sends.

use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::wait_until;
use serde_json::Value;

use crate::world::*;

const SETTINGS: &str = "[sandbox]\nenabled = false\n[alerts]\nrecipients = [\"oncall@backend.example\"]\nhold = \"0s\"\nclear = \"0s\"\n";

fn options() -> Options {
    Options { settings: SETTINGS.to_owned(), ..Options::default() }
}

fn alerts(cluster: &Cluster, node: usize) -> Vec<Value> {
    cluster.ask(node, &["alerts"]).map(|a| a["alerts"].as_array().cloned().unwrap_or_default()).unwrap_or_default()
}

/// The alert of a condition as a node shows it.
fn alert(cluster: &Cluster, node: usize, condition: &str) -> Option<Value> {
    alerts(cluster, node).into_iter().find(|a| a["condition"] == condition)
}

/// Mails to the people on call whose subject begins so.
fn told(cluster: &Cluster, word: &str) -> usize {
    cluster.backend.mails().iter().filter(|m| m.data.contains(&format!("] {word}"))).count()
}

#[test]
fn a_lost_node_is_told_by_one_of_those_that_miss_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, options()) else { return };
    wait_until("a quiet cluster", LIMIT, || (0..3).all(|n| alerts(&cluster, n).is_empty())).unwrap();
    cluster.kill(2).unwrap();
    let both_know = |c: &Cluster| {
        (0..2).all(|n| {
            alert(c, n, "node-unreachable").is_some_and(|a| {
                a["subject"] == "node2.example" && !a["told"].is_null() && a["seen_by"].as_array().is_some_and(|s| s.len() == 2)
            })
        })
    };
    wait_until("both nodes know that it was told", LIMIT * 2, || both_know(&cluster)).unwrap();
    // Each has looked again since.
    std::thread::sleep(LIMIT / 2);
    assert_eq!(told(&cluster, "Alert: node cannot be reached: node2.example"), 1);
    said("two nodes miss the third, one mail says so");

    let id = alert(&cluster, 0, "node-unreachable").unwrap()["id"].as_str().unwrap().to_owned();
    cluster.ask(1, &["alerts", "acknowledge", &id]).unwrap();
    wait_until("acknowledged on both", LIMIT, || {
        (0..2).all(|n| alert(&cluster, n, "node-unreachable").is_some_and(|a| !a["acknowledged"].is_null()))
    })
    .unwrap();
    cluster.start(2).unwrap();
    wait_until("it is over on all", LIMIT * 2, || (0..3).all(|n| alert(&cluster, n, "node-unreachable").is_none())).unwrap();
    wait_until("the end is told", LIMIT, || told(&cluster, "Resolved: node cannot be reached: node2.example") > 0).unwrap();
    std::thread::sleep(LIMIT / 2);
    assert_eq!(told(&cluster, "Resolved: node cannot be reached: node2.example"), 1);
    let past = cluster.ask(2, &["alerts", "past"]).unwrap();
    let times = past["alerts"].as_array().unwrap().iter().filter(|a| a["subject"] == "node2.example").count();
    assert_eq!(times, 1, "{past}");
    said("it is back: one mail says so, and every node has it in its history once");
}

#[test]
fn a_node_whose_spool_takes_nothing_has_a_peer_send_its_mail() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 2, options()) else { return };
    cluster.stop(1).unwrap();
    let file = cluster.nodes[1].data.join("postern.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    // More than any disk has.
    std::fs::write(&file, format!("{text}\n[delivery.spool]\nreserve = 1000000000000000\n")).unwrap();
    cluster.start(1).unwrap();
    wait_until("the mail of the full node", LIMIT * 2, || told(&cluster, "Alert: spool takes no mail") > 0).unwrap();
    let mails = cluster.backend.mails();
    let mail = mails.iter().find(|m| m.data.contains("spool takes no mail")).unwrap();
    assert!(mail.data.contains("postern@node0.example") && mail.data.contains("node1.example"), "{}", mail.data);
    said("node1 has no room for a mail: node0 sends it");
}
