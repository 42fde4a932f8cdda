//! A rolling upgrade: nodes of two generations in one cluster, under load, until all are new.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::lacking;
use serde_json::json;

use crate::world::*;

/// A setting that the older generation does not know.
const NEW_SETTING: (&str, &str) = ("greylist.min_score", "/greylist/min_score");

fn members(cluster: &Cluster, node: usize) -> Vec<serde_json::Value> {
    cluster.ask(node, &["cluster", "members"]).unwrap()["members"].as_array().cloned().unwrap_or_default()
}

/// The version of the protocol that a node speaks with another.
fn protocol(cluster: &Cluster, node: usize, with: usize) -> Option<u64> {
    let name = format!("node{with}.example");
    members(cluster, node).iter().find(|m| m["name"] == *name)?["protocol"].as_u64()
}

fn quarantined(cluster: &Cluster, node: usize) -> usize {
    cluster.ask(node, &["quarantine", "list"]).unwrap()["mails"].as_array().map_or(0, Vec::len)
}

fn unknown_kinds(cluster: &Cluster, node: usize) -> bool {
    let status = cluster.ask(node, &["cluster", "status"]).unwrap();
    status["ledger"]["oddities"].as_array().is_some_and(|all| all.iter().any(|o| o["name"] == "unknown-kind"))
}

#[test]
fn three_nodes_are_upgraded_one_after_the_other_under_load() {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let built = binary().with_file_name("generations");
    let generation = |name: &str| -> PathBuf {
        let path = folder.path().join(name);
        symlink(&built, &path).unwrap();
        path
    };
    let (older, newer) = (generation("older"), generation("newer"));
    // At first everything goes into quarantine.
    let settings = "[filter.thresholds]\ntag = -100.0\nquarantine = -100.0\nreject = 1000.0\n".to_owned();
    let mut cluster = Cluster::new(&older, folder.path(), 3, Options { settings, ..Options::default() }).unwrap();
    cluster.start_all().unwrap();
    cluster.unite().unwrap();
    assert_eq!(protocol(&cluster, 0, 1), Some(1));
    spam(&cluster, 0, "held by node0");
    spam(&cluster, 1, "held by node1");
    wait_until("a mail in quarantine on two nodes", LIMIT, || [0, 1].iter().all(|n| quarantined(&cluster, *n) == 1)).unwrap();
    assert_eq!(quarantined(&cluster, 2), 0, "the older generation has no common quarantine");
    for (name, value) in [("quarantine", "900"), ("tag", "800")] {
        set(&cluster, 0, &format!("filter.thresholds.{name}"), value);
    }
    everywhere(&cluster, "mail is delivered from now on", "/filter/thresholds/tag", 800.0);
    said("three nodes of the older generation: one protocol, no common quarantine, two mails held");

    let load = Load::start(cluster.client(), cluster.doors(), 6, std::time::Duration::from_millis(10), 2048).unwrap();
    flows(&load, 50);
    let before = setting(&cluster, 2, NEW_SETTING.1);
    assert_ne!(before, 3.5);
    let mut limit = 500;
    for node in 0..3 {
        let drained = cluster.ask(node, &["node", "drain", "--wait"]).unwrap();
        assert_eq!(drained["safe_to_power_off"], true, "{drained}");
        cluster.stop(node).unwrap();
        flows(&load, 30);
        cluster.nodes[node].binary = newer.clone();
        cluster.start(node).unwrap();
        let others: Vec<usize> = (0..3).filter(|n| *n != node).collect();
        let joined = || others.iter().all(|n| cluster.sees(*n, node) && cluster.sees(node, *n));
        wait_until("the upgraded node is among its peers", LIMIT, joined).unwrap();
        for other in &others {
            let is_new = *other < node;
            assert_eq!(protocol(&cluster, node, *other), Some(if is_new { 2 } else { 1 }), "of node{node} with node{other}");
        }
        let serves = |at: usize| members(&cluster, at).iter().all(|m| m["duty"] == "serving");
        wait_until("all say of all that they serve", LIMIT, || (0..3).all(serves)).unwrap();
        if node == 0 {
            set(&cluster, 0, NEW_SETTING.0, "3.5");
            let shown = |n: usize| cluster.ask(n, &["cluster", "status"]).unwrap()["unknown_settings"] == json!([NEW_SETTING.0]);
            wait_until("the older nodes name the setting they do not know", LIMIT, || shown(1) && shown(2)).unwrap();
            wait_until("and have rows of a kind they do not know", LIMIT, || unknown_kinds(&cluster, 1) && unknown_kinds(&cluster, 2))
                .unwrap();
            said("node0 is new: its peers keep a setting and rows that they do not know, and say so");
        }
        // Changed on an older node as long as there is one.
        limit += 1;
        set(&cluster, 2, "smtp.limits.max_recipients", &limit.to_string());
        everywhere(&cluster, "a setting that both generations know", "/smtp/limits/max_recipients", limit);
        assert_eq!(setting(&cluster, 0, NEW_SETTING.1), 3.5, "an older node's change destroyed what it does not know");
        let upgraded: Vec<usize> = (0..=node).collect();
        let mine = |n: &usize| setting(&cluster, *n, NEW_SETTING.1) == 3.5;
        wait_until("the new setting where it is known", LIMIT, || upgraded.iter().all(mine)).unwrap();
        if node < 2 {
            assert_eq!(setting(&cluster, 2, NEW_SETTING.1), before, "an older node has it in force");
        }
        let held = |n: &usize| quarantined(&cluster, *n) == upgraded.len().min(2);
        wait_until("the common quarantine of those that know it", LIMIT, || upgraded.iter().all(held)).unwrap();
        flows(&load, 30);
        said(&format!("node{node} was drained, stopped, and came back new; settings and ledgers go both ways"));
    }
    let unanswered = load.account().unanswered.len();
    let _logs = Logs(&cluster);
    settle(&cluster, load, &[]);
    assert_eq!(unanswered, 0, "an upgrade broke a mail in the middle");
    for n in 0..3 {
        let status = cluster.ask(n, &["cluster", "status"]).unwrap();
        assert_eq!(status["unknown_settings"], json!([]), "{status}");
        assert_eq!(status["conflicts"], 0, "{status}");
    }
}
