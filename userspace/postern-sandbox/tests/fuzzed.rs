//! Inputs that are kept from fuzzing, and files of every kind cut short, by the fuzz target's own checks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../../fuzz/checks/disk.rs"]
mod disk;
#[path = "../../../fuzz/checks/dissect.rs"]
mod dissect;
#[path = "../../../fuzz/checks/rar.rs"]
mod rar;
#[path = "../../../fuzz/checks/values.rs"]
mod values;
#[path = "../../../fuzz/checks/words.rs"]
mod words;
#[path = "../../../fuzz/checks/yara.rs"]
mod yara;

use std::path::Path;

#[test]
fn kept_inputs_hold() {
    type Check = fn(&[u8]);
    let targets: [(&str, Check); 6] = [
        ("dissect", dissect::check),
        ("rar", rar::check),
        ("disk", disk::check),
        ("values", values::check),
        ("yara", yara::check),
        ("words", words::check),
    ];
    for (target, check) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzed").join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            check(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "nothing in {}", folder.display());
    }
}

/// Every container of clamav-testfiles, RAR of every version and the older archives, cut at some places and with an octet changed at others.
#[test]
fn files_cut_short_and_changed_hold() {
    let folder = |name: &str| std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)).unwrap();
    let own = folder("rar").chain(folder("archives")).chain(folder("documents")).chain(folder("encrypted"));
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
