//! Mails of our own with what is to be read from them: `fixtures/NAME.eml` and `NAME.json` beside it.
//!
//! An expectation names only what it is about: every key that stands in the JSON must be there with
//! that value, lists have as many entries as expected. `defects` is the sorted set of kinds,
//! `text_contains` and `text_lacks` look at the text, `removed` at the fields that edits take out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use postern_mail::message::Limits;
use postern_mail::read;
use serde_json::Value;

use crate::edit::edits_of;

#[test]
fn every_fixture_reads_as_written_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in crate::support::files(&folder).iter().filter(|p| p.extension().is_some_and(|e| e == "eml")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mail = std::fs::read(path).unwrap();
        let expected: Value = serde_json::from_slice(&std::fs::read(path.with_extension("json")).unwrap()).unwrap();
        count += 1;
        check(&name, &mail, &expected, &mut wrong);
    }
    assert!(count >= 30, "{count} fixtures");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn check(name: &str, mail: &[u8], expected: &Value, wrong: &mut Vec<String>) {
    let message = read(mail, &Limits::default());
    let mut found = serde_json::to_value(&message).unwrap();
    let mut kinds: Vec<String> = found["defects"].as_array().unwrap().iter().map(|d| d["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    kinds.dedup();
    found["defects"] = kinds.into();
    let words = |key: &str| expected.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    for text in words("text_contains") {
        if !message.text.contains(text.as_str().unwrap()) {
            wrong.push(format!("{name}: {text} is not in the text {:?}", message.text));
        }
    }
    for text in words("text_lacks") {
        if message.text.contains(text.as_str().unwrap()) {
            wrong.push(format!("{name}: {text} is in the text {:?}", message.text));
        }
    }
    if let Some(removed) = expected.get("removed") {
        let edits = edits_of(mail, "mx.receiver.example");
        let fields: Vec<String> =
            edits.remove.iter().map(|(start, end)| String::from_utf8_lossy(&mail[*start as usize..*end as usize]).into_owned()).collect();
        if Value::from(fields.clone()) != *removed {
            wrong.push(format!("{name}: removed are {fields:?}"));
        }
    }
    for (key, value) in expected.as_object().unwrap() {
        if !matches!(key.as_str(), "text_contains" | "text_lacks" | "removed") {
            differ(&format!("{name}: {key}"), &found[key], value, wrong);
        }
    }
}

fn differ(at: &str, found: &Value, expected: &Value, wrong: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(_), Value::Object(keys)) => {
            for (key, value) in keys {
                differ(&format!("{at}.{key}"), &found[key], value, wrong);
            }
        }
        (Value::Array(f), Value::Array(e)) if f.len() == e.len() => {
            for (i, (f, e)) in f.iter().zip(e).enumerate() {
                differ(&format!("{at}[{i}]"), f, e, wrong);
            }
        }
        _ if found == expected => {}
        _ => wrong.push(format!("{at} is {found}, not {expected}")),
    }
}
