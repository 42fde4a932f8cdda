//! The switch that cluster tests stand on does what it says: carries, cuts one way, delays.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use postern_tests::cluster::host::{Cables, Host, Network};
use postern_tests::network::lacking;

/// A socket on a host.
fn socket(host: &Host) -> UdpSocket {
    thread::scope(|scope| {
        let bound = scope.spawn(|| {
            host.enter().unwrap();
            UdpSocket::bind((host.address, 9000)).unwrap()
        });
        bound.join().unwrap()
    })
}

/// How long a datagram was on its way; `None`: it did not come.
fn carried(from: &UdpSocket, to: &UdpSocket) -> Option<Duration> {
    let began = Instant::now();
    let address: SocketAddr = to.local_addr().unwrap();
    from.send_to(b"hello", address).unwrap();
    to.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
    to.recv(&mut [0; 16]).ok().map(|_| began.elapsed())
}

#[test]
fn ways_can_be_cut_and_delayed_each_by_itself() {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return;
    }
    let network = Network::new(3, Cables::Fast).unwrap();
    let sockets: Vec<UdpSocket> = network.hosts.iter().map(socket).collect();
    let pairs = [(0, 1), (1, 0), (1, 2), (2, 0)];
    assert!(pairs.iter().all(|(a, b)| carried(&sockets[*a], &sockets[*b]).is_some()));

    network.cut_one_way(0, 1);
    assert!(carried(&sockets[0], &sockets[1]).is_none());
    assert!(carried(&sockets[1], &sockets[0]).is_some(), "the other direction is open");
    assert!(carried(&sockets[0], &sockets[2]).is_some());

    network.delay(0, 1, Duration::from_millis(100));
    let time = carried(&sockets[0], &sockets[1]).expect("delayed, not cut");
    assert!((Duration::from_millis(100)..Duration::from_millis(350)).contains(&time), "{time:?}");

    network.heal();
    assert!(carried(&sockets[0], &sockets[1]).unwrap() < Duration::from_millis(100));
    assert!(network.switch.frames() > 10);
}
