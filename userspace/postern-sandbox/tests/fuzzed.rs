//! Inputs that are kept from fuzzing, and files of every kind cut short, by the fuzz target's own checks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../fuzz/checks/dissect.rs"]
mod dissect;

use std::path::Path;

#[test]
fn kept_inputs_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzed/dissect");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        dissect::check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "nothing in {}", folder.display());
}

/// Every container of clamav-testfiles and RAR of every version, cut at some places and with an octet changed at others.
#[test]
fn files_cut_short_and_changed_hold() {
    let own = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rar")).unwrap();
    let clamav = std::fs::read_dir("/usr/share/clamav-testfiles");
    if clamav.is_err() {
        println!("partly skipped: clamav-testfiles are not there");
    }
    for entry in own.chain(clamav.into_iter().flatten()) {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        for step in 0..16 {
            let at = octets.len() * step / 16;
            dissect::check(&octets[..at]);
            let mut changed = octets.clone();
            changed[at] ^= 0x55;
            dissect::check(&changed);
        }
    }
}
