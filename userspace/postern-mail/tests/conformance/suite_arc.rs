//! The ARC validation suite (ValiMail) for RFC 8617.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use crate::support::dns::{Server, Zone};
use postern_mail::authenticate::Authenticator;
use postern_mail::authentication::AuthResult;
use postern_model::settings::filter::AuthenticationSettings;
use serde::Deserialize as _;
use serde_yaml_ng::Value;

/// Tests that fail, with the reason. The test fails when this list is not exact.
const KNOWN: &[(&str, &str)] = &[
    ("ams_fields_a_na", LENIENT),
    ("ams_fields_a_sha1", SHA1),
    ("ams_fields_c_na", "c= may be left out (simple/simple); mail-auth takes relaxed/relaxed"),
    ("ams_fields_h_empty", "an empty h= signs nothing: failing is the safe side"),
    ("ams_fields_h_includes_as", "an ARC-Seal in h= is to be refused (RFC 8617 §4.1.2); mail-auth signs and verifies it"),
    ("as_fields_a_na", LENIENT),
    ("as_fields_a_sha1", SHA1),
    ("as_format_inv_tag_key", LENIENT),
    ("as_format_tags_dup", LENIENT),
    ("as_format_tags_key_case", LENIENT),
    ("as_format_tags_sc", LENIENT),
];

const SHA1: &str = "mail-auth still verifies rsa-sha1 (RFC 8301 forbids it)";
const LENIENT: &str = "mail-auth's tag lists are lenient: unknown, doubled or oddly written tags do not break them";

#[tokio::test]
async fn the_validation_suite() {
    let Some(data) = crate::support::data("the ARC suite") else { return };
    let text = std::fs::read_to_string(data.join("suites/arc/arc-draft-validation-tests.yml")).unwrap();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for document in serde_yaml_ng::Deserializer::from_str(&with_unique_names(&text)) {
        let scenario = Value::deserialize(document).unwrap();
        let Some(tests) = scenario.get("tests").and_then(Value::as_mapping) else { continue };
        let mut zone = Zone::default();
        for (name, record) in scenario["txt-records"].as_mapping().unwrap() {
            zone.txt(name.as_str().unwrap(), &record.as_str().unwrap().split('\n').map(str::trim).collect::<String>());
        }
        let server = Server::start(zone).await;
        let authenticator = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
        for (name, test) in tests {
            let mail = test["message"].as_str().unwrap().replace('\n', "\r\n");
            let found = authenticator.check(mail.as_bytes(), "192.0.2.1".parse().unwrap(), "helo", "", "mx.example.org").await;
            // Where the newest seal says cv=fail the suite leaves the value empty: the chain has failed (RFC 8617 §5.2).
            let expected = test["cv"].as_str().map(|cv| cv.trim().to_ascii_lowercase()).filter(|cv| !cv.is_empty());
            let expected = expected.unwrap_or_else(|| "fail".to_owned());
            let got = match found.arc {
                AuthResult::None => "none",
                AuthResult::Pass => "pass",
                AuthResult::TempError => "temperror",
                _ => "fail",
            };
            count += 1;
            if expected != got {
                failed.insert(
                    name.as_str().unwrap().to_owned(),
                    format!("{got}, not {expected}: {}", test["description"].as_str().unwrap_or("")),
                );
            }
        }
    }
    println!("{count} ARC tests, {} known to fail", KNOWN.len());
    assert!(count >= 50, "{count} tests");
    crate::support::settle(&failed, KNOWN);
}

/// The file has tests of the same name, which YAML forbids: the later ones get a number.
fn with_unique_names(text: &str) -> String {
    let mut seen = std::collections::HashSet::new();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let name = line.strip_prefix("  ").and_then(|l| l.trim_end().strip_suffix(':')).filter(|n| !n.contains([' ', ':']));
        if text_separator(line) {
            seen.clear();
        }
        match name {
            Some(name) if !seen.insert(name.to_owned()) => {
                let number = (2..).find(|n| seen.insert(format!("{name}_{n}"))).unwrap();
                out.push_str(&format!("  {name}_{number}:\n"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

fn text_separator(line: &str) -> bool {
    line.starts_with("---")
}
