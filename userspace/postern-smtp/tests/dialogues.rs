//! Runs every file under `tests/dialogues/`: whole, octet by octet, and cut at random places; all
//! must give the same replies, mails and endings. The format is described in `dialogues/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod script;

use std::fmt::Write as _;
use std::path::Path;

use script::{Cut, Outcome, Script};

fn scripts() -> Vec<(String, Script)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let script = Script::parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, script)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn every_dialogue_goes_as_written() {
    let scripts = scripts();
    assert!(scripts.len() >= 40, "only {} dialogues", scripts.len());
    let mut failures = String::new();
    for (name, script) in &scripts {
        let cuts = [Cut::Whole, Cut::Octets].into_iter().chain((1..=20).map(Cut::Random));
        for cut in cuts {
            if let Outcome::Differs { line, message } = script.run(cut) {
                let _ = writeln!(failures, "{name}:{line} ({cut:?}): {message}");
                break;
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn a_dialogue_that_is_wrong_is_noticed() {
    for text in [
        "S: 220 mx.example.org SMTP",
        "S: 220 mx.example.org ESMTP\nC: NOOP",
        "S: 220 mx.example.org ESMTP\nC: NOOP\nS: 250 2.0.0 ok\nX: quit",
        "S: 220 mx.example.org ESMTP\nC: NOOP\nS: 250 2.0.0 ok\nM: from=<>",
        "S: 220 mx.example.org ESMTP\nC: QUIT\nS: 221 2.0.0 mx.example.org bye",
    ] {
        let script = Script::parse(text).unwrap();
        assert!(matches!(script.run(Cut::Whole), Outcome::Differs { .. }), "{text}");
    }
    assert!(Script::parse("Z: what").is_err());
    assert!(Script::parse("! limit no_such_limit 1").is_err());
}
