//! The role on a real interface: a host and a client joined by a veth pair, each in a network namespace of its own. The
//! steps build on each other, so they are one test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frames;

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postern_edge::client::{EdgeClient, EdgeClientError};
use postern_edge::kernel::pins::Pins;
use postern_edge::kernel::run::permitted;
use postern_edge::role::{RoleOptions, run};
use postern_model::control::{Ban, EdgeReply, EdgeRequest, EdgeStatus, TraceQuestion};
use postern_model::reason::Reason;
use postern_model::settings::edge::{EdgeSettings, Feed, RateSettings};
use postern_model::time::{Span, Timestamp};
use tokio::io::AsyncReadExt as _;

use frames::network::{PATIENCE, enter, ip, namespace, path_of, wait_until, within};

const PORT: u16 = 2525;
const HOST: &str = "10.77.0.1";
const CLIENT: &str = "10.77.0.2";
const ALLOWED: &str = "10.77.0.3";
const LISTED: &str = "10.77.0.66";

/// Whether a connection from this address gets the greeting.
fn greets(from: &str) -> bool {
    let from: IpAddr = from.parse().unwrap();
    let to: SocketAddr = if from.is_ipv4() { (HOST.parse::<IpAddr>().unwrap(), PORT) } else { ("fd77::1".parse().unwrap(), PORT) }.into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = if from.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() }.unwrap();
        socket.bind((from, 0).into()).unwrap();
        let talk = async {
            let mut stream = socket.connect(to).await.ok()?;
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).await.ok()?;
            Some(greeting == *b"220")
        };
        tokio::time::timeout(Duration::from_millis(250), talk).await.ok().flatten().unwrap_or(false)
    })
}

fn settings(folder: &Path) -> EdgeSettings {
    let feed = Feed { name: "mine".parse().unwrap(), file: folder.join("mine.list"), url: None, every: Span::hours(1) };
    EdgeSettings {
        interfaces: vec!["host0".into()],
        smtp_ports: vec![PORT],
        service_ports: vec![PORT],
        allow: vec![format!("{ALLOWED}/32").parse().unwrap()],
        feeds: vec![feed],
        rates: RateSettings { syn_per_second: 0, ..RateSettings::default() },
        sample_every: 1,
        ..EdgeSettings::default()
    }
}

fn ban(network: &str) -> Ban {
    let now = Timestamp::from_system(std::time::SystemTime::now());
    Ban {
        network: network.parse().unwrap(),
        reason: Reason::RelayDenied,
        from: now,
        until: now + Duration::from_secs(3600),
        count: 0,
        by: "node".into(),
        evidence: "test".into(),
    }
}

/// The role as a process of its own, so that it can be killed: this test binary, asked to run [`role_process`].
fn start_role(namespace: &OwnedFd, folder: &Path) -> Child {
    within(namespace, || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "role_process", "--ignored", "--nocapture"])
            .env("POSTERN_TEST_ROLE", folder)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    })
}

#[test]
#[ignore = "the role's process, started by the test below"]
fn role_process() {
    let Some(folder) = std::env::var_os("POSTERN_TEST_ROLE") else { return };
    let folder = Path::new(&folder);
    let options = RoleOptions {
        socket: folder.join("edge.sock"),
        data_dir: folder.join("data"),
        bpf_dir: folder.join("bpf"),
        settings: settings(folder),
    };
    tokio::runtime::Runtime::new().unwrap().block_on(run(options, std::future::pending())).unwrap();
}

fn dropped(status: &EdgeStatus, name: &str) -> u64 {
    status.counters.iter().find(|c| c.name == name).unwrap().packets
}

#[test]
fn guards_a_real_interface() {
    if let Err(e) = permitted() {
        eprintln!("SKIPPED live: bpf() is not permitted here: {e}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    std::fs::create_dir(folder.join("bpf")).unwrap();
    let _pins = Pins::private(&folder.join("bpf")).unwrap();
    std::fs::write(folder.join("mine.list"), format!("# ours\n{LISTED}\n")).unwrap();

    let (host, client) = (namespace(), namespace());
    let client_path = path_of(&client);
    within(&host, || {
        ip("link set lo up");
        ip(&format!("link add host0 type veth peer name client0 netns {client_path}"));
        ip(&format!("addr add {HOST}/24 dev host0"));
        ip("addr add fd77::1/64 dev host0 nodad");
        ip("link set host0 up");
    });
    within(&client, || {
        for address in [CLIENT, ALLOWED, LISTED] {
            ip(&format!("addr add {address}/24 dev client0"));
        }
        ip("addr add fd77::2/64 dev client0 nodad");
        ip("addr add fd77::3/64 dev client0 nodad");
        ip("link set client0 up");
    });
    // The mail server: greets whoever comes through.
    let servers = within(&host, || [TcpListener::bind((HOST, PORT)).unwrap(), TcpListener::bind(("fd77::1", PORT)).unwrap()]);
    for server in servers {
        thread::spawn(move || {
            for stream in server.incoming().flatten() {
                let _ = std::io::Write::write_all(&mut &stream, b"220 hello\r\n");
                let mut rest = Vec::new();
                let _ = (&stream).take(64).read_to_end(&mut rest);
            }
        });
    }
    let from = |address: &'static str| within(&client, move || greets(address));
    wait_until("the cable", PATIENCE, || from(CLIENT));

    let mut role = start_role(&host, folder);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let edge = EdgeClient::start(folder.join("edge.sock"));
    let status = || runtime.block_on(edge.status());
    wait_until("the role", PATIENCE, || status().is_ok_and(|s| s.interfaces.iter().any(|i| i.attached)));
    let first = status().unwrap();
    assert_eq!((first.interfaces[0].name.as_str(), first.interfaces[0].mode.as_str()), ("host0", "native"));
    wait_until("the feed", PATIENCE, || status().unwrap().feeds[0].loaded.is_some());
    wait_until("the feed in force", PATIENCE, || !from(LISTED));
    assert!(from(CLIENT) && from(ALLOWED) && from("fd77::2"), "everybody else gets through");
    assert!(dropped(&status().unwrap(), "drop-feed") > 0);

    // A ban drops within a second; counters, samples and the trace show it.
    let banned_at = Instant::now();
    edge.ban(ban(&format!("{CLIENT}/32")));
    wait_until("the ban", Duration::from_secs(1), || runtime.block_on(edge.bans(10)).unwrap().len() == 1);
    eprintln!("a ban was in force after {} ms", banned_at.elapsed().as_millis());
    assert!(!from(CLIENT), "a banned address gets through");
    assert!(dropped(&status().unwrap(), "drop-ban") > 0);
    let samples = runtime.block_on(edge.samples(10)).unwrap();
    assert!(samples.iter().any(|s| s.source.to_string() == CLIENT && s.reason == "drop-ban" && s.port == PORT), "{samples:?}");
    let trace = runtime.block_on(edge.trace(TraceQuestion::of(CLIENT.parse().unwrap()))).unwrap();
    assert_eq!((trace.action.as_str(), trace.reason.as_str()), ("drop", "drop-ban"), "{trace:?}");
    assert!(trace.steps.iter().any(|s| s.contains("relay-denied")), "{trace:?}");

    // The allow list wins.
    let refused = runtime.block_on(edge.ban_now(ban(&format!("{ALLOWED}/32")))).unwrap_err();
    assert!(matches!(&refused, EdgeClientError::Refused(why) if why.contains("allow list")), "{refused}");
    assert!(from(ALLOWED));

    // IPv6 by /64.
    runtime.block_on(edge.ban_now(ban("fd77::/64"))).unwrap();
    assert!(!from("fd77::2") && !from("fd77::3"));
    runtime.block_on(edge.unban(vec!["fd77::/64".parse().unwrap()])).unwrap();
    assert!(from("fd77::2"));

    // From here to the unban, the banned client tries all the time: kill, restart and replacement must not let one packet in.
    let (stop, through, tries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let siege = {
        let (stop, through, tries) = (Arc::clone(&stop), Arc::clone(&through), Arc::clone(&tries));
        let client = client.try_clone().unwrap();
        thread::spawn(move || {
            enter(&client);
            while !stop.load(Ordering::Relaxed) {
                through.fetch_add(usize::from(greets(CLIENT)), Ordering::Relaxed);
                tries.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    role.kill().unwrap();
    role.wait().unwrap();
    wait_until("the end of the connection", PATIENCE, || !edge.is_connected());
    assert!(status().is_err(), "edge is away and says so");
    assert!(from(ALLOWED) && !from(LISTED), "the program goes on without its process");
    // A ban while edge is away waits for it.
    edge.ban(ban("203.0.113.5/32"));
    let mut role = start_role(&host, folder);
    wait_until("the role again", PATIENCE, || status().is_ok_and(|s| s.interfaces[0].attached && s.since > first.since));
    wait_until("the bans again", PATIENCE, || status().unwrap().bans == 2);
    // Switching stages replaces the program in the live link, several times.
    for rate in [1_000_000, 0, 1_000_000, 0] {
        let mut changed = settings(folder);
        changed.rates.syn_per_second = rate;
        let reply = runtime.block_on(edge.ask(EdgeRequest::Apply { settings: Box::new(changed) })).unwrap();
        assert_eq!(reply, EdgeReply::Done);
        assert!(status().unwrap().interfaces[0].attached);
    }
    let before = tries.load(Ordering::Relaxed);
    wait_until("another try of the banned", PATIENCE, || tries.load(Ordering::Relaxed) > before);
    stop.store(true, Ordering::Relaxed);
    siege.join().unwrap();
    assert_eq!(through.load(Ordering::Relaxed), 0, "of {} tries", tries.load(Ordering::Relaxed));

    runtime.block_on(edge.unban(vec![format!("{CLIENT}/32").parse().unwrap()])).unwrap();
    assert!(from(CLIENT), "lifted at once");

    // Garbage on the socket ends that connection, and only that.
    let mut rude = std::os::unix::net::UnixStream::connect(folder.join("edge.sock")).unwrap();
    std::io::Write::write_all(&mut rude, b"{\"do\":\"launch\"}\n").unwrap();
    rude.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(rude.read(&mut [0; 16]).unwrap(), 0, "it was answered");
    assert!(status().is_ok());

    // An interface that goes and comes back is guarded again.
    within(&host, || ip("link del host0"));
    wait_until("the loss", PATIENCE, || !status().unwrap().interfaces[0].attached);
    // Its link is left over; that is no reason for the others not to get another program.
    let mut changed = settings(folder);
    changed.rates.syn_per_second = 1_000_000;
    let reply = runtime.block_on(edge.ask(EdgeRequest::Apply { settings: Box::new(changed) })).unwrap();
    assert_eq!(reply, EdgeReply::Done);
    within(&host, || {
        ip(&format!("link add host0 type veth peer name client0 netns {client_path}"));
        ip("link set host0 up");
    });
    wait_until("the interface again", PATIENCE, || status().unwrap().interfaces[0].attached);
    role.kill().unwrap();
    role.wait().unwrap();
}
