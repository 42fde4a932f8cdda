//! What fuzzing begins with (fuzz/seeds/ledger) and what it has found (tests/fuzzed/ledger), given to the fuzz target's own check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/ledger.rs"]
mod ledger;

#[test]
fn inputs_of_ledger() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["../../fuzz/seeds/ledger", "tests/fuzzed/ledger"] {
        for entry in std::fs::read_dir(here.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            ledger::check(&std::fs::read(path).unwrap());
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} inputs");
}
