//! Nothing leaves for anybody but members: two nodes that listen on all addresses of a machine of their own (a network
//! namespace), whose default route ends in a sink, and every packet is looked at.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use iroh::endpoint::PortmapperConfig;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, socket};

use super::{Node, PATIENCE, ask, nobody};
use crate::identity::Identity;
use crate::join;
use crate::link::{Link, LinkOptions};
use crate::token::Token;

/// Two addresses of the machine that the roster names, one that it does not name, and a member that is gone.
const FIRST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);
const LONG_GONE: &str = "198.51.100.9:7425";

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// This thread, and those it starts, are on a machine of their own.
fn a_machine() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root for a network namespace".into());
    }
    if Command::new("ip").arg("-V").output().is_err() {
        return Err("ip (Debian package iproute2) is not installed".into());
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|e| format!("no network namespace: {e}"))?;
    ip("link set lo up");
    for (name, address) in [("sink", "203.0.113.2/24"), ("bridge", "172.17.0.1/16")] {
        ip(&format!("link add {name} type veth peer name {name}0"));
        ip(&format!("addr add {address} dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("link set {name}0 up"));
    }
    ip("addr add 203.0.113.3/24 dev sink");
    ip("neigh add 203.0.113.1 lladdr 02:00:00:00:00:01 dev sink");
    ip("route add default via 203.0.113.1 dev sink");
    Ok(())
}

/// Where a packet goes. Neighbours and multicast groups (ICMPv6, IGMP) are the kernel's own affair.
fn destination(packet: &[u8]) -> Option<SocketAddr> {
    let (ip, protocol, rest): (IpAddr, u8, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let head = usize::from(packet[0] & 15) * 4;
            (Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?).into(), *packet.get(9)?, packet.get(head..)?)
        }
        6 => (Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?).into(), *packet.get(6)?, packet.get(40..)?),
        _ => return None,
    };
    match protocol {
        0 | 2 | 58 => None,
        // TCP and UDP have the port at the same place; of anything else the address says enough.
        6 | 17 => Some(SocketAddr::new(ip, u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]))),
        _ => Some(SocketAddr::new(ip, 0)),
    }
}

/// Collects the destinations of all packets on all interfaces until told to stop.
fn listen(stop: Arc<AtomicBool>) -> std::thread::JoinHandle<BTreeSet<SocketAddr>> {
    let all = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::SOCK_NONBLOCK, SockProtocol::EthAll).unwrap();
    std::thread::spawn(move || {
        let (mut seen, mut packet) = (BTreeSet::new(), vec![0; 65536]);
        loop {
            match recv(all.as_raw_fd(), &mut packet, MsgFlags::empty()) {
                Ok(n) => seen.extend(destination(&packet[..n])),
                Err(_) if stop.load(Ordering::Relaxed) => return seen,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    })
}

async fn everywhere(identity: Identity, port: u16) -> Node {
    let (roster, watched) = tokio::sync::watch::channel(Arc::default());
    let listen = vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))];
    let options = LinkOptions::new(identity.clone(), listen);
    let (link, events) = Link::start(options, watched, nobody()).await.unwrap();
    Node { identity, roster, link, events }
}

fn port(node: &Node) -> u16 {
    node.address().port()
}

/// Connects, a restart, an unreachable member, a token that nobody redeems: returns where packets may have gone.
async fn a_life() -> BTreeSet<SocketAddr> {
    let gone: SocketAddr = LONG_GONE.parse().unwrap();
    let (mut a, mut b) = (everywhere(Identity::new(), 0).await, everywhere(Identity::new(), 0).await);
    assert!(a.link.addresses().iter().any(|x| x.ip() == IpAddr::from([172, 17, 0, 1])), "it is bound: {:?}", a.link.addresses());
    let (at_a, at_b) = (SocketAddr::from((FIRST, port(&a))), SocketAddr::from((SECOND, port(&b))));
    let lost = (Identity::new().key(), vec![gone]);
    a.knows([(b.key(), vec![at_b]), lost.clone()]);
    b.knows([(a.key(), vec![at_a]), lost.clone()]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    ask(&a, &mut b).await;
    b.link.close().await;
    a.down(b.id()).await;
    let mut b = everywhere(b.identity.clone(), at_b.port()).await;
    b.knows([(a.key(), vec![at_a]), lost.clone()]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    ask(&b, &mut a).await;
    let token = Token { cluster: [0; 16], issuer: a.key(), addresses: vec![at_a], secret: [0; 16], expires: Default::default() };
    let joiner = Identity::new();
    let refused = join::redeem(&joiner, &[SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))], &token, vec![]).await;
    assert!(matches!(refused, Err(join::JoinError::Refused { .. })), "{refused:?}");
    // Reports, mappings and probes would come by now: the engine does them at the start and in the seconds after a connection.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in [&a, &b] {
        node.link.close().await;
    }
    [at_a, at_b, gone].into()
}

#[test]
fn no_packet_goes_to_anybody_but_members() {
    let done = std::thread::spawn(|| {
        a_machine()?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = listen(stop.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let allowed = runtime.block_on(async { tokio::time::timeout(PATIENCE * 2, a_life()).await.unwrap() });
        // The listener hears what does leave, by a lookup for example.
        let probe: SocketAddr = "192.0.2.53:53".parse().unwrap();
        std::net::UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"a question", probe).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        stop.store(true, Ordering::Relaxed);
        let mut seen = seen.join().unwrap();
        assert!(seen.remove(&probe), "the listener is deaf");
        // Whoever is dialed first answers to the address that wrote, which on one machine may be another of the same port.
        for expected in &allowed {
            let is_met = |to: &SocketAddr| to == expected || (to.ip() == IpAddr::from(FIRST) && to.port() == expected.port());
            assert!(seen.iter().any(is_met), "nothing went to {expected}: {seen:?}");
        }
        // What is answered to the joiner goes to a port of its own, at the address that it came from.
        let strange: Vec<_> = seen.difference(&allowed).filter(|to| to.ip() != IpAddr::from(FIRST)).collect();
        assert!(strange.is_empty(), "packets went to {strange:?}");
        Ok::<_, String>(())
    });
    if let Err(why) = done.join().unwrap() {
        eprintln!("skipped: {why}");
    }
}

/// Why there are sockets of our own: with iroh's, all else off, packets go to an address of the machine that nobody named. When
/// this fails, iroh has changed, and `udp` may have become unnecessary.
#[test]
fn the_engines_own_sockets_would_send_to_addresses_that_nobody_named() {
    let done = std::thread::spawn(|| {
        a_machine()?;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = listen(stop.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let unnamed = IpAddr::from([172, 17, 0, 1]);
        runtime.block_on(async {
            let endpoint = || iroh::Endpoint::builder(iroh::endpoint::presets::Minimal).portmapper_config(PortmapperConfig::Disabled);
            let a = endpoint().alpns(vec![b"test".to_vec()]).bind().await.unwrap();
            let b = endpoint().bind().await.unwrap();
            let port = a.bound_sockets().iter().find(|s| s.is_ipv4()).unwrap().port();
            let address = iroh::EndpointAddr::new(a.id()).with_ip_addr(SocketAddr::from((FIRST, port)));
            let (theirs, ours) = tokio::join!(async { a.accept().await.unwrap().await }, b.connect(address, b"test"));
            let _connections = (theirs.unwrap(), ours.unwrap());
            tokio::time::sleep(Duration::from_secs(2)).await;
        });
        stop.store(true, Ordering::Relaxed);
        let seen = seen.join().unwrap();
        assert!(seen.iter().any(|to| to.ip() == unnamed), "{seen:?}");
        Ok::<_, String>(())
    });
    if let Err(why) = done.join().unwrap() {
        eprintln!("skipped: {why}");
    }
}
