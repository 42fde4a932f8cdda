//! Reports: real mail through a node, what a mail program and a PDF reader see of it, and what the schedule does.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use postern_tests::backend::Backend;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::report::{a_minute_ago, day, sent, text_of_pdf, time_of_day};
use postern_tests::smtp::{plain_mail, send};

const LIMIT: Duration = Duration::from_secs(60);

const SETTINGS: &str = r#"
[smtp]
listen = ["127.0.0.1:2525"]
trusted_listen = []
[console]
listen = []
[dns]
enabled = false
[greylist]
enabled = false
[sandbox]
enabled = false
[edge]
allow = ["127.0.0.0/8"]
[filter.thresholds]
tag = 900.0
quarantine = 950.0
reject = 1000.0
[[policy.rules]]
name = "held back"
who.senders = ["evil.example"]
action.decide = "quarantine"
[[domains]]
name = "example.net"
backends = [{ host = "127.0.0.1", port = 2524, tls = "off" }]
[[domains]]
name = "office.example"
backends = [{ host = "127.0.0.1", port = 2524, tls = "off" }]
[reports]
recipients = ["boss@office.example"]
"#;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn deliver(from: &str, text: &str) {
    let said = send(address(2525), from, &["erika@example.net"], text).unwrap();
    assert!(said.starts_with("250 2.0.0"), "{said}");
}

#[test]
fn a_report_says_what_the_node_did_to_people_and_to_readers() {
    if let Some(why) = lacking(&["pdftotext"]) {
        return println!("skipped: {why}");
    }
    alone().unwrap();
    let office = Backend::smtp(address(2524)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::node(&binary(), folder.path(), SETTINGS).unwrap();
    for n in 0..3 {
        deliver("anna@example.org", &plain_mail(&format!("notes {n}")));
    }
    // A sender that is an operator of a PDF, markup, and a field of a mail, as far as SMTP lets it.
    let evil = "\"<b>x</b>)TjET\"@evil.example";
    deliver(evil, &plain_mail("spam"));
    office.wait_for(3, LIMIT).unwrap();
    let today = day(a_minute_ago().0);
    wait_until("all is counted", LIMIT, || {
        let report = gateway.ask(&["reports", "show", "--first", &today]).unwrap();
        report["whole"]["delivery"]["delivered"] == 3 && report["held"]["senders"][0]["count"] == 1
    })
    .unwrap();

    gateway.ask(&["reports", "send", &today]).unwrap();
    wait_until("the report", LIMIT, || sent(&office).unwrap().len() == 1).unwrap();
    let report = sent(&office).unwrap().remove(0);
    assert_eq!((report.to, report.subject), (vec!["boss@office.example".to_owned()], format!("[gateway.example] Mail report {today}")));
    assert!(report.from.contains("postern@gateway.example"), "{}", report.from);
    let read = text_of_pdf(&report.pdf).unwrap();
    for (form, text) in [("text", &report.text), ("PDF", &read)] {
        for words in ["erika@example.net", "evil.example", "example.net", "gateway.example", "policy", "10 seconds"] {
            assert!(text.contains(words), "{form}: no {words} in {text}");
        }
    }
    assert!(report.text.contains("Accepted: 3\nHeld back: 1\n"), "{}", report.text);
    assert!(report.text.contains("The time was not over"), "{}", report.text);
    assert!(read.contains("<b>x</b>)tjet"), "{read}");
    assert!(!report.html.contains("<b>x") && report.html.contains("&lt;b&gt;x&lt;/b&gt;"), "{}", report.html);
    assert_eq!(report.file, format!("postern-{today}-{today}.pdf"));

    // Kept, and had again by the command line: as text and as a file.
    let list = gateway.ask(&["reports"]).unwrap();
    let id = list["reports"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["reports"][0]["mails"], 4, "{list}");
    let file = folder.path().join("report.pdf");
    gateway.ask(&["reports", "save", &id, "--to", file.to_str().unwrap()]).unwrap();
    assert_eq!(text_of_pdf(&std::fs::read(&file).unwrap()).unwrap(), read);
    let shown =
        std::process::Command::new(binary()).args(["reports", "show", &id, "--language", "de", "--socket"]).arg(gateway.socket()).output();
    let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
    assert!(shown.contains("Zurückgehalten: 1"), "{shown}");
    let refused = gateway.ask(&["reports", "show", "--first", "yesterday"]).unwrap_err().to_string();
    assert!(refused.contains("`yesterday` is no day"), "{refused}");
}

#[test]
fn the_schedule_sends_one_and_the_node_that_restarts_no_other() {
    if let Some(why) = lacking(&[]) {
        return println!("skipped: {why}");
    }
    alone().unwrap();
    let office = Backend::smtp(address(2524)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::node(&binary(), folder.path(), SETTINGS).unwrap();
    assert_eq!(gateway.ask(&["reports"]).unwrap()["next"], serde_json::Value::Null);
    let (days, minutes) = a_minute_ago();
    gateway.ask(&["settings", "set", "reports.at", &time_of_day(minutes)]).unwrap();
    gateway.ask(&["settings", "set", "reports.language", "de"]).unwrap();
    gateway.ask(&["settings", "set", "reports.schedule", "daily"]).unwrap();
    wait_until("the report", LIMIT, || sent(&office).unwrap().len() == 1).unwrap();
    let [y, m, d] = <[String; 3]>::try_from(day(days - 1).split('-').map(str::to_owned).collect::<Vec<_>>()).unwrap();
    assert_eq!(sent(&office).unwrap()[0].subject, format!("[gateway.example] Mailbericht {d}.{m}.{y}"));
    wait_until("it is kept", LIMIT, || gateway.ask(&["reports"]).unwrap()["reports"][0]["schedule"] == "daily").unwrap();

    drop(gateway);
    gateway = Gateway::again(&binary(), folder.path()).unwrap();
    wait_until("two looks", LIMIT, || gateway.ask(&["status"]).unwrap()["uptime_seconds"].as_u64() >= Some(12)).unwrap();
    assert_eq!((sent(&office).unwrap().len(), gateway.ask(&["reports"]).unwrap()["reports"].as_array().unwrap().len()), (1, 1));
    let log = gateway.log();
    assert!(!log.lines().any(|l| l.contains("ERROR") || l.contains("panicked")), "{log}");
}
