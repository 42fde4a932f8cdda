//! Roles: what each may ask, what a login of some domains sees, and that both are written down.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod held;
mod rig;

use std::collections::BTreeMap;

use held::quarantined;
use postern_model::address::{Address, ReversePath};
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, PolicyDecision, Step};
use postern_model::reason::Reason;
use postern_model::role::{Rights, Role};
use postern_model::time::Timestamp;
use postern_store::database::quarantine::QuarantineState;
use rig::{Login, PASSWORD, Rig, ask};
use serde_json::{Value, json};

const AT: Timestamp = Timestamp(1_795_000_000_000);

/// `GET /quarantine/{mail}` and who may, of all operations.
fn operations() -> BTreeMap<String, Value> {
    let document: Value = serde_json::from_str(&postern_console::openapi()).unwrap();
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.insert(format!("{} {}", method.to_uppercase(), path.trim_start_matches("/api/v1")), operation["x-postern-role"].clone());
        }
    }
    all
}

async fn with_rights(rig: &Rig, name: &str, role: &str, domains: Value) -> Login {
    let new = json!({ "name": name, "password": PASSWORD, "role": role, "domains": domains });
    assert_eq!(ask("POST", "/api/v1/admins").json(new).unix(rig).await.status, 201);
    rig.login_as(name, PASSWORD).await
}

/// A mail in tracking and in quarantine, with its octets.
async fn held(rig: &Rig, n: u128, recipients: &[&str]) -> MailId {
    let mail = quarantined(rig, n, recipients).await;
    let addresses: Vec<Address> = recipients.iter().map(|r| r.parse().unwrap()).collect();
    let at = AT;
    let step = |step| JourneyEvent { mail, at, step };
    let decisions = addresses.iter().map(|r| PolicyDecision {
        recipient: r.clone(),
        action: "quarantine".into(),
        reason: Reason::ScoreQuarantine,
        rules: Vec::new(),
    });
    let journeys = rig.state.database.journeys();
    journeys.record(step(Step::Policy { decisions: decisions.collect() }));
    for recipient in &addresses {
        journeys.record(step(Step::Failed { recipient: recipient.clone(), host: "mx".into(), reply: "550 no".into() }));
    }
    journeys.record(step(Step::RecipientRefused { recipient: "secret@b.example".into(), reason: Reason::UnknownRecipient }));
    journeys.summarise(JourneySummary {
        mail,
        at,
        direction: Direction::Inbound,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        mail_from: ReversePath::Null,
        recipients: addresses.clone(),
        from_header: None,
        subject: Some(format!("mail {n}")),
        message_id: None,
        size: 10,
        action: "quarantine".into(),
        reason: Reason::ScoreQuarantine,
        score: 9.0,
    });
    rig.state.database.flush().await;
    mail
}

#[test]
fn every_operation_says_who_may() {
    let open = ["GET /healthz", "GET /readyz", "GET /metrics", "POST /session", "POST /user/links", "POST /user/session"];
    let mut stated = 0;
    for (operation, role) in operations() {
        if open.contains(&operation.as_str()) {
            continue;
        }
        if role["roles"] == json!(["user"]) {
            assert!(operation.contains(" /user/"), "{operation}");
            continue;
        }
        stated += 1;
        let roles: Vec<&str> =
            role["roles"].as_array().unwrap_or_else(|| panic!("{operation}")).iter().map(|r| r.as_str().unwrap()).collect();
        assert!(roles.contains(&"admin"), "{operation}");
        let changes = !operation.starts_with("GET ") && role["limited-to-domains"] != "same";
        assert!(!changes || !roles.contains(&"auditor"), "an auditor changes something: {operation}");
    }
    assert_eq!(stated, postern_console::router::rights().len());
}

/// Each role asks everything: 403 for what it may not, anything else for what it may.
#[tokio::test]
async fn each_role_may_what_the_document_says_and_nothing_else() {
    let rig = Rig::new().await;
    for role in Role::ALL {
        for domains in [Value::Null, json!(["a.example"])] {
            if role == Role::Admin && domains != Value::Null {
                continue;
            }
            let name = format!("{role}{}", if domains.is_null() { "" } else { "-limited" });
            let login = with_rights(&rig, &name, role.name(), domains.clone()).await;
            let me = ask("GET", "/api/v1/session").login(&login).https(&rig).await.ok();
            assert_eq!((&me["role"], &me["domains"]), (&json!(role.name()), &domains));
            for (operation, rights) in operations() {
                let Some(roles) = rights["roles"].as_array().filter(|roles| !roles.contains(&json!("user"))) else { continue };
                let may = roles.contains(&json!(role.name())) && (domains.is_null() || rights["limited-to-domains"] != "refused");
                assert_eq!(me["may"].as_array().unwrap().contains(&json!(operation)), may, "{name}: {operation}");
                // What it may it is not made to do here: an empty body is refused where one is wanted, and what wants none is left out.
                let (method, path) = operation.split_once(' ').unwrap();
                if may && method != "GET" {
                    continue;
                }
                let method = ["GET", "PUT", "POST", "PATCH", "DELETE"].into_iter().find(|m| *m == method).unwrap();
                if may && path == "/live" {
                    continue;
                }
                let path = path.replace("{mail}", "01jd7z0000000000000000000a").replace("{name}", "x").replace("{kind}", "spam");
                let path =
                    format!("/api/v1{}", path.replace("{id}", "1").replace("{version}", "1").replace("{key}", "x").replace("{node}", "x"));
                let reply = ask(method, &path).json(json!({})).login(&login).https(&rig).await;
                assert_eq!(reply.status == 403, !may, "{name}: {operation}: {}", reply.text());
            }
        }
    }
    let trail = ask("GET", "/api/v1/audit?action=refused&who=auditor&limit=500").unix(&rig).await.ok();
    let entry = trail["entries"].as_array().unwrap().iter().find(|e| e["subject"] == "POST /admins").unwrap().clone();
    assert_eq!(entry["after"], "the role auditor may not do this; it needs admin");
}

#[tokio::test]
async fn a_login_of_one_domain_meets_no_other_mail_anywhere() {
    let rig = Rig::new().await;
    let login = with_rights(&rig, "hanna", "helpdesk", json!(["A.example"])).await;
    let own = held(&rig, 1, &["x@a.example", "y@a.example"]).await;
    let other = held(&rig, 2, &["x@b.example"]).await;
    let mixed = held(&rig, 3, &["x@a.example", "secret@b.example"]).await;
    let asked = async |method, path: String| ask(method, format!("/api/v1{path}")).login(&login).https(&rig).await;

    // Every operation that says it is narrowed; one more in the document and none here fails.
    let mut narrowed: Vec<String> =
        operations().into_iter().filter(|(_, r)| r["limited-to-domains"] == "narrowed").map(|(o, _)| o).collect();
    let mut tried = |operation: &str| narrowed.retain(|o| o != operation);

    for (list, operation) in [("journeys", "GET /journeys"), ("quarantine", "GET /quarantine")] {
        tried(operation);
        let page = asked("GET", format!("/{list}")).await;
        let rows = page.ok()[if list == "journeys" { "journeys" } else { "mails" }].as_array().unwrap().clone();
        let found: Vec<&str> = rows.iter().map(|r| r["mail"].as_str().unwrap()).collect();
        assert_eq!(found, [mixed.to_string(), own.to_string()], "{list}");
        assert!(!page.text().contains("secret"), "{list}: {}", page.text());
        assert!(asked("GET", format!("/{list}?recipient=secret@b.example")).await.text().contains("[]"), "{list}");
    }
    assert!(asked("GET", format!("/journeys?mail={other}")).await.ok()["journeys"].as_array().unwrap().is_empty());

    tried("GET /journeys/{mail}");
    asked("GET", format!("/journeys/{other}")).await.problem(404);
    let journey = asked("GET", format!("/journeys/{mixed}")).await;
    assert!(!journey.text().contains("secret") && journey.ok()["steps"].as_array().unwrap().len() == 2, "{}", journey.text());

    tried("GET /quarantine/{mail}");
    asked("GET", format!("/quarantine/{other}")).await.problem(404);
    assert_eq!(asked("GET", format!("/quarantine/{mixed}")).await.ok()["mail"]["recipients"], json!(["x@a.example"]));

    tried("POST /quarantine/{mail}/open");
    asked("POST", format!("/quarantine/{other}/open")).await.problem(404);

    for (method, end, operation) in [("POST", "/release", "POST /quarantine/{mail}/release"), ("DELETE", "", "DELETE /quarantine/{mail}")] {
        tried(operation);
        asked(method, format!("/quarantine/{other}{end}")).await.problem(404);
        let refused = asked(method, format!("/quarantine/{mixed}{end}")).await.problem(403);
        assert!(refused["detail"].as_str().unwrap().contains("also for recipients at domains"), "{refused}");
    }
    let state = async |mail| rig.state.database.quarantine().one(mail).await.unwrap().unwrap().state;
    assert_eq!((state(other).await, state(mixed).await), (QuarantineState::Held, QuarantineState::Held));
    assert_eq!(asked("POST", format!("/quarantine/{own}/release")).await.status, 204);
    assert_eq!(state(own).await, QuarantineState::Released);

    tried("GET /counters");
    let counters = asked("GET", "/counters?from=0".into()).await.ok();
    let counted: u64 = counters["counters"].as_array().unwrap().iter().map(|c| c["count"].as_u64().unwrap()).sum();
    assert_eq!((counted, &counters["counters"][0]["name"]), (2, &json!("action:quarantine")), "{counters}");
    assert_eq!(narrowed, Vec::<String>::new(), "no test asks these for another domain's mail");
}

#[tokio::test]
async fn a_new_role_counts_at_once_and_takes_tokens_with_it() {
    let rig = Rig::new().await;
    let erika = rig.login().await;
    let otto = with_rights(&rig, "otto", "admin", Value::Null).await;
    let made = ask("POST", "/api/v1/tokens").json(json!({ "name": "t", "scope": "full" })).login(&otto).https(&rig).await.ok();
    let token = async || {
        ask("GET", "/api/v1/status").header("authorization", format!("Bearer {}", made["token"].as_str().unwrap())).https(&rig).await.status
    };
    assert_eq!(token().await, 200);
    let role = async |login: &Login, name: &str, to: Value| {
        ask("PUT", format!("/api/v1/admins/{name}/role")).json(to).login(login).https(&rig).await
    };
    role(&erika, "erika", json!({ "role": "auditor" })).await.problem(409);
    role(&erika, "nobody", json!({ "role": "auditor" })).await.problem(404);
    let limited = role(&erika, "otto", json!({ "role": "admin", "domains": ["a.example"] })).await.problem(422);
    assert_eq!(limited["detail"], "an admin is for the whole gateway");
    role(&erika, "otto", json!({ "role": "operator", "domains": ["a..b"] })).await.problem(422);
    role(&erika, "otto", json!({ "role": "boss" })).await.problem(400);
    assert_eq!(role(&erika, "otto", json!({ "role": "operator", "domains": ["a.example"] })).await.status, 204);
    assert_eq!(token().await, 401, "a token from the days as an admin");
    ask("GET", "/api/v1/status").login(&otto).https(&rig).await.problem(403);
    ask("GET", "/api/v1/journeys").login(&otto).https(&rig).await.ok();
    let last = ask("PUT", "/api/v1/admins/erika/role").json(json!({ "role": "operator" })).unix(&rig).await.problem(409);
    assert_eq!(last["detail"], "this is the last admin");
    ask("DELETE", "/api/v1/admins/erika").unix(&rig).await.problem(409);
    let trail = ask("GET", "/api/v1/audit?action=admin.role").unix(&rig).await.ok();
    assert_eq!((&trail["entries"][0]["before"], &trail["entries"][0]["after"]), (&json!("admin *"), &json!("operator a.example")));
}

#[tokio::test]
async fn a_token_has_a_role_within_its_scope() {
    let rig = Rig::new().await;
    let login = rig.login().await;
    let make = async |scope: &str, role: &str, domains: Value| {
        let new = json!({ "name": "t", "scope": scope, "role": role, "domains": domains });
        ask("POST", "/api/v1/tokens").json(new).login(&login).https(&rig).await.ok()["token"].as_str().unwrap().to_owned()
    };
    let status = async |token: &str, method, path: &str| {
        ask(method, path).json(json!({})).header("authorization", format!("Bearer {token}")).https(&rig).await.status.as_u16()
    };
    let auditor = make("full", "auditor", Value::Null).await;
    assert_eq!((status(&auditor, "GET", "/api/v1/audit").await, status(&auditor, "POST", "/api/v1/node/drain").await), (200, 403));
    let limited = make("read", "helpdesk", json!(["a.example"])).await;
    assert_eq!((status(&limited, "GET", "/api/v1/journeys").await, status(&limited, "GET", "/api/v1/status").await), (200, 403));
    let unknown = Rights::LEAST;
    assert_eq!((unknown.role, unknown.reach.domains().map(std::collections::BTreeSet::len)), (Role::Auditor, Some(0)));
    let rows = ask("GET", "/api/v1/tokens").login(&login).https(&rig).await.ok();
    assert_eq!((&rows["tokens"][1]["role"], &rows["tokens"][1]["domains"]), (&json!("helpdesk"), &json!(["a.example"])));
}
