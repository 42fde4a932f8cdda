//! What is the whole cluster's: bans, quarantine, tracking.

use std::time::{Duration, Instant};

use postern_tests::cluster::nodes::Options;
use postern_tests::gateway::wait_until;

use crate::world::*;

#[test]
fn a_ban_on_one_node_drops_packets_on_every_node() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { edge: true, ..Options::default() };
    let Some(cluster) = cluster(folder.path(), 3, options) else { return };
    let _logs = Logs(&cluster);
    let client = cluster.client().address.to_string();
    let guarded = |n| cluster.ask(n, &["edge", "status"]).is_ok_and(|s| s["interfaces"][0]["attached"] == true);
    if let Err(e) = wait_until("XDP on every node", LIMIT, || (0..3).all(guarded)) {
        println!("skipped: {e}");
        return;
    }
    let reaches = |n: usize| {
        let address = std::net::SocketAddr::from((cluster.address(n), 25));
        std::thread::scope(|s| {
            let client = cluster.client();
            s.spawn(move || {
                client.enter().unwrap();
                std::net::TcpStream::connect_timeout(&address, Duration::from_millis(700)).is_ok()
            })
            .join()
            .unwrap()
        })
    };
    assert!((0..3).all(reaches), "the client reaches every node");
    cluster.ask(0, &["edge", "ban", &client, "--for", "1h", "--why", "scenario"]).unwrap();
    let banned = |n| cluster.ask(n, &["edge", "bans"]).is_ok_and(|b| b.to_string().contains(&client));
    let took = wait_until("the ban on every node", LIMIT, || (0..3).all(banned)).unwrap();
    said(&format!("a ban set on node0 is on all nodes within {} ms", took.as_millis()));
    assert!(!(0..3).any(reaches), "XDP drops the client's packets on every node");
    cluster.ask(2, &["edge", "unban", &client]).unwrap();
    wait_until("the ban lifted on every node", LIMIT, || !(0..3).any(banned)).unwrap();
    assert!((0..3).all(reaches));
    said("lifted on node2, it is lifted on all");
}

#[test]
fn quarantine_and_tracking_are_those_of_the_whole_cluster() {
    let folder = tempfile::tempdir().unwrap();
    // Everything goes into quarantine: whose verdict it is does not matter here.
    let settings = "[filter.thresholds]\ntag = -100.0\nquarantine = -100.0\nreject = 1000.0\n".to_owned();
    let Some(cluster) = cluster(folder.path(), 3, Options { settings, ..Options::default() }) else { return };
    let _logs = Logs(&cluster);
    let listed = |n| {
        let list = cluster.ask(n, &["quarantine", "list"]).unwrap();
        let mails = list["mails"].as_array().cloned().unwrap_or_default();
        mails
            .into_iter()
            .map(|m| (m["subject"].as_str().unwrap_or_default().to_owned(), m["mail"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    for (node, subject) in ["one", "two", "three"].into_iter().enumerate() {
        spam(&cluster, node, subject);
    }
    wait_until("three mails in every node's list", LIMIT, || (0..3).all(|n| listed(n).len() == 3)).unwrap();
    said("three mails, taken by three nodes, are in the quarantine list of every node");

    let id = |subject: &str| listed(0).into_iter().find(|(s, _)| s == subject).unwrap().1;
    let (one, two, three) = (id("one"), id("two"), id("three"));
    let view = cluster.ask(2, &["quarantine", "show", &one]).unwrap();
    assert!(view["text"].as_str().unwrap().contains("XJS*C4JDBQADN1"), "{view}");
    cluster.ask(2, &["quarantine", "release", "--learn", &one]).unwrap();
    cluster.backend.wait_for(1, LIMIT).unwrap();
    cluster.ask(0, &["quarantine", "delete", "--learn", &two]).unwrap();
    wait_until("one mail left in every node's list", LIMIT, || (0..3).all(|n| listed(n).len() == 1)).unwrap();
    said("node2 reads and releases a mail of node0; node0 deletes one of node1: every node says so");
    let learned = |n: usize| cluster.ask(n, &["status"]).unwrap()["learned"].clone();
    let both = serde_json::json!({ "spam": 1, "ham": 1 });
    wait_until("both lessons on every node", LIMIT, || (0..3).all(|n| learned(n) == both)).unwrap();
    said("node2 learned from the one that it is no spam, node0 from the other that it is: every node knows both");

    let found = cluster.ask(1, &["journey", "search", "--subject", "three"]).unwrap();
    assert_eq!(found["journeys"][0]["node"], "node2.example", "{found}");
    let journey = cluster.ask(1, &["journey", "show", &one]).unwrap();
    assert!(journey["steps"].to_string().contains("delivered"), "{journey}");
    cluster.network.isolate(2, &[3, 4]);
    wait_until("node1 notices the cut", LIMIT, || !cluster.sees(1, 2)).unwrap();
    let began = Instant::now();
    let found = cluster.ask(1, &["journey", "search", "--sender", "load.example"]).unwrap();
    assert_eq!(found["silent"], serde_json::json!(["node2.example"]), "{found}");
    assert_eq!(found["journeys"].as_array().unwrap().len(), 2);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    said("a search over all nodes finds all; with one cut off it names the one that did not answer");

    // Who has not noticed the cut yet still thinks itself connected when it is over.
    wait_until("all notice the cut", LIMIT, || (0..2).all(|n| !cluster.sees(n, 2) && !cluster.sees(2, n))).unwrap();
    cluster.network.heal();
    // Released from a copy while its node is away, and there, too, it would be delivered twice: as in any cut.
    wait_until("all see each other again", LIMIT, || (0..2).all(|n| cluster.sees(n, 2) && cluster.sees(2, n))).unwrap();
    cluster.ask(0, &["quarantine", "release", &three]).unwrap();
    cluster.backend.wait_for(2, LIMIT).unwrap();
    assert!(cluster.ask(1, &["quarantine", "release", &three]).is_err(), "released twice");
}
