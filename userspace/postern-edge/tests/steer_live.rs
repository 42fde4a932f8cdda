//! Steering between real nodes: four of them and a client on one bridge, each in a network namespace of its own. The virtual address is on
//! every node's loopback; the client sends to node a, which in a cluster would be the one that answers ARP for it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frames;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::ring::{NOBODY, Peer, Ring, Slot, peer};
use postern_edge::kernel::guard::{Guard, Mode};
use postern_edge::kernel::pins::Pins;
use postern_edge::kernel::run::permitted;
use postern_edge::kernel::steer::{Role, address_of, empty_ring};
use postern_edge::trace::{self, Question};
use postern_model::settings::edge::XdpMode;

use frames::network::{PATIENCE, ip, namespace, path_of, sysctl, takes_xdp, wait_until, within, without_offload};

const PORT: u16 = 2525;
const VIRTUAL: &str = "10.88.1.1";
const VIRTUAL_V6: &str = "fd88:1::1";
const CLIENT: &str = "10.88.0.100";
const NODES: [&str; 4] = ["a", "b", "c", "d"];
const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

struct Node {
    namespace: OwnedFd,
    guard: Guard,
    /// Sessions as they are taken: their accepted sockets.
    taken: mpsc::Receiver<TcpStream>,
    _dir: tempfile::TempDir,
}

impl Node {
    fn count(&self, reason: Reason) -> u64 {
        self.guard.maps().counters().unwrap().iter().find(|c| c.reason == reason).unwrap().packets
    }
}

fn mac(node: usize) -> [u8; 6] {
    [2, 0, 0, 0, 0x88, node as u8 + 1]
}

fn address(node: usize) -> String {
    format!("10.88.0.{}", node + 1)
}

/// Plugs a namespace into the bridge.
fn plug(lan: &OwnedFd, namespace: &OwnedFd, name: &str, mac: [u8; 6], addresses: &[String]) {
    let mac = mac.map(|o| format!("{o:02x}")).join(":");
    let path = path_of(namespace);
    within(lan, || {
        ip(&format!("link add {name} type veth peer name eth0 address {mac} netns {path}"));
        ip(&format!("link set {name} master br0"));
        ip(&format!("link set {name} up"));
        takes_xdp(name);
    });
    within(namespace, || {
        ip("link set lo up");
        for address in addresses {
            ip(&format!("addr add {address} dev eth0{}", if address.contains(':') { " nodad" } else { "" }));
        }
        ip("link set eth0 up");
        without_offload("eth0");
    });
}

/// Greets with the node's name and repeats every line behind it.
fn serve(name: &'static str, namespace: &OwnedFd) -> mpsc::Receiver<TcpStream> {
    let (to, taken) = mpsc::channel();
    for listener in within(namespace, || [TcpListener::bind((VIRTUAL, PORT)).unwrap(), TcpListener::bind((VIRTUAL_V6, PORT)).unwrap()]) {
        let to = to.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = to.send(stream.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = (&stream).write_all(format!("{name}\n").as_bytes());
                    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                        if (&stream).write_all(format!("{name} {}\n", line.len()).as_bytes()).is_err() {
                            break;
                        }
                    }
                });
            }
        });
    }
    taken
}

struct Session {
    stream: BufReader<TcpStream>,
    node: String,
}

impl Session {
    /// Opens a connection to the virtual address and reads who took it.
    fn open(client: &OwnedFd, to: &str) -> Result<Self, String> {
        let to: SocketAddr = (to.parse::<std::net::IpAddr>().unwrap(), PORT).into();
        let stream = within(client, || TcpStream::connect_timeout(&to, PATIENCE)).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut session = Self { stream: BufReader::new(stream), node: String::new() };
        session.node = session.line()?;
        Ok(session)
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).map_err(|e| e.to_string())?;
        if read == 0 { Err("closed".into()) } else { Ok(line.trim_end().to_owned()) }
    }

    /// Sends a line of so many octets and reads the answer.
    fn says(&mut self, octets: usize) -> Result<(), String> {
        let line = "x".repeat(octets);
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes()).map_err(|e| e.to_string())?;
        let answer = self.line()?;
        if answer == format!("{} {octets}", self.node) { Ok(()) } else { Err(format!("{answer} instead of {}", self.node)) }
    }
}

/// The ring as node `me` sees it; `d` is behind a tunnel for all others.
fn ring(me: usize, version: u64, primary: usize, secondary: usize) -> Box<Ring> {
    let mut ring = empty_ring();
    ring.version = version;
    ring.seed = [1, 2];
    for node in 0..NODES.len() {
        ring.peers[node] = Peer { flags: peer::USABLE, mac: mac(node), own_mac: mac(me), ..Peer::default() };
        if node == me {
            ring.peers[node].flags |= peer::SELF;
        } else if node == D || me == D {
            ring.peers[node].flags |= peer::TUNNEL;
            ring.peers[node].own = address_of(address(me).parse().unwrap());
            ring.peers[node].address = address_of(address(node).parse().unwrap());
        }
    }
    let slot = |n: usize| if n < NODES.len() { n as u16 } else { NOBODY };
    ring.slots.fill(Slot { primary: slot(primary), secondary: slot(secondary) });
    ring
}

struct Cluster {
    nodes: Vec<Node>,
    client: OwnedFd,
    lan: OwnedFd,
    version: u64,
}

impl Cluster {
    fn start() -> Self {
        let (lan, client) = (namespace(), namespace());
        within(&lan, || {
            ip("link add br0 type bridge");
            ip("link set br0 up");
        });
        plug(&lan, &client, "client", [2, 0, 0, 0, 0x88, 100], &[format!("{CLIENT}/24"), "fd88::100/64".into()]);
        let nodes = NODES.iter().enumerate().map(|(number, name)| {
            let namespace = namespace();
            plug(
                &lan,
                &namespace,
                &format!("port-{name}"),
                mac(number),
                &[format!("{}/24", address(number)), format!("fd88::{}/64", number + 1)],
            );
            within(&namespace, || {
                ip(&format!("addr add {VIRTUAL}/32 dev lo"));
                ip(&format!("addr add {VIRTUAL_V6}/128 dev lo nodad"));
                // As on a real node: only the one that holds the address answers for it.
                sysctl("ipv4/conf/all/arp_ignore", "1");
                sysctl("ipv4/conf/all/arp_announce", "2");
            });
            let taken = serve(name, &namespace);
            let dir = tempfile::tempdir().unwrap();
            let guard = within(&namespace, || {
                let mut guard = Guard::open(Pins::private(dir.path()).unwrap(), feature::ALL, 1000).unwrap();
                guard.maps().front.set_ports(&[PORT], &[PORT]);
                let mut config = guard.maps().front.configured().unwrap();
                config.too_big_per_second = 100;
                guard.maps().front.set_config(&config);
                let modes = guard.guard(&["eth0".to_owned()], XdpMode::Native).unwrap();
                assert_eq!(modes[0].as_ref().unwrap(), &Mode::Native);
                guard
            });
            let maps = guard.maps();
            maps.steer.set_capacity(10_000).unwrap();
            let addresses = [
                (VIRTUAL.parse().unwrap(), Role::Virtual),
                (VIRTUAL_V6.parse().unwrap(), Role::Virtual),
                (address(number).parse().unwrap(), Role::Outer),
            ];
            maps.steer.set_addresses(&maps.front, &addresses).unwrap();
            Node { namespace, guard, taken, _dir: dir }
        });
        let nodes = nodes.collect();
        within(&client, || {
            ip(&format!("route add {VIRTUAL}/32 via {}", address(A)));
            ip(&format!("-6 route add {VIRTUAL_V6}/128 via fd88::{}", A + 1));
        });
        Self { nodes, client, lan, version: 0 }
    }

    /// Another ring on all nodes.
    fn turn(&mut self, primary: usize, secondary: usize) {
        self.version += 1;
        for (me, node) in self.nodes.iter().enumerate() {
            node.guard.maps().steer.put_ring(ring(me, self.version, primary, secondary)).unwrap();
        }
    }

    /// Nobody remembers any connection.
    fn forget(&self) {
        for node in &self.nodes {
            node.guard.maps().steer.set_capacity(10_000).unwrap();
        }
    }

    fn open(&self) -> Session {
        Session::open(&self.client, VIRTUAL).unwrap_or_else(|e| panic!("{e}\n{}", self.counters()))
    }

    /// What each node has counted, for who looks why a test failed.
    fn counters(&self) -> String {
        let mut text = String::new();
        for (name, node) in NODES.iter().zip(&self.nodes) {
            for c in node.guard.maps().counters().unwrap().iter().filter(|c| c.packets > 0) {
                text.push_str(&format!("{name}: {} {}\n", c.reason.name(), c.packets));
            }
        }
        text + &within(&self.lan, || ip("-s -s link"))
    }
}

#[test]
fn sessions_stay_with_their_nodes() {
    if let Err(e) = permitted() {
        eprintln!("SKIPPED steer_live: bpf() is not permitted here: {e}");
        return;
    }
    let mut cluster = Cluster::start();
    cluster.turn(B, C);
    wait_until("the cable", PATIENCE, || Session::open(&cluster.client, VIRTUAL).is_ok());

    // By way of a forwarder; the answer goes to the client directly.
    let mut first = cluster.open();
    assert_eq!(first.node, "b");
    first.says(10).unwrap();
    let mut of_v6 = Session::open(&cluster.client, VIRTUAL_V6).unwrap();
    assert_eq!(of_v6.node, "b");
    of_v6.says(10).unwrap();
    let on = |cluster: &Cluster, node: usize, reason| cluster.nodes[node].count(reason);
    assert!(on(&cluster, A, Reason::ForwardPrimary) >= 4 && on(&cluster, A, Reason::ForwardConnection) >= 2);
    assert!(on(&cluster, B, Reason::PassMarked) >= 2 && on(&cluster, B, Reason::PassSocket) >= 4);
    let (sent, received) = (cluster.nodes[A].guard.maps(), cluster.nodes[B].guard.maps());
    let (sent, received) = (sent.steer.peer_count(B as u32).unwrap(), received.steer.peer_count(A as u32).unwrap());
    assert_eq!(
        (sent.sent_packets, sent.sent_octets),
        (received.received_packets, received.received_octets),
        "nothing is lost between them"
    );

    // The ring changes: the session stays, by memory.
    cluster.turn(C, B);
    first.says(11).unwrap();
    of_v6.says(11).unwrap();
    assert_eq!(cluster.open().node, "c", "new ones go by the new ring");
    // And without memory, by the second chance at c.
    cluster.forget();
    let before = on(&cluster, C, Reason::ForwardSecondChance);
    first.says(12).unwrap();
    of_v6.says(12).unwrap();
    assert!(on(&cluster, C, Reason::ForwardSecondChance) >= before + 2);
    // The node that the client sends to becomes the owner: its kernel must not answer a reset for what it does not know.
    cluster.turn(A, B);
    cluster.forget();
    first.says(13).unwrap();
    assert_eq!(cluster.open().node, "a");
    assert!(on(&cluster, A, Reason::ForwardSecondChance) > 0);

    path_mtu_reaches_the_owner(&cluster, &mut first);
    the_trace_says_the_same(&cluster, &first);
    nothing_is_lost_while_rings_turn(&mut cluster);
    programs_are_replaced_under_traffic(&mut cluster);
    through_a_tunnel(&mut cluster);
    without_native_mode(&mut cluster);
}

/// "Fragmentation needed" about a packet of the session, sent to the virtual address.
fn path_mtu_reaches_the_owner(cluster: &Cluster, session: &mut Session) {
    let mut taken = None;
    let local = session.stream.get_ref().local_addr().unwrap();
    while let Ok(stream) = cluster.nodes[B].taken.try_recv() {
        if stream.peer_addr().is_ok_and(|a| a == local) {
            taken = Some(stream);
        }
    }
    let taken = taken.expect("the socket of the session at b");
    let mtu_of = |stream: &TcpStream| nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::IpMtu).unwrap();
    assert_eq!(mtu_of(&taken), 1500);
    // The kernel believes an error only with a sequence number of what is on its way: that of the last segment which came.
    let next = last_sequence(cluster, session);
    let mut message = vec![3, 4, 0, 0, 0, 0, 0x05, 0x14];
    let mut quote = vec![0x45, 0, 0x05, 0xdc, 0, 0, 0x40, 0, 60, 6, 0, 0];
    quote.extend(VIRTUAL.parse::<Ipv4Addr>().unwrap().octets());
    quote.extend(CLIENT.parse::<Ipv4Addr>().unwrap().octets());
    quote.extend(PORT.to_be_bytes());
    quote.extend(local.port().to_be_bytes());
    quote.extend(next.to_be_bytes());
    message.extend(quote);
    let sum = frames::sum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    let before = cluster.nodes[B].count(Reason::PassSocket);
    within(&cluster.client, || send_icmp(&message));
    wait_until("the path's MTU at b", PATIENCE, || mtu_of(&taken) == 0x514);
    assert!(cluster.nodes[B].count(Reason::PassSocket) > before);
    session.says(20).unwrap();
}

fn send_icmp(message: &[u8]) {
    // SAFETY: a new descriptor; address and message outlive the call.
    unsafe {
        let socket = OwnedFd::from_raw_fd(libc::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP));
        let to = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: 0,
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(VIRTUAL.parse::<Ipv4Addr>().unwrap().octets()) },
            sin_zero: [0; 8],
        };
        let sent = libc::sendto(
            socket.as_raw_fd(),
            message.as_ptr().cast(),
            message.len(),
            0,
            (&raw const to).cast(),
            size_of::<libc::sockaddr_in>() as u32,
        );
        assert_eq!(sent, message.len() as isize, "{}", std::io::Error::last_os_error());
    }
}

/// The sequence number that follows the session's last segment to the client.
fn last_sequence(cluster: &Cluster, session: &mut Session) -> u32 {
    let port = session.stream.get_ref().local_addr().unwrap().port();
    // SAFETY: a new descriptor.
    let socket = within(&cluster.client, || unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM, i32::from((libc::ETH_P_IP as u16).to_be()));
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    });
    session.says(5).unwrap();
    let mut next = 0;
    let mut packet = [0u8; 2048];
    loop {
        // SAFETY: the buffer outlives the call.
        let n = unsafe { libc::recv(socket.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), libc::MSG_DONTWAIT) };
        let Ok(n) = usize::try_from(n) else { break };
        let word = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        if n >= 40 && packet[9] == 6 && word(20) == PORT && word(22) == port {
            let data = usize::from(word(2)) - 20 - usize::from(packet[32] >> 4) * 4;
            next = u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]]).wrapping_add(data as u32);
        }
    }
    assert_ne!(next, 0, "no segment of the session seen");
    next
}

/// The trace at a: a new connection stays, the session at b goes there, that of another port gets a second chance.
fn the_trace_says_the_same(cluster: &Cluster, session: &Session) {
    let node = &cluster.nodes[A];
    let port = session.stream.get_ref().local_addr().unwrap().port();
    let asked = |source_port: u16, opens: bool| {
        let question =
            Question { source: CLIENT.parse().unwrap(), source_port, destination: Some(VIRTUAL.parse().unwrap()), port: PORT, opens };
        let (maps, features) = (node.guard.maps(), node.guard.features());
        within(&node.namespace, || trace::trace(maps, features, &question, &[]).unwrap())
    };
    let open = asked(port, true);
    assert_eq!((open.action.as_str(), open.reason.as_str()), ("pass", "pass-here"), "{open:?}");
    let segment = asked(port, false);
    assert_eq!((segment.action.as_str(), segment.reason.as_str()), ("forward", "forward-second-chance"), "{segment:?}");
    assert!(segment.steps.iter().any(|s| s.contains("to peer 1, at 02:00:00:00:88:02")), "{segment:?}");
}

/// Rings turn on all nodes, one after the other, while sessions talk and new ones begin.
fn nothing_is_lost_while_rings_turn(cluster: &mut Cluster) {
    cluster.turn(B, C);
    let client = cluster.client.try_clone().unwrap();
    let (stop, talks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let talkers: Vec<_> = (0..4)
            .map(|n| {
                let (client, stop, talks) = (&client, &stop, &talks);
                scope.spawn(move || -> Result<(), String> {
                    let mut session = Session::open(client, VIRTUAL)?;
                    while !stop.load(Ordering::Relaxed) {
                        session.says(100)?;
                        if n % 2 == 0 {
                            session = Session::open(client, VIRTUAL)?;
                        }
                        talks.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let until = Instant::now() + Duration::from_secs(60);
        let mut turns = 0;
        while turns < 40 || talks.load(Ordering::Relaxed) < 400 {
            let (primary, secondary) = if turns % 2 == 0 { (C, B) } else { (B, C) };
            cluster.turn(primary, secondary);
            turns += 1;
            assert!(Instant::now() < until, "{turns} turns, {} talks", talks.load(Ordering::Relaxed));
        }
        stop.store(true, Ordering::Relaxed);
        for talker in talkers {
            talker.join().unwrap().unwrap();
        }
        eprintln!("{turns} rings, {} exchanges", talks.load(Ordering::Relaxed));
    });
}

/// The program and those that it goes on to are exchanged in the live link.
fn programs_are_replaced_under_traffic(cluster: &mut Cluster) {
    let client = cluster.client.try_clone().unwrap();
    let (stop, talks) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let talker = scope.spawn(|| -> Result<(), String> {
            while !stop.load(Ordering::Relaxed) {
                let mut session = Session::open(&client, VIRTUAL)?;
                for _ in 0..10 {
                    session.says(50)?;
                }
                talks.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        for round in 0..6 {
            let features = if round % 2 == 0 { feature::ALL & !feature::SAMPLES } else { feature::ALL };
            let node = &mut cluster.nodes[A];
            let inside = node.namespace.try_clone().unwrap();
            within(&inside, || node.guard.set_features(features).unwrap());
            let before = talks.load(Ordering::Relaxed);
            wait_until("traffic", PATIENCE, || talks.load(Ordering::Relaxed) > before || talker.is_finished());
        }
        stop.store(true, Ordering::Relaxed);
        talker.join().unwrap().unwrap();
    });
    assert_eq!(cluster.nodes[A].count(Reason::PassNoRing), 0, "no packet met a program without those that it goes on to");
}

/// To d by IP in IP, and packets that are too big for it.
fn through_a_tunnel(cluster: &mut Cluster) {
    cluster.turn(D, B);
    let mut session = cluster.open();
    assert_eq!(session.node, "d");
    session.says(10).unwrap();
    let told = cluster.nodes[A].count(Reason::AnswerTooBig);
    // Full packets: 1500 octets, 20 more than fit. The client's kernel must learn it.
    session.says(200_000).unwrap();
    assert!(cluster.nodes[A].count(Reason::AnswerTooBig) > told, "nobody was told");
    assert!(cluster.nodes[D].count(Reason::NoteTunnel) > 100);
    let route = within(&cluster.client, || ip(&format!("route get {VIRTUAL}")));
    assert!(route.contains("mtu 1480"), "{route}");
    let mut of_v6 = Session::open(&cluster.client, VIRTUAL_V6).unwrap();
    assert_eq!(of_v6.node, "d");
    of_v6.says(200_000).unwrap();
    let route = within(&cluster.client, || ip(&format!("-6 route get {VIRTUAL_V6}")));
    assert!(route.contains("mtu 1480"), "{route}");
    // The session in the tunnel survives a ring that names another.
    cluster.turn(B, D);
    cluster.forget();
    session.says(14).unwrap();
    assert!(cluster.nodes[B].count(Reason::ForwardSecondChance) > 0);
}

/// Where the driver has no XDP, the kernel runs the program on socket buffers: the same packets take the same ways.
fn without_native_mode(cluster: &mut Cluster) {
    for node in &mut cluster.nodes {
        let inside = node.namespace.try_clone().unwrap();
        let guard = &mut node.guard;
        // The kernel takes the native link away a moment after its pin is gone.
        wait_until("generic mode", PATIENCE, || {
            let modes = within(&inside, || guard.guard(&["eth0".to_owned()], XdpMode::Generic).unwrap());
            matches!(modes[0], Ok(Mode::Generic))
        });
    }
    for (primary, name) in [(C, "c"), (D, "d")] {
        cluster.turn(primary, B);
        for to in [VIRTUAL, VIRTUAL_V6] {
            let mut session = Session::open(&cluster.client, to).unwrap_or_else(|e| panic!("{e}\n{}", cluster.counters()));
            assert_eq!(session.node, name);
            session.says(20_000).unwrap();
            cluster.turn(B, primary);
            session.says(50).unwrap_or_else(|e| panic!("{e}\n{}", cluster.counters()));
            cluster.turn(primary, B);
        }
    }
}
