//! Documents that oletools tests itself with: every container opened, every macro and every program that is asked found.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use support::{job, names, show};

#[test]
fn what_oletools_finds_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oletools");
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    let mut wrong = Vec::new();
    for line in expected.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let job = Job { passwords: vec!["infected-test".into()], ..job(name) };
        let report = dissect::run(&job, fs::read(folder.join(name)).unwrap());
        if names(&report).into_iter().collect::<BTreeSet<_>>() != words.collect::<BTreeSet<_>>() {
            wrong.push(format!("{line}\n{}", show(&report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let listed: BTreeSet<&str> = expected.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let there = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let unlisted: Vec<String> =
        there.filter(|name| !["README.md", "expected.txt"].contains(&name.as_str()) && !listed.contains(name.as_str())).collect();
    assert!(unlisted.is_empty(), "{unlisted:?}");
}
