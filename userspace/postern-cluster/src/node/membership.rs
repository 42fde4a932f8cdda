//! A node that is in a cluster: its link, its document, its ledger and its copies, started together and ended together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use postern_document::{By, Document, Member, Writer};
use postern_link::identity::Identity;
use postern_link::invitations::Invitations;
use postern_link::link::{Event, Link, LinkOptions};
use postern_link::roster::Roster;
use postern_link::stream::{Purpose, Stream};
use postern_model::causes::chain;
use postern_model::node::{NodeId, NodeKey};
use postern_model::queue::QueuedMail;
use postern_model::time::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::asking::{self, Answerer};
use super::files::Files;
use super::joining;
use super::{ClusterError, ClusterParts};
use crate::configuration::Configuration;
use crate::kinds::{self, Kinds};
use crate::ledger::fact::Fact;
use crate::ledger::members::{Members, Standing};
use crate::ledger::output::Applied;
use crate::pulse::Pulses;
use crate::shadow::{self, Pace, Restored, Shadow, ShadowParts};
use crate::shell::handle::LedgerHandle;
use crate::shell::news::News;
use crate::shell::{self, Beginning};

/// Questions of peers that are answered at a time; each may hold a mail in memory.
const QUESTIONS: usize = 16;

pub(super) struct Membership {
    pub key: NodeKey,
    pub configuration: Configuration,
    pub invitations: Arc<Invitations>,
    pub link: Link,
    pub ledger: LedgerHandle,
    pub kinds: Kinds,
    pub shadow: Shadow,
    pulses: Pulses,
    stop: CancellationToken,
}

/// A node says every ten seconds how it is; clocks may differ by ten minutes.
const FRESH: Duration = Duration::from_secs(12 * 60);

/// How often, and how many times, a start looks who cannot be reached.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: u32 = 12;

/// What the membership follows of the node around it.
pub(super) struct Outside {
    pub answerer: watch::Receiver<Option<Answerer>>,
    pub duty: watch::Receiver<&'static str>,
    pub pulses: Pulses,
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// A writer of this start: see [`Writer`].
pub(super) fn writer(identity: &Identity) -> Writer {
    Writer { node: identity.key().id(), life: rand::random() }
}

fn internal(error: impl std::fmt::Display) -> ClusterError {
    ClusterError::Internal(error.to_string())
}

impl Membership {
    pub async fn start(
        parts: &ClusterParts,
        files: &Files,
        identity: Identity,
        document: Document,
        outside: Outside,
        restored: Vec<QueuedMail>,
    ) -> Result<(Arc<Self>, Restored), ClusterError> {
        let settings = parts.settings.load_full();
        let key = identity.key();
        let generation = &parts.generation;
        let document = document.with_schema(Arc::clone(&generation.schema));
        let running = generation.schema.shared(&settings);
        let configuration = Configuration::start(&files.document(), document, running, Arc::clone(&parts.validate), now());
        let invitations = Arc::new(Invitations::open(&files.invitations()).map_err(internal)?);

        let roster = watch::Sender::new(Arc::new(configuration.with(|d| roster(d, key))));
        let members = configuration.with(members);
        let beginning = Beginning { node: key.id(), members: members.clone(), kinds: generation.kinds, path: files.ledger() };
        let ledger = shell::start(beginning).await.map_err(internal)?;
        let (shadow, restored, moves) = Shadow::start(ShadowParts {
            me: key.id(),
            dir: files.shadows(),
            spool: parts.spool.clone(),
            spool_settings: settings.delivery.spool.clone(),
            settings: settings.cluster.clone(),
            restored,
            members: configuration.with(|d| d.members().iter().map(|m| m.key.id()).collect()),
            pace: Pace::default(),
        })
        .map_err(|e| internal(chain(&e)))?;
        let greeter = joining::greeter(Arc::clone(&invitations), configuration.clone());
        let listen = settings.node.cluster_listen.clone();
        let options = LinkOptions { identity, listen, versions: generation.protocols.clone() };
        let (link, events) = match Link::start(options, roster.subscribe(), greeter).await {
            Ok(started) => started,
            Err(e) => {
                ledger.stop().await;
                return Err(internal(chain(&e)));
            }
        };
        let (probe, duty) = (Arc::clone(&parts.probe), outside.duty);
        let kinds = Kinds::start(kinds::Parts {
            ledger: ledger.clone(),
            database: parts.database.clone(),
            kinds: generation.kinds,
            own_bans: (parts.own_bans)(),
            peer_bans: parts.peer_bans.clone(),
            own_files: (parts.own_files)(),
            peer_files: parts.peer_files.clone(),
            orders: parts.orders.clone(),
            learned: Arc::clone(&parts.learned),
            probe: Box::new(move || {
                let (mut probe, duty) = (probe(), *duty.borrow());
                probe.trouble.extend((duty != "serving").then(|| duty.to_owned()));
                probe
            }),
        });
        let stop = CancellationToken::new();
        let membership = Arc::new(Self { key, configuration, invitations, link, ledger, kinds, shadow, pulses: outside.pulses, stop });
        membership.spawn(pass_on(moves, parts.moves.clone()));
        membership.spawn(membership.clone().hear());
        membership.spawn(membership.clone().say_who_is_away());
        membership.spawn(membership.clone().follow_logins(parts.database.clone()));
        membership.spawn(membership.clone().follow_members(roster));
        membership.spawn(membership.clone().follow_link(events, outside.answerer));
        let own = membership.own_addresses(parts);
        membership.introduce(parts, own).await?;
        Ok((membership, restored))
    }

    /// Runs until the membership ends.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! { () = stop.cancelled() => {}, () = task => {} }
        });
    }

    pub async fn stop(&self) {
        self.stop.cancel();
        self.link.close().await;
        self.ledger.stop().await;
    }

    pub fn id(&self) -> NodeId {
        self.key.id()
    }

    pub fn own_addresses(&self, parts: &ClusterParts) -> Vec<SocketAddr> {
        let told = parts.settings.load().node.cluster_addresses.clone();
        if told.is_empty() { self.link.addresses() } else { told }
    }

    /// Tells the cluster when name, addresses or version are not what they were when this node last ran.
    async fn introduce(&self, parts: &ClusterParts, addresses: Vec<SocketAddr>) -> Result<(), ClusterError> {
        let by = By { author: "node", at: now(), message: "started" };
        let Some(known) = self.configuration.with(|d| d.members().into_iter().find(|m| m.key == self.key)) else {
            tracing::error!("this node was removed from its cluster: `postern cluster leave` gives it a new key");
            return Ok(());
        };
        // A name that somebody had already got our key behind it when we joined.
        let is_named = known.name.eq_ignore_ascii_case(&parts.hostname) || known.name == format!("{}-{:?}", parts.hostname, self.key);
        let own = Member {
            name: if is_named { known.name.clone() } else { parts.hostname.clone() },
            addresses,
            version: parts.version.to_owned(),
            ..known.clone()
        };
        if own != known {
            self.configuration.edit(|d| d.put_member(&own, by)).await.map_err(internal)?;
        }
        Ok(())
    }

    /// Keeps roster and ledger in step with the document's members.
    async fn follow_members(self: Arc<Self>, roster_told: watch::Sender<Arc<Roster>>) {
        let mut changes = self.configuration.changes();
        changes.mark_changed();
        while changes.changed().await.is_ok() {
            let (roster, members, removed) = self.configuration.with(|d| (roster(d, self.key), members(d), d.removed()));
            removed.iter().for_each(|r| self.shadow.removed(r.key.id()));
            roster_told.send_if_modified(|old| {
                let is_new = **old != roster;
                if is_new {
                    *old = Arc::new(roster);
                }
                is_new
            });
            self.ledger.set_members(members).await;
        }
    }

    /// What a node says of its health is a word of it, on whatever way it came: its mails are not taken over.
    async fn hear(self: Arc<Self>) {
        let Some(status) = self.ledger.status().await else { return };
        let told: BTreeMap<_, _> = status.vector.iter().map(|(origin, head)| (*origin, head.seq)).collect();
        let mut news = self.ledger.subscribe(told).await;
        while let Some(told) = news.recv().await {
            let News::Batch(batch) = told else { continue };
            // Old rows that come late by a third node are no word of today.
            let speaks = |a: &Applied| matches!(a.fact, Fact::Health(..)) && now().since(a.at) < FRESH;
            if batch.origin.node != self.id() && batch.facts.iter().any(speaks) {
                self.shadow.heard(batch.origin.node);
            }
        }
    }

    /// Mails from before the start do not wait for the word of a member that cannot be reached.
    async fn say_who_is_away(self: Arc<Self>) {
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK).await;
            let away = self.link.peers().into_iter().filter(|p| p.connection.is_none() && p.last_error.is_some());
            away.for_each(|peer| self.shadow.unreachable(peer.node));
        }
    }

    async fn follow_link(self: Arc<Self>, mut events: mpsc::Receiver<Event>, answerer: watch::Receiver<Option<Answerer>>) {
        let questions = Arc::new(Semaphore::new(QUESTIONS));
        // One task a peer keeps the streams that both need open.
        let keepers: Mutex<BTreeMap<NodeId, CancellationToken>> = Mutex::default();
        while let Some(event) = events.recv().await {
            match event {
                Event::Up { node, version } => {
                    tracing::info!(%node, version, "connected with a member");
                    let over = self.stop.child_token();
                    if let Some(old) = keepers.lock().insert(node, over.clone()) {
                        old.cancel();
                    }
                    tokio::spawn(self.clone().keep_open(node, Purpose::Shadow, over.clone()));
                    tokio::spawn(self.clone().keep_open(node, Purpose::Pulse, over.clone()));
                    // One side opens: two streams of one purpose would say everything twice.
                    if self.id() < node {
                        for purpose in [Purpose::Ledger, Purpose::Document] {
                            tokio::spawn(self.clone().keep_open(node, purpose, over.clone()));
                        }
                    }
                }
                Event::Down { node, why } => {
                    tracing::warn!(%node, why, "a member is not connected any more");
                    if let Some(over) = keepers.lock().remove(&node) {
                        over.cancel();
                    }
                    self.ledger.disconnected(node).await;
                }
                Event::Stream { from, purpose, stream, .. } => match purpose {
                    Purpose::Ledger | Purpose::Document => {
                        tokio::spawn(self.clone().use_stream(from, purpose, stream));
                    }
                    Purpose::Shadow => {
                        let this = self.clone();
                        tokio::spawn(async move { this.shadow.serve(from, stream).await });
                    }
                    Purpose::Pulse => {
                        let (pulses, mut stream) = (self.pulses.clone(), stream);
                        tokio::spawn(async move { pulses.listen(from, &mut stream.receiver).await });
                    }
                    Purpose::Ask => {
                        let Ok(place) = Arc::clone(&questions).try_acquire_owned() else { continue };
                        let Some(answerer) = answerer.borrow().clone() else { continue };
                        tokio::spawn(async move {
                            if let Err(e) = asking::answer(from, stream, answerer).await {
                                tracing::debug!(node = %from, error = %e, "a peer's question was not answered");
                            }
                            drop(place);
                        });
                    }
                },
            }
        }
    }

    /// A stream that ends while the connection lives is opened again, after a moment.
    async fn keep_open(self: Arc<Self>, node: NodeId, purpose: Purpose, over: CancellationToken) {
        const AGAIN: Duration = Duration::from_secs(1);
        let work = async {
            loop {
                if purpose == Purpose::Pulse {
                    self.pulses.wanted().await;
                }
                match self.link.open(node, purpose).await {
                    Ok(stream) => self.clone().use_stream(node, purpose, stream).await,
                    Err(e) => tracing::debug!(%node, error = %e, "a stream could not be opened"),
                }
                tokio::time::sleep(AGAIN).await;
            }
        };
        tokio::select! { () = over.cancelled() => {}, () = work => {} }
    }

    /// Comes back when the stream is over.
    async fn use_stream(self: Arc<Self>, node: NodeId, purpose: Purpose, mut stream: Stream) {
        match purpose {
            Purpose::Document => {
                if let Err(e) = self.configuration.clone().keep_in_step(stream).await {
                    tracing::debug!(%node, error = %e, "the settings' stream ended");
                }
            }
            Purpose::Shadow => self.shadow.open(node, stream).await,
            Purpose::Pulse => {
                if let Err(e) = self.pulses.say(&mut stream.sender).await {
                    tracing::debug!(%node, error = %e, "the pulse's stream ended");
                }
            }
            _ => {
                let over = self.ledger.connected(node, stream).await;
                let _ = over.await;
            }
        }
    }
}

/// One channel for the queue, whichever membership it is.
async fn pass_on(mut moves: mpsc::Receiver<shadow::Event>, queue: mpsc::Sender<shadow::Event>) {
    while let Some(event) = moves.recv().await {
        if queue.send(event).await.is_err() {
            return;
        }
    }
}

/// The members except ourselves, with their addresses.
fn roster(document: &Document, own: NodeKey) -> Roster {
    document.members().into_iter().filter(|m| m.key != own).map(|m| (m.key, m.addresses)).collect()
}

/// Who may speak, and whose rows may be passed on.
fn members(document: &Document) -> Members {
    let mut members: Members = document.members().iter().map(|m| m.key.id()).collect();
    document.removed().iter().for_each(|r| members.set(r.key.id(), Standing::Removed));
    members
}
