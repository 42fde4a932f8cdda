//! Where the data is that is not part of the repository.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod dns;

use std::path::PathBuf;

/// The folder in POSTERN_DATA, or `None` after saying what is skipped.
pub fn data(what: &str) -> Option<PathBuf> {
    match std::env::var_os("POSTERN_DATA").map(PathBuf::from).filter(|p| p.is_dir()) {
        Some(path) => Some(path),
        None => {
            println!("SKIPPED {what}: POSTERN_DATA does not name a folder");
            None
        }
    }
}

/// All files below a folder, sorted.
pub fn files(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { todo.push(path) } else { out.push(path) }
        }
    }
    out.sort();
    out
}

/// Time this thread was on a processor: what a busy machine cannot stretch.
pub fn cpu_time() -> std::time::Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Fails unless exactly the known tests of a suite failed.
pub fn settle(failed: &std::collections::BTreeMap<String, String>, known: &[(&str, &str)]) {
    let new: Vec<_> = failed.iter().filter(|(name, _)| known.iter().all(|(k, _)| k != name)).collect();
    let fixed: Vec<_> = known.iter().map(|(name, _)| name).filter(|name| !failed.contains_key(**name)).collect();
    assert!(new.is_empty() && fixed.is_empty(), "fail now: {new:#?}\npass now, take them off the list: {fixed:?}");
}
