//! Builds of different age.

use super::{Node, ask, introduce, local, nobody, until};
use crate::identity::Identity;

async fn two(ours: std::ops::RangeInclusive<u16>, theirs: std::ops::RangeInclusive<u16>) -> (Node, Node) {
    let a = Node::start(Identity::new(), local(), ours, nobody()).await;
    let b = Node::start(Identity::new(), local(), theirs, nobody()).await;
    introduce(&[&a, &b]);
    (a, b)
}

#[tokio::test]
async fn the_highest_version_that_both_know_is_spoken() {
    for (ours, theirs, spoken) in [(1..=1, 1..=2, 1), (1..=2, 2..=2, 2), (1..=2, 1..=2, 2)] {
        let (mut a, mut b) = two(ours, theirs).await;
        assert_eq!((a.up(b.id()).await, b.up(a.id()).await), (spoken, spoken));
        assert_eq!(a.link.peers()[0].connection.as_ref().unwrap().version, spoken);
        ask(&a, &mut b).await;
        ask(&b, &mut a).await;
    }
}

#[tokio::test]
async fn without_a_common_version_both_sides_say_so() {
    let (mut a, mut b) = two(1..=1, 2..=3).await;
    for (here, there) in [(&a, &b), (&b, &a)] {
        until("words", || here.last_error(there.id()).is_some_and(|e| e.contains("no common version"))).await;
        until("a count", || here.refused("no-common-version") > 0).await;
    }
    assert!(!a.link.is_connected(b.id()) && !b.link.is_connected(a.id()));
    assert!(a.changes().is_empty() && b.changes().is_empty());
    let counts = (a.refused("no-common-version"), b.refused("no-common-version"));
    assert!(counts.0 + counts.1 <= 8, "they ask each other over and over: {counts:?}");
}
