//! The kernel's watch over real cells: what programs do there is seen by edge's programs, whatever the cell's own record says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::time::Duration;

use postern_model::sandbox::{Action, Event, Report};
use postern_model::watch::WATCH_SOCKET;
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::native::office;
use postern_sandbox::watch::Watch;
use postern_sandbox::watch::merge::WITNESS;
use postern_tests::gateway::binary;
use tokio::task::JoinHandle;

/// Edge's watch, for as long as it is held.
struct Edge {
    folder: tempfile::TempDir,
    serving: JoinHandle<()>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Edge {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::UnixListener::bind(folder.path().join(WATCH_SOCKET)).unwrap();
        Self { folder, serving: tokio::spawn(postern_edge::watch::server::serve(listener)) }
    }

    async fn watch(&self) -> Watch {
        Watch::of(&self.folder.path().join(WATCH_SOCKET)).await
    }

    /// `None` where no cell can be had, or none be watched.
    async fn run(&self, worker: &str, job: Job, content: &[u8]) -> Option<Report> {
        let cells = Cells::new(binary().with_file_name(worker)).watched(self.watch().await);
        let report = match cells.run(&job, content, None).await {
            Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => {
                println!("skipped: {why}");
                return None;
            }
            report => report.unwrap(),
        };
        match &report.watch.without {
            Some(why) if ["cgroup", "not permitted", "does not say", "kind of machine"].iter().any(|lack| why.contains(lack)) => {
                println!("skipped: {why}");
                None
            }
            Some(why) => panic!("{why}"),
            None => Some(report),
        }
    }

    async fn program(&self, name: &str, content: &[u8]) -> Option<Report> {
        self.run("postern-cell", Job { name: name.into(), ..Job::default() }, content).await
    }
}

fn by_kernel<'r>(report: &'r Report, action: Action, text: &str) -> Option<&'r Event> {
    report.timeline.iter().find(|e| e.action == action && e.text.contains(text) && e.detail.starts_with(WITNESS))
}

/// Where nobody may stand at the gate of seccomp, what a tracer refuses has no number any more when it comes back.
fn is_partly(report: &Report) -> bool {
    if let Some(why) = &report.watch.partly {
        println!("partly skipped: {why}");
    }
    report.watch.partly.is_some()
}

fn told(report: &Report, action: Action, text: &str) -> bool {
    report.timeline.iter().any(|e| e.action == action && e.text.contains(text))
}

/// A program without a C library, which makes these calls and ends.
fn program(calls: &[(libc::c_long, [Argument; 6])]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEAD: u64 = 64 + 56;
    // Each call is seven loads of ten octets, and two for itself.
    let code = (calls.len() as u64 + 1) * 72;
    let (mut octets, mut texts) = (Vec::new(), Vec::new());
    let last = (libc::SYS_exit_group, [Argument::Number(0); 6]);
    for (number, arguments) in calls.iter().chain([&last]) {
        let mut value = |argument: &Argument| match argument {
            Argument::Number(number) => *number,
            Argument::Text(text) => {
                let at = BASE + HEAD + code + texts.len() as u64;
                texts.extend_from_slice(text.as_bytes());
                texts.push(0);
                at
            }
        };
        let loads: [[u8; 2]; 6] = [[0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8], [0x49, 0xb9]];
        for (load, argument) in loads.iter().zip(arguments) {
            octets.extend_from_slice(load);
            octets.extend_from_slice(&value(argument).to_le_bytes());
        }
        octets.extend_from_slice(&[0x48, 0xb8]);
        octets.extend_from_slice(&(*number as u64).to_le_bytes());
        octets.extend_from_slice(&[0x0f, 0x05]);
    }
    let size = HEAD + octets.len() as u64 + texts.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for word in [BASE + HEAD, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(b"\0\0\0\0\x40\0\x38\0\x01\0\0\0\0\0\0\0");
    file.extend_from_slice(b"\x01\0\0\0\x05\0\0\0");
    for word in [0, BASE, BASE, size, size, 0x1000] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    [file, octets, texts].concat()
}

#[derive(Clone, Copy)]
enum Argument {
    Number(u64),
    Text(&'static str),
}

const fn n(number: u64) -> Argument {
    Argument::Number(number)
}

#[tokio::test]
async fn what_a_program_does_by_bare_calls_is_seen() {
    let (t, o) = (Argument::Text, n(0));
    let here = n(libc::AT_FDCWD as u64);
    let calls = [
        (libc::SYS_openat, [here, t("/tmp/made"), n(0o101), n(0o644), o, o]),
        (libc::SYS_mmap, [o, n(8192), n(7), n(0x22), n(u64::MAX), o]),
        (libc::SYS_rename, [t("/tmp/made"), t("/tmp/moved"), o, o, o, o]),
        (libc::SYS_unlink, [t("/tmp/moved"), o, o, o, o, o]),
        (libc::SYS_memfd_create, [t("inside"), o, o, o, o, o]),
        (libc::SYS_setresuid, [n(1000), n(1000), n(1000), o, o, o]),
        (libc::SYS_ptrace, [n(16), n(1), o, o, o, o]),
        (libc::SYS_openat2, [here, t("/etc/shadow"), o, n(24), o, o]),
        (libc::SYS_execve, [t("/usr/bin/uname"), o, o, o, o, o]),
    ];
    let edge = Edge::start();
    let Some(report) = edge.program("bare", &program(&calls)).await else { return };
    // What the tracer tells as well stands there once.
    for (action, text) in [
        (Action::Write, "/tmp/made"),
        (Action::Move, "/tmp/made"),
        (Action::Move, "/tmp/moved"),
        (Action::Write, "memory file inside"),
        (Action::Refused, "ptrace"),
        (Action::Start, "/usr/bin/uname"),
    ] {
        let times = report.timeline.iter().filter(|e| e.action == action && e.text.starts_with(text)).count();
        assert_eq!(times, 1, "{action:?} {text}: {:#?}", report.timeline);
    }
    // What it does not, stands there by the kernel.
    for (action, text) in [(Action::Call, "mmap: memory that can be run, 8192 octets"), (Action::Call, "setresuid 1000")] {
        if text.starts_with("setresuid") && is_partly(&report) {
            continue;
        }
        assert!(by_kernel(&report, action, text).is_some_and(|e| e.detail.contains("bare [")), "{text}: {:#?}", report.timeline);
    }
    assert!(report.watch.seen >= 6 && report.watch.lost == 0 && report.watch.cells == 2, "{:?}", report.watch);
    let times: Vec<u32> = report.timeline.iter().map(|e| e.at).collect();
    assert!(times.is_sorted(), "{:#?}", report.timeline);
    assert!(report.is_sound() && report.timeline.last().unwrap().action == Action::End);
}

#[tokio::test]
async fn a_shell_script_is_seen_with_who_did_it() {
    let script = "#!/bin/sh\nperl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(4444, inet_aton(\"203.0.113.9\"))); \
                  socket(L, PF_INET, SOCK_STREAM, 0); bind(L, sockaddr_in(31337, INADDR_ANY)); \
                  my $page = syscall(9, 0, 4096, 3, 0x22, -1, 0); syscall(10, $page, 4096, 5);'\necho x > /tmp/out\nrm /tmp/out\n";
    let edge = Edge::start();
    let Some(report) = edge.program("run.sh", script.as_bytes()).await else { return };
    for (action, text) in
        [(Action::Start, "/usr/bin/perl"), (Action::Connect, "203.0.113.9:4444"), (Action::Write, "/tmp/out"), (Action::Move, "/tmp/out")]
    {
        assert!(told(&report, action, text), "{action:?} {text}: {:#?}", report.timeline);
    }
    for text in ["listens on 0.0.0.0:31337", "mprotect: memory that can be run, 4096 octets"] {
        assert!(by_kernel(&report, Action::Call, text).is_some_and(|e| e.detail.contains("perl [")), "{text}: {:#?}", report.timeline);
    }
}

#[tokio::test]
async fn what_happens_beside_a_cell_is_not_in_its_report() {
    let edge = Edge::start();
    let busy = tokio::task::spawn_blocking(|| {
        for _ in 0..40 {
            let script = "echo beside > /tmp/postern-beside; rm /tmp/postern-beside";
            std::process::Command::new("/bin/sh").args(["-c", script]).status().unwrap();
        }
    });
    // Two cells at a time, too: neither knows of the other.
    let one = edge.program("one.sh", b"#!/bin/sh\necho 1 > /tmp/of-one\nsleep 0.2\necho 1 >> /tmp/of-one\n");
    let other = edge.program("other.sh", b"#!/bin/sh\necho 2 > /tmp/of-other\nsleep 0.2\necho 2 >> /tmp/of-other\n");
    let (one, other) = tokio::join!(one, other);
    busy.await.unwrap();
    let (Some(one), Some(other)) = (one, other) else { return };
    assert!(told(&one, Action::Write, "/tmp/of-one") && told(&other, Action::Write, "/tmp/of-other"));
    for (report, foreign) in [(&one, "of-other"), (&other, "of-one")] {
        let is_foreign = |e: &&Event| e.text.contains(foreign) || e.text.contains("beside");
        assert_eq!(report.timeline.iter().find(is_foreign), None);
    }
}

#[tokio::test]
async fn a_flood_is_counted() {
    let edge = Edge::start();
    let Some(report) =
        edge.program("flood.pl", b"my $p = syscall(9, 0, 4096, 3, 0x22, -1, 0); syscall(10, $p, 4096, 5) for 1..5000;").await
    else {
        return;
    };
    assert!(report.watch.lost >= 1000 && report.watch.seen <= 2 * 512, "{:?}", report.watch);
    assert!(by_kernel(&report, Action::Call, "mprotect: memory that can be run").is_some_and(|e| e.times > 100), "{:#?}", report.timeline);
    let quiet = edge.program("quiet.sh", b"#!/bin/sh\nexit 0\n").await.unwrap();
    assert_eq!(quiet.watch.lost, 0, "another cell's flood is not its own");
    assert!(quiet.timeline.len() == 2, "{:#?}", quiet.timeline);
}

/// The list of docs/how-to/sandbox.md: all fail, all are seen.
#[tokio::test]
async fn who_wants_out_is_seen() {
    let calls = [
        ("ptrace", 101, "16, 1, 0, 0"),
        ("mount", 165, "$p, $p, $p, 0, 0"),
        ("unshare", 272, "0x10000000"),
        ("setns", 308, "3, 0"),
        ("keyctl", 250, "0, 0, 0, 0, 0"),
        ("userfaultfd", 323, "1"),
        ("perf_event_open", 298, "0, 0, -1, -1, 0"),
        ("bpf", 321, "0, 0, 0"),
        ("process_vm_readv", 310, "1, 0, 0, 0, 0, 0"),
        ("open_by_handle_at", 304, "0, 0, 0"),
        ("finit_module", 313, "0, 0, 0"),
        ("clone", 56, "0x10000000 | 17, 0, 0, 0, 0"),
        // The tracer refuses these without a word: a C library may try them. The kernel's word is all there is.
        ("io_uring_setup", 425, "8, $p"),
        ("move_mount", 429, "0, $p, 0, $p, 0"),
        ("kexec_file_load", 320, "0, 0, 0, $p, 0"),
        ("call 600", 600, "0"),
    ];
    let edge = Edge::start();
    for (name, number, arguments) in calls {
        let arguments: Vec<String> =
            arguments.split(", ").map(|a| if a.starts_with('$') { a.to_owned() } else { format!("0 + {a}") }).collect();
        let script = format!("my $p = '/tmp'; my $x = syscall({number}, {}); print \"returned $x\";", arguments.join(", "));
        let Some(report) = edge.program("a.pl", script.as_bytes()).await else { return };
        if number >= 320 && name != "bpf" && name != "userfaultfd" && is_partly(&report) {
            continue;
        }
        assert!(told(&report, Action::Refused, name), "{name}: {:#?}", report.timeline);
        assert!(told(&report, Action::Show, "returned -1"), "{name}: {:#?}", report.timeline);
        assert!(report.findings.iter().any(|f| f.name.name() == "NATIVE_ESCAPE"), "{name}: {:?}", report.findings);
    }
}

#[tokio::test]
async fn a_worker_that_its_content_took_over_is_seen_before_it_is_killed() {
    let edge = Edge::start();
    for (name, number) in [
        ("ptrace", libc::SYS_ptrace),
        ("bpf", libc::SYS_bpf),
        ("mount", libc::SYS_mount),
        ("keyctl", libc::SYS_keyctl),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("unshare", libc::SYS_unshare),
        ("execve", libc::SYS_execve),
        ("call 41", libc::SYS_socket),
        ("call 57", libc::SYS_fork),
    ] {
        let job = Job { name: number.to_string(), ..Job::default() };
        let Some(report) = edge.run("taken-over-cell", job, b"content").await else { return };
        assert!(told(&report, Action::Refused, name), "{name}: {report:#?}");
        let broken = report.findings.iter().find(|f| f.name.name() == "CELL_BROKEN").unwrap_or_else(|| panic!("{name}: {report:#?}"));
        assert!(broken.evidence.contains(name), "{broken:?}");
        assert_eq!((report.watch.cells, report.watch.seen), (1, 1), "{name}: nothing of the walls, and nothing after it");
    }
}

#[tokio::test]
async fn a_cell_that_reads_is_quiet() {
    let edge = Edge::start();
    let Some(report) = edge.program("a.js", b"new ActiveXObject('WScript.Shell').Run('calc.exe')").await else { return };
    assert!(told(&report, Action::Start, "calc.exe") && report.timeline.iter().all(|e| !e.detail.starts_with(WITNESS)));
    assert_eq!((report.watch.cells, report.watch.seen, report.watch.lost), (1, 0, 0));
}

/// Another process changes the name between the look and the kernel's own.
#[tokio::test]
async fn who_changes_a_name_under_way_is_found_out() {
    let script = "import ctypes, mmap, os\n\
                  libc = ctypes.CDLL(None)\n\
                  m = mmap.mmap(-1, 4096)\n\
                  m[0:10] = b'/bin/true\\0'\n\
                  at = ctypes.addressof(ctypes.c_char.from_buffer(m))\n\
                  words = (ctypes.c_char_p * 2)(b'x', None)\n\
                  for _ in range(20):\n\
                  \x20   pid = os.fork()\n\
                  \x20   if pid == 0:\n\
                  \x20       libc.execve(ctypes.c_void_p(at), words, None)\n\
                  \x20       os._exit(1)\n\
                  \x20   while os.waitpid(pid, os.WNOHANG)[0] == 0:\n\
                  \x20       for _ in range(3000):\n\
                  \x20           m[5:9] = b'echo'\n\
                  \x20           m[5:9] = b'true'\n";
    let edge = Edge::start();
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return println!("skipped: no python3 here");
    }
    let Some(report) = edge.program("race.py", script.as_bytes()).await else { return };
    if is_partly(&report) {
        return;
    }
    let deceit = report.findings.iter().find(|f| f.name.name() == "NATIVE_DECEIVES");
    assert!(deceit.is_some_and(|f| f.evidence.starts_with("execve: it named /bin/")), "{report:#?}");
}

#[tokio::test]
async fn without_edge_the_job_ends_and_its_report_says_so() {
    let worker = binary().with_file_name("postern-cell");
    let run = async |watch: Watch| match Cells::new(worker.clone()).watched(watch).run(&job("a.sh"), b"#!/bin/sh\necho hi\n", None).await {
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => {
            println!("skipped: {why}");
            None
        }
        report => Some(report.unwrap()),
    };
    let Some(report) = run(Watch::of(&PathBuf::from("/nonexistent/watch.sock")).await).await else { return };
    let why = report.watch.without.clone().unwrap();
    assert!(told(&report, Action::Show, "hi") && report.watch.cells == 0, "{report:#?}");
    assert!(why.contains("the role edge does not answer") || why.contains("cgroup"), "{why}");
    // One that goes away while it is needed, and one that keeps silent.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone.sock");
    let gone = tokio::net::UnixListener::bind(&path).unwrap();
    let watch = Watch::of(&path).await;
    drop(gone);
    let why = run(watch).await.unwrap().watch.without.unwrap();
    assert!(why.contains("the role edge does not answer") || why.contains("cgroup"), "{why}");
    let path = folder.path().join("silent.sock");
    let _silent = tokio::net::UnixListener::bind(&path).unwrap();
    let report = run(Watch::of(&path).await).await.unwrap();
    assert!(told(&report, Action::Show, "hi"), "{report:#?}");
    let why = report.watch.without.unwrap();
    assert!(why.contains("did not answer within 3 s") || why.contains("cgroup"), "{why}");
}

fn job(name: &str) -> Job {
    Job { name: name.into(), limits: Limits { time: Duration::from_secs(30), ..Limits::default() }, ..Job::default() }
}

/// What LibreOffice does for itself the kernel sees as well, and it is as little told.
#[tokio::test]
async fn a_document_that_does_nothing_is_silent_to_the_kernel_too() {
    if !office::missing().is_empty() {
        return println!("skipped: {} not installed", office::missing().join(" and "));
    }
    let limits = Limits { all_documents: true, ..Limits::default() };
    let job = Job { name: "letter.rtf".into(), limits, ..Job::default() };
    let Some(report) = Edge::start().run("postern-cell", job, b"{\\rtf1\\ansi Total\\par}").await else { return };
    assert!(told(&report, Action::Show, "Total"), "{report:#?}");
    let loud: Vec<_> = report.timeline.iter().filter(|e| e.detail.starts_with(WITNESS)).collect();
    assert!(loud.is_empty() && report.findings.is_empty(), "{loud:#?} {:?}", report.findings);
    // What was lost might have been its beginning.
    assert_eq!(report.watch.lost, 0, "{:?}", report.watch);
}
