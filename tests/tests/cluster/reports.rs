//! A report has the figures of all nodes, is sent once whichever node does it, and says whose figures it lacks.

use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::wait_until;
use postern_tests::report::{a_minute_ago, day, sent, time_of_day};
use postern_tests::smtp::{Smtp, plain_mail};
use serde_json::Value;

use crate::world::*;

const SETTINGS: &str = r#"
[sandbox]
enabled = false
[filter.thresholds]
tag = 900.0
quarantine = 950.0
reject = 1000.0
[[policy.rules]]
name = "held back"
who.senders = ["load.example"]
action.decide = "quarantine"
[reports]
recipients = ["boss@office.example"]
"#;
const WEEKDAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

fn ham(cluster: &Cluster, node: usize) {
    let address = std::net::SocketAddr::from((cluster.address(node), 25));
    std::thread::scope(|s| {
        s.spawn(|| {
            cluster.client().enter().unwrap();
            let mut smtp = Smtp::connect(address).unwrap();
            smtp.say("EHLO client.example").unwrap();
            let said = smtp.mail("anna@example.org", &["erika@office.example"], &plain_mail("notes")).unwrap();
            assert!(said.starts_with("250"), "{said}");
        })
        .join()
        .unwrap();
    });
}

fn kept(cluster: &Cluster, node: usize) -> Vec<Value> {
    cluster.ask(node, &["reports"]).map(|a| a["reports"].as_array().cloned().unwrap_or_default()).unwrap_or_default()
}

/// All nodes have looked at least twice since this moment.
fn all_looked(cluster: &Cluster, nodes: &[usize]) {
    let uptime = |n: usize| cluster.ask(n, &["status"]).ok().and_then(|s| s["uptime_seconds"].as_u64()).unwrap_or(0);
    let begun: Vec<u64> = nodes.iter().map(|n| uptime(*n)).collect();
    wait_until("two looks of each", LIMIT * 2, || nodes.iter().zip(&begun).all(|(n, begun)| uptime(*n) >= begun + 12)).unwrap();
}

#[test]
fn the_figures_of_all_nodes_are_sent_once_and_a_dead_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, Options { settings: SETTINGS.to_owned(), ..Options::default() }) else { return };
    for node in 0..3 {
        (0..=node).for_each(|_| ham(&cluster, node));
        spam(&cluster, node, "spam");
    }
    let today = day(a_minute_ago().0);
    let figures = |c: &Cluster, node: usize| c.ask(node, &["reports", "show", "--first", &today]).unwrap_or_default();
    let total = |report: &Value, action: &str| -> u64 {
        let series = report["mails"].as_array().into_iter().flatten().find(|s| s["name"] == action);
        series.map_or(0, |s| s["values"].as_array().unwrap().iter().filter_map(Value::as_u64).sum())
    };
    wait_until("the same figures on all nodes", LIMIT, || {
        (0..3).all(|n| {
            let report = figures(&cluster, n);
            (total(&report, "accept"), total(&report, "quarantine")) == (6, 3)
                && report["held"]["at_end"] == 3
                && report["whole"]["delivery"]["delivered"] == 6
        })
    })
    .unwrap();
    said("three nodes took 2, 3 and 4 mails: each says 6 accepted and 3 held back");

    let (days, minutes) = a_minute_ago();
    set(&cluster, 0, "reports.at", &time_of_day(minutes));
    set(&cluster, 1, "reports.schedule", "daily");
    wait_until("a report by the schedule", LIMIT, || !sent(&cluster.backend).unwrap().is_empty()).unwrap();
    wait_until("all nodes have it", LIMIT, || (0..3).all(|n| kept(&cluster, n).len() == 1)).unwrap();
    all_looked(&cluster, &[0, 1, 2]);
    let mails = sent(&cluster.backend).unwrap();
    assert_eq!(mails.iter().map(|m| m.to.as_slice()).collect::<Vec<_>>(), [["boss@office.example"]]);
    assert!(mails[0].subject.ends_with(&day(days - 1)), "{}", mails[0].subject);
    said("the schedule had one of three nodes send one report, and all of them keep it");

    // Whoever would be the first: a node that is gone is nobody's turn.
    let ids: Vec<String> = kept(&cluster, 0).iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect();
    cluster.kill(2).unwrap();
    wait_until("it is missed", LIMIT * 2, || {
        let view = cluster.ask(0, &["cluster", "members"]).unwrap_or_default();
        view["members"].as_array().is_some_and(|m| m.iter().any(|m| m["name"] == "node2.example" && m["connected"] == false))
    })
    .unwrap();
    set(&cluster, 0, "reports.weekday", WEEKDAYS[usize::try_from(days % 7).unwrap()]);
    set(&cluster, 0, "reports.schedule", "weekly");
    wait_until("the weekly one", LIMIT * 4, || sent(&cluster.backend).unwrap().len() > 1).unwrap();
    wait_until("both have it", LIMIT, || (0..2).all(|n| kept(&cluster, n).len() == 2)).unwrap();
    all_looked(&cluster, &[0, 1]);
    let mails = sent(&cluster.backend).unwrap();
    assert_eq!(mails.len(), 2);
    for text in [&mails[1].text, &mails[1].html] {
        assert!(text.contains("did not answer") && text.contains("node2.example"), "{text}");
    }
    said("a node is dead: one of the others sends the report, once, and says whose figures are missing");

    // The first report is still had when whoever sent it is not there.
    assert_eq!(cluster.ask(0, &["reports", "show", &ids[0]]).unwrap()["period"]["last"], day(days - 1));
    cluster.start(2).unwrap();
    wait_until("the node that was away shows both", LIMIT * 2, || kept(&cluster, 2).len() == 2).unwrap();
    all_looked(&cluster, &[0, 1, 2]);
    assert_eq!(sent(&cluster.backend).unwrap().len(), 2, "sent again by the node that was away");
    let report = figures(&cluster, 2);
    assert_eq!((total(&report, "accept"), report["silent"].as_array().map(Vec::len)), (6, Some(0)), "{report}");
    said("it is back: its figures are there again, and it sends nothing anew");
}
