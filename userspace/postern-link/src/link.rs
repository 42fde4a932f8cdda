//! The running link of a node: started with an identity and a roster, it keeps a connection with every member.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use iroh::Endpoint;
use iroh::TransportAddr;
use iroh::endpoint::Connection;
use parking_lot::Mutex;
use postern_model::node::{NodeId, NodeKey};
use postern_model::time::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{Gate, MemberHook};
use crate::correspondents::Place;
use crate::dial::{DialError, ungreeted};
use crate::endpoint::{self, Closing, JOINING, MEMBERS};
pub use crate::greeting::PROTOCOLS;
use crate::greeting::{Dialed, Greeting};
use crate::identity::Identity;
use crate::join::Greeter;
use crate::refusals::{Refusal, Refusals};
use crate::roster::Roster;
use crate::session::Session;
use crate::stream::{Purpose, Stream};
use crate::supervisor::{Notice, Peer, supervise};
use crate::udp::Udp;

/// Events that wait for whoever reads them. Beyond it new streams and changes wait; connections stay alive.
const EVENTS: usize = 256;

/// Notices that wait for the supervisor.
const NOTICES: usize = 256;

/// Greetings under way with one key: one by each side, and one of an earlier attempt that is not yet given up.
const GREETINGS_OF_ONE_KEY: usize = 3;

/// Attempts to join that are answered at a time: as many as strangers can begin (five a second) and hold without a proof (four
/// seconds), and some more.
const JOINS: usize = 32;

pub struct LinkOptions {
    pub identity: Identity,
    /// UDP addresses; `[::]` stands for all of either family.
    pub listen: Vec<SocketAddr>,
    /// Versions of the protocol that this build speaks.
    pub versions: RangeInclusive<u16>,
}

impl LinkOptions {
    pub fn new(identity: Identity, listen: Vec<SocketAddr>) -> Self {
        Self { identity, listen, versions: PROTOCOLS }
    }
}

/// What happens on the link. Of one member, ups and downs take turns.
pub enum Event {
    Up { node: NodeId, version: u16 },
    Down { node: NodeId, why: String },
    Stream { from: NodeId, purpose: Purpose, version: u16, stream: Stream },
}

/// A member as the link sees it.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    pub node: NodeId,
    pub key: NodeKey,
    pub connection: Option<ConnectionStatus>,
    /// Why there is no connection, or why the last one ended.
    pub last_error: Option<String>,
}

#[derive(Clone, Debug)]
pub struct ConnectionStatus {
    pub since: Timestamp,
    pub address: Option<SocketAddr>,
    pub round_trip: Option<Duration>,
    /// Octets of UDP since the connection was made.
    pub sent: u64,
    pub received: u64,
    pub version: u16,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("cannot listen for peers on {listen:?}")]
    Bind {
        listen: Vec<SocketAddr>,
        #[source]
        source: std::io::Error,
    },
    #[error("the QUIC endpoint cannot be made: {0}")]
    Endpoint(String),
    #[error("no version of the protocol: {0:?}")]
    NoVersion(RangeInclusive<u16>),
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("no connection with {node}")]
    NotConnected { node: NodeId },
    #[error("{node} lets no more streams be opened")]
    TooManyStreams { node: NodeId },
    #[error("the connection with {node} broke: {why}")]
    Broken { node: NodeId, why: String },
}

/// A handle; clones are the same link.
#[derive(Clone)]
pub struct Link(pub(crate) Arc<Shared>);

/// What the tasks of a link share.
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) endpoint: Endpoint,
    pub(crate) udp: Arc<Udp>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) greeting: Greeting,
    pub(crate) peers: Mutex<BTreeMap<NodeId, Peer>>,
    pub(crate) notices: mpsc::Sender<Notice>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) closing: CancellationToken,
    pub(crate) tasks: TaskTracker,
    greetings: Mutex<BTreeMap<NodeKey, usize>>,
    joins: Semaphore,
    greeter: Greeter,
}

impl Link {
    /// Binds the sockets and starts; needs a runtime.
    ///
    /// # Errors
    /// When an address cannot be bound, or there is no version.
    pub async fn start(
        options: LinkOptions,
        roster: watch::Receiver<Arc<Roster>>,
        greeter: Greeter,
    ) -> Result<(Self, mpsc::Receiver<Event>), LinkError> {
        let LinkOptions { identity, listen, versions } = options;
        if versions.is_empty() {
            return Err(LinkError::NoVersion(versions));
        }
        let refusals = Arc::new(Refusals::default());
        let udp = Udp::bind(&listen, identity.key(), refusals.clone()).map_err(|source| LinkError::Bind { listen, source })?;
        let gate = Arc::new(Gate::new(udp.clone(), refusals.clone(), roster.clone()));
        let protocols = vec![MEMBERS.to_vec(), JOINING.to_vec()];
        let endpoint = endpoint::bind(&identity, udp.clone(), protocols, MemberHook(gate.clone())).await.map_err(LinkError::Endpoint)?;
        let (events, told) = mpsc::channel(EVENTS);
        let (notices, noticed) = mpsc::channel(NOTICES);
        let shared = Arc::new(Shared {
            node: identity.key().id(),
            endpoint: endpoint.clone(),
            udp,
            refusals,
            greeting: Greeting { versions, life: rand::random() },
            peers: Mutex::default(),
            notices,
            events,
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
            greetings: Mutex::default(),
            joins: Semaphore::new(JOINS),
            greeter,
        });
        shared.tasks.spawn(supervise(shared.clone(), noticed, roster));
        let passed = {
            let shared = shared.clone();
            move |connection| {
                shared.tasks.spawn(shared.clone().receive(connection));
            }
        };
        shared.tasks.spawn(gate.serve(endpoint, shared.tasks.clone(), passed));
        Ok((Self(shared), told))
    }

    /// Opens a stream to a member.
    ///
    /// # Errors
    /// When there is no connection, it breaks, or the member has too many streams open.
    pub async fn open(&self, node: NodeId, purpose: Purpose) -> Result<Stream, OpenError> {
        self.session(node).ok_or(OpenError::NotConnected { node })?.open(purpose).await
    }

    pub fn is_connected(&self, node: NodeId) -> bool {
        self.session(node).is_some()
    }

    /// All members, by id.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let peers = self.0.peers.lock();
        let status = peers.iter().map(|(node, peer)| PeerStatus {
            node: *node,
            key: peer.key,
            connection: peer.session.as_ref().map(|active| self.0.status(&active.session, active.since)),
            last_error: peer.last_error.clone(),
        });
        status.collect()
    }

    /// Where peers can reach this node: bound addresses, a wildcard as the addresses of the interfaces that are up.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.0.udp.addresses()
    }

    /// What was refused since the start, by reason.
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.0.refusals.counts()
    }

    /// Tells the peers, and ends; the sockets are free afterwards.
    pub async fn close(&self) {
        let shared = &self.0;
        shared.closing.cancel();
        shared.tasks.close();
        let connections: Vec<_> = {
            let mut peers = std::mem::take(&mut *shared.peers.lock());
            peers.values_mut().filter_map(|peer| peer.session.take()).map(|active| active.session.connection).collect()
        };
        for connection in connections {
            connection.close(Closing::Leaving.code(), b"leaving");
        }
        endpoint::close(&shared.endpoint).await;
        shared.udp.close();
    }

    /// As if the machine lost its power.
    #[cfg(test)]
    pub(crate) fn vanish(&self) {
        self.0.udp.close();
    }

    pub(crate) fn session(&self, node: NodeId) -> Option<Session> {
        self.0.peers.lock().get(&node)?.session.as_ref().map(|active| active.session.clone())
    }
}

impl Shared {
    /// Whoever reads the events may be gone.
    pub(crate) async fn tell(&self, event: Event) {
        tokio::select! {
            _ = self.events.send(event) => {}
            () = self.closing.cancelled() => {}
        }
    }

    pub(crate) fn failed(&self, node: NodeId, why: String) {
        if let Some(peer) = self.peers.lock().get_mut(&node) {
            peer.last_error = Some(why);
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_system(SystemTime::now())
    }

    fn status(&self, session: &Session, since: Timestamp) -> ConnectionStatus {
        let connection = &session.connection;
        let paths = connection.paths();
        let path = paths.iter().find(|p| p.is_selected()).or_else(|| paths.iter().next());
        let place = path.as_ref().and_then(|p| match p.remote_addr() {
            TransportAddr::Custom(address) => Place::from_custom(address),
            _ => None,
        });
        let stats = connection.stats();
        ConnectionStatus {
            since,
            address: place.and_then(|place| self.udp.correspondents.lock().address(place)),
            round_trip: path.map(|p| p.rtt()),
            sent: stats.udp_tx.bytes,
            received: stats.udp_rx.bytes,
            version: session.version,
        }
    }

    /// A connection that passed the gate.
    async fn receive(self: Arc<Self>, connection: Connection) {
        let key = NodeKey(*connection.remote_id().as_bytes());
        tokio::select! {
            () = self.closing.cancelled() => connection.close(Closing::Leaving.code(), b"leaving"),
            () = async {
                match connection.alpn() {
                    MEMBERS => self.greet(key, connection.clone()).await,
                    _ => self.join(key, &connection).await,
                }
            } => {}
        }
    }

    async fn greet(&self, key: NodeKey, connection: Connection) {
        let _counted = {
            let mut greetings = self.greetings.lock();
            let count = greetings.entry(key).or_default();
            if *count >= GREETINGS_OF_ONE_KEY {
                self.refusals.note(Refusal::TooManyOfOneKey, format_args!("{key}"));
                connection.close(Closing::TooMany.code(), b"too many connections");
                return;
            }
            *count += 1;
            Counted { greetings: &self.greetings, key }
        };
        match self.greeting.exchange(connection.clone(), Dialed::ByThem).await {
            // The supervisor is gone when the link is closed.
            Ok(greeted) => drop(self.notices.send(Notice::Greeted(key, Box::new(greeted))).await),
            Err(e) => {
                let (DialError::OtherVersion(why) | DialError::Failed(why)) = ungreeted(self, key.id(), &connection, &e);
                self.failed(key.id(), why);
            }
        }
    }

    async fn join(&self, key: NodeKey, connection: &Connection) {
        let Ok(_place) = self.joins.try_acquire() else {
            self.refusals.note(Refusal::TooManyJoins, format_args!("{key}"));
            connection.close(Closing::TooMany.code(), b"too many attempts to join, try again in some seconds");
            return;
        };
        if let Err(e) = self.greeter.answer(self.endpoint.id(), connection, self.now()).await {
            self.refusals.note(Refusal::NotInvited, format_args!("{key}: {e}"));
        }
    }
}

/// Takes one off when the greeting is over, however it ended.
struct Counted<'a> {
    greetings: &'a Mutex<BTreeMap<NodeKey, usize>>,
    key: NodeKey,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut greetings = self.greetings.lock();
        if let Some(count) = greetings.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                greetings.remove(&self.key);
            }
        }
    }
}
