//! Nodes that are killed or burn: no mail that was answered with 250 is lost.

use std::time::{Duration, Instant};

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::wait_until;

use crate::world::*;

fn impatient() -> Options {
    Options { settings: "[cluster]\ntakeover_after = \"2s\"\n".into(), ..Options::default() }
}

#[test]
fn a_killed_node_comes_back_and_a_burnt_one_is_replaced_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, impatient()) else { return };
    let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(10), 2048).unwrap();
    flows(&load, 100);
    cluster.kill(1).unwrap();
    let killed = Instant::now();
    flows(&load, 50);
    cluster.start(1).unwrap();
    wait_until("node1 is back", LIMIT, || cluster.sees(0, 1) && cluster.sees(2, 1)).unwrap();
    said("node1 was killed under load and started again");
    flows(&load, 50);
    cluster.destroy(2).unwrap();
    let burnt = Instant::now();
    said("node2 burnt down with its disk, under load");
    flows(&load, 50);
    std::thread::sleep(Duration::from_secs(3));
    settle(&cluster, load, &[killed, burnt]);
    cluster.ask(0, &["cluster", "remove", "node2.example"]).unwrap();
    cluster.start(2).unwrap();
    cluster.join(2, 1).unwrap();
    wait_until("the new node2 is seen", LIMIT, || cluster.sees(0, 2)).unwrap();
    let _logs = Logs(&cluster);
    said("removed, and a new node in its place joined");
}

#[test]
fn mail_that_waits_survives_its_node() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, impatient()) else { return };
    // The mail server is away: everything stays in the queue.
    let backend = cluster.nodes.len() + 1;
    cluster.network.isolate(backend, &[]);
    let doors = vec![cluster.doors()[2]];
    let load = Load::start(cluster.client(), doors, 3, Duration::from_millis(20), 4096).unwrap();
    flows(&load, 40);
    let account = load.stop();
    let status = cluster.ask(2, &["cluster", "status"]).unwrap();
    assert_eq!(status["copies"]["unshadowed"], 0, "{status}");
    cluster.destroy(2).unwrap();
    said(&format!("node2 took {} mails, could deliver none, and burnt down", account.taken.len()));
    cluster.network.heal();
    let taken_over = |n: usize| cluster.ask(n, &["cluster", "status"]).unwrap()["copies"]["taken_over"].as_u64().unwrap();
    wait_until("the others take its mails over", LIMIT, || taken_over(0) + taken_over(1) >= account.taken.len() as u64).unwrap();
    (0..2).for_each(|n| drop(cluster.ask(n, &["queue", "retry", "--all"])));
    let arrived =
        wait_until("everything arrives", Duration::from_secs(40), || account.arrived(&cluster.backend.mails()) == account.taken.len());
    let _logs = Logs(&cluster);
    let outcome = account.settle(&cluster.backend.mails());
    assert!(arrived.is_ok() && outcome.lost.is_empty() && outcome.twice.is_empty(), "{outcome:?}");
    said("the others delivered all of them, each once");
}

fn held(cluster: &Cluster, node: usize) -> Vec<serde_json::Value> {
    cluster.ask(node, &["quarantine", "list"]).unwrap()["mails"].as_array().cloned().unwrap_or_default()
}

/// The mail server's place among the hosts of three nodes: behind theirs and the clients'.
const BACKEND: usize = 4;

#[test]
fn a_node_restored_from_an_older_copy_of_its_disk_loses_no_mail_that_has_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[filter.thresholds]\ntag = 500.0\nquarantine = 500.0\nreject = 1000.0\n".to_owned();
    let Some(mut cluster) = cluster(folder.path(), 3, Options { settings, ..Options::default() }) else { return };
    cluster.stop(2).unwrap();
    let older = folder.path().join("older");
    let copied = std::process::Command::new("cp").arg("-a").arg(&cluster.nodes[2].data).arg(&older).status().unwrap();
    assert!(copied.success());
    cluster.start(2).unwrap();
    wait_until("node2 is back", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
    said("a copy of node2's disk is made");

    cluster.network.cut(2, BACKEND);
    let load = Load::start(cluster.client(), vec![cluster.doors()[2]], 4, Duration::from_millis(20), 2048).unwrap();
    flows(&load, 100);
    load.set_doors(Vec::new());
    let refused = load.account().refused;
    wait_until("no session is open", LIMIT, || load.account().refused > refused + 20).unwrap();
    set(&cluster, 0, "filter.thresholds.tag", "-100");
    set(&cluster, 0, "filter.thresholds.quarantine", "-100");
    everywhere(&cluster, "everything goes into quarantine", "/filter/thresholds/quarantine", -100.0);
    spam(&cluster, 2, "held");
    wait_until("it is in every node's list", LIMIT, || (0..3).all(|n| !held(&cluster, n).is_empty())).unwrap();
    let in_quarantine = held(&cluster, 0).len();
    let mail = held(&cluster, 0).into_iter().find(|m| m["subject"] == "held").unwrap()["mail"].as_str().unwrap().to_owned();
    let status = cluster.ask(2, &["cluster", "status"]).unwrap();
    assert_eq!(status["copies"]["unshadowed"], 0, "{status}");
    said("node2 takes mail that it cannot deliver, and has one in quarantine");
    set(&cluster, 0, "filter.thresholds.quarantine", "500");
    set(&cluster, 0, "filter.thresholds.tag", "500");

    cluster.kill(2).unwrap();
    std::fs::remove_dir_all(&cluster.nodes[2].data).unwrap();
    std::fs::rename(&older, &cluster.nodes[2].data).unwrap();
    cluster.network.heal();
    cluster.start(2).unwrap();
    let _logs = Logs(&cluster);
    settle(&cluster, load, &[]);
    said("its disk is gone, the older one is put in: it takes back from its peers what it does not know");
    let view = cluster.ask(2, &["quarantine", "show", &mail]).unwrap();
    assert!(view["text"].as_str().unwrap().contains("XJS*C4JDBQADN1"), "{view}");
    assert!((0..3).all(|n| held(&cluster, n).len() == in_quarantine));
    let before = cluster.backend.mails().len();
    cluster.ask(1, &["quarantine", "release", &mail]).unwrap();
    cluster.backend.wait_for(before + 1, LIMIT).unwrap();
    said("the quarantined mail, too, lies there again: node1 has it released");
}
