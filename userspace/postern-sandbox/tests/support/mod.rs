//! What several of these tests make and ask. Each uses a part of it.

#![allow(dead_code)]

pub mod documents;

use postern_model::sandbox::Report;
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
