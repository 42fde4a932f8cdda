//! Settings that must be refused: each file of `bad-config/` with the message beside it, word for word.
//!
//! After a change of wording: `POSTERN_BLESS=1 cargo test -p postern-tests --test bad_config`, and read the diff.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use postern_filter::registry;

#[test]
fn bad_settings_are_refused_with_the_path_and_what_to_write() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bad-config");
    let bless = std::env::var_os("POSTERN_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        cases += 1;
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let said = match registry::read_settings(&fs::read_to_string(&file).unwrap()) {
            Ok(_) => {
                wrong.push(format!("{name}: was taken"));
                continue;
            }
            Err(e) => format!("{}\n", e.to_string().trim_end()),
        };
        let beside = file.with_extension("txt");
        if bless {
            fs::write(&beside, &said).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{name}\n  expected: {expected}  said:     {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 25, "only {cases} cases");
}
