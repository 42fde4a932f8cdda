//! What fuzzing begins with (fuzz/seeds/token) and what it has found (tests/fuzzed/token), given to the fuzz target's own check.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/token.rs"]
mod token;

#[test]
fn inputs_of_token() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["../../fuzz/seeds/token", "tests/fuzzed/token"] {
        for entry in std::fs::read_dir(here.join(folder)).into_iter().flatten() {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            token::check(&std::fs::read(path).unwrap());
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} inputs");
}
