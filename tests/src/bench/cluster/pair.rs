//! Two links in this process, joined by real QUIC over UDP on 127.0.0.1: for what is to be measured without the rest of a node.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use postern_link::identity::Identity;
use postern_link::invitations::Invitations;
use postern_link::join::{Declined, Greeter};
use postern_link::link::{Event, Link, LinkOptions};
use postern_link::roster::Roster;
use postern_link::stream::{Purpose, Stream};
use postern_model::node::NodeId;
use tokio::sync::{mpsc, watch};

const LIMIT: Duration = Duration::from_secs(20);

pub struct Pair {
    pub nodes: [NodeId; 2],
    links: [Link; 2],
    events: [mpsc::Receiver<Event>; 2],
    _rosters: [watch::Sender<Arc<Roster>>; 2],
}

impl Pair {
    /// Returns when both are connected.
    ///
    /// # Errors
    /// When a socket cannot be had, or they do not find each other.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let identities = [Identity::new(), Identity::new()];
        let keys = [identities[0].key(), identities[1].key()];
        let [first, second] = identities;
        let (a, a_events, a_roster) = link(first, &folder.join("invitations-a")).await?;
        let (b, b_events, b_roster) = link(second, &folder.join("invitations-b")).await?;
        a_roster.send_replace(Arc::new([(keys[1], b.addresses())].into_iter().collect()));
        b_roster.send_replace(Arc::new([(keys[0], a.addresses())].into_iter().collect()));
        let pair = Self { nodes: keys.map(|k| k.id()), links: [a, b], events: [a_events, b_events], _rosters: [a_roster, b_roster] };
        let begun = Instant::now();
        while !(pair.links[0].is_connected(pair.nodes[1]) && pair.links[1].is_connected(pair.nodes[0])) {
            ensure!(begun.elapsed() < LIMIT, "no connection within {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(pair)
    }

    /// A stream for the ledger, its end at each node.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn stream(&mut self) -> anyhow::Result<(Stream, Stream)> {
        let here = self.links[0].open(self.nodes[1], Purpose::Ledger).await?;
        loop {
            let event = tokio::time::timeout(LIMIT, self.events[1].recv()).await.context("no stream came")?;
            if let Event::Stream { stream, .. } = event.context("the link ended")? {
                return Ok((here, stream));
            }
        }
    }

    /// Octets of UDP payload since the connection was made, both directions.
    pub fn octets(&self) -> u64 {
        let connections = self.links[0].peers().into_iter().filter_map(|p| p.connection);
        connections.map(|c| c.sent + c.received).sum()
    }

    pub async fn close(self) {
        self.links[0].close().await;
        self.links[1].close().await;
    }
}

async fn link(identity: Identity, invitations: &Path) -> anyhow::Result<(Link, mpsc::Receiver<Event>, watch::Sender<Arc<Roster>>)> {
    let roster = watch::Sender::new(Arc::new(Roster::default()));
    // Nobody joins.
    let greeter =
        Greeter::new(Arc::new(Invitations::open(invitations)?), |_| Box::pin(async { Err(Declined("nobody joins here".into())) }));
    let options = LinkOptions::new(identity, vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
    let (link, events) = Link::start(options, roster.subscribe(), greeter).await?;
    Ok((link, events, roster))
}
