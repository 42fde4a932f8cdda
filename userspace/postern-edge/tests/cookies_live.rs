//! SYN cookies given out by XDP and taken by the kernel: a server and a client on a veth pair, real connections, a flood of SYNs from
//! addresses that nobody has.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frames;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::reason::Reason;
use postern_edge::kernel::guard::Guard;
use postern_edge::kernel::pins::Pins;
use postern_edge::kernel::run::{XDP_PASS, XDP_TX, permitted};
use postern_model::settings::edge::XdpMode;

use frames::network::{PATIENCE, enter, ip, namespace, path_of, sysctl, takes_xdp, within, without_offload};

const PORT: u16 = 25;
const SERVER: &str = "10.89.0.1";
const SERVER_V6: &str = "fd89::1";
/// The flood's sources: 10.99.0.0/16.
const NOBODY: u32 = 0x0a63_0000;
const MAC: [u8; 6] = [2, 0, 0, 0, 0x89, 1];

struct Server {
    namespace: OwnedFd,
    client: OwnedFd,
    guard: Guard,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let (server, client) = (namespace(), namespace());
        let path = path_of(&client);
        within(&server, || {
            let mac = MAC.map(|o| format!("{o:02x}")).join(":");
            ip("link set lo up");
            ip(&format!("link add eth0 address {mac} type veth peer name eth0 netns {path}"));
            ip(&format!("addr add {SERVER}/24 dev eth0"));
            ip(&format!("addr add {SERVER_V6}/64 dev eth0 nodad"));
            ip("link set eth0 up");
        });
        within(&client, || {
            ip("link set lo up");
            ip("addr add 10.89.0.2/24 dev eth0");
            ip("addr add fd89::2/64 dev eth0 nodad");
            ip("link set eth0 up");
            without_offload("eth0");
            takes_xdp("eth0");
        });
        within(&server, || {
            ip("route add 10.99.0.0/16 via 10.89.0.2");
        });
        let listeners = within(&server, || [TcpListener::bind((SERVER, PORT)).unwrap(), TcpListener::bind((SERVER_V6, PORT)).unwrap()]);
        for listener in listeners {
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    thread::spawn(move || {
                        let mut octets = [0; 4096];
                        while let Ok(n @ 1..) = (&stream).read(&mut octets) {
                            if (&stream).write_all(&octets[..n]).is_err() {
                                break;
                            }
                        }
                    });
                }
            });
        }
        let dir = tempfile::tempdir().unwrap();
        let guard = within(&server, || {
            let mut guard = Guard::open(Pins::private(dir.path()).unwrap(), feature::ALL & !feature::SAMPLES, 1000).unwrap();
            guard.maps().front.set_ports(&[PORT], &[PORT]);
            guard.guard(&["eth0".to_owned()], XdpMode::Native).unwrap()[0].as_ref().unwrap();
            guard
        });
        Self { namespace: server, client, guard, _dir: dir }
    }

    /// Cookies above so many new connections a second, and whether the kernel gives them out only when its queue is full (1) or always (2).
    fn cookies(&self, above: u32, kernel: &str) {
        let mut config = self.guard.maps().front.configured().unwrap();
        config.cookies_above = above;
        self.guard.maps().front.set_config(&config);
        within(&self.namespace, || sysctl("ipv4/tcp_syncookies", kernel));
    }

    fn count(&self, reason: Reason) -> u64 {
        self.guard.maps().counters().unwrap().iter().find(|c| c.reason == reason).unwrap().packets
    }

    /// A counter of the kernel's TCP (`TcpExt` in /proc/net/netstat).
    fn kernel(&self, name: &str) -> u64 {
        within(&self.namespace, || {
            let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
            let mut lines = text.lines().filter(|l| l.starts_with("TcpExt:")).map(|l| l.split(' '));
            let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
            names.zip(values).find(|(n, _)| *n == name).unwrap().1.parse().unwrap()
        })
    }
}

/// Connects, sends and reads back; how long the connection took.
fn talk(to: &str, octets: usize, limit: Duration) -> Result<Duration, String> {
    let to: SocketAddr = (to.parse::<std::net::IpAddr>().unwrap(), PORT).into();
    let started = Instant::now();
    let mut stream = TcpStream::connect_timeout(&to, limit).map_err(|e| e.to_string())?;
    let took = started.elapsed();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent: Vec<u8> = (0..octets).map(|i| i as u8).collect();
    let mut back = vec![0; octets];
    // In pieces that fit into all buffers on the way.
    for (from, to) in sent.chunks(4096).zip(back.chunks_mut(4096)) {
        stream.write_all(from).map_err(|e| e.to_string())?;
        stream.read_exact(to).map_err(|e| e.to_string())?;
    }
    if sent == back { Ok(took) } else { Err("came back otherwise".into()) }
}

fn started() -> Option<Server> {
    if let Err(e) = permitted() {
        eprintln!("SKIPPED cookies_live: bpf() is not permitted here: {e}");
        return None;
    }
    Some(Server::start())
}

#[test]
fn the_kernel_takes_up_what_xdp_began() {
    let Some(server) = started() else { return };
    let client = |to: &'static str| within(&server.client, || talk(to, 100_000, PATIENCE)).unwrap();
    server.cookies(0, "1");
    client(SERVER);
    client(SERVER_V6);
    assert_eq!(server.count(Reason::AnswerCookie), 0, "off");

    // Nearly every SYN is above one a second.
    server.cookies(1, "2");
    let before = server.kernel("SyncookiesRecv");
    for _ in 0..10 {
        client(SERVER);
        client(SERVER_V6);
    }
    let given = server.count(Reason::AnswerCookie);
    assert!(given >= 15, "{given} of 20 connections began with a cookie");
    assert!(server.kernel("SyncookiesRecv") - before >= given);
    assert_eq!(server.kernel("SyncookiesFailed"), 0);

    // Where the kernel's queue is not full, the kernel answers by itself, with all options.
    server.cookies(1, "1");
    client(SERVER);
    client(SERVER);
    assert_eq!(server.count(Reason::AnswerCookie), given);
    the_answer(&server);
}

/// The SYN-ACK itself: addresses and ports turned, sequence numbers, MSS, checksums, tags.
fn the_answer(server: &Server) {
    server.cookies(1, "2");
    let runner = server.guard.runner().unwrap();
    let given = |frame: &str| {
        let frame = frames::build(frame).unwrap();
        // The bucket of this second may have a token left.
        within(&server.namespace, || {
            runner.run(&frame, 3).unwrap();
            runner.run_out(&frame).unwrap()
        })
    };
    for (frame, link, headers) in [
        ("ip4:10.89.0.2 to:10.89.0.1 tcp:25 syn", 14, 20),
        ("ip4:10.89.0.2 to:10.89.0.1 tcp:25 syn tcpopts=10 data=30 pad=9", 14, 20),
        ("vlan ip4:10.89.0.2 to:10.89.0.1 tcp:25 syn", 18, 20),
        ("svlan vlan ip4:10.89.0.2 to:10.89.0.1 tcp:25 syn", 22, 20),
        ("ip6:fd89::2 to:fd89::1 tcp:25 syn", 14, 40),
        ("vlan ip6:fd89::2 to:fd89::1 tcp:25 syn tcpopts=3", 18, 40),
    ] {
        let sent = frames::build(frame).unwrap();
        let (ran, out) = given(frame);
        assert_eq!(ran.action, XDP_TX, "{frame}");
        assert_eq!(out.len(), link + headers + 24, "{frame}");
        assert_eq!((&out[..6], &out[6..12]), (&sent[6..12], &sent[..6]), "{frame}");
        assert_eq!(out[12..link], sent[12..link], "{frame}: tags and type");
        let (ip, segment) = out[link..].split_at(headers);
        let half = if headers == 20 { 4 } else { 16 };
        let at = if headers == 20 { 12 } else { 8 };
        assert_eq!((&ip[at..at + half], &ip[at + half..at + 2 * half]), (&sent[link + at + half..][..half], &sent[link + at..][..half]));
        assert!(headers == 40 || frames::sum(ip) == 0, "{frame}: checksum of the header");
        let mut pseudo = ip[at..at + 2 * half].to_vec();
        pseudo.extend([0, 6, 0, 24]);
        assert_eq!(frames::sum(&[&pseudo, segment].concat()), 0, "{frame}: checksum of the segment");
        assert_eq!(segment[..4], [&[0, 25][..], &40_000u16.to_be_bytes()].concat(), "{frame}: ports");
        assert_eq!(segment[8..14], [0, 0, 0, 1, 6 << 4, 0x12], "{frame}: what it acknowledges, length, flags");
        assert_eq!(segment[20..22], [2, 4], "{frame}: MSS");
        assert!((536..=1460).contains(&u16::from_be_bytes([segment[22], segment[23]])), "{frame}");
    }
    for passed in [
        "ip4:10.89.0.2 to:10.89.0.1 tcp:587 syn",
        "ip4:10.89.0.2 to:10.89.0.9 tcp:25 syn",
        "ip4:10.89.0.2 to:10.89.0.1 opts=1 tcp:25 syn",
        "ip6:fd89::2 to:fd89::1 dest tcp:25 syn",
        "mac:all ip4:10.89.0.2 to:10.89.0.1 tcp:25 syn",
        "ip4:10.89.0.2 to:10.89.0.1 mf tcp:25 syn",
    ] {
        let (ran, out) = given(passed);
        assert_eq!((ran.action, out), (XDP_PASS, frames::build(passed).unwrap()), "{passed}");
    }
}

/// A SYN with right checksums: the kernel drops others before they cost it anything.
fn syn(source: u32, port: u16, sequence: u32) -> Vec<u8> {
    let source = Ipv4Addr::from(source);
    let mut f = frames::build(&format!("ip4:{source} to:{SERVER} sport={port} tcp:25 syn tcpopts=1")).unwrap();
    f[..6].copy_from_slice(&MAC);
    f[38..42].copy_from_slice(&sequence.to_be_bytes());
    f[54..58].copy_from_slice(&[2, 4, 0x05, 0xb4]);
    f[48..50].copy_from_slice(&64_240u16.to_be_bytes());
    let mut summed = f[26..34].to_vec();
    summed.extend([0, 6, 0, 24]);
    summed.extend(&f[34..]);
    let sum = frames::sum(&summed).to_be_bytes();
    f[50..52].copy_from_slice(&sum);
    f
}

/// A flood as fast as one thread can send it.
const UNBOUNDED: u64 = u64::MAX;

/// Sends so many SYNs a second until it is told to stop.
fn flood(client: &OwnedFd, pace: u64, stop: &AtomicBool, sent: &AtomicU64) {
    enter(client);
    let started = Instant::now();
    let frames: Vec<Vec<u8>> = (0..16_384u32).map(|i| syn(NOBODY | (i.wrapping_mul(40_503) & 0xffff), 1024 + i as u16, i << 12)).collect();
    let index = nix::net::if_::if_nametoindex("eth0").unwrap();
    // SAFETY: a new descriptor; frames, vectors and address outlive the calls.
    unsafe {
        let socket = OwnedFd::from_raw_fd(libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0));
        let mut to: libc::sockaddr_ll = std::mem::zeroed();
        (to.sll_family, to.sll_ifindex) = (libc::AF_PACKET as u16, index as i32);
        let mut parts: Vec<libc::iovec> =
            frames.iter().map(|f| libc::iovec { iov_base: f.as_ptr().cast_mut().cast(), iov_len: f.len() }).collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                let mut m: libc::mmsghdr = std::mem::zeroed();
                m.msg_hdr.msg_name = (&raw mut to).cast();
                m.msg_hdr.msg_namelen = size_of::<libc::sockaddr_ll>() as u32;
                (m.msg_hdr.msg_iov, m.msg_hdr.msg_iovlen) = (part, 1);
                m
            })
            .collect();
        while !stop.load(Ordering::Relaxed) {
            for batch in messages.chunks_mut(256) {
                let n = libc::sendmmsg(socket.as_raw_fd(), batch.as_mut_ptr(), batch.len() as u32, 0);
                let so_far = sent.fetch_add(n.max(0) as u64, Ordering::Relaxed);
                while so_far as f64 > started.elapsed().as_secs_f64() * pace as f64 && !stop.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
            }
        }
    }
}

struct Measured {
    /// SYNs a second that the flood sent.
    rate: u64,
    good: usize,
    took: Vec<Duration>,
}

impl Measured {
    fn quantile(&self, of: usize) -> Duration {
        self.took.get((self.took.len() * of / 1000).min(self.took.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Connects one after the other while the flood goes on.
fn under_flood(server: &Server, pace: u64, connections: usize) -> Measured {
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| flood(&server.client, pace, &stop, &sent));
        while sent.load(Ordering::Relaxed) < 20_000 {
            thread::yield_now();
        }
        let (started, before) = (Instant::now(), sent.load(Ordering::Relaxed));
        let mut took: Vec<Duration> =
            within(&server.client, || (0..connections).filter_map(|_| talk(SERVER, 1000, Duration::from_secs(4)).ok()).collect());
        let rate = (sent.load(Ordering::Relaxed) - before) as f64 / started.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        took.sort();
        Measured { rate: rate as u64, good: took.len(), took }
    })
}

#[test]
fn connections_succeed_under_a_flood() {
    let Some(server) = started() else { return };
    server.cookies(100, "1");
    let measured = under_flood(&server, UNBOUNDED, 60);
    let given = server.count(Reason::AnswerCookie);
    eprintln!("{} SYNs a second, {given} cookies, {} of 60 connections, median {:?}", measured.rate, measured.good, measured.quantile(500));
    assert!(given > 10_000, "{given} cookies");
    assert!(measured.good >= 58, "{} of 60 connections", measured.good);
}

/// Not a test: the figures of ADR 17. `cargo test -p postern-edge --test cookies_live -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn measure() {
    let Some(server) = started() else { return };
    let connections = 400;
    println!("| | SYN/s sent | connected | p50 | p90 | p99 |\n|---|---|---|---|---|---|");
    for _ in 0..3 {
        for (name, pace, above) in [
            ("kernel's cookies only", UNBOUNDED, 0),
            ("XDP cookies above 100/s", UNBOUNDED, 100),
            ("kernel's cookies only, paced", 80_000, 0),
            ("XDP cookies above 100/s, paced", 80_000, 100),
        ] {
            server.cookies(above, "1");
            let m = under_flood(&server, pace, connections);
            let (p50, p90, p99) = (m.quantile(500), m.quantile(900), m.quantile(990));
            println!("| {name} | {} | {} of {connections} | {p50:.1?} | {p90:.1?} | {p99:.1?} |", m.rate, m.good);
        }
    }
    println!("{} cookies by XDP, {} by the kernel", server.count(Reason::AnswerCookie), server.kernel("SyncookiesSent"));
}
