//! What the API answers: settings, tracking, quarantine, bad input.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod held;
mod rig;

use std::borrow::Cow;

use held::{MAIL, quarantined};
use postern_model::address::ReversePath;
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, Step};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;
use postern_store::database::quarantine::QuarantineState;
use rig::{PASSWORD, Rig, ask};
use serde_json::json;

const SETTINGS: &str = "# ours\n[smtp.limits] # limits\nmax_recipients = 200 # many\n\n[[delivery.smarthosts]]\nhost = \"out.example\"\nusername = \"u\"\npassword = \"hunter2hunter2\"\n";
const NASTY: &str = "</script><img src=x onerror=alert(1)>\"'&{{7*7}}\u{202e}";

#[tokio::test]
async fn settings_change_in_place_with_history_and_undo() {
    let rig = Rig::with_settings(SETTINGS).await;
    let first = ask("GET", "/api/v1/settings").unix(&rig).await;
    let digest = first.ok()["digest"].as_str().unwrap().to_owned();
    assert_eq!(first.header("etag"), format!("\"{digest}\""));
    assert_eq!(first.json()["settings"]["smtp"]["limits"]["max_recipients"], 200);

    let patch = json!({ "path": "smtp.limits.max_recipients", "value": 300, "message": "a busy day" });
    let changed = ask("PATCH", "/api/v1/settings").json(patch).unix(&rig).await.ok();
    assert_eq!((&changed["changed"], &changed["restart_needed"]), (&json!(true), &json!([])));
    let file = rig.dir.path().join("postern.toml");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SETTINGS.replace("200", "300"));
    assert_eq!(rig.state.settings.settings().smtp.limits.max_recipients, 300);

    // The old version cannot be built upon.
    let put = |digest: &str| {
        ask("PUT", "/api/v1/settings?message=whole").raw("application/toml", SETTINGS).header("if-match", format!("\"{digest}\""))
    };
    put(&digest).unix(&rig).await.problem(412);
    ask("PUT", "/api/v1/settings").raw("application/toml", SETTINGS).unix(&rig).await.problem(428);

    let history = ask("GET", "/api/v1/settings/history").unix(&rig).await.ok();
    let versions = history["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["message"], "a busy day");
    let old = versions[1]["id"].as_i64().unwrap();
    let diff = ask("GET", format!("/api/v1/settings/history/{old}/diff")).unix(&rig).await.ok();
    assert!(diff["diff"].as_str().unwrap().contains("-max_recipients = 200 # many\n+max_recipients = 300 # many"), "{diff}");
    let undone = ask("POST", "/api/v1/settings/undo").json(json!({ "to": old })).unix(&rig).await.ok();
    assert_eq!(undone["digest"], digest);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SETTINGS);

    let restart = ask("PATCH", "/api/v1/settings").json(json!({ "path": "smtp.listen", "value": ["[::1]:2525"] })).unix(&rig).await.ok();
    assert_eq!(restart["restart_needed"], json!(["smtp.listen"]));
    let back = ask("PATCH", "/api/v1/settings").json(json!({ "path": "smtp.listen" })).unix(&rig).await.ok();
    assert_eq!(back["changed"], true);
}

#[tokio::test]
async fn secrets_never_leave_and_come_back_unharmed() {
    let rig = Rig::with_settings(SETTINGS).await;
    let whole = ask("GET", "/api/v1/settings").unix(&rig).await;
    let digest = whole.ok()["digest"].as_str().unwrap().to_owned();
    let masked = whole.json()["text"].as_str().unwrap().to_owned();
    let edited = masked.replace("200", "400");
    let put = ask("PUT", "/api/v1/settings").raw("application/toml", edited).header("if-match", &digest).unix(&rig).await;
    assert_eq!(put.ok()["changed"], true);
    let file = std::fs::read_to_string(rig.dir.path().join("postern.toml")).unwrap();
    assert_eq!(file, SETTINGS.replace("200", "400"));
    let all = [
        whole.text(),
        ask("GET", "/api/v1/settings/history/1").unix(&rig).await.text(),
        ask("GET", "/api/v1/settings/history/1/diff").unix(&rig).await.text(),
        ask("GET", "/api/v1/audit").unix(&rig).await.text(),
    ];
    assert!(all.iter().all(|text| !text.contains("hunter2")), "{all:?}");
    // A mask beside another host would send the secret there.
    let stolen = masked.replace("out.example", "evil.example");
    let digest = rig.state.settings.current().digest.clone();
    ask("PUT", "/api/v1/settings").raw("application/toml", stolen).header("if-match", &digest).unix(&rig).await.problem(422);
}

#[tokio::test]
async fn bad_settings_change_nothing_and_say_where() {
    let rig = Rig::with_settings(SETTINGS).await;
    let patch = |path: &str, value: serde_json::Value| ask("PATCH", "/api/v1/settings").json(json!({ "path": path, "value": value }));
    let problem = patch("smtp.limits.max_recipients", json!(5)).unix(&rig).await.problem(422);
    assert_eq!(problem["errors"][0]["path"], "smtp.limits.max_recipients");
    assert!(problem["detail"].as_str().unwrap().contains("write 100 or more"), "{problem}");
    for (path, value) in [
        ("smtp.limits.max_recipents", json!(500)),
        ("smtp.limits", json!(1)),
        ("nothing", json!({})),
        ("../../etc/passwd", json!("x")),
        ("delivery.smarthosts[7].host", json!("x")),
        ("smtp.tarpit", json!("soon")),
        ("filter.weights.URL_IPP", json!(2.0)),
        ("", json!(1)),
    ] {
        patch(path, value).unix(&rig).await.problem(422);
    }
    let checked = ask("POST", "/api/v1/settings/check").raw("application/toml", "[smtp]\nlistn = 1\n").unix(&rig).await.ok();
    assert_eq!((&checked["good"], &checked["problems"][0]["path"]), (&json!(false), &json!("smtp.listn")));
    assert_eq!(std::fs::read_to_string(rig.dir.path().join("postern.toml")).unwrap(), SETTINGS);
    // Changed by hand meanwhile: not overwritten, and read when asked to.
    std::fs::write(rig.dir.path().join("postern.toml"), SETTINGS.replace("200", "222")).unwrap();
    patch("smtp.limits.max_recipients", json!(300)).unix(&rig).await.problem(409);
    assert_eq!(ask("POST", "/api/v1/settings/reload").json(json!({})).unix(&rig).await.ok()["changed"], true);
    assert_eq!(rig.state.settings.settings().smtp.limits.max_recipients, 222);
    let schema = ask("GET", "/api/v1/settings/schema").unix(&rig).await.ok();
    assert!(schema["properties"]["smtp"].is_object());
}

fn summary(n: u64) -> JourneySummary {
    let at = Timestamp(1_795_000_000_000 + n as i64);
    JourneySummary {
        mail: MailId::new(at, 7),
        at,
        direction: Direction::Inbound,
        client: "192.0.2.1".parse().unwrap(),
        mail_from: ReversePath::Address("a@b.example".parse().unwrap()),
        recipients: vec!["r@example.org".parse().unwrap()],
        from_header: Some(format!("{NASTY} <a@b.example>")),
        subject: Some(format!("{NASTY} needle{n}")),
        message_id: Some(format!("<{n}@{NASTY}>")),
        size: 10,
        action: Cow::Borrowed("reject"),
        reason: Reason::ScoreReject,
        score: 17.5,
    }
}

#[tokio::test]
async fn tracking_finds_mails_and_hostile_text_stays_text() {
    let rig = Rig::new().await;
    let journeys = rig.state.database.journeys();
    for n in 0..60 {
        let s = summary(n);
        journeys.record(JourneyEvent {
            mail: s.mail,
            at: s.at,
            step: Step::Received { client: s.client, helo: NASTY.into(), tls: None, reverse: None },
        });
        journeys.summarise(s);
    }
    rig.state.database.flush().await;
    let page = ask("GET", "/api/v1/journeys?sender=b.example&limit=50").unix(&rig).await.ok();
    assert_eq!(page["journeys"].as_array().unwrap().len(), 50);
    let rest = ask("GET", format!("/api/v1/journeys?sender=b.example&before={}", page["next"].as_str().unwrap())).unix(&rig).await.ok();
    assert_eq!((rest["journeys"].as_array().unwrap().len(), &rest["next"]), (10, &json!(null)));
    let one = ask("GET", "/api/v1/journeys?subject=needle7&reason=score-reject&client=192.0.2.1&action=reject").unix(&rig).await;
    assert_eq!(one.json()["journeys"][0]["subject"], format!("{NASTY} needle7"));
    assert_eq!(one.header("content-type"), "application/json");
    assert_eq!(one.header("x-content-type-options"), "nosniff");
    assert_eq!(one.header("cache-control"), "no-store");
    let id = one.json()["journeys"][0]["mail"].as_str().unwrap().to_owned();
    let whole = ask("GET", format!("/api/v1/journeys/{id}")).unix(&rig).await.ok();
    assert_eq!((&whole["steps"][0]["event"], &whole["steps"][0]["node"]), (&json!("received"), &json!("")));
    assert_eq!(ask("GET", format!("/api/v1/journeys?mail={id}")).unix(&rig).await.ok()["journeys"].as_array().unwrap().len(), 1);
    ask("GET", "/api/v1/journeys/01jd7z0000000000000000000a").unix(&rig).await.problem(404);
    for query in ["client=nowhere", "reason=because", "mail=1", "colour=red", "limit=many", "before=x"] {
        ask("GET", format!("/api/v1/journeys?{query}")).unix(&rig).await.problem(400);
    }
}

#[tokio::test]
async fn the_page_lets_no_foreign_code_in() {
    let rig = Rig::new().await;
    let root = ask("GET", "/").https(&rig).await;
    assert_eq!((root.status.as_u16(), root.header("location")), (307, "/ui/"));
    for path in ["/ui/", "/icon.svg"] {
        let reply = ask("GET", path).https(&rig).await;
        assert_eq!(reply.status, 200);
        let policy = reply.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        // The name of SVG's namespace is no address.
        let text = reply.text().replace("http://www.w3.org/2000/svg", "");
        for bad in ["onclick=", "style=", "http://", "https://", "<script>", "<style"] {
            assert!(!text.contains(bad), "{path} holds {bad}");
        }
    }
}

#[tokio::test]
async fn settings_change_together_or_not_at_all() {
    let rig = Rig::with_settings(SETTINGS).await;
    let change = |quarantine: f64, path: &str| {
        let further = json!([{ "path": "filter.thresholds.quarantine", "value": quarantine }, { "path": path, "value": 20.0 }]);
        ask("PATCH", "/api/v1/settings").json(json!({ "path": "filter.thresholds.tag", "value": 9.0, "further": further }))
    };
    // tag may not be above quarantine: one by one the first of them would be refused.
    change(8.0, "filter.thresholds.reject").unix(&rig).await.problem(422);
    let unknown = change(10.0, "filter.thresholds[").unix(&rig).await.problem(422);
    assert_eq!(unknown["errors"][0]["path"], "filter.thresholds[");
    assert_eq!(std::fs::read_to_string(rig.dir.path().join("postern.toml")).unwrap(), SETTINGS);
    assert_eq!(change(10.0, "filter.thresholds.reject").unix(&rig).await.ok()["changed"], true);
    let settings = ask("GET", "/api/v1/settings").unix(&rig).await.ok()["settings"]["filter"]["thresholds"].clone();
    assert_eq!(settings, json!({ "tag": 9.0, "quarantine": 10.0, "reject": 20.0 }));
    let trail = ask("GET", "/api/v1/audit?action=settings.change").unix(&rig).await.ok();
    assert_eq!(trail["entries"][0]["subject"], "filter.thresholds.tag, filter.thresholds.quarantine, filter.thresholds.reject");
}

#[tokio::test]
async fn bad_requests_get_problems_that_say_what_to_do() {
    let rig = Rig::new().await;
    for path in [
        "/api/v1/nothing",
        "/../../etc/passwd",
        "/ui/assets/../../etc/passwd",
        "/api/v1/journeys/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/quarantine/%2e%2e",
        "/api/v1/quarantine/%00",
        "/api/v1/queue/%ff%fe",
        "/api/v1/settings/history/1e9/diff",
        "//api//v1//status",
    ] {
        let reply = ask("GET", path).unix(&rig).await;
        assert!(reply.status == 404 || reply.status == 400, "{path}: {}", reply.status);
        reply.problem(reply.status.as_u16());
        assert!(!reply.text().contains("root:"));
    }
    ask("POST", "/api/v1/status").json(json!({})).unix(&rig).await.problem(405);
    let wrong = ask("POST", "/api/v1/admins").json(json!({ "name": 7 })).unix(&rig).await.problem(400);
    assert!(wrong["detail"].as_str().unwrap().contains("name"), "{wrong}");
    ask("POST", "/api/v1/admins").json(json!({ "name": "a", "roll": 1 })).unix(&rig).await.problem(400);
    ask("POST", "/api/v1/admins").raw("application/json", "[".repeat(50_000)).unix(&rig).await.problem(400);
    ask("POST", "/api/v1/admins").raw("application/json", vec![0xff, 0xfe]).unix(&rig).await.problem(400);
    ask("POST", "/api/v1/session").raw("application/json", vec![b' '; 200_000]).https(&rig).await.problem(413);
    ask("POST", "/api/v1/settings/check").raw("application/toml", vec![b'#'; 3_000_000]).unix(&rig).await.problem(413);
    ask("POST", "/api/v1/explain").raw("message/rfc822", vec![b'a'; 65 << 20]).unix(&rig).await.problem(413);
    // After all that it still answers.
    ask("GET", "/api/v1/status").unix(&rig).await.ok();
}

#[tokio::test]
async fn mails_are_explained_and_learned() {
    let rig = Rig::new().await;
    let verdict = ask("POST", "/api/v1/explain?client=192.0.2.1&recipients=a@b.example,c@d.example")
        .raw("message/rfc822", "Subject: x\r\n\r\nbody")
        .unix(&rig)
        .await
        .ok();
    assert_eq!((&verdict["action"], &verdict["hits"][0]["symbol"]), (&json!("tag"), &json!("TEST")));
    ask("POST", "/api/v1/explain").raw("message/rfc822", "unreadable").unix(&rig).await.problem(422);
    ask("POST", "/api/v1/explain").unix(&rig).await.problem(400);
    assert_eq!(ask("POST", "/api/v1/learn/spam").raw("message/rfc822", "x").unix(&rig).await.status, 204);
    ask("POST", "/api/v1/learn/ham").raw("message/rfc822", "x").unix(&rig).await.problem(422);
    ask("POST", "/api/v1/learn/eggs").raw("message/rfc822", "x").unix(&rig).await.problem(404);
}

#[tokio::test]
async fn a_mail_that_leaves_the_quarantine_is_learned_by_who_may_train() {
    let rig = Rig::new().await;
    let (one, two, three) = (
        quarantined(&rig, 1, &["r@example.org"]).await,
        quarantined(&rig, 2, &["r@example.org"]).await,
        quarantined(&rig, 3, &["r@example.org"]).await,
    );
    let state = async |id| rig.state.database.quarantine().one(id).await.unwrap().unwrap().state;
    // Whoever serves the quarantine and may not train releases nothing by asking for both.
    ask("POST", "/api/v1/admins").json(json!({ "name": "hanna", "password": PASSWORD, "role": "helpdesk" })).unix(&rig).await.ok();
    let hanna = rig.login_as("hanna", PASSWORD).await;
    for (method, path) in [("POST", format!("/quarantine/{one}/release?learn=true")), ("DELETE", format!("/quarantine/{one}?learn=true"))] {
        ask(method, format!("/api/v1{path}")).login(&hanna).https(&rig).await.problem(403);
    }
    assert_eq!(state(one).await, QuarantineState::Held);
    ask("POST", format!("/api/v1/quarantine/{one}/release?learn=maybe")).unix(&rig).await.problem(400);

    // The rig's classifier takes spam and refuses ham.
    let refused = ask("POST", format!("/api/v1/quarantine/{one}/release?learn=true")).unix(&rig).await.problem(422);
    assert_eq!(refused["detail"], format!("mail {one} is released, and was not learned: ham is full"));
    assert_eq!(ask("DELETE", format!("/api/v1/quarantine/{two}?learn=true")).unix(&rig).await.status, 204);
    assert_eq!(ask("DELETE", format!("/api/v1/quarantine/{three}?learn=false")).unix(&rig).await.status, 204);
    assert_eq!([state(one).await, state(two).await], [QuarantineState::Released, QuarantineState::Deleted]);
    let trail = ask("GET", "/api/v1/audit?action=learn.").unix(&rig).await.ok();
    let learned: Vec<_> = trail["entries"].as_array().unwrap().iter().map(|e| (e["action"].clone(), e["subject"].clone())).collect();
    assert_eq!(learned, [(json!("learn.spam"), json!(two.to_string()))]);
}

#[tokio::test]
async fn a_quarantined_mail_is_shown_as_text_released_once_or_deleted() {
    let rig = Rig::new().await;
    let (one, two) = (quarantined(&rig, 1, &["r@example.org"]).await, quarantined(&rig, 2, &["r@example.org"]).await);
    let list = ask("GET", "/api/v1/quarantine?text=R%C3%A4tsel").unix(&rig).await.ok();
    assert_eq!(list["mails"].as_array().unwrap().len(), 2);
    ask("GET", "/api/v1/quarantine?state=gone").unix(&rig).await.problem(400);
    let again = ask("POST", format!("/api/v1/quarantine/{one}/open")).unix(&rig).await.ok();
    assert_eq!(again["attachments"][0]["report"]["parts"][0]["size"], MAIL.len(), "{again}");
    rig.state.database.flush().await;
    let journey = ask("GET", format!("/api/v1/journeys/{one}")).unix(&rig).await.ok();
    assert_eq!(journey["steps"][0]["event"], "opened-again", "{journey}");
    assert_eq!(journey["steps"][0]["attachments"], again["attachments"]);
    ask("POST", "/api/v1/quarantine/01jd7z0000000000000000000a/open").unix(&rig).await.problem(404);
    let view = ask("GET", format!("/api/v1/quarantine/{one}")).unix(&rig).await.ok();
    assert!(view["text"].as_str().unwrap().contains("Hello") && !view["text"].as_str().unwrap().contains("<h1>"), "{view}");
    assert_eq!(view["headers"][0], json!({ "name": "From", "value": "Shop <s@shop.example>" }));
    assert_eq!(view["urls"][0], "https://evil.example/x");

    assert_eq!(ask("POST", format!("/api/v1/quarantine/{one}/release")).json(json!({})).unix(&rig).await.status, 204);
    let again = ask("POST", format!("/api/v1/quarantine/{one}/release")).json(json!({})).unix(&rig).await;
    assert!(again.status == 404 || again.status == 409, "{}", again.text());
    assert_eq!(rig.state.database.quarantine().one(one).await.unwrap().unwrap().state, QuarantineState::Released);
    assert!(rig.state.spool.quarantine().read(one).is_err());

    assert_eq!(ask("DELETE", format!("/api/v1/quarantine/{two}")).unix(&rig).await.status, 204);
    ask("DELETE", format!("/api/v1/quarantine/{two}")).unix(&rig).await.problem(404);
    ask("POST", format!("/api/v1/quarantine/{two}/release")).json(json!({})).unix(&rig).await.problem(404);
    rig.state.database.flush().await;
    let journey = ask("GET", format!("/api/v1/journeys/{one}")).unix(&rig).await.ok();
    assert!(
        journey["steps"].as_array().unwrap().iter().any(|s| s["event"] == "quarantine-action" && s["action"] == "released"),
        "{journey}"
    );
    let trail = ask("GET", "/api/v1/audit?action=quarantine.").unix(&rig).await.ok();
    assert_eq!(trail["entries"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn metrics_and_status_tell_the_same() {
    let rig = Rig::new().await;
    for n in 0..5 {
        rig.state.database.journeys().summarise(summary(n));
    }
    rig.state.database.flush().await;
    let text = ask("GET", "/metrics").unix(&rig).await.text();
    assert!(text.contains("postern_mails_total{name=\"reject\"} 5"), "{text}");
    assert!(text.contains("postern_mail_reasons_total{name=\"score-reject\"} 5") && text.ends_with("# EOF\n"), "{text}");
    let status = ask("GET", "/api/v1/status").unix(&rig).await.ok();
    assert!(status["counters"].as_array().unwrap().contains(&json!({ "name": "action:reject", "count": 5 })), "{status}");
    let counters = ask("GET", "/api/v1/counters?from=1795000000000&to=1795000000000").unix(&rig).await.ok();
    assert!(counters["counters"].as_array().unwrap().iter().any(|c| c["name"] == "action:reject" && c["count"] == 5), "{counters}");
}

#[tokio::test]
async fn without_an_edge_it_says_so() {
    let rig = Rig::new().await;
    let problem = ask("GET", "/api/v1/edge").unix(&rig).await.problem(503);
    assert!(problem["advice"].as_str().unwrap().contains("postern edge"), "{problem}");
    ask("POST", "/api/v1/edge/bans").json(json!({ "network": "no network" })).unix(&rig).await.problem(422);
}

#[tokio::test]
async fn queued_mails_are_listed_held_released_and_deleted() {
    let rig = Rig::new().await;
    let id = quarantined(&rig, 1, &["r@example.org"]).await;
    ask("POST", format!("/api/v1/quarantine/{id}/release")).json(json!({})).unix(&rig).await;
    let list = ask("GET", "/api/v1/queue?sender=shop.example").unix(&rig).await.ok();
    assert_eq!((&list["total"], &list["mails"][0]["id"]), (&json!(1), &json!(id.to_string())));
    let act = |what: &str, filter: serde_json::Value| ask("POST", format!("/api/v1/queue/{what}")).json(json!({ "filter": filter }));
    act("delete", json!({})).unix(&rig).await.problem(422);
    act("hold", json!({ "colour": "red" })).unix(&rig).await.problem(400);
    // Being tried at this moment, it is busy: held as soon as the attempt is over.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while act("hold", json!({ "ids": [id] })).unix(&rig).await.ok()["changed"] != 1 {
        assert!(std::time::Instant::now() < deadline, "never held");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(ask("GET", "/api/v1/queue?status=held").unix(&rig).await.ok()["total"], 1);
    let why = ask("GET", format!("/api/v1/queue/{id}")).unix(&rig).await.ok();
    assert_eq!(why["mail"]["status"], "held");
    let wrong = ask("POST", "/api/v1/queue/reroute").json(json!({ "filter": { "all": true }, "to": "nowhere at all" }));
    wrong.unix(&rig).await.problem(422);
    while act("delete", json!({ "all": true })).unix(&rig).await.ok()["changed"] != 1 {
        assert!(std::time::Instant::now() < deadline, "never deleted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    ask("GET", format!("/api/v1/queue/{id}")).unix(&rig).await.problem(404);
    assert_eq!(
        ask("GET", "/api/v1/symbols").unix(&rig).await.ok()["symbols"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|s| s["name"] == "URL_ADDRESS")
            .count(),
        1
    );
}

/// After a change of the API: `POSTERN_BLESS=1 cargo test -p postern-console --test api`, and read the diff.
#[test]
fn the_openapi_document_is_the_one_in_docs() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = postern_console::openapi();
    if std::env::var_os("POSTERN_BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(made == kept, "docs/openapi.json is not what the routes say: write it again with POSTERN_BLESS=1 and read the diff");
}

#[tokio::test]
async fn yara_rules_are_settings_and_are_tried_where_the_sandbox_is() {
    let rig = Rig::with_settings(SETTINGS).await;
    let view = ask("GET", "/api/v1/sandbox/rules").unix(&rig).await.ok();
    assert_eq!(
        (&view["enabled"], &view["files"], view["since"].is_null(), view["trouble"].is_null()),
        (&json!(true), &json!(0), true, true)
    );
    let attempt =
        |name: &str, text: &str| ask("POST", "/api/v1/sandbox/rules/try").json(json!({ "rules": [{ "name": name, "text": text }] }));
    let away = attempt("waves", "rule a { condition: true }").unix(&rig).await.problem(503);
    assert!(away["detail"].as_str().unwrap().contains("the role sandbox does not answer"), "{away}");
    let unfit = attempt("a b", "x").unix(&rig).await.problem(422);
    assert_eq!(unfit["errors"][0]["path"], "rules[0].name");
    attempt("waves", &"x".repeat(3 << 20)).unix(&rig).await.problem(413);

    // Whatever stands in a text, it comes back as it was.
    let nasty =
        "rule a {\r\n\tstrings:\n\t\t$a = \"\\\"'''\\x00\" // \"\"\" '''\n\t\t$b = { 4D 5A }\n condition: any of them\n}\n\u{1}\u{85}";
    let texts = json!([{ "name": "nasty", "text": nasty }, { "name": "waves", "text": "rule b { condition: true }" }]);
    let set = |value| ask("PATCH", "/api/v1/settings").json(json!({ "path": "sandbox.rules", "value": value }));
    set(texts.clone()).unix(&rig).await.ok();
    let settings = ask("GET", "/api/v1/settings").unix(&rig).await.ok();
    assert_eq!(settings["settings"]["sandbox"]["rules"], texts);
    assert_ne!(settings["digest"], view["digest"]);
    let refused = set(json!([{ "name": "waves", "text": "x".repeat((256 << 10) + 1) }])).unix(&rig).await.problem(422);
    assert_eq!(refused["errors"][0]["path"], "sandbox.rules[0].text");
}

#[tokio::test]
async fn the_web_console_is_served_or_says_that_it_was_not_built() {
    let rig = Rig::new().await;
    let page = ask("GET", "/ui/").https(&rig).await;
    assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "no-cache"));
    ask("GET", "/ui/assets/nothing.js").https(&rig).await.problem(404);
    ask("GET", "/ui/assets/..%2findex.html").https(&rig).await.problem(404);
    let text = page.text();
    let Some((_, rest)) = text.split_once("src=\"/ui/assets/") else {
        assert!(text.contains("was not built") && text.contains("./just build"), "{text}");
        return;
    };
    let script = format!("/ui/assets/{}", rest.split('"').next().unwrap());
    let plain = ask("GET", script.as_str()).https(&rig).await;
    let small = ask("GET", script.as_str()).header("accept-encoding", "gzip, br").https(&rig).await;
    let refused = ask("GET", script.as_str()).header("accept-encoding", "br;q=0").https(&rig).await;
    assert_eq!((small.header("content-encoding"), plain.header("content-encoding")), ("br", ""));
    assert!(small.body.len() < plain.body.len() && plain.body == refused.body);
    assert!(plain.header("cache-control").contains("immutable"));
    assert!(plain.header("content-security-policy").contains("font-src 'self'"));
}
