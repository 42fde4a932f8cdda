//! The role's socket, with real cells behind it: what it is asked, what it refuses, and who does not get a place.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use postern_model::sandbox::{Places, SandboxReply, SandboxStatus};
use postern_sandbox::client::{self, SandboxError};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::role;
use postern_sandbox::yara::{Source, Sources};
use support::documents::{archive, macro_document, noise, program};
use support::{job, names};

const FOUR: Places = Places { at_once: 4, waiting: 8 };
const OPEN: &str = "{\"do\":\"open\",\"places\":{\"at_once\":4,\"waiting\":8}}\n";

/// The role, for as long as it is held.
struct Role {
    socket: PathBuf,
    serving: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Role {
    fn start() -> Self {
        Self::start_with(role::PATIENCE)
    }

    fn start_with(patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("sandbox.sock");
        let listener = role::listen(&socket).unwrap();
        let serving = tokio::spawn(role::serve(listener, env!("CARGO_BIN_EXE_postern-cell").into(), patience));
        Self { socket, serving, _folder: folder }
    }

    async fn open(&self, job: &Job, content: &[u8], places: Places) -> Result<postern_model::sandbox::Report, SandboxError> {
        client::open(&self.socket, places, None, None, &job.seal(content).unwrap()).await
    }

    async fn status(&self) -> SandboxStatus {
        client::status(&self.socket).await.unwrap()
    }

    async fn wait_for(&self, what: &str, is_so: impl Fn(&SandboxStatus) -> bool) {
        for _ in 0..1000 {
            if is_so(&self.status().await) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:?}", self.status().await);
    }

    /// Octets as they stand, with these descriptors at the first of them; then nothing more is said. What the role says to it.
    async fn said_to(&self, octets: &[u8], enclosed: &[&File]) -> SandboxReply {
        let stream = UnixStream::connect(&self.socket).unwrap();
        let descriptors: Vec<_> = enclosed.iter().map(|file| file.as_raw_fd()).collect();
        let control = [ControlMessage::ScmRights(&descriptors)];
        let control = if descriptors.is_empty() { &[][..] } else { &control[..] };
        sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(octets)], control, MsgFlags::empty(), None).unwrap();
        tokio::task::spawn_blocking(move || answer(stream)).await.unwrap()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn answer(mut stream: UnixStream) -> SandboxReply {
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// Why no cell can be had here.
fn lacking<T>(answer: &Result<T, SandboxError>) -> bool {
    let is_lacking = matches!(answer, Err(SandboxError::NoCell(why)) if why.contains("EPERM") || why.contains("ENOSPC"));
    if is_lacking {
        println!("skipped: no cell can be had here");
    }
    is_lacking
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_enclosed_is_taken_apart() {
    let role = Role::start();
    let report = role.open(&job("letter.docm"), &macro_document(), FOUR).await;
    if lacking(&report) {
        return;
    }
    assert_eq!(names(&report.unwrap()), ["MACROS", "MACRO_AUTOSTART", "MACRO_SUSPICIOUS", "SCRIPT_STARTS"]);
    let declared = Job { content_type: "image/png".into(), passwords: vec!["4711".into()], ..job("photo.zip") };
    let locked = archive(&[("run.exe", &program())], Some("4711"));
    let report = role.open(&declared, &locked, FOUR).await.unwrap();
    let mut found = names(&report);
    found.sort_unstable();
    assert_eq!(found, ["PASSWORD_IN_MAIL", "PROGRAM", "TYPE_MISMATCH"]);
    assert_eq!(report.path(1), "photo.zip/run.exe");
    let status = role.status().await;
    assert_eq!((status.opened, status.running, status.failed, status.unwatched), (2, 0, 0, 2));
    assert!(status.unwatched_because.unwrap().contains("no connection to the role edge"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_with_a_word() {
    let role = Role::start();
    let sealed = job("a.txt").seal(b"hello").unwrap();
    let mut open = File::from(memfd_create("open", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    open.write_all(b"\0\0\0\0hello").unwrap();
    let plain = tempfile::tempfile().unwrap();
    let greedy = Job { limits: Limits { memory: u64::MAX, ..Limits::default() }, ..job("a.txt") }.seal(b"hello").unwrap();
    let nonsense = {
        use nix::fcntl::{FcntlArg, SealFlag, fcntl};
        let mut file = File::from(memfd_create("nonsense", MFdFlags::MFD_ALLOW_SEALING).unwrap());
        file.write_all(b"\xff\xff\xff\xff").unwrap();
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::all().difference(SealFlag::F_SEAL_FUTURE_WRITE))).unwrap();
        file
    };
    let two_lines = format!("{OPEN}{OPEN}");
    let long = vec![b'x'; 5000];
    let cases: &[(&str, &[u8], &[&File], &str)] = &[
        ("garbage", b"GET / HTTP/1.1\n", &[], "no request: "),
        ("octets", b"\xff\xfe\0\n", &[], "no request: "),
        ("an unknown verb", b"{\"do\":\"delete\"}\n", &[], "no request: unknown variant"),
        ("too long", &long, &[], "longer than 4096 octets"),
        ("two lines", two_lines.as_bytes(), &[&sealed], "more than one line"),
        ("nothing enclosed", OPEN.as_bytes(), &[], "nothing is enclosed"),
        ("two enclosed", OPEN.as_bytes(), &[&sealed, &sealed], "more than one descriptor"),
        ("a file", OPEN.as_bytes(), &[&plain], "no sealed memfd"),
        ("a memfd that is not sealed", OPEN.as_bytes(), &[&open], "could still change"),
        ("an order that is none", OPEN.as_bytes(), &[&nonsense], "the order in front of the content cannot be read"),
        ("more memory than a cell has", OPEN.as_bytes(), &[&greedy], "asks for more than a cell has: memory"),
    ];
    for (what, octets, enclosed, why) in cases {
        let said = role.said_to(octets, enclosed).await;
        assert!(matches!(&said, SandboxReply::Refused { why: told } if told.contains(why)), "{what}: {said:?}");
    }
    assert_eq!(role.status().await.refused, cases.len() as u64);
    let half = UnixStream::connect(&role.socket).unwrap();
    (&half).write_all(b"{\"do\":").unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    let said = tokio::task::spawn_blocking(move || answer(half)).await.unwrap();
    assert!(matches!(&said, SandboxReply::Refused { why } if why.contains("has no end")), "{said:?}");
    let report = role.open(&job("a.txt"), b"hello", FOUR).await;
    assert!(lacking(&report) || report.unwrap().parts.len() == 1, "it serves on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_is_not_waited_for() {
    let role = Role::start_with(Duration::from_millis(200));
    let stream = UnixStream::connect(&role.socket).unwrap();
    (&stream).write_all(b"{\"do\":\"open\"").unwrap();
    let said = tokio::task::spawn_blocking(move || answer(stream)).await.unwrap();
    assert!(matches!(&said, SandboxReply::Refused { why } if why.contains("no whole request within 200ms")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_is_told_and_who_hangs_up_gives_his_back() {
    let role = Role::start();
    let first = role.open(&job("a.txt"), b"hello", FOUR).await;
    if lacking(&first) {
        return;
    }
    // Keeps a cell busy for longer than this test lasts: key derivations for each word and file.
    let files: Vec<(String, Vec<u8>)> = (0..400).map(|n| (format!("{n}.bin"), noise(64))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let slow = archive(&files, Some("secret"));
    let words = Job { passwords: (0..64).map(|n| format!("word{n}")).collect(), ..job("slow.zip") };
    let one = Places { at_once: 1, waiting: 1 };
    let start = |name: &str| {
        let (socket, sealed) = (role.socket.clone(), Job { name: name.into(), ..words.clone() }.seal(&slow).unwrap());
        tokio::spawn(async move { client::open(&socket, one, None, None, &sealed).await })
    };
    let runs = start("runs.zip");
    role.wait_for("one runs", |s| s.running == 1).await;
    let waits = start("waits.zip");
    role.wait_for("one waits", |s| s.waiting == 1).await;
    let said = role.open(&job("c.txt"), b"hello", one).await;
    assert!(matches!(said, Err(SandboxError::Busy { running: 1, waiting: 1 })), "{said:?}");
    // Both hang up: their cells end, and the place is free.
    runs.abort();
    waits.abort();
    role.wait_for("both are gone", |s| s.abandoned == 2 && s.running == 0 && s.waiting == 0).await;
    assert_eq!(role.open(&job("c.txt"), b"hello", one).await.unwrap().parts.len(), 1);
    assert_eq!(role.status().await.busy, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_cell_can_be_had_it_says_so_and_serves_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("sandbox.sock");
    let serving = tokio::spawn(role::serve(role::listen(&socket).unwrap(), folder.path().join("no-worker"), role::PATIENCE));
    let sealed = job("a.txt").seal(b"hello").unwrap();
    for _ in 0..2 {
        let said = client::open(&socket, FOUR, None, None, &sealed).await;
        assert!(matches!(&said, Err(SandboxError::NoCell(why)) if why.contains("no-worker cannot be started")), "{said:?}");
    }
    serving.abort();
    let nobody = client::open(&folder.path().join("nobody.sock"), FOUR, None, None, &sealed).await;
    assert!(matches!(nobody, Err(SandboxError::Away(_))));
}

/// Rules are sent first; the last two sets are ready, and one with an error never is.
#[tokio::test(flavor = "multi_thread")]
async fn rules_are_made_ready_and_kept() {
    let role = Role::start();
    let set = |word: &str| {
        let text = format!("rule found {{ strings: $a = \"{word}\" condition: $a }}").into_bytes();
        Sources::new(&[Source { file: "a.yar".into(), text }]).unwrap()
    };
    let sealed = job("a.txt").seal(b"the second word").unwrap();
    let (first, second, third) = (set("first"), set("second"), set("third"));
    let unknown = client::open(&role.socket, FOUR, Some(second.id), None, &sealed).await;
    assert!(matches!(unknown, Err(SandboxError::UnknownRules)), "{unknown:?}");
    let made = client::rules(&role.socket, &first).await;
    if lacking(&made) {
        return;
    }
    assert_eq!((made.as_ref().unwrap().id, made.unwrap().theirs), (first.id, 1));
    client::rules(&role.socket, &second).await.unwrap();
    let open = async |rules: &Sources| client::open(&role.socket, FOUR, Some(rules.id), None, &sealed).await;
    assert_eq!((names(&open(&first).await.unwrap()).len(), names(&open(&second).await.unwrap())), (0, vec!["YARA"]));
    let broken = Sources::new(&[Source { file: "b.yar".into(), text: b"rule b { condition: $x }".to_vec() }]).unwrap();
    let told = client::rules(&role.socket, &broken).await.unwrap();
    assert!(!told.is_usable() && told.problems[0].to_string().starts_with("b.yar:1: error: "), "{told:?}");
    assert!(matches!(open(&broken).await, Err(SandboxError::UnknownRules)));
    let tried = [client::try_rules(&role.socket, &third).await.unwrap(), client::try_rules(&role.socket, &broken).await.unwrap()];
    assert_eq!((tried[0].theirs, tried[0].is_usable(), &tried[1].problems), (1, true, &told.problems));
    assert!(matches!(open(&third).await, Err(SandboxError::UnknownRules)), "what is only tried is not kept");
    assert_eq!(names(&open(&first).await.unwrap()).len(), 0, "and takes nobody's place");
    assert_eq!(role.status().await.rules, Some(told));
    client::rules(&role.socket, &third).await.unwrap();
    assert!(matches!(open(&first).await, Err(SandboxError::UnknownRules)), "two are kept");
    assert_eq!(names(&open(&second).await.unwrap()), ["YARA"]);
    let unsealed = File::from(memfd_create("rules", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    let said = role.said_to(b"{\"do\":\"rules\"}\n", &[&unsealed]).await;
    assert!(matches!(&said, SandboxReply::Refused { why } if why.contains("seal it")), "{said:?}");
}
