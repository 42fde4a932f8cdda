//! Settings: edits anywhere, on both sides of a cut, and those that contradict each other.

use postern_tests::cluster::nodes::Options;
use postern_tests::gateway::wait_until;

use crate::world::*;

#[test]
fn settings_reach_all_and_edits_on_both_sides_of_a_cut_survive() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    said("three nodes are one cluster");

    set(&cluster, 1, "smtp.limits.max_recipients", "321");
    everywhere(&cluster, "a setting on all nodes", "/smtp/limits/max_recipients", 321);
    let own = setting(&cluster, 2, "/node/hostname");
    assert_eq!(own, "node2.example", "a node's own settings stay its own");
    said("a setting changed on node1 is in force on all; names stayed their own");

    cluster.ask(1, &["admin", "add", "anna", "--role", "helpdesk", "--domains", "example.org"]).unwrap();
    let anna = |n: usize| cluster.ask(n, &["admin", "list"]).ok()?["admins"].as_array()?.iter().find(|a| a["name"] == "anna").cloned();
    let knows = |n: usize| anna(n).is_some();
    let may = |n: usize, role: &str, domain: Option<&str>| anna(n).is_some_and(|a| a["role"] == role && a["domains"][0].as_str() == domain);
    wait_until("a login with its role on all nodes", LIMIT, || (0..3).all(|n| may(n, "helpdesk", Some("example.org")))).unwrap();
    cluster.ask(0, &["admin", "role", "anna", "--role", "auditor"]).unwrap();
    wait_until("another role on all nodes", LIMIT, || (0..3).all(|n| may(n, "auditor", None))).unwrap();
    cluster.ask(2, &["admin", "remove", "anna"]).unwrap();
    wait_until("the login gone everywhere", LIMIT, || !(0..3).any(knows)).unwrap();
    said("a login made on node1 is known on all, and removed on node2 it is gone everywhere");

    cluster.network.isolate(0, &[]);
    wait_until("node1 notices the cut", LIMIT, || !cluster.sees(1, 0)).unwrap();
    set(&cluster, 0, "smtp.limits.max_recipients", "400");
    set(&cluster, 0, "filter.thresholds.tag", "4.5");
    set(&cluster, 1, "smtp.limits.max_recipients", "500");
    set(&cluster, 2, "greylist.min_score", "3.5");
    said("node0 is cut off; settings are changed on both sides");

    cluster.network.heal();
    wait_until("all see each other again", LIMIT, || (1..3).all(|n| cluster.sees(0, n) && cluster.sees(n, 0))).unwrap();
    everywhere(&cluster, "node0's edit of another field", "/filter/thresholds/tag", 4.5);
    everywhere(&cluster, "node2's edit of another field", "/greylist/min_score", 3.5);
    let agreed = || {
        let all: Vec<_> = (0..3).map(|n| setting(&cluster, n, "/smtp/limits/max_recipients")).collect();
        (all[0] == 400 || all[0] == 500) && all.iter().all(|v| *v == all[0])
    };
    wait_until("one value of the field that both sides set", LIMIT, agreed).unwrap();
    let conflicts = cluster.ask(2, &["cluster", "conflicts"]).unwrap();
    assert_eq!(conflicts["conflicts"][0]["path"], "smtp.limits.max_recipients", "{conflicts}");
    assert_eq!(conflicts["conflicts"][0]["values"].as_array().unwrap().len(), 2);
    said("healed: edits of different fields all hold, the field that both set is a conflict with two values");

    set(&cluster, 2, "smtp.limits.max_recipients", "450");
    everywhere(&cluster, "the settled value", "/smtp/limits/max_recipients", 450);
    let settled = || (0..3).all(|n| cluster.ask(n, &["cluster", "conflicts"]).is_ok_and(|c| c["conflicts"] == serde_json::json!([])));
    wait_until("no conflict any more", LIMIT, settled).unwrap();
    let history = cluster.ask(0, &["cluster", "history"]).unwrap();
    let version = history["versions"][0]["hash"].as_str().unwrap().to_owned();
    cluster.ask(0, &["cluster", "undo", &version]).unwrap();
    let undone = setting(&cluster, 0, "/smtp/limits/max_recipients");
    assert_ne!(undone, 450);
    everywhere(&cluster, "the undone value", "/smtp/limits/max_recipients", undone);
    said("setting it settles it everywhere; undo takes it back everywhere");
}

#[test]
fn settings_that_contradict_each_other_take_nobody_down() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[filter.thresholds]\ntag = 5.0\nquarantine = 8.0\nreject = 15.0\n".to_owned();
    let Some(cluster) = cluster(folder.path(), 2, Options { settings, ..Options::default() }) else { return };
    let _logs = Logs(&cluster);
    cluster.network.cut(0, 1);
    wait_until("the cut is noticed", LIMIT, || !cluster.sees(0, 1) && !cluster.sees(1, 0)).unwrap();
    set(&cluster, 0, "filter.thresholds.tag", "7.5");
    set(&cluster, 1, "filter.thresholds.quarantine", "7.0");
    cluster.network.heal();
    let refused = |n| cluster.ask(n, &["cluster", "status"]).is_ok_and(|s| !s["refused"].is_null());
    wait_until("both say that the settings contradict each other", LIMIT, || refused(0) && refused(1)).unwrap();
    assert_eq!(setting(&cluster, 0, "/filter/thresholds/tag"), 7.5, "the last good settings of node0 stay in force");
    assert_eq!(setting(&cluster, 1, "/filter/thresholds/quarantine"), 7.0, "and those of node1 there");
    said("two edits that are good each contradict each other: both nodes say so and go on with their last good settings");
    spam(&cluster, 0, "still taken");
    cluster.ask(1, &["settings", "set", "filter.thresholds.tag", "6.0"]).unwrap();
    wait_until("nothing is refused any more", LIMIT, || !refused(0) && !refused(1)).unwrap();
    everywhere(&cluster, "the mended setting", "/filter/thresholds/tag", 6.0);
    everywhere(&cluster, "the other edit", "/filter/thresholds/quarantine", 7.0);
    said("one more edit mends it everywhere");
}
