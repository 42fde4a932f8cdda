//! What fuzzing begins with (fuzz/seeds, tests/bad-config) and what it has found (tests/fuzzed), given to the fuzz targets' own
//! checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/control.rs"]
mod control;
#[path = "../../../fuzz/checks/settings.rs"]
mod settings;

fn each(folders: &[&str], check: fn(&[u8])) -> usize {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in folders {
        for entry in std::fs::read_dir(here.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            eprintln!("{}", path.display());
            check(&std::fs::read(path).unwrap());
            count += 1;
        }
    }
    count
}

#[test]
fn inputs_of_settings() {
    assert!(each(&["../../tests/bad-config", "../../fuzz/seeds/settings", "tests/fuzzed/settings"], settings::check) > 80);
}

#[test]
fn inputs_of_control() {
    assert!(each(&["../../fuzz/seeds/control", "tests/fuzzed/control"], control::check) > 12);
}
