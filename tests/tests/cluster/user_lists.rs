//! Whom a user blocks holds on every node, also on one that was away, and on one that joins later.

use std::net::SocketAddr;

use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::lacking;
use postern_tests::smtp::{plain_mail, send};
use postern_tests::user::User;

use crate::world::*;

const SETTINGS: &str = "[sandbox]\nenabled = false\n[users]\nenabled = true\nurl = \"https://mail.backend.example\"\ndigest_at = []\n";

/// Three nodes that are no cluster yet; the first knows whose domain it is.
fn start(folder: &std::path::Path) -> Option<Cluster> {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return None;
    }
    let mut cluster = Cluster::new(&binary(), folder, 3, Options { settings: SETTINGS.to_owned(), ..Options::default() }).unwrap();
    cluster.start_all().unwrap();
    let backend = cluster.network.hosts.last().unwrap().address;
    let domain =
        serde_json::json!([{ "name": "backend.example", "backends": [{ "host": backend.to_string(), "port": 25, "tls": "off" }] }]);
    set(&cluster, 0, "domains", &domain.to_string());
    Some(cluster)
}

fn deliver(cluster: &Cluster, node: usize, subject: &str) {
    let address = SocketAddr::from((cluster.address(node), 25));
    std::thread::scope(|s| {
        let talk = s.spawn(|| {
            cluster.client().enter().unwrap();
            let to = ["anna@backend.example", "otto@backend.example"];
            send(address, "pest@load.example", &to, &plain_mail(subject)).unwrap()
        });
        let said = talk.join().unwrap();
        assert!(said.starts_with("250"), "{said}");
    });
}

/// Who got it.
fn got(cluster: &Cluster, subject: &str) -> Vec<String> {
    let mails = cluster.backend.mails();
    let mut to: Vec<String> =
        mails.iter().filter(|m| m.data.contains(&format!("Subject: {subject}\r\n"))).flat_map(|m| m.to.clone()).collect();
    to.sort();
    to
}

fn held(cluster: &Cluster, node: usize, subject: &str) -> usize {
    let list = cluster.ask(node, &["quarantine", "list"]).unwrap();
    let rows = list["mails"].as_array().unwrap();
    rows.iter().filter(|m| m["subject"] == subject && m["reason"] == "user-blocked" && m["recipients"][0] == "anna@backend.example").count()
}

#[test]
fn what_a_user_chose_on_one_node_holds_on_all() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = start(folder.path()) else { return };
    // Before there is a cluster: it goes along when one is founded.
    let anna = User::log_in(&cluster.nodes[0].data, &cluster.backend, "anna@backend.example").unwrap();
    anna.choose("pest@load.example", "block").unwrap();
    cluster.unite().unwrap();
    let blocks = |c: &Cluster, node: usize, subject: &str| {
        deliver(c, node, subject);
        wait_until("its delivery", LIMIT, || !got(c, subject).is_empty()).unwrap();
        held(c, node, subject) == 1
    };
    let mut tries = 0;
    wait_until("the other nodes to know", LIMIT * 2, || {
        tries += 1;
        (1..3).all(|n| blocks(&cluster, n, &format!("Try {tries} at node {n}")))
    })
    .unwrap();
    assert_eq!(got(&cluster, &format!("Try {tries} at node 1")), ["otto@backend.example"], "who blocks nothing gets it");
    said("a block from before the cluster holds on all nodes");

    // Taken back while a node is away: it learns of it when it is back.
    cluster.stop(2).unwrap();
    anna.take_back("pest@load.example").unwrap();
    cluster.start(2).unwrap();
    let mut tries = 0;
    wait_until("the node that was away to know", LIMIT * 2, || {
        tries += 1;
        let subject = format!("Back {tries}");
        deliver(&cluster, 2, &subject);
        wait_until("its delivery", LIMIT, || got(&cluster, &subject).len() + held(&cluster, 2, &subject) == 2).unwrap();
        got(&cluster, &subject).len() == 2
    })
    .unwrap();
    said("taken back on one node, it is taken back on all");
}
