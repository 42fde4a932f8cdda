//! One address, several nodes: clients with sessions that go on while nodes drain, die and come back, over real XDP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use postern_tests::cluster::crowd::{self, Crowd, Session};
use postern_tests::cluster::nodes::{Cluster, Options, SMTP};
use postern_tests::cluster::ring::{self, ring};
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::lacking;

const LIMIT: Duration = Duration::from_secs(20);
const CLIENTS: usize = 60;
const PAUSE: Duration = Duration::from_millis(500);
const V4: &str = "198.51.100.250";
const V6: &str = "2001:db8::250";

fn cluster(folder: &Path, addresses: &[&str]) -> Option<Cluster> {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return None;
    }
    let virtual_addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    let options = Options { edge: true, virtual_addresses, ..Options::default() };
    let mut cluster = Cluster::new(&binary(), folder, 3, options).unwrap();
    crowd::lodge(&cluster).unwrap();
    cluster.start_all().unwrap();
    cluster.unite().unwrap();
    agree(&cluster, &[0, 1, 2], &["ready"; 3]);
    Some(cluster)
}

fn door(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), SMTP)
}

fn agree(cluster: &Cluster, nodes: &[usize], states: &[&str]) {
    ring::agree(cluster, nodes, states, LIMIT).unwrap();
}

fn owner(cluster: &Cluster, address: &str) -> usize {
    ring::owner(cluster, address).expect("somebody owns it")
}

fn per_node(sessions: &[Session]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    sessions.iter().for_each(|s| *counted.entry(s.node.clone()).or_default() += 1);
    counted
}

fn no_break(crowd: &Crowd, what: &str) {
    let broken = crowd.broken();
    assert!(broken.is_empty(), "{what}: {} sessions broke: {:?}", broken.len(), broken.iter().take(5).collect::<Vec<_>>());
}

/// Every session sends more mails from now on.
fn all_go_on(crowd: &Crowd, what: &str) {
    let before: Vec<u64> = crowd.sessions().iter().map(|s| s.mails).collect();
    let went_on = wait_until(what, LIMIT, || crowd.sessions().iter().zip(&before).all(|(s, n)| s.broken.is_some() || s.mails >= n + 2));
    assert!(
        went_on.is_ok(),
        "{what}: {:?}",
        crowd.sessions().iter().zip(&before).filter(|(s, n)| s.mails < **n + 2).take(5).collect::<Vec<_>>()
    );
}

fn said(step: &str) {
    println!("  {step}");
}

#[test]
fn a_drain_a_kill_and_a_return_break_no_session_but_the_dead_nodes_own() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), &[V4]) else { return };
    let door = door(V4);
    let crowd = Crowd::start(cluster.client(), door, CLIENTS, PAUSE).unwrap();
    let spread = per_node(&crowd.sessions());
    assert!(spread.len() == 3 && spread.values().all(|n| *n >= CLIENTS / 10), "{spread:?}");
    all_go_on(&crowd, "mails in all sessions");
    no_break(&crowd, "with three nodes");
    said(&format!("{CLIENTS} sessions with one address are spread over three nodes: {spread:?}"));

    // The node at which everything comes in drains: its address moves, its sessions stay.
    let first = owner(&cluster, V4);
    cluster.ask(first, &["node", "drain"]).unwrap();
    let others: Vec<usize> = (0..3).filter(|n| *n != first).collect();
    let mut states = ["ready"; 3];
    states[first] = "draining";
    agree(&cluster, &others, &states);
    all_go_on(&crowd, "mails in all sessions during a drain");
    no_break(&crowd, "during a drain");
    let new = crowd::greetings(cluster.client(), door, 1000, 40).unwrap();
    let draining = format!("node{first}.example");
    for greeting in &new {
        let greeting = greeting.as_ref().expect("a new session during a drain");
        assert_ne!(greeting.node, draining);
    }
    said("the owner of the address drains: no session broke, new ones went to the others");
    cluster.ask(first, &["node", "resume"]).unwrap();
    agree(&cluster, &[0, 1, 2], &["ready"; 3]);
    all_go_on(&crowd, "mails in all sessions after a return");
    no_break(&crowd, "after a return");
    let new = crowd::greetings(cluster.client(), door, 2000, 60).unwrap();
    assert!(new.iter().any(|g| g.as_ref().is_ok_and(|g| g.node == draining)), "the node that is back gets connections");
    said("it is back: no session broke, and it gets connections again");

    // The machine at which everything comes in loses its power.
    let dead = owner(&cluster, V4);
    let name = format!("node{dead}.example");
    let lost = crowd.sessions().iter().filter(|s| s.node == name).count();
    cluster.network.isolate(dead, &[]);
    cluster.kill(dead).unwrap();
    let died = Instant::now();
    let served = crowd::served_again(cluster.client(), door, 5000, died).unwrap();
    said(&format!("the owner of the address is dead; a client that connected {} ms later was served at once", served.as_millis()));
    let others: Vec<usize> = (0..3).filter(|n| *n != dead).collect();
    let mut states = ["ready"; 3];
    states[dead] = "silent";
    agree(&cluster, &others, &states);
    let all_new = crowd::greetings(cluster.client(), door, 6000, 60).unwrap();
    assert!(all_new.iter().all(Result::is_ok), "{:?}", all_new.iter().find(|g| g.is_err()));
    wait_until("the dead node's sessions are over", LIMIT, || crowd.broken().len() >= lost).unwrap();
    all_go_on(&crowd, "mails in all other sessions after a loss");
    let broken = crowd.broken();
    assert!(broken.iter().all(|s| s.node == name), "{:?}", broken.iter().filter(|s| s.node != name).collect::<Vec<_>>());
    assert_eq!(broken.len(), lost);
    said(&format!("{lost} sessions were the dead node's and broke, no other did"));

    cluster.network.heal();
    cluster.start(dead).unwrap();
    agree(&cluster, &[0, 1, 2], &["ready"; 3]);
    all_go_on(&crowd, "mails in all other sessions after the return");
    assert_eq!(crowd.broken().len(), lost, "{:?}", crowd.broken().iter().filter(|s| s.node != name).collect::<Vec<_>>());
    said("it is back, and nothing more broke");
    crowd.stop();
}

/// Puts settings in force that all nodes share.
fn set(cluster: &Cluster, node: usize, path: &str, value: &str) {
    cluster.ask(node, &["settings", "set", path, value]).unwrap();
}

fn conflicts(cluster: &Cluster, node: usize, address: &str) -> u64 {
    let ring = ring(cluster, node);
    let found = ring["addresses"].as_array().unwrap().iter().find(|a| a["address"] == address).and_then(|a| a["conflicts"].as_u64());
    found.unwrap_or_default()
}

fn has_address(cluster: &Cluster, node: usize, interface: &str, address: &str) -> bool {
    let shown = cluster.network.hosts[cluster.nodes[node].host].run("ip", &["-o", "addr", "show", "dev", interface]).unwrap();
    String::from_utf8_lossy(&shown.stdout).split_whitespace().any(|word| word.split('/').next() == Some(address))
}

#[test]
fn both_families_a_cut_a_stranger_and_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), &[V4, V6]) else { return };
    let crowd = Crowd::start(cluster.client(), door(V6), CLIENTS / 2, PAUSE).unwrap();
    let spread = per_node(&crowd.sessions());
    assert_eq!(spread.len(), 3, "{spread:?}");
    said(&format!("{} sessions by IPv6: {spread:?}", CLIENTS / 2));

    // What a trace says is what happens.
    for number in 3000..3010u16 {
        let greeted = crowd::greetings(cluster.client(), door(V4), usize::from(number), 1).unwrap().remove(0).unwrap();
        let [high, low] = number.to_be_bytes();
        let at = owner(&cluster, V4);
        let trace = cluster.ask(at, &["edge", "trace", &format!("198.18.{high}.{low}"), "--to", V4]).unwrap();
        let steps = trace["steps"].to_string();
        let here = format!("node{at}.example");
        match trace["action"].as_str() {
            Some("pass") => assert_eq!(greeted.node, here, "{trace}"),
            Some("forward") => assert!(steps.contains(&format!("that is {}", greeted.node)), "{trace}, {}", greeted.node),
            other => panic!("{other:?}: {trace}"),
        }
    }
    said("ten clients were served by the node that a trace named");

    // A stranger has the address, too: he is named, and gets no further.
    let at = owner(&cluster, V4);
    cluster.client().run("ip", &["addr", "add", &format!("{V4}/32"), "dev", "eth0"]).unwrap();
    cluster.client().run("python3", &["-c", CLAIM, V4]).unwrap();
    wait_until("a conflict that is counted", LIMIT, || conflicts(&cluster, at, V4) > 0).unwrap();
    cluster.client().run("ip", &["addr", "del", &format!("{V4}/32"), "dev", "eth0"]).unwrap();
    assert_eq!(owner(&cluster, V4), at, "the owner stays the owner");
    said("a stranger's announcement of the address was counted and answered");

    // The link between two nodes is cut, everybody else hears both: each stays in its own view, no session breaks.
    cluster.network.cut(0, 1);
    wait_until("both think the other is silent", LIMIT, || {
        [(0, 1), (1, 0)].iter().all(|(a, b)| ring::member(&ring(&cluster, *a), *b)["state"] == "silent")
    })
    .unwrap();
    let served = crowd::greetings(cluster.client(), door(V4), 4000, 30).unwrap();
    assert!(served.iter().all(Result::is_ok), "{:?}", served.iter().find(|s| s.is_err()));
    cluster.network.heal();
    agree(&cluster, &[0, 1, 2], &["ready"; 3]);
    all_go_on(&crowd, "mails in all sessions after a cut");
    no_break(&crowd, "after a cut between two nodes");
    said("two nodes did not hear each other for a while: new sessions were served, none broke");
    crowd.stop();

    set(&cluster, 2, "edge.steering.addresses", "[]");
    wait_until("no address anywhere", LIMIT, || {
        (0..3).all(|n| [V4, V6].iter().all(|a| !has_address(&cluster, n, "lo", a) && !has_address(&cluster, n, "eth0", a)))
    })
    .unwrap();
    assert!((0..3).all(|n| ring(&cluster, n).is_null()));
    said("without virtual addresses in the settings they are gone from all machines");
}

/// One gratuitous ARP reply for an address, from eth0.
const CLAIM: &str = "import socket,sys\n\
s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW)\n\
s.bind(('eth0',0))\n\
m=s.getsockname()[4]\n\
a=socket.inet_aton(sys.argv[1])\n\
s.send(b'\\xff'*6+m+b'\\x08\\x06\\0\\x01\\x08\\0\\x06\\x04\\0\\x02'+m+a+m+a+b'\\0'*18)\n";

#[test]
fn a_node_behind_a_router_gets_its_share_in_a_tunnel() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        return println!("skipped: {why}");
    }
    let options = Options { edge: true, virtual_addresses: vec![V4.parse().unwrap()], ..Options::default() };
    let mut cluster = Cluster::new(&binary(), folder.path(), 3, options).unwrap();
    crowd::lodge(&cluster).unwrap();
    // The client's host is the router between node2 and the others.
    let router = cluster.client().address;
    cluster
        .client()
        .run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0"])
        .unwrap();
    let far = cluster.address(2);
    for near in 0..2 {
        let host = &cluster.network.hosts[near];
        host.run("ip", &["route", "add", &format!("{far}/32"), "via", &router.to_string()]).unwrap();
        cluster.network.hosts[2].run("ip", &["route", "add", &format!("{}/32", host.address), "via", &router.to_string()]).unwrap();
        // Frames between them pass no other way.
        cluster.network.cut(near, 2);
    }
    cluster.start_all().unwrap();
    cluster.unite().unwrap();
    agree(&cluster, &[0, 1, 2], &["ready"; 3]);
    let way = |n: usize, of: usize| ring::member(&ring(&cluster, n), of)["way"].as_str().unwrap_or("").to_owned();
    assert_eq!((way(0, 1), way(0, 2), way(2, 0)), ("segment".into(), "tunnel".into(), "tunnel".into()));
    let crowd = Crowd::start(cluster.client(), door(V4), CLIENTS / 2, PAUSE).unwrap();
    let spread = per_node(&crowd.sessions());
    assert_eq!(spread.len(), 3, "{spread:?}");
    all_go_on(&crowd, "mails in all sessions");
    no_break(&crowd, "with a tunnel");
    said(&format!("a node behind a router gets its share: {spread:?}"));
    // A mail in segments as long as they may be: the tunnel has less room, and clients were told.
    wait_until("segments that fit are asked for", LIMIT, || ring(&cluster, 0)["segments"] == 1400).unwrap();
    cluster.ask(2, &["node", "drain"]).unwrap();
    agree(&cluster, &[0, 1], &["ready", "ready", "draining"]);
    all_go_on(&crowd, "mails in all sessions during a drain");
    no_break(&crowd, "while the node behind the router drains");
    said("it drains, and no session broke");
    crowd.stop();
}
