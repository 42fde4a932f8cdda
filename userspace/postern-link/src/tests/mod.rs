//! Links on this machine: what the tests share.
#![allow(clippy::unwrap_used)]

mod cuts;
mod joining;
mod members;
mod silence;
mod strangers;
mod versions;

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_model::node::{NodeId, NodeKey};
use tokio::sync::{mpsc, watch};

use crate::identity::Identity;
use crate::invitations::Invitations;
use crate::join::{Declined, Greeter};
use crate::link::{Event, Link, LinkOptions};
use crate::roster::Roster;
use crate::stream::{Purpose, Stream};

/// Every wait of a test ends by then.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn local() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Nobody is invited.
pub fn nobody() -> Greeter {
    let path = tempfile::tempdir().unwrap().path().join("none");
    Greeter::new(Arc::new(Invitations::open(&path).unwrap()), |_| Box::pin(async { Err(Declined("nobody".into())) }))
}

/// A node of a test.
pub struct Node {
    pub identity: Identity,
    pub roster: watch::Sender<Arc<Roster>>,
    pub link: Link,
    pub events: mpsc::Receiver<Event>,
}

impl Node {
    pub async fn start(identity: Identity, listen: SocketAddr, versions: RangeInclusive<u16>, greeter: Greeter) -> Self {
        let (roster, watched) = watch::channel(Arc::new(Roster::default()));
        let options = LinkOptions { identity: identity.clone(), listen: vec![listen], versions };
        let (link, events) = Link::start(options, watched, greeter).await.unwrap();
        Self { identity, roster, link, events }
    }

    pub async fn new() -> Self {
        Self::start(Identity::new(), local(), 1..=1, nobody()).await
    }

    pub fn key(&self) -> NodeKey {
        self.identity.key()
    }

    pub fn id(&self) -> NodeId {
        self.key().id()
    }

    pub fn address(&self) -> SocketAddr {
        self.link.addresses()[0]
    }

    pub fn entry(&self) -> (NodeKey, Vec<SocketAddr>) {
        (self.key(), self.link.addresses())
    }

    pub fn knows(&self, members: impl IntoIterator<Item = (NodeKey, Vec<SocketAddr>)>) {
        self.roster.send_replace(Arc::new(members.into_iter().collect()));
    }

    pub async fn event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    /// The version; passes over what is not an up.
    pub async fn up(&mut self, other: NodeId) -> u16 {
        loop {
            match self.event().await {
                Event::Up { node, version } if node == other => return version,
                _ => {}
            }
        }
    }

    pub async fn down(&mut self, other: NodeId) -> String {
        loop {
            match self.event().await {
                Event::Down { node, why } if node == other => return why,
                _ => {}
            }
        }
    }

    pub async fn stream(&mut self) -> (NodeId, Purpose, Stream) {
        loop {
            if let Event::Stream { from, purpose, stream, .. } = self.event().await {
                return (from, purpose, stream);
            }
        }
    }

    /// Ups and downs that are waiting.
    pub fn changes(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Up { node, .. } => found.push(format!("up {node:?}")),
                Event::Down { node, why } => found.push(format!("down {node:?}: {why}")),
                Event::Stream { .. } => {}
            }
        }
        found
    }

    pub fn refused(&self, why: &str) -> u64 {
        self.link.refusals().iter().find(|(name, _)| *name == why).unwrap().1
    }

    pub fn last_error(&self, other: NodeId) -> Option<String> {
        self.link.peers().into_iter().find(|p| p.node == other).and_then(|p| p.last_error)
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All of them know each other.
pub fn introduce(nodes: &[&Node]) {
    let entries: Vec<_> = nodes.iter().map(|n| n.entry()).collect();
    for node in nodes {
        node.knows(entries.iter().filter(|(key, _)| *key != node.key()).cloned());
    }
}

/// A question and its answer over a new stream.
pub async fn ask(from: &Node, to: &mut Node) {
    let mut here = from.link.open(to.id(), Purpose::Ask).await.unwrap();
    here.sender.send(b"how are you").await.unwrap();
    let (who, purpose, mut there) = to.stream().await;
    assert_eq!((who, purpose), (from.id(), Purpose::Ask));
    assert_eq!(&there.receiver.receive(100).await.unwrap().unwrap()[..], b"how are you");
    there.sender.send(b"well").await.unwrap();
    assert_eq!(&here.receiver.receive(100).await.unwrap().unwrap()[..], b"well");
}
