//! What a worker that content took over could try. A program of its own without the test harness: walls are put up by a process
//! with one thread.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postern_sandbox::cell::walls;
use postern_sandbox::limits::Limits;

/// What was got, or why it was not.
type Attempt = fn() -> Result<String, String>;

/// Within the outer walls: nothing kills, so each of them has to hold alone.
const OUTER: &[(&str, Attempt)] = &[
    ("read a host file", || fs::read_to_string("/etc/passwd").map_err(|e| e.to_string())),
    ("list the root", || {
        let names: Vec<_> = fs::read_dir("/").map_err(|e| e.to_string())?.flatten().map(|e| e.file_name()).collect();
        if names.is_empty() { Err("it is empty".to_owned()) } else { Ok(format!("{names:?}")) }
    }),
    ("write a file", || fs::write("/x", "x").map(|()| "written".to_owned()).map_err(|e| e.to_string())),
    ("reach a host's port", || TcpStream::connect("127.0.0.1:25").map(|_| "connected".to_owned()).map_err(|e| e.to_string())),
    ("send a datagram", || {
        let socket = UdpSocket::bind("0.0.0.0:0").map_err(|e| e.to_string())?;
        socket.send_to(b"x", "192.0.2.1:53").map(|_| "sent".to_owned()).map_err(|e| e.to_string())
    }),
    ("signal another process", || {
        let parent = nix::unistd::Pid::from_raw(std::env::var("PARENT").unwrap().parse().unwrap());
        nix::sys::signal::kill(parent, None).map(|()| "it is there".to_owned()).map_err(|e| e.to_string())
    }),
    ("be another number than the first", || {
        let me = std::process::id();
        if me == 1 { Err("alone".to_owned()) } else { Ok(me.to_string()) }
    }),
];

/// Within all walls: each of these calls ends the worker.
const CALLS: &[(&str, libc::c_long)] = &[
    ("openat", libc::SYS_openat),
    ("socket", libc::SYS_socket),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("fork", libc::SYS_fork),
    ("execve", libc::SYS_execve),
    ("ptrace", libc::SYS_ptrace),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("mount", libc::SYS_mount),
    ("unshare", libc::SYS_unshare),
    ("setns", libc::SYS_setns),
    ("keyctl", libc::SYS_keyctl),
    ("userfaultfd", libc::SYS_userfaultfd),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("bpf", libc::SYS_bpf),
    ("io_uring_setup", libc::SYS_io_uring_setup),
    ("memfd_create", libc::SYS_memfd_create),
    ("kill", libc::SYS_kill),
    ("setuid", libc::SYS_setuid),
    ("prctl", libc::SYS_prctl),
    ("ioctl", libc::SYS_ioctl),
    ("reboot", libc::SYS_reboot),
];

fn limits() -> Limits {
    Limits { memory: 256 << 20, cpu: Duration::from_secs(1), ..Limits::default() }
}

fn main() {
    if let Ok(what) = std::env::var("ESCAPE") {
        return act(&what);
    }
    if nix::sched::unshare(nix::sched::CloneFlags::empty()).is_err() || !can_enclose() {
        println!("skipped: user namespaces are not to be had here");
        return;
    }
    for (n, (what, _)) in OUTER.iter().enumerate() {
        let (status, said) = probe(&format!("outer {n}"));
        println!("{what}: {said}");
        assert!(status.success() && said.starts_with("refused"), "{what}: {status}, {said}");
    }
    for (what, number) in CALLS {
        let (status, said) = probe(&format!("call {number}"));
        assert_eq!(status.code(), Some(128 + libc::SIGSYS), "{what} ended {status}, said {said}");
        println!("{what}: killed");
    }
    let (status, said) = probe("code");
    assert_eq!(status.code(), Some(128 + libc::SIGSYS), "{said}");
    println!("memory that is run: killed");
    let (status, said) = probe("memory");
    println!("memory: {status}, {said}");
    // abort(3): the first process of a namespace does not take its own SIGABRT, and ends by the trap behind it.
    assert!(status.code() == Some(128 + libc::SIGSEGV) && said.contains("memory allocation"), "{status}, {said}");
    let began = Instant::now();
    let (status, said) = probe("cpu");
    println!("cpu: {status} after {:?}", began.elapsed());
    assert!(status.code().is_some_and(|c| c > 128) && began.elapsed() < Duration::from_secs(30), "{status}, {said}");
    let (status, said) = probe("nothing");
    assert!(status.success() && said == "done", "{status}, {said}");
    println!("{} attempts, none succeeded", OUTER.len() + CALLS.len() + 3);
}

fn can_enclose() -> bool {
    let (status, said) = probe("enclose");
    status.success() || !said.is_empty() && panic!("walls: {said}")
}

fn probe(what: &str) -> (std::process::ExitStatus, String) {
    let child = Command::new(std::env::current_exe().unwrap())
        .env("RUST_BACKTRACE", "0")
        .env("ESCAPE", what)
        .env("PARENT", std::process::id().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(child.status.signal(), None, "the outer process lives");
    let text = String::from_utf8_lossy(&[child.stdout, child.stderr].concat()).trim().to_owned();
    (child.status, text)
}

fn act(what: &str) {
    if let Err(error) = walls::enclose() {
        println!("{error}");
        std::process::exit(walls::NO_WALLS);
    }
    let (kind, rest) = what.split_once(' ').unwrap_or((what, ""));
    if kind == "outer" {
        return match OUTER[rest.parse::<usize>().unwrap()].1() {
            Ok(got) => println!("got: {got}"),
            Err(why) => println!("refused: {why}"),
        };
    }
    if kind == "enclose" {
        return;
    }
    walls::close(&limits()).unwrap();
    match kind {
        "call" => {
            // SAFETY: it does not come back; were it allowed, all arguments are zero.
            let returned = unsafe { libc::syscall(rest.parse().unwrap(), 0, 0, 0, 0, 0, 0) };
            println!("returned {returned}");
        }
        "code" => {
            let (read, run) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_EXEC);
            // SAFETY: new memory at no address of ours.
            let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, read, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
            // SAFETY: the page from above.
            println!("{page:p}: {}", unsafe { libc::mprotect(page, 4096, libc::PROT_READ | run) });
        }
        "memory" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 16 << 20]);
            }
        }
        "cpu" => loop {
            std::hint::black_box(0);
        },
        _ => println!("done"),
    }
}
