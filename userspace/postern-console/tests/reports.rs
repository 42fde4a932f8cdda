//! Reports by the API: any days, sent by hand and by the schedule, kept; who may; what hostile senders write.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod held;
mod rig;

use std::time::{Duration, SystemTime};

use held::quarantined;
use postern_console::{Console, reports};
use postern_mail::message::Limits;
use postern_model::address::ReversePath;
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::JourneySummary;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use postern_mta::queue::Filter;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineState};
use rig::{PASSWORD, Rig, ask};
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
/// What an envelope's sender may be (RFC 5321 §4.1.2), and more.
const NASTY: &str = "\"<script>alert(1)</script>)Tj\"@evil.example";

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// As in `2026-11-26`.
fn day(at: Timestamp) -> String {
    at.to_string()[..10].to_owned()
}

/// A mail of then.
fn tracked(rig: &Rig, at: Timestamp, n: u128, action: &'static str, reason: Reason, to: &str) {
    rig.state.database.journeys().summarise(JourneySummary {
        mail: MailId::new(at, n),
        at,
        direction: Direction::Inbound,
        client: [192, 0, 2, 1].into(),
        mail_from: ReversePath::Null,
        recipients: vec![to.parse().unwrap()],
        from_header: None,
        subject: None,
        message_id: None,
        size: 1000,
        action: action.into(),
        reason,
        score: 0.0,
    });
}

async fn held_back(rig: &Rig, at: Timestamp, n: u128, to: &str) {
    let entry = QuarantineEntry {
        mail: MailId::new(at, n),
        at,
        sender: NASTY.into(),
        recipients: vec![to.to_owned()],
        from_header: None,
        subject: None,
        score: Score::new(9.0),
        reason: Reason::ScoreQuarantine,
        size: 1,
        expires: Timestamp(at.0 + 30 * DAY),
        state: QuarantineState::Held,
        state_by: None,
        state_at: None,
        holder: None,
    };
    rig.state.database.quarantine().add(&entry).await.unwrap();
}

/// Letters in the queue: to whom, subject, text, and names of the files.
fn letters(rig: &Rig) -> Vec<(String, String, String, Vec<String>)> {
    let read = |row: postern_mta::queue::Row| {
        let stored = rig.state.spool.read(row.id).unwrap();
        let message = postern_mail::read(stored.bytes(), &Limits::default());
        let header = |name: &str| message.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.clone());
        assert_eq!(header("auto-submitted").as_deref(), Some("auto-generated"));
        let files = message.parts.iter().filter_map(|p| p.filename.clone()).collect();
        (row.recipients[0].address.to_string(), header("subject").unwrap(), message.text, files)
    };
    rig.state.queue.list(&Filter::default(), None, 100).into_iter().map(read).collect()
}

#[tokio::test]
async fn any_days_are_reported_and_sent_and_kept() {
    let rig = Rig::with_settings("[reports]\nlanguage = \"de\"\n").await;
    let (today, yesterday) = (now(), Timestamp(now().0 - DAY));
    tracked(&rig, today, 1, "accept", Reason::Clean, "a@one.example");
    tracked(&rig, today, 2, "quarantine", Reason::ScoreQuarantine, "b@two.example");
    tracked(&rig, yesterday, 3, "reject", Reason::Virus, "a@one.example");
    held_back(&rig, today, 2, "b@two.example").await;

    let both = format!("first={}&last={}", day(yesterday), day(today));
    let report = ask("GET", format!("/api/v1/reports/preview?{both}")).unix(&rig).await.ok();
    let sum = |name: &str| {
        let series = report["mails"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap();
        series["values"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!([sum("accept"), sum("quarantine"), sum("reject")], [1, 1, 1], "{report}");
    assert_eq!((&report["step"], report["times"].as_array().unwrap().len()), (&json!(3_600_000), 48));
    assert_eq!(report["held"]["senders"], json!([{ "name": NASTY.to_lowercase(), "count": 1 }]));
    assert_eq!(report["whole"]["nodes"][0]["mails"], 3, "{report}");
    assert_eq!(report["whole"]["reasons"].as_array().unwrap().len(), 3);
    let domains: Vec<&str> = report["by_domain"].as_array().unwrap().iter().map(|d| d["domain"].as_str().unwrap()).collect();
    assert_eq!(domains, ["one.example", "two.example"]);
    // Without days: yesterday, where no schedule says otherwise. What came the day before it is what it is compared with.
    let usual = ask("GET", "/api/v1/reports/preview").unix(&rig).await.ok();
    assert_eq!((&usual["period"]["first"], &usual["before"]), (&json!(day(yesterday)), &json!(0)));
    let later = ask("GET", format!("/api/v1/reports/preview?first={}", day(today))).unix(&rig).await.ok();
    assert_eq!(later["before"], 1);

    let pdf = ask("GET", format!("/api/v1/reports/preview/pdf?{both}&language=en")).unix(&rig).await;
    assert!(pdf.body.starts_with(b"%PDF-") && pdf.header("content-type") == "application/pdf", "{:?}", pdf.headers);
    assert_eq!(pdf.header("content-disposition"), format!("attachment; filename=\"postern-{}-{}.pdf\"", day(yesterday), day(today)));

    // Nobody to send it to is said; then it is sent to all, and kept.
    let send = || ask("POST", "/api/v1/reports").json(json!({ "first": day(yesterday), "last": day(today) }));
    send().unix(&rig).await.problem(409);
    assert!(letters(&rig).is_empty());
    let set = json!({ "path": "reports.recipients", "value": ["boss@one.example", "auditor@two.example"] });
    ask("PATCH", "/api/v1/settings").json(set).unix(&rig).await.ok();
    let sent = send().unix(&rig).await;
    assert_eq!(sent.status, 202, "{}", sent.text());
    let id = sent.json()["id"].as_str().unwrap().to_owned();
    let all = letters(&rig);
    let mut to: Vec<&str> = all.iter().map(|l| l.0.as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["auditor@two.example", "boss@one.example"]);
    for (_, subject, text, files) in &all {
        assert!(subject.starts_with("[mx.example] Mailbericht ") && !subject.contains('\n'), "{subject}");
        assert!(text.contains("Angenommen: 1") && text.contains("mx.example"), "{text}");
        assert_eq!(*files, [format!("postern-{}-{}.pdf", day(yesterday), day(today))]);
    }
    let list = ask("GET", "/api/v1/reports").unix(&rig).await.ok();
    let row = &list["reports"][0];
    assert_eq!((&row["id"], &row["mails"], &row["schedule"]), (&json!(id), &json!(3), &json!("off")), "{list}");
    assert!(row["recipients"].as_array().unwrap().len() == 2 && row["by"].is_string(), "{row}");
    assert_eq!(ask("GET", format!("/api/v1/reports/{id}")).unix(&rig).await.ok()["held"], report["held"]);
    assert!(ask("GET", format!("/api/v1/reports/{id}/pdf")).unix(&rig).await.body.starts_with(b"%PDF-"));
    let trail = ask("GET", "/api/v1/audit?action=report.send").unix(&rig).await.ok();
    assert_eq!(trail["entries"][0]["subject"], format!("{} to {}", day(yesterday), day(today)), "{trail}");
}

#[tokio::test]
async fn nonsense_is_refused_and_roles_hold() {
    let rig = Rig::new().await;
    for bad in [
        "first=2026-13-01",
        "first=x",
        "last=2026-01-01",
        "first=2026-02-02&last=2026-02-01",
        "first=2020-01-01&last=2026-01-01",
        "days=7",
        "first=2026-01-01&language=fr",
    ] {
        ask("GET", format!("/api/v1/reports/preview?{bad}")).unix(&rig).await.problem(400);
        ask("GET", format!("/api/v1/reports/preview/pdf?{bad}")).unix(&rig).await.problem(400);
    }
    for path in ["/api/v1/reports/nothing", "/api/v1/reports/nothing/pdf", "/api/v1/reports/%27%22%3Cscript%3E"] {
        ask("GET", path).unix(&rig).await.problem(404);
    }
    ask("POST", "/api/v1/reports").json(json!({ "first": "2026-11-01" })).unix(&rig).await.problem(400);
    let paths = ["/api/v1/reports", "/api/v1/reports/preview"];
    for (name, role, domains, reads, sends) in [
        ("olga", "operator", Value::Null, 200, 409),
        ("alf", "auditor", Value::Null, 200, 403),
        ("hilde", "helpdesk", Value::Null, 403, 403),
        ("dora", "operator", json!(["one.example"]), 403, 403),
    ] {
        let new = json!({ "name": name, "password": PASSWORD, "role": role, "domains": domains });
        assert_eq!(ask("POST", "/api/v1/admins").json(new).unix(&rig).await.status, 201);
        let login = rig.login_as(name, PASSWORD).await;
        for path in paths {
            assert_eq!(ask("GET", path).login(&login).https(&rig).await.status, reads, "{name} {path}");
        }
        let send = ask("POST", "/api/v1/reports").json(json!({ "first": "2026-11-01", "last": "2026-11-01" }));
        assert_eq!(send.login(&login).https(&rig).await.status, sends, "{name}");
    }
}

#[tokio::test]
async fn a_report_about_some_domains_says_nothing_of_others() {
    let settings = "[reports]\nrecipients = [\"boss@two.example\"]\ndomains = [\"two.example\"]\n";
    let rig = Rig::with_settings(settings).await;
    let today = now();
    tracked(&rig, today, 1, "accept", Reason::Clean, "a@one.example");
    tracked(&rig, today, 2, "accept", Reason::Clean, "b@two.example");
    held_back(&rig, today, 3, "a@one.example").await;
    quarantined(&rig, 4, &["a@one.example"]).await;
    let answer = ask("GET", format!("/api/v1/reports/preview?first={}", day(today))).unix(&rig).await;
    let report = answer.ok();
    assert_eq!((&report["whole"], &report["domains"]), (&Value::Null, &json!(["two.example"])));
    assert_eq!(report["mails"], json!([{ "name": "accept", "values": [1] }]), "{report}");
    assert!(!answer.text().contains("one.example"), "{report}");
    ask("POST", "/api/v1/reports").json(json!({ "first": day(today), "last": day(today) })).unix(&rig).await.ok();
    let all = letters(&rig);
    assert!(all.len() == 1 && !all[0].2.contains("one.example") && all[0].2.contains("two.example"), "{all:?}");
}

#[tokio::test]
async fn what_the_schedule_says_is_sent_once_over_a_restart() {
    // One minute ago, whatever the clock says.
    let due = now().0 - 60_000;
    let minutes = due.rem_euclid(DAY) / 60_000;
    let settings =
        format!("[reports]\nschedule = \"daily\"\nat = \"{:02}:{:02}\"\nrecipients = [\"boss@one.example\"]\n", minutes / 60, minutes % 60);
    let mut rig = Rig::with_settings(&settings).await;
    let about = day(Timestamp(due - DAY));
    tracked(&rig, Timestamp(due - DAY), 1, "accept", Reason::Clean, "a@one.example");
    let state = rig.state.clone();
    rig.serve_with(state.clone(), |console: &Console, stop| drop(tokio::spawn(reports::keep(console.clone(), stop.clone()))));
    let sent = async {
        loop {
            let list = ask("GET", "/api/v1/reports").unix(&rig).await.ok();
            if list["reports"][0]["schedule"] == "daily" {
                return list;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let list = tokio::time::timeout(Duration::from_secs(30), sent).await.expect("a report by the schedule");
    assert_eq!((&list["reports"][0]["first"], &list["reports"][0]["mails"]), (&json!(about), &json!(1)), "{list}");
    assert!(list["next"].as_i64().unwrap() > now().0 && list["trouble"].is_null(), "{list}");
    let first = letters(&rig);
    assert!(first.len() == 1 && first[0].1.contains(&about), "{first:?}");

    // The node's next life looks, too.
    let stop = tokio_util::sync::CancellationToken::new();
    let again = Console::new(state);
    let looking = tokio::spawn(reports::keep(again, stop.clone()));
    let looked = async {
        while ask("GET", "/api/v1/status").unix(&rig).await.ok()["uptime_seconds"].as_u64().unwrap() < 18 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looked).await.expect("two looks");
    stop.cancel();
    looking.await.unwrap();
    assert_eq!(letters(&rig).len(), 1, "sent twice");
    assert_eq!(ask("GET", "/api/v1/reports").unix(&rig).await.ok()["reports"].as_array().unwrap().len(), 1);
}
