//! Who does not belong here must not disturb those who do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::endpoint::EndpointHooks;
use iroh::{Endpoint, EndpointAddr, PublicKey, TransportAddr};

use super::{Node, ask, introduce, local, until};
use crate::endpoint::{self, JOINING, MEMBERS};
use crate::identity::Identity;
use crate::udp::Udp;

#[derive(Debug)]
struct NoHook;
impl EndpointHooks for NoHook {}

/// An endpoint with a key of its own, and the address of a node.
async fn stranger(node: &Node) -> (Endpoint, EndpointAddr) {
    let identity = Identity::new();
    let udp = Udp::bind(&[local()], identity.key(), Arc::default()).unwrap();
    let places = udp.correspondents.lock().name(&[node.address()], Instant::now());
    let endpoint = endpoint::bind(&identity, udp, vec![], NoHook).await.unwrap();
    let id = PublicKey::from_bytes(&node.key().0).unwrap();
    (endpoint, EndpointAddr::from_parts(id, places.into_iter().map(|p| TransportAddr::Custom(p.to_custom()))))
}

#[tokio::test]
async fn a_foreign_key_is_refused_with_a_word_and_counted() {
    let node = Node::new().await;
    let (endpoint, address) = stranger(&node).await;
    let connection = endpoint.connect(address, MEMBERS).await;
    let why = match connection {
        Ok(connection) => connection.closed().await.to_string(),
        Err(e) => format!("{e:#}"),
    };
    assert!(why.contains("not a member"), "{why}");
    assert_eq!(node.refused("not-a-member"), 1);
    assert!(node.link.peers().is_empty());
}

#[tokio::test]
async fn attempts_to_join_are_few_a_second() {
    let node = Node::new().await;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..15 {
        let (endpoint, address) = stranger(&node).await;
        attempts.spawn(async move {
            let Ok(connection) = endpoint.connect(address, JOINING).await else { return false };
            let closed = tokio::time::timeout(Duration::from_secs(1), connection.closed()).await;
            closed.is_ok_and(|e| e.to_string().contains("too many attempts"))
        });
    }
    let refused = attempts.join_all().await.into_iter().filter(|refused| *refused).count();
    assert!(refused >= 5, "{refused} of 15");
    assert!(node.refused("too-many-joins") >= 5);
}

/// Two members talk all the time, while strangers dial as fast as they can and others send nonsense to the port.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn garbage_and_a_crowd_of_strangers_do_not_disturb_members() {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    introduce(&[&a, &b]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    let to = b.address();

    let stop = tokio_util::sync::CancellationToken::new();
    let nonsense = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let socket = std::net::UdpSocket::bind(local()).unwrap();
            let mut sent = 0_u64;
            while !stop.is_cancelled() {
                let mut packet: [u8; 1200] = rand::random::<[u8; 32]>().repeat(38)[..1200].try_into().unwrap();
                // Half of it looks like the first packet of a connection, with a version nobody has.
                if sent.is_multiple_of(2) {
                    packet[..5].copy_from_slice(&[0xc3, 0, 0, 0, 1]);
                }
                socket.send_to(&packet[..rand::random_range(0..1200)], to).unwrap();
                sent += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
            sent
        }
    });
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (endpoint, address) = stranger(&b).await;
        let stop = stop.clone();
        crowd.spawn(async move {
            while !stop.is_cancelled() {
                let attempt = endpoint.connect(address.clone(), MEMBERS);
                let _ = tokio::time::timeout(Duration::from_millis(300), attempt).await;
            }
        });
    }

    let (start, mut slowest, mut asked) = (Instant::now(), Duration::ZERO, 0);
    while start.elapsed() < Duration::from_secs(3) {
        let begin = Instant::now();
        ask(&a, &mut b).await;
        slowest = slowest.max(begin.elapsed());
        asked += 1;
    }
    stop.cancel();
    let sent = nonsense.join().unwrap();
    crowd.shutdown().await;
    assert!(asked > 100 && slowest < Duration::from_secs(1), "{asked} questions, the slowest took {slowest:?}");
    assert!(sent > 1000 && b.refused("garbage") > 100, "{sent} sent, {} were garbage", b.refused("garbage"));
    until("strangers are refused", || b.refused("not-a-member") + b.refused("too-many-attempts") > 20).await;
    assert!(b.refused("not-a-member") < 100, "handshakes of strangers are few a second");
    assert!(a.changes().is_empty() && b.changes().is_empty(), "a member was disturbed");
    // A third member gets in at once, crowd or not: its address is known.
    let mut c = Node::new().await;
    introduce(&[&a, &b, &c]);
    c.up(b.id()).await;
}
