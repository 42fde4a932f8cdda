//! Joining, leaving, draining.

use std::time::Duration;

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::Options;
use postern_tests::gateway::wait_until;

use crate::world::*;

#[test]
fn who_may_join_and_who_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    let refusal = |arguments: &[&str], node| cluster.ask(node, arguments).unwrap_err().to_string();
    assert!(refusal(&["cluster", "init"], 1).contains("member of the cluster"));
    cluster.ask(0, &["cluster", "remove", "node2.example"]).unwrap();
    wait_until("node1 has no link to a removed node", LIMIT, || !cluster.sees(1, 2)).unwrap();
    let members = cluster.ask(1, &["cluster", "members"]).unwrap();
    assert_eq!(members["removed"][0]["name"], "node2.example");
    said("node2 is removed: the others close their links");

    cluster.ask(2, &["cluster", "leave"]).unwrap();
    for nonsense in ["", "hello", "postern1-aaaa"] {
        assert!(refusal(&["cluster", "join", nonsense], 2).contains("token"), "{nonsense}");
    }
    let invitation = cluster.ask(1, &["cluster", "invite"]).unwrap();
    let token = invitation["token"].as_str().unwrap().to_owned();
    let (begin, end) = token.split_at(token.len() / 2);
    let typo = format!("{begin}{}{}", if end.starts_with('a') { 'b' } else { 'a' }, &end[1..]);
    assert!(refusal(&["cluster", "join", &typo], 2).contains("mistyped"));
    cluster.ask(2, &["cluster", "join", &token]).unwrap();
    wait_until("node2 is back as a new node", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
    said("it left, and joined again with a new key");

    cluster.ask(2, &["cluster", "leave"]).unwrap();
    assert!(refusal(&["cluster", "join", &token], 2).contains("used already"));
    let revoked = cluster.ask(1, &["cluster", "invite"]).unwrap()["token"].as_str().unwrap().to_owned();
    let id = cluster.ask(1, &["cluster", "invitations"]).unwrap()["invitations"][0]["id"].as_str().unwrap().to_owned();
    cluster.ask(1, &["cluster", "revoke", &id]).unwrap();
    assert!(refusal(&["cluster", "join", &revoked], 2).contains("revoked"));
    said("a used token and a revoked one are refused in words");
}

#[test]
fn a_drained_node_takes_no_mail_and_its_return_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(10), 2048).unwrap();
    wait_until("mail flows", LIMIT, || load.account().taken.len() > 50).unwrap();
    let drained = cluster.ask(1, &["node", "drain", "--wait"]).unwrap();
    assert_eq!(drained["duty"], "drained", "{drained}");
    assert_eq!(drained["safe_to_power_off"], true);
    wait_until("the others see it", LIMIT, || {
        let members = cluster.ask(0, &["cluster", "members"]).unwrap();
        members["members"].as_array().unwrap().iter().any(|m| m["name"] == "node1.example" && m["duty"] == "drained")
    })
    .unwrap();
    let before = load.account();
    wait_until("mail goes on by the others", LIMIT, || load.account().taken.len() > before.taken.len() + 50).unwrap();
    assert_eq!(load.account().unanswered.len(), 0, "a drain broke a mail in the middle");
    said("node1 is drained under load: no mail was broken, the others take all");
    cluster.ask(1, &["node", "resume"]).unwrap();
    let took = |n: usize| cluster.ask(n, &["status"]).unwrap()["spool"]["accepted"].as_u64().unwrap();
    let at_return = took(1);
    wait_until("it takes mail again", LIMIT, || took(1) > at_return).unwrap();
    let account = load.stop();
    wait_until("everything arrives", LIMIT, || account.arrived(&cluster.backend.mails()) == account.taken.len()).unwrap();
    let outcome = account.settle(&cluster.backend.mails());
    assert!(outcome.lost.is_empty() && outcome.twice.is_empty(), "{outcome:?}");
    said(&format!("{} mails taken, none lost, none twice", outcome.taken));
}
