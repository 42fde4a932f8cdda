//! What several of these tests make and ask. Each uses a part of it.

#![allow(dead_code)]

pub mod documents;
pub mod locked;
pub mod slides;

use std::path::{Path, PathBuf};

use postern_model::sandbox::{Action, Report};
use postern_sandbox::dissect;
use postern_sandbox::job::Job;

pub fn job(name: &str) -> Job {
    Job { name: name.to_owned(), ..Job::default() }
}

/// Taken apart here, without a cell.
pub fn run(name: &str, content: &[u8]) -> Report {
    dissect::run(&job(name), content.to_vec())
}

pub fn told(report: &Report) -> Vec<(&'static str, &str)> {
    report.findings.iter().map(|f| (f.name.name(), f.evidence.as_str())).collect()
}

pub fn names(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|f| f.name.name()).collect()
}

/// Action and text of all that was done, without begin and end.
pub fn done(report: &Report) -> Vec<(&'static str, &str)> {
    let is_frame = |action| matches!(action, Action::Begin | Action::End);
    report.timeline.iter().filter(|e| !is_frame(e.action)).map(|e| (e.action.name(), e.text.as_str())).collect()
}

pub fn has(report: &Report, name: &str) -> bool {
    names(report).contains(&name)
}

/// All of it, for who reads a test that failed.
pub fn show(report: &Report) -> String {
    let events = report.timeline.iter().map(|e| format!("{} {} [{}] x{}\n", e.action.name(), e.text, e.detail, e.times));
    let parts = report.parts.iter().map(|p| format!("{:?} {:?} {}\n", p.inside, p.kind, p.name));
    format!("{}{}{:?}", events.collect::<String>(), parts.collect::<String>(), names(report))
}

/// The cgroups of this process's cells.
pub fn cells_cgroups() -> Vec<PathBuf> {
    let mut found = Vec::new();
    list(Path::new("/sys/fs/cgroup"), &format!("cell-{}-", std::process::id()), &mut found);
    found
}

fn list(folder: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
    // Others' come and go meanwhile.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
        list(&entry.path(), prefix, found);
    }
}
