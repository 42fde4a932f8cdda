//! The SPF test suite of openspf.org for RFC 7208, through the whole of our authenticator and a
//! name server that serves the suite's zones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use crate::support::dns::{Record, Server, Zone};
use postern_mail::authenticate::Authenticator;
use postern_model::settings::filter::AuthenticationSettings;
use serde::Deserialize as _;
use serde_yaml_ng::Value;

/// Tests that mail-auth 0.13.3 fails, with the reason. The test fails when this list is not exact.
const KNOWN: &[(&str, &str)] = &[
    ("a-colon-domain", COLON),
    ("a-colon-domain-ip4mapped", COLON),
    ("mx-colon-domain", COLON),
    ("mx-colon-domain-ip4mapped", COLON),
    ("cidr6-0-ip4", MAPPED),
    ("cidr6-ip4", MAPPED),
    ("exists-ip6only", "exists asks for AAAA too, where RFC 7208 §5.7 says A only"),
    ("hello-domain-literal", IMPOSSIBLE),
    ("invalid-domain-empty-label", IMPOSSIBLE),
    ("invalid-domain-long", IMPOSSIBLE),
    ("invalid-domain-long-via-macro", IMPOSSIBLE),
    ("invalid-hello-macro", IMPOSSIBLE),
    ("macro-mania-in-domain", IMPOSSIBLE),
    ("p-macro-multiple", IMPOSSIBLE),
    ("modifier-charset-good", "a modifier's name with a dot is refused"),
    ("ptr-match-implicit", PTR),
    ("ptr-match-ip6", PTR),
    ("redirect-after-mechanisms2", "a redirect before the mechanisms is followed too early"),
    ("void-over-limit", "void look-ups are not counted (a SHOULD of RFC 7208 §4.6.4)"),
];

const COLON: &str = "a domain-spec with a colon in it is refused";
const MAPPED: &str = "an IPv4 client is compared with ip6 ranges as an IPv4-mapped address";
const IMPOSSIBLE: &str = "a macro that expands to an impossible name is a temporary error, not a name that does not exist";
const PTR: &str = "a validated name equal to the target does not match, only one below it";

#[tokio::test]
async fn the_suite_for_rfc7208() {
    let Some(data) = crate::support::data("the SPF suite") else { return };
    let text = std::fs::read_to_string(data.join("suites/spf/rfc7208-tests.yml")).unwrap();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    for document in serde_yaml_ng::Deserializer::from_str(&text) {
        let scenario = Value::deserialize(document).unwrap();
        let Some(tests) = scenario.get("tests").and_then(Value::as_mapping) else { continue };
        let server = Server::start(zone(&scenario["zonedata"])).await;
        let settings = AuthenticationSettings::default();
        for (name, test) in tests {
            let name = name.as_str().unwrap();
            let field = |f: &str| test.get(f).and_then(Value::as_str).unwrap_or_default().to_owned();
            let authenticator = Authenticator::new(server.resolver(), &settings);
            let ip = field("host").parse().unwrap();
            let found =
                authenticator.check(b"From: a@b.example\r\n\r\n", ip, &field("helo"), &field("mailfrom"), "receiver.example.org").await;
            let expected: Vec<String> = match &test["result"] {
                Value::Sequence(all) => all.iter().map(|v| v.as_str().unwrap().to_owned()).collect(),
                one => vec![one.as_str().unwrap().to_owned()],
            };
            count += 1;
            let got = found.spf.name();
            if !expected.iter().any(|e| e == got) {
                failed.insert(name.to_owned(), format!("{got}, not {}", expected.join(" or ")));
            }
        }
    }
    println!("{count} SPF tests, {} known to fail", KNOWN.len());
    assert!(count >= 200, "{count} tests");
    crate::support::settle(&failed, KNOWN);
}

/// The suite's zones: SPF records stand for TXT records unless the name has TXT records of its own.
fn zone(data: &Value) -> Zone {
    let mut zone = Zone::default();
    for (name, records) in data.as_mapping().unwrap() {
        let name = name.as_str().unwrap();
        zone.empty(name);
        let records = records.as_sequence().unwrap();
        let has_own_txt = records.iter().any(|r| r.get("TXT").is_some());
        for record in records {
            let Some(map) = record.as_mapping() else {
                zone.fail(name);
                continue;
            };
            for (kind, value) in map {
                match kind.as_str().unwrap() {
                    "TIMEOUT" => {
                        zone.fail(name);
                    }
                    "A" | "AAAA" => {
                        zone.ip(name, value.as_str().unwrap());
                    }
                    "MX" => {
                        zone.add(name, Record::Mx(value[0].as_u64().unwrap() as u16, value[1].as_str().unwrap().to_owned()));
                    }
                    "PTR" => {
                        zone.add(name, Record::Ptr(value.as_str().unwrap().to_owned()));
                    }
                    "CNAME" => {
                        zone.add(name, Record::Cname(value.as_str().unwrap().to_owned()));
                    }
                    "TXT" if value.as_str() == Some("NONE") => {}
                    "SPF" if has_own_txt => {}
                    "TXT" | "SPF" => {
                        let strings: Vec<Vec<u8>> = match value {
                            Value::Sequence(all) => all.iter().map(|v| octets(v.as_str().unwrap())).collect(),
                            one => octets(one.as_str().unwrap()).chunks(255).map(<[u8]>::to_vec).collect(),
                        };
                        // A record without any string cannot be sent.
                        let strings = if strings.is_empty() { vec![Vec::new()] } else { strings };
                        zone.add(name, Record::Txt(strings));
                    }
                    other => panic!("a record of type {other}"),
                }
            }
        }
    }
    zone
}

/// The suite writes octets above 127 as characters of Latin-1.
fn octets(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| if (c as u32) < 256 { vec![c as u8] } else { c.to_string().into_bytes() }).collect()
}
