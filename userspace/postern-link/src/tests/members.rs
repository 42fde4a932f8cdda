//! Members among themselves.

use std::time::Duration;

use super::{Node, PATIENCE, ask, introduce, local, nobody, until};
use crate::dial::{Target, dial};
use crate::endpoint::Closing;
use crate::identity::Identity;
use crate::link::{LinkError, LinkOptions, OpenError};
use crate::session::closed_for;
use crate::stream::Purpose;
use crate::supervisor::Notice;

#[tokio::test]
async fn two_members_meet_and_talk_both_ways() {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    introduce(&[&a, &b]);
    assert_eq!((a.up(b.id()).await, b.up(a.id()).await), (1, 1));
    ask(&a, &mut b).await;
    ask(&b, &mut a).await;
    let status = a.link.peers().remove(0);
    let connection = status.connection.unwrap();
    assert_eq!((status.node, connection.address), (b.id(), Some(b.address())));
    assert!(connection.sent > 0 && connection.received > 0 && connection.round_trip.is_some());
    assert!(a.link.is_connected(b.id()) && status.last_error.is_none());
    // A large message passes both windows.
    let large = vec![9; 20 << 20];
    let mut here = a.link.open(b.id(), Purpose::Shadow).await.unwrap();
    let (_, sent) = tokio::join!(
        async {
            let (_, _, mut there) = b.stream().await;
            assert_eq!(there.receiver.receive(32 << 20).await.unwrap().unwrap().len(), 20 << 20);
        },
        here.sender.send(&large)
    );
    sent.unwrap();
    a.link.close().await;
    let why = b.down(a.id()).await;
    assert!(why.contains("leaving"), "{why}");
}

/// All dial all at once; each pair keeps one connection, and what settled stays.
#[tokio::test]
async fn a_mesh_settles_and_does_not_flap() {
    let mut nodes = Vec::new();
    for _ in 0..5 {
        nodes.push(Node::new().await);
    }
    introduce(&nodes.iter().collect::<Vec<_>>());
    let ids: Vec<_> = nodes.iter().map(Node::id).collect();
    until("a full mesh", || nodes.iter().all(|n| ids.iter().all(|id| *id == n.id() || n.link.is_connected(*id)))).await;
    // A duplicate of the start may end a moment later; after that nothing changes any more.
    let mut changes = Vec::new();
    for _ in 0..3 {
        nodes.iter_mut().for_each(|n| drop(n.changes()));
        tokio::time::sleep(Duration::from_millis(1200)).await;
        changes = nodes.iter_mut().flat_map(Node::changes).collect();
        if changes.is_empty() {
            break;
        }
    }
    assert!(changes.is_empty(), "{changes:?}");
    for node in &nodes {
        assert_eq!(node.link.peers().iter().filter(|p| p.connection.is_some()).count(), 4);
    }
}

/// A second connection, dialed on purpose: of the lower id's it becomes the one, of the higher id's it is closed.
#[tokio::test]
async fn of_two_connections_both_sides_keep_the_one_of_the_lower_id() {
    let (a, b) = (Node::new().await, Node::new().await);
    let (mut low, mut high) = if a.id() < b.id() { (a, b) } else { (b, a) };
    introduce(&[&low, &high]);
    low.up(high.id()).await;
    high.up(low.id()).await;
    // Whoever dialed the first one: one that the lower dials takes its place.
    let target = Target { addresses: high.link.addresses(), connected: false };
    let greeted = dial(&low.link.0, high.key(), &target).await.unwrap();
    let kept = greeted.connection.stable_id();
    low.link.0.notices.send(Notice::Greeted(high.key(), Box::new(greeted))).await.unwrap();
    assert!(low.down(high.id()).await.contains("replaced"));
    low.up(high.id()).await;
    high.down(low.id()).await;
    high.up(low.id()).await;

    let target = Target { addresses: low.link.addresses(), connected: false };
    let greeted = dial(&high.link.0, low.key(), &target).await.unwrap();
    let connection = greeted.connection.clone();
    high.link.0.notices.send(Notice::Greeted(low.key(), Box::new(greeted))).await.unwrap();
    let why = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
    assert!(closed_for(&connection, Closing::Duplicate) || matches!(why, iroh::endpoint::ConnectionError::LocallyClosed), "{why}");
    assert_eq!(low.link.session(high.id()).unwrap().connection.stable_id(), kept);
    ask(&low, &mut high).await;
    ask(&high, &mut low).await;
    assert!(low.changes().is_empty() && high.changes().is_empty());
}

#[tokio::test]
async fn a_member_that_leaves_the_roster_loses_its_connection_and_is_refused() {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    introduce(&[&a, &b]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    a.knows([]);
    let why = a.down(b.id()).await;
    assert!(why.contains("no member"), "{why}");
    assert!(b.down(a.id()).await.contains("no member"));
    until("b is refused", || a.refused("not-a-member") > 0).await;
    until("b says why", || b.last_error(a.id()).is_some_and(|e| e.contains("not a member"))).await;
    assert!(matches!(a.link.open(b.id(), Purpose::Ask).await, Err(OpenError::NotConnected { .. })));
    // And back again, without anybody's help.
    a.knows([b.entry()]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    ask(&a, &mut b).await;
}

#[tokio::test]
async fn a_member_that_restarts_is_met_again_at_once() {
    for lower_restarts in [true, false] {
        let (a, b) = (Node::new().await, Node::new().await);
        let (mut stays, mut goes) = if (a.id() < b.id()) == lower_restarts { (b, a) } else { (a, b) };
        introduce(&[&stays, &goes]);
        stays.up(goes.id()).await;
        goes.up(stays.id()).await;
        let address = goes.address();
        goes.link.close().await;
        stays.down(goes.id()).await;
        let mut again = Node::start(goes.identity.clone(), address, 1..=1, nobody()).await;
        assert_eq!(again.address(), address);
        introduce(&[&stays, &again]);
        again.up(stays.id()).await;
        stays.up(again.id()).await;
        ask(&stays, &mut again).await;
    }
}

/// Without a word of farewell: the other side still believes in the old connection when the new life dials.
#[tokio::test]
async fn a_member_that_crashed_is_met_again_before_it_was_missed() {
    for lower_crashes in [true, false] {
        let (a, b) = (Node::new().await, Node::new().await);
        let (mut stays, mut goes) = if (a.id() < b.id()) == lower_crashes { (b, a) } else { (a, b) };
        introduce(&[&stays, &goes]);
        stays.up(goes.id()).await;
        goes.up(stays.id()).await;
        let address = goes.address();
        goes.link.vanish();
        let start = std::time::Instant::now();
        let mut again = Node::start(goes.identity.clone(), address, 1..=1, nobody()).await;
        introduce(&[&stays, &again]);
        again.up(stays.id()).await;
        assert!(stays.down(again.id()).await.contains("replaced"));
        stays.up(again.id()).await;
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        ask(&stays, &mut again).await;
    }
}

#[tokio::test]
async fn a_member_that_moves_is_found_when_the_roster_says_so() {
    let (mut a, b) = (Node::new().await, Node::new().await);
    // `b` knows no address, so all depends on `a`, which knows one where nobody is.
    let nowhere = std::net::UdpSocket::bind(local()).unwrap();
    b.knows([(a.key(), vec![])]);
    a.knows([(b.key(), vec![nowhere.local_addr().unwrap()])]);
    nowhere.set_nonblocking(true).unwrap();
    until("an attempt is under way", || nowhere.recv_from(&mut [0; 2000]).is_ok()).await;
    let start = std::time::Instant::now();
    a.knows([b.entry()]);
    a.up(b.id()).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// Identity is the key: who knows no address of us, and whom we know under another, is let in.
#[tokio::test]
async fn a_member_may_come_from_an_unknown_address() {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    a.knows([(b.key(), vec![])]);
    b.knows([a.entry()]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    ask(&a, &mut b).await;
}

#[tokio::test]
async fn a_stream_for_an_unknown_purpose_is_reset_and_the_connection_lives() {
    let (mut a, mut b) = (Node::new().await, Node::new().await);
    introduce(&[&a, &b]);
    a.up(b.id()).await;
    b.up(a.id()).await;
    let session = a.link.session(b.id()).unwrap();
    for header in [[99, 1, 0], [Purpose::Ask as u8, 2, 0]] {
        let (mut send, mut receive) = session.connection.open_bi().await.unwrap();
        send.write_all(&header).await.unwrap();
        let error = receive.read_to_end(10).await.unwrap_err();
        assert!(error.to_string().contains("100"), "{error}");
    }
    assert_eq!(b.refused("unknown-purpose"), 2);
    ask(&a, &mut b).await;
    assert!(a.changes().is_empty() && b.changes().is_empty());
}

#[tokio::test]
async fn a_taken_address_is_an_error() {
    let a = Node::new().await;
    let (_roster, watched) = tokio::sync::watch::channel(std::sync::Arc::default());
    let options = LinkOptions::new(Identity::new(), vec![a.address()]);
    assert!(matches!(crate::link::Link::start(options, watched, nobody()).await, Err(LinkError::Bind { .. })));
}
