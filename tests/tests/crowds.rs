//! Crowds that mean no good, or nothing at all: ten thousand idle sessions, senders of one octet a second, half-open connections.
//! Good mail goes on meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use postern_tests::backend::Backend;
use postern_tests::bench::process::{Running, memory};
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{GATEWAY, INTERFACE, alone, lacking, two_hosts};
use postern_tests::smtp::{plain_mail, send, stream_from};

const LIMIT: Duration = Duration::from_secs(30);
const PROMPT: Duration = Duration::from_secs(2);
const SMTP: u16 = 2525;
const IDLE: usize = 10_000;
const MEGABYTES: f64 = 200.0;

fn settings(listen: &str, more: &str) -> String {
    format!(
        "[smtp]\nlisten = [\"{listen}\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n{more}\
         [[domains]]\nname = \"example.net\"\nbackends = [{{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }}]\n"
    )
}

/// Sends so many good mails, one after the other; the longest one took.
fn good_mails(server: SocketAddr, count: usize) -> Duration {
    let one = |n: usize| {
        let began = Instant::now();
        let said = send(server, "anna@example.org", &["erika@example.net"], &plain_mail(&format!("Good mail {n}"))).unwrap();
        assert!(said.starts_with("250 2.0.0"), "{said}");
        began.elapsed()
    };
    (0..count).map(one).max().unwrap_or_default()
}

#[test]
fn ten_thousand_idle_sessions_are_small() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if (most as usize) < IDLE + 500 || setrlimit(Resource::RLIMIT_NOFILE, most, most).is_err() {
        println!("skipped: only {most} open files are allowed");
        return;
    }
    alone().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let gateway = Gateway::node(&binary(), scratch.path(), &settings("127.0.0.1:2525", "")).unwrap();
    let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, SMTP);
    // A first mail, so that what is made once is not counted.
    good_mails(server.into(), 3);
    let (before, _) = memory(&[gateway.process.id()]);

    let began = Instant::now();
    let mut crowd: Vec<_> =
        (0..IDLE).map(|n| stream_from(Ipv4Addr::new(127, 1, (n / 5000) as u8, (n % 250) as u8), server).unwrap()).collect();
    for stream in &mut crowd {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut code = [0; 4];
        stream.read_exact(&mut code).unwrap();
        assert_eq!(&code, b"220 ");
    }
    let greeted = began.elapsed();
    let slowest = good_mails(server.into(), 10);
    let (after, _) = memory(&[gateway.process.id()]);
    println!(
        "{IDLE} idle sessions greeted in {:.1} s; PSS {before:.0} MB before, {after:.0} MB with them ({:.1} KiB each); \
         slowest of ten good mails {} ms",
        greeted.as_secs_f64(),
        (after - before) * 1024.0 / IDLE as f64,
        slowest.as_millis()
    );
    assert!(after < MEGABYTES, "{after:.0} MB");
    assert!(slowest < PROMPT, "{slowest:?}");
    backend.wait_for(13, LIMIT).unwrap();
    drop(crowd);
}

/// 1,000 connections from 50 addresses; half dawdle in a command, half in their data, one octet a second each.
const DAWDLERS: &str = "
import socket, sys, time
server = (sys.argv[1], int(sys.argv[2]))
opened = []
for i in range(1000):
    s = socket.create_connection(server, 5, ('198.51.100.%d' % (100 + i % 50), 0))
    opened.append(s)
def say(half, text):
    for s in half:
        s.recv(4096)
    for s in half:
        s.sendall(text)
half = opened[::2]
for text in (b'EHLO slow.example\\r\\n', b'MAIL FROM:<slow@example.org>\\r\\n', b'RCPT TO:<erika@example.net>\\r\\n', b'DATA\\r\\n'):
    say(half, text)
for s in half:
    s.recv(4096)
print('ready', flush=True)
while True:
    for s in opened:
        s.send(b'E')
    time.sleep(1)
";

/// SYNs from anywhere, as fast as it goes; nobody answers what comes back.
const FLOOD: &str = "
import os, random, socket, struct, sys
def total(data):
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
to = socket.inet_aton(sys.argv[1])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
random.seed(7)
def syn():
    source = bytes([random.randrange(11, 100), random.randrange(256), random.randrange(256), random.randrange(1, 255)])
    tcp = struct.pack('!HHIIBBHHH', random.randrange(1024, 65536), int(sys.argv[2]), random.randrange(1 << 32), 0, 5 << 4, 2, 65535, 0, 0)
    sum = total(source + to + struct.pack('!BBH', 0, 6, len(tcp)) + tcp)
    return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, 0, 0, 64, 6, 0, source, to) + tcp[:16] + struct.pack('!H', sum) + tcp[18:]
packets = [syn() for _ in range(20000)]
sent = 0
print('ready', flush=True)
while True:
    for p in packets:
        try:
            s.sendto(p, (sys.argv[1], 0))
        except OSError:
            pass
";

#[test]
fn dawdlers_and_half_open_connections_do_not_stop_good_mail() {
    if let Some(why) = lacking(&["python3", "nsenter"]) {
        println!("skipped: {why}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let client = two_hosts().unwrap();
    for n in 0..50 {
        client.add_address(&format!("198.51.100.{}/24", 100 + n)).unwrap();
    }
    // Answers to forged sources go to the client host, which drops them.
    client.default_route().unwrap();
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let text = settings("[::]:2525", &format!("[edge]\ninterfaces = [\"{INTERFACE}\"]\nsmtp_ports = [{SMTP}]\nservice_ports = [{SMTP}]\n"));
    let _edge = Gateway::edge(&binary(), scratch.path(), &text).unwrap();
    let gateway = Gateway::node(&binary(), scratch.path(), &text).unwrap();
    wait_until("XDP on the cable", LIMIT, || gateway.is_guarded()).unwrap();
    let start = |script: &str| {
        let mut child =
            Running(client.command("python3", &["-c", script, GATEWAY, &SMTP.to_string()]).stdout(Stdio::piped()).spawn().unwrap());
        let mut ready = [0; 5];
        child.0.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        child
    };
    let drowned = std::cell::Cell::new(false);
    // From the cable, as everybody else.
    let good = |count: usize| {
        let mut slowest = Duration::ZERO;
        for n in 0..count {
            let from = format!("good{n}@example.org");
            let send =
                || client.swaks(SMTP, &["--from", &from, "--to", "erika@example.net", "--header", "Subject: Good mail"], None).unwrap();
            let mut began = Instant::now();
            let mut said = send();
            // With SYN cookies the last packet of a handshake is not asked for again when the flood drowned it, and SMTP's client does
            // not speak first (RFC 4987 §3.6): it waits, and tries again as every mail server does. Once in a while, not each time.
            if said.contains("waiting for server response") && !drowned.replace(true) {
                println!("a handshake was drowned by the flood");
                began = Instant::now();
                said = send();
            }
            assert!(said.contains("250 2.0.0"), "{said}\n{}", gateway.log());
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    let calm = good(3);
    let dawdlers = start(DAWDLERS);
    let beside_dawdlers = good(5);
    let flood = start(FLOOD);
    let half_open = || {
        let table = std::fs::read_to_string("/proc/thread-self/net/sockstat").unwrap_or_default();
        let requests = std::fs::read_to_string("/proc/thread-self/net/tcp6").unwrap_or_default();
        (requests.lines().filter(|l| l.split_whitespace().nth(3) == Some("03")).count(), table)
    };
    wait_until("half-open connections", LIMIT, || half_open().0 > 100).unwrap();
    let beside_flood = good(5);
    let (open, _) = half_open();
    drop(flood);
    drop(dawdlers);
    println!(
        "slowest good mail (swaks's start included): {} ms in calm, {} ms beside 1,000 dawdlers, {} ms with {open} half-open connections too",
        calm.as_millis(),
        beside_dawdlers.as_millis(),
        beside_flood.as_millis()
    );
    assert!(beside_dawdlers < calm + PROMPT && beside_flood < calm + PROMPT);
    backend.wait_for(13, LIMIT).unwrap();
}
