//! What takes attachments apart, given anything: it ends, within its limits, and its report names what is there.

use postern_model::sandbox::EVIDENCE_MOST;
use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;

/// Small, so that limits are reached.
fn job() -> Job {
    let limits = Limits { depth: 4, parts: 50, octets: 1 << 20, ratio: 100, ..Limits::default() };
    Job { name: "file".to_owned(), content_type: String::new(), passwords: vec!["infected".to_owned()], limits }
}

pub fn check(octets: &[u8]) {
    let job = job();
    let report = dissect::run(&job, octets.to_vec());
    assert!(!report.parts.is_empty() && report.parts.len() <= job.limits.parts);
    let mut out = 0;
    for (n, part) in report.parts.iter().enumerate() {
        match part.inside {
            None => assert_eq!((n, part.size), (0, octets.len() as u64)),
            Some(outer) => {
                assert!((outer as usize) < n, "part {n} lies in part {outer}");
                out += part.size;
            }
        }
        assert!(!part.name.contains(char::is_control), "{:?}", part.name);
    }
    assert!(out <= job.limits.octets, "{out} octets came out");
    for finding in &report.findings {
        assert!((finding.part as usize) < report.parts.len() && finding.evidence.len() <= EVIDENCE_MOST, "{finding:?}");
    }
}
