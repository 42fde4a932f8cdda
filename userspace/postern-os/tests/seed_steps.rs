//! What the node is told, step by step, and what stays on disk meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use postern_os::seed::outcome::{Outcome, Progress};
use postern_os::seed::pending::{Method, NodePart, Password, Setting, Step};
use serde_json::{Value, json};

fn part() -> NodePart {
    let setting = |keys: &[&str], value: Value| Setting { keys: keys.iter().map(|k| (*k).to_owned()).collect(), value };
    NodePart {
        admin: Some(Password::Plain("correct horse battery".into())),
        settings: vec![setting(&["filter", "brands", "a.b"], json!(["x"])), setting(&["log", "level"], json!("debug"))],
        domains: vec![json!({ "name": "a.example", "backends": [{ "host": "new", "port": 25 }] })],
        cluster_token: Some("postern1-abc".into()),
    }
}

#[test]
fn steps_come_in_order_and_each_takes_its_secrets_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed-node.json");
    let mut left = part();
    let mut seen = Vec::new();
    left.keep(&path).unwrap();
    while let Some(step) = NodePart::open(&path).unwrap().and_then(|kept| kept.next()) {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        seen.push(step);
        left.done(step);
        left.keep(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(!text.contains("correct horse"), "the password stays: {text}");
    }
    assert_eq!(seen, [Step::AdminPassword, Step::Settings, Step::Domains, Step::JoinCluster]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    left.keep(&path).unwrap();
    assert_eq!(NodePart::open(&path).unwrap(), None);
}

#[test]
fn requests_are_those_of_the_api() {
    let part = part();
    let settings = json!({ "domains": [{ "name": "a.example", "backends": [] }, { "name": "b.example", "backends": [] }] });
    let alone = json!({ "member": false });
    let of = |step| part.requests(step, &settings, &alone);
    let password = &of(Step::AdminPassword)[0];
    assert_eq!((password.method, password.path), (Method::Put, "/admins/admin/password"));
    assert_eq!(password.body, json!({ "password": "correct horse battery" }));
    let paths: Vec<Value> = of(Step::Settings).iter().map(|r| r.body["path"].clone()).collect();
    assert_eq!(paths, ["filter.brands.\"a.b\"", "log.level"]);
    let names: Vec<String> =
        of(Step::Domains)[0].body["value"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["b.example", "a.example"], "the one that was there stays, and no name stands twice");
    assert_eq!(of(Step::JoinCluster)[0].body, json!({ "token": "postern1-abc" }));
    assert!(part.requests(Step::JoinCluster, &settings, &json!({ "member": true })).is_empty(), "joined already: twice is once");
    let hashed = NodePart { admin: Some(Password::Hash("$argon2id$x".into())), ..NodePart::default() };
    assert_eq!(hashed.requests(Step::AdminPassword, &settings, &alone)[0].body, json!({ "password_hash": "$argon2id$x" }));
}

#[test]
fn domains_that_were_put_once_are_not_put_twice() {
    let part = part();
    let once = part.requests(Step::Domains, &json!({}), &Value::Null)[0].body["value"].clone();
    let twice = part.requests(Step::Domains, &json!({ "domains": once }), &Value::Null)[0].body["value"].clone();
    assert_eq!(once, twice);
}

#[test]
fn the_outcome_says_how_the_machine_was_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed-result");
    assert_eq!(Outcome::words(Outcome::open(&path).as_ref(), false), "not yet: the console menu asks");
    assert_eq!(Outcome::words(None, true), "by hand");
    let mut outcome = Outcome::taken("NoCloud volume on /dev/sr0".into(), None, Vec::new(), &part());
    assert!(outcome.note(Step::AdminPassword, Progress::Done));
    assert!(outcome.note(Step::Settings, Progress::Done));
    assert!(outcome.note(Step::Domains, Progress::Refused("no".into())));
    assert!(!outcome.note(Step::Domains, Progress::Refused("no".into())), "said already");
    outcome.keep(&path).unwrap();
    assert!(!fs::read_to_string(&path).unwrap().contains("postern1-abc"));
    let kept = Outcome::open(&path).unwrap();
    assert_eq!(kept, outcome);
    let words = Outcome::words(Some(&kept), true);
    assert_eq!(words, "by the NoCloud volume on /dev/sr0; domains: no (tried again); join the cluster: waits for the node");
    let refused = Outcome::refused("NoCloud volume on /dev/sr0".into(), "user-data: x".into());
    assert_eq!(Outcome::words(Some(&refused), false), "not yet: the NoCloud volume on /dev/sr0 was refused: user-data: x");
}
