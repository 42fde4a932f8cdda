//! Sockets opened by a service manager: each listener takes its own, and what no listener is for is said.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postern_tests::bench::process::Running;
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::{alone, lacking};

const LIMIT: Duration = Duration::from_secs(30);

/// What a service manager does: opens sockets, waits for the word, and becomes the service.
const MANAGER: &str = "
import os, socket, sys
opened = []
for n, name in enumerate(sys.argv[2].split(',')):
    kind, host, port = name.split('/')
    s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM if kind == 'udp' else socket.SOCK_STREAM)
    s.bind((host, int(port)))
    if kind == 'tcp':
        s.listen(16)
    opened.append(s)
for n, s in enumerate(opened):
    os.dup2(s.fileno(), 100 + n)
for n in range(len(opened)):
    os.dup2(100 + n, 3 + n, True)
    os.close(100 + n)
sys.stdin.readline()
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[3])
os.execv(sys.argv[1], [sys.argv[1], 'node', '--settings', sys.argv[4]])
";

fn manager(dir: &Path, sockets: &str, said: usize) -> Child {
    std::fs::create_dir_all(dir).unwrap();
    let file = dir.join("postern.toml");
    let settings = format!(
        "[node]\nhostname = \"gateway.example\"\ndata_dir = {0:?}\nrun_dir = {0:?}\n[dns]\nenabled = false\n\
         [smtp]\nlisten = [\"127.0.0.1:2525\", \"[::]:2527\"]\ntrusted_listen = [\"127.0.0.1:2526\"]\ntrusted_networks = [\"127.0.0.0/8\"]\n\
         [console]\nlisten = [\"127.0.0.1:8443\", \"127.0.0.1:8444\"]\n\
         [[domains]]\nname = \"*\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524 }}]\n",
        dir.display().to_string()
    );
    std::fs::write(&file, settings).unwrap();
    let log = std::fs::File::create(dir.join("log")).unwrap();
    Command::new("python3")
        .args(["-c", MANAGER])
        .arg(binary())
        .args([sockets, &said.to_string()])
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The inodes of the listening sockets of this namespace, by port.
fn listening(port: u16) -> Vec<String> {
    let tables =
        ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"].map(|t| std::fs::read_to_string(t).unwrap_or_default()).concat();
    let is_it = |f: &[&str]| f.len() > 9 && f[3] == "0A" && f[1].ends_with(&format!(":{port:04X}"));
    tables.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).filter(|f| is_it(f)).map(|f| f[9].to_owned()).collect()
}

#[test]
fn each_listener_takes_its_own_socket() {
    if let Some(why) = lacking(&["python3", "curl"]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    // In no order of the settings; 2526 and 8444 are left to the node itself; `[::]` is handed over as 0.0.0.0.
    let mut node = Running(manager(&scratch.path().join("good"), "tcp/127.0.0.1/8443,tcp/0.0.0.0/2527,tcp/127.0.0.1/2525", 3));
    wait_until("the manager's sockets", LIMIT, || [8443, 2527, 2525].iter().all(|p| listening(*p).len() == 1)).unwrap();
    let before = [8443, 2527, 2525].map(listening);
    // Whoever connects before the service is there is served when it is.
    let early = [2525, 2527].map(|port| TcpStream::connect(("127.0.0.1", port)).unwrap());
    node.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
    for mut stream in early {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut greeting = [0; 4];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"220 ");
    }
    let log = || std::fs::read_to_string(scratch.path().join("good/log")).unwrap();
    for port in [8443, 8444] {
        let url = format!("https://127.0.0.1:{port}/readyz");
        let is_ready = || Command::new("curl").args(["-skf", &url]).stdout(Stdio::null()).status().unwrap().success();
        wait_until(&url, LIMIT, is_ready).unwrap_or_else(|e| panic!("{e}\n{}", log()));
    }
    assert_eq!([8443, 2527, 2525].map(listening), before, "the very sockets that were handed over, and no others");
    assert_eq!([2526, 8444].map(|p| listening(p).len()), [1, 1]);
    drop(node);

    // What nobody is for, what is no listening TCP socket, and what is not there at all.
    let bad = [
        ("tcp/127.0.0.1/2525,tcp/127.0.0.1/9999", 2, "a socket on 127.0.0.1:9999 that no listener of the settings is for"),
        (
            "tcp/127.0.0.1/2525,bound/127.0.0.1/8443",
            2,
            "descriptor 4, handed over by the service manager (LISTEN_FDS), is no listening TCP socket",
        ),
        ("udp/127.0.0.1/2525", 1, "descriptor 3, handed over by the service manager (LISTEN_FDS), is no listening TCP socket"),
        ("tcp/127.0.0.1/2525", 40, "is not open"),
    ];
    for (n, (sockets, said, words)) in bad.into_iter().enumerate() {
        let dir = scratch.path().join(format!("bad{n}"));
        let mut node = Running(manager(&dir, sockets, said));
        node.0.stdin.take().unwrap().write_all(b"go\n").unwrap();
        wait_until("the node's refusal to start", LIMIT, || node.0.try_wait().unwrap().is_some()).unwrap();
        let log = std::fs::read_to_string(dir.join("log")).unwrap();
        assert!(!node.0.wait().unwrap().success() && log.contains(words), "{sockets}: {log}");
    }
}
