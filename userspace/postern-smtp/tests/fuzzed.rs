//! What fuzzing begins with (fuzz/seeds) and what it has found (tests/fuzzed), given to the fuzz target's own checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/smtp_server.rs"]
mod smtp_server;

#[test]
fn inputs_of_the_fuzzer() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["../../fuzz/seeds/smtp_server", "tests/fuzzed/smtp_server"] {
        for entry in std::fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            smtp_server::check(&std::fs::read(path).unwrap());
            count += 1;
        }
    }
    assert!(count >= 20, "only {count} inputs");
}
