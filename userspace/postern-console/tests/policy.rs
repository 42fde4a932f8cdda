//! The policy's routes: rules put in force whole, with a digest; checked, tried on journeys, taken back without the other settings.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rig;

use std::borrow::Cow;

use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, PolicyDecision, Step};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::symbol::{Group, Hit};
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use rig::{Rig, ask};
use serde_json::{Value, json};

async fn view(rig: &Rig) -> Value {
    ask("GET", "/api/v1/policy").unix(rig).await.ok()
}

async fn put(rig: &Rig, policy: Value, message: &str) -> rig::Reply {
    let digest = view(rig).await["digest"].as_str().unwrap().to_owned();
    ask("PUT", "/api/v1/policy").header("if-match", digest).json(json!({ "policy": policy, "message": message })).unix(rig).await
}

fn rule(name: &str, body: Value) -> Value {
    let mut rule = json!({ "name": name });
    rule.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    rule
}

fn quarantine(name: &str, subject: &str) -> Value {
    rule(name, json!({ "what": { "subject": [subject] }, "action": { "decide": "quarantine" } }))
}

#[tokio::test]
async fn rules_change_whole_with_a_digest_and_come_back_alone() {
    let rig = Rig::new().await;
    let first = view(&rig).await;
    assert_eq!((&first["policy"]["rules"], &first["policy"]["when_mixed"]), (&json!([]), &json!("quarantine")));
    ask("PUT", "/api/v1/policy").json(json!({ "policy": {} })).unix(&rig).await.problem(428);
    let rules = json!({ "rules": [quarantine("One", "lottery"), rule("Two", json!({ "action": { "subject_prefix": "[x]" } }))] });
    put(&rig, rules, "two rules").await.ok();
    // The file says what was said, and nothing more.
    let file = std::fs::read_to_string(rig.state.settings.path()).unwrap();
    let expected = "[[policy.rules]]\nname = \"One\"\naction = { decide = \"quarantine\" }\nwhat = { subject = [\"lottery\"] }\n\n\
                    [[policy.rules]]\nname = \"Two\"\naction = { subject_prefix = \"[x]\" }\n";
    assert!(file.contains(expected), "{file}");
    // Who made a change from an older version is told; nothing is half done.
    let stale = ask("PUT", "/api/v1/policy").header("if-match", first["digest"].as_str().unwrap()).json(json!({ "policy": {} }));
    stale.unix(&rig).await.problem(412);
    assert_eq!(view(&rig).await["policy"]["rules"].as_array().unwrap().len(), 2);
    // Another order, another setting, and back to the rules of before.
    let turned = json!({ "rules": [rule("Two", json!({ "action": { "subject_prefix": "[x]" } })), quarantine("One", "lottery")] });
    put(&rig, turned, "turned around").await.ok();
    ask("PATCH", "/api/v1/settings").json(json!({ "path": "smtp.tarpit", "value": "1s" })).unix(&rig).await.ok();
    let versions = ask("GET", "/api/v1/policy/history").unix(&rig).await.ok();
    let messages: Vec<&str> = versions["versions"].as_array().unwrap().iter().map(|v| v["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["turned around", "two rules", "before the first change"], "a change of the tarpit is none of the rules");
    let id = versions["versions"][1]["id"].as_i64().unwrap();
    let diff = ask("GET", format!("/api/v1/policy/history/{id}/diff")).unix(&rig).await.ok()["diff"].as_str().unwrap().to_owned();
    assert!(diff.contains("+name = \"Two\"") && !diff.contains("tarpit"), "{diff}");
    ask("POST", "/api/v1/policy/undo").json(json!({ "to": id })).unix(&rig).await.ok();
    assert_eq!(view(&rig).await["policy"]["rules"][0]["name"], "One");
    assert_eq!(ask("GET", "/api/v1/settings").unix(&rig).await.ok()["settings"]["smtp"]["tarpit"], "1s");
    ask("POST", "/api/v1/policy/undo").json(json!({ "to": 999 })).unix(&rig).await.problem(404);
    let audit = ask("GET", "/api/v1/audit").unix(&rig).await.text();
    assert!(audit.contains("policy.change") && audit.contains("policy.undo"), "{audit}");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_rule_and_field_and_changes_nothing() {
    let rig = Rig::new().await;
    // policy, path, words
    let table = [
        (
            json!({ "rules": [rule("A", json!({ "who": { "senders": ["a b"] }, "action": { "decide": "accept" } }))] }),
            "policy.rules[0].who.senders[0]",
            "rule `A`",
        ),
        (
            json!({ "rules": [rule("A", json!({ "what": { "symbols": ["NOTHING_LIKE_IT_XYZ"] }, "action": { "decide": "accept" } }))] }),
            "policy.rules[0].what.symbols[0]",
            "there is no symbol",
        ),
        (json!({ "rules": [rule("A", json!({ "what": { "size": 1 } }))] }), "policy.rules[0].what", "rule `A`"),
        (json!({ "rules": [rule("A", json!({ "action": { "decide": "explode" } }))] }), "policy.rules[0].action.decide", "explode"),
        (json!({ "lists": [{ "name": "l", "entries": ["-"] }] }), "policy.lists[0].entries[0]", "list `l`"),
        (json!({ "colour": "red" }), "policy", "colour"),
    ];
    for (policy, path, words) in table {
        let refused = put(&rig, policy.clone(), "").await.problem(422);
        assert!(refused["errors"][0]["path"].as_str().unwrap().starts_with(path), "{policy}: {refused}");
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains(words), "{policy}: {refused}");
        let checked = ask("POST", "/api/v1/policy/check").json(json!({ "policy": policy })).unix(&rig).await.ok();
        assert_eq!((&checked["good"], checked["problems"].as_array().unwrap().len()), (&json!(false), 1), "{checked}");
        ask("POST", "/api/v1/policy/what-if").json(json!({ "policy": policy })).unix(&rig).await.problem(422);
    }
    let good = json!({ "policy": { "rules": [quarantine("A", "x")] } });
    assert_eq!(ask("POST", "/api/v1/policy/check").json(good).unix(&rig).await.ok()["good"], true);
    assert_eq!(view(&rig).await["policy"]["rules"], json!([]));
}

/// A mail of Anna's, so many hours ago.
fn journey(rig: &Rig, n: u128, hours: i64, subject: &str, recipients: &[&str], decided: bool) {
    let at = Timestamp(Timestamp::from_system(std::time::SystemTime::now()).0 - hours * 3_600_000);
    let mail = MailId::new(at, n);
    let journeys = rig.state.database.journeys();
    let hits = vec![Hit { symbol: Cow::Borrowed("BAYES_SPAM"), group: Group::Bayes, score: Score::new(6.0), evidence: String::new() }];
    let verdict = Verdict { action: Action::Tag, reason: Reason::ScoreTag, score: Score::new(6.0), hits };
    let results = "mx.example.net;\tspf=pass smtp.mailfrom=anna@example.org;\tdmarc=pass (p=none) header.from=example.org".to_owned();
    journeys.record(JourneyEvent { mail, at, step: Step::Authenticated { results } });
    journeys.record(JourneyEvent { mail, at, step: Step::Judged { verdict } });
    let all: Vec<_> = recipients.iter().map(|r| r.parse().unwrap()).collect();
    if decided {
        // A rule sent it elsewhere: it is asked about whom it was sent to.
        let of = |r: &postern_model::address::Address| PolicyDecision {
            recipient: r.clone(),
            action: "tag".into(),
            reason: Reason::ScoreTag,
            rules: Vec::new(),
        };
        journeys.record(JourneyEvent { mail, at, step: Step::Policy { decisions: all.iter().map(of).collect() } });
    }
    journeys.summarise(JourneySummary {
        mail,
        at,
        direction: Direction::Inbound,
        client: "192.0.2.7".parse().unwrap(),
        mail_from: Some("anna@example.org".parse().unwrap()).into(),
        recipients: if decided { vec!["elsewhere@example.net".parse().unwrap()] } else { all },
        from_header: Some("anna@example.org".into()),
        subject: Some(subject.into()),
        message_id: None,
        size: 1000,
        action: "tag".into(),
        reason: Reason::ScoreTag,
        score: 6.0,
    });
}

#[tokio::test]
async fn proposed_rules_are_tried_on_the_mails_of_the_last_days() {
    let rig = Rig::new().await;
    journey(&rig, 1, 1, "A lottery", &["erika@example.net", "max@example.net"], false);
    journey(&rig, 2, 2, "Minutes", &["erika@example.net"], false);
    journey(&rig, 3, 3, "A second lottery", &["old@example.net"], true);
    journey(&rig, 4, 200, "A lottery of long ago", &["erika@example.net"], false);
    rig.state.database.flush().await;
    let what_if = async |rules: Value, days: u32| {
        let body = json!({ "policy": { "rules": rules }, "days": days });
        ask("POST", "/api/v1/policy/what-if").json(body).unix(&rig).await.ok()
    };
    // rules, days, mails looked at, changed, in doubt
    let lottery = || quarantine("Lotteries", "lottery");
    let table = [
        (json!([]), 7, 3, 0, 0),
        (json!([lottery()]), 7, 3, 3, 0),
        (json!([lottery()]), 10, 4, 4, 0),
        (json!([rule("Max", json!({ "who": { "recipients": ["max@*"] }, "action": { "decide": "accept" } }))]), 7, 3, 1, 0),
        (
            json!([rule(
                "Proven",
                json!({ "what": { "dmarc": ["pass"], "spf": ["pass"], "symbols": ["BAYES_*"] }, "action": { "skip_thresholds": true } })
            )]),
            7,
            3,
            4,
            0,
        ),
        (json!([rule("Unproven", json!({ "what": { "dkim": ["pass"] }, "action": { "decide": "accept" } }))]), 7, 3, 0, 0),
        (json!([rule("Zips", json!({ "what": { "attachment_names": ["*.zip"] }, "action": { "decide": "reject" } }))]), 7, 3, 0, 4),
        // What the subject says already, no attachment can change.
        (
            json!([
                rule(
                    "Zips",
                    json!({ "what": { "subject": ["minutes"], "attachment_names": ["*.zip"] }, "action": { "decide": "reject" } })
                ),
                lottery()
            ]),
            7,
            3,
            3,
            1,
        ),
        (json!([rule("Same", json!({ "action": { "decide": "tag" } }))]), 7, 3, 0, 0),
    ];
    for (rules, days, mails, changed, in_doubt) in table {
        let found = what_if(rules.clone(), days).await;
        let figures = [&found["mails"], &found["changed"], &found["in_doubt"]].map(|v| v.as_u64().unwrap());
        assert_eq!(figures, [mails, changed, in_doubt], "{rules}: {found}");
        assert_eq!(found["list"].as_array().unwrap().len() as u64, changed, "{found}");
        assert_eq!(found["not_judged"].as_array().unwrap().is_empty(), in_doubt == 0, "{found}");
    }
    // A rule in force that nobody can judge does not hide what changes beside it: it is tried both ways.
    let zips = || rule("Zips", json!({ "what": { "attachment_names": ["*.zip"] }, "action": { "decide": "reject" } }));
    put(&rig, json!({ "rules": [zips()] }), "").await.ok();
    // rules, changed, in doubt
    let table = [
        (json!([zips()]), 0, 0),
        (json!([zips(), rule("Mark", json!({ "action": { "subject_prefix": "[x]" } }))]), 0, 4),
        (json!([lottery(), zips()]), 3, 0),
        (json!([rule("Mark", json!({ "action": { "subject_prefix": "[x]" } })), zips()]), 0, 4),
        (json!([]), 0, 4),
    ];
    for (rules, changed, in_doubt) in table {
        let found = what_if(rules.clone(), 7).await;
        assert_eq!((&found["changed"], &found["in_doubt"]), (&json!(changed), &json!(in_doubt)), "{rules}: {found}");
    }
    put(&rig, json!({}), "").await.ok();
    let found = what_if(json!([lottery()]), 7).await;
    assert_eq!(found["moves"], json!([{ "before": "tag", "after": "quarantine", "count": 3 }]));
    let redirected = found["list"].as_array().unwrap().iter().find(|c| c["subject"] == "A second lottery").unwrap();
    assert_eq!((&redirected["recipient"], &redirected["after"]["rules"]), (&json!("old@example.net"), &json!(["Lotteries"])));
    let zips =
        what_if(json!([rule("Zips", json!({ "what": { "attachment_names": ["*.zip"] }, "action": { "decide": "reject" } }))]), 7).await;
    assert_eq!((&zips["not_judged"][0]["rule"], &zips["not_judged"][0]["field"]), (&json!("Zips"), &json!("what.attachment_names")));
    for days in [0, 31] {
        ask("POST", "/api/v1/policy/what-if").json(json!({ "policy": {}, "days": days })).unix(&rig).await.problem(400);
    }
}

#[tokio::test]
async fn a_mail_is_explained_for_its_recipients() {
    let rig = Rig::new().await;
    let explain = |query: &str| ask("POST", format!("/api/v1/policy/explain{query}"));
    let mail = "Subject: x\r\n\r\nbody";
    let told = explain("?recipients=a@b.example,%20c@d.example&client=192.0.2.1&direction=outbound")
        .raw("message/rfc822", mail)
        .unix(&rig)
        .await
        .ok();
    assert_eq!((&told["verdict"]["action"], &told["outcome"]), (&json!("accept"), &json!("2 recipients")));
    for query in ["", "?recipients=", "?recipients=a@b.example,nobody", "?recipients=a@b.example&direction=up"] {
        explain(query).raw("message/rfc822", mail).unix(&rig).await.problem(400);
    }
    explain("?recipients=a@b.example").unix(&rig).await.problem(400);
}
