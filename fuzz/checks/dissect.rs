//! What takes attachments apart, given anything: it ends, within its limits, and its report names what is there. What may be script is
//! run as one, too.

use std::time::Duration;

use postern_model::sandbox::{EVENT_TEXT_MOST, EVENTS_MOST, EVIDENCE_MOST, Kind, Room};
use postern_sandbox::dissect;
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;

/// Small, so that limits are reached.
fn job(name: &str) -> Job {
    let (scripts, cpu) = (Duration::from_millis(200), Duration::from_millis(200));
    let limits = Limits { depth: 4, parts: 50, octets: 1 << 20, ratio: 100, scripts, cpu, ..Limits::default() };
    // Of archives, and of the documents in postern-sandbox/tests/encrypted.
    let passwords = vec!["infected".to_owned(), "Password1234_".to_owned(), "123456789012345".to_owned()];
    Job { name: name.to_owned(), content_type: String::new(), passwords, limits, ..Job::default() }
}

/// As deep as a cell's and more: an overflow there is a finding, and here the end.
const STACK: usize = 1 << 30;

pub fn check(octets: &[u8]) {
    deep(|| check_all(octets));
}

/// The same by one name alone.
#[allow(dead_code)]
pub fn check_deep(name: &str, octets: &[u8]) {
    deep(|| {
        check_as(name, octets);
    });
}

fn deep(check: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let checking = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, check);
        assert!(checking.is_ok_and(|thread| thread.join().is_ok()), "see above");
    });
}

fn check_all(octets: &[u8]) {
    let kind = check_as("file", octets);
    if matches!(kind, Kind::Text | Kind::Html | Kind::Unknown) {
        check_as("file.js", octets);
        check_as("file.vbs", octets);
        check_as("file.hta", octets);
    }
}

fn check_as(name: &str, octets: &[u8]) -> Kind {
    let job = job(name);
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
    assert!(report.timeline.len() <= EVENTS_MOST, "{} events", report.timeline.len());
    for event in &report.timeline {
        assert!((event.part as usize) < report.parts.len(), "{event:?}");
        for text in [&event.text, &event.detail] {
            assert!(text.len() <= EVENT_TEXT_MOST && !text.contains(char::is_control), "{event:?}");
        }
    }
    let (cut, _) = report.cut_to(Room { parts: 3, findings: 2, events: 2 });
    assert!(cut.is_sound() && cut.parts.len() <= 3);
    report.parts[0].kind
}
