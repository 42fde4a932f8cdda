//! A node's place among its peers: alone, or a member of a cluster; the one handle that the rest of the node has.
//!
//! [`Cluster`] exists on every node. Outside of a cluster it opens no socket and answers [`ClusterError::NoMember`].

mod asking;
mod files;
pub mod generation;
mod joining;
mod logins;
mod membership;
mod showing;
pub mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use postern_document::{By, ClusterId, Document, Member, VersionId};
use postern_link::identity::Identity;
use postern_link::join;
use postern_link::token::Token;
use postern_model::causes::chain;
use postern_model::control::BanChange;
use postern_model::node::NodeId;
use postern_model::queue::QueuedMail;
use postern_model::sandbox::SeenFile;
use postern_model::settings::Settings;
use postern_store::database::Database;
use postern_store::spool::{Quarantine, Spool};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};

pub use asking::Answerer;
use files::Files;
use generation::Generation;
use joining::Hello;
use membership::{Membership, Outside, now, writer};
use view::{InvitationView, NewInvitation};

use crate::configuration::{Configuration, ConfigurationError, Validate};
use crate::kinds::{Probe, QuarantineOrder};
use crate::pulse::Pulses;
use crate::shadow::{self, HandedOver};
use crate::steering::Roll;

/// Why something about the cluster could not be done. The words are for people.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("this node is in no cluster")]
    NoMember,
    #[error("this node is a member of the cluster {name} already")]
    Member { name: String },
    #[error("{0}")]
    Unknown(String),
    #[error("the token cannot be used: {0}")]
    Token(String),
    #[error("refused: {0}")]
    Refused(String),
    #[error("this is the only member")]
    Last,
    #[error("the shared settings cannot be used: {0}")]
    Settings(String),
    #[error("not reached: {0}")]
    Unreachable(String),
    #[error("{0}")]
    Internal(String),
}

impl From<ConfigurationError> for ClusterError {
    fn from(error: ConfigurationError) -> Self {
        match error {
            ConfigurationError::Own(_) => Self::Settings(error.to_string()),
            ConfigurationError::Write(_) | ConfigurationError::Member(_) => Self::Refused(error.to_string()),
            ConfigurationError::File(_) => Self::Internal(error.to_string()),
        }
    }
}

/// What the cluster needs of the node.
pub struct ClusterParts {
    /// `cluster` in the data directory.
    pub folder: PathBuf,
    pub settings: Arc<ArcSwap<Settings>>,
    /// This node's name among its peers.
    pub hostname: String,
    pub version: &'static str,
    pub generation: Generation,
    pub database: Database,
    pub spool: Spool,
    pub validate: Validate,
    /// A listener to what this node bans and lifts by itself; asked for when a membership begins.
    pub own_bans: Arc<dyn Fn() -> mpsc::Receiver<BanChange> + Send + Sync>,
    /// What peers ban and lift, to be put into force here.
    pub peer_bans: mpsc::Sender<BanChange>,
    /// A listener to what this node sees of files; asked for as that to bans.
    pub own_files: Arc<dyn Fn() -> mpsc::Receiver<SeenFile> + Send + Sync>,
    /// What peers saw of them.
    pub peer_files: mpsc::Sender<SeenFile>,
    /// Peers' decisions on quarantined mails that lie here.
    pub orders: mpsc::Sender<QuarantineOrder>,
    /// Woken when peers taught the classifier something.
    pub learned: Arc<Notify>,
    /// Mails that were taken over, in either direction: for the queue.
    pub moves: mpsc::Sender<shadow::Event>,
    /// How this node is; its duty is added here.
    pub probe: Arc<dyn Fn() -> Probe + Send + Sync>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    parts: ClusterParts,
    files: Files,
    membership: ArcSwapOption<Membership>,
    /// Founding, joining and leaving, one at a time.
    turn: tokio::sync::Mutex<()>,
    answerer: watch::Sender<Option<Answerer>>,
    /// The shared settings to be put in force; `None` outside of a cluster.
    shared: watch::Sender<Option<Arc<Value>>>,
    duty: watch::Sender<&'static str>,
    pulses: Pulses,
}

/// Mails that were queued when the node stopped, and may be another node's by now.
pub enum Restored {
    /// Outside of a cluster they are this node's.
    Ours(Vec<QueuedMail>),
    Perhaps(shadow::Restored),
}

impl Restored {
    /// What is this node's to deliver, after the word of every member that can be reached; some seconds at most.
    pub async fn release(self) -> Vec<QueuedMail> {
        match self {
            Self::Ours(mails) => mails,
            Self::Perhaps(restored) => restored.release().await,
        }
    }
}

impl Cluster {
    /// Takes up the membership of the last run, if there was one. `restored` is what the spool had queued. Needs a runtime.
    ///
    /// # Errors
    /// When what is on disk cannot be used, or the cluster's port cannot be had.
    pub async fn open(parts: ClusterParts, restored: Vec<QueuedMail>) -> Result<(Self, Restored), ClusterError> {
        let files = Files::new(parts.folder.clone());
        let cluster = Self(Arc::new(Inner {
            files,
            parts,
            membership: ArcSwapOption::empty(),
            turn: tokio::sync::Mutex::default(),
            answerer: watch::Sender::new(None),
            shared: watch::Sender::new(None),
            duty: watch::Sender::new("serving"),
            pulses: Pulses::default(),
        }));
        if cluster.0.files.document().exists() {
            let identity = Identity::open_or_create(&cluster.0.files.key()).map_err(|e| ClusterError::Internal(chain(&e)))?;
            let document = cluster.0.files.read_document(None, writer(&identity)).map_err(|e| ClusterError::Internal(e.to_string()))?;
            if let Some(document) = document {
                let restored = cluster.begin(identity, document, restored).await?;
                return Ok((cluster, Restored::Perhaps(restored)));
            }
        }
        Ok((cluster, Restored::Ours(restored)))
    }

    async fn begin(&self, identity: Identity, document: Document, restored: Vec<QueuedMail>) -> Result<shadow::Restored, ClusterError> {
        let inner = &self.0;
        let outside = Outside { answerer: inner.answerer.subscribe(), duty: inner.duty.subscribe(), pulses: inner.pulses.clone() };
        let (membership, restored) = Membership::start(&inner.parts, &inner.files, identity, document, outside, restored).await?;
        inner.membership.store(Some(Arc::clone(&membership)));
        membership.spawn(self.clone().tell_settings(membership.configuration.clone()));
        Ok(restored)
    }

    fn member(&self) -> Result<Arc<Membership>, ClusterError> {
        self.0.membership.load_full().ok_or(ClusterError::NoMember)
    }

    fn not_yet(&self) -> Result<(), ClusterError> {
        match self.0.membership.load_full() {
            None => Ok(()),
            Some(m) => Err(ClusterError::Member { name: m.configuration.with(Document::name) }),
        }
    }

    /// The node stops.
    pub async fn stop(&self) {
        if let Some(membership) = self.0.membership.swap(None) {
            membership.stop().await;
        }
    }

    /// This node's name among its peers; empty outside of a cluster.
    pub fn name(&self) -> String {
        let name = |m: Arc<Membership>| m.configuration.with(|d| d.members().into_iter().find(|n| n.key == m.key).map(|n| n.name));
        self.0.membership.load_full().and_then(name).unwrap_or_default()
    }

    /// This node among its peers; `None` outside of a cluster.
    pub fn id(&self) -> Option<NodeId> {
        self.0.membership.load_full().map(|m| m.id())
    }

    /// Founds a cluster with this node alone, and its settings as the shared ones.
    ///
    /// # Errors
    /// When it is in one, or a file cannot be written.
    pub async fn init(&self, name: &str, by: &str) -> Result<(), ClusterError> {
        let _turn = self.0.turn.lock().await;
        self.not_yet()?;
        let (inner, internal) = (&self.0, |e: String| ClusterError::Internal(e));
        inner.files.make().map_err(|e| internal(e.to_string()))?;
        let identity = Identity::open_or_create(&inner.files.key()).map_err(|e| internal(chain(&e)))?;
        let name = if name.trim().is_empty() { &inner.parts.hostname } else { name.trim() };
        let founded = By { author: by, at: now(), message: "the cluster is founded" };
        let mut document =
            Document::create(ClusterId(rand::random()), name, writer(&identity), founded).map_err(|e| internal(e.to_string()))?;
        let schema = &inner.parts.generation.schema;
        document = document.with_schema(Arc::clone(schema));
        let shared = schema.shared(&inner.parts.settings.load());
        document.change(&shared, founded).map_err(|e| internal(e.to_string()))?;
        let own = Member {
            key: identity.key(),
            name: inner.parts.hostname.clone(),
            addresses: Vec::new(),
            joined_at: now(),
            joined_by: by.to_owned(),
            version: inner.parts.version.to_owned(),
        };
        document.put_member(&own, founded).map_err(|e| internal(e.to_string()))?;
        self.begin(identity, document, Vec::new()).await?;
        self.member()?.give_logins(&inner.parts.database).await?;
        tracing::info!(name, "a cluster of this node was founded");
        Ok(())
    }

    /// Makes a token for one node.
    ///
    /// # Errors
    /// Outside of a cluster; or too many are open, or the file cannot be written.
    pub async fn invite(&self, lifetime: Duration) -> Result<NewInvitation, ClusterError> {
        let member = self.member()?;
        let addresses = member.own_addresses(&self.0.parts);
        let cluster = member.configuration.with(Document::cluster).0;
        let (invitations, key) = (Arc::clone(&member.invitations), member.key);
        let made = tokio::task::spawn_blocking(move || invitations.invite(cluster, key, addresses, now(), lifetime)).await;
        let token = made.map_err(|e| ClusterError::Internal(e.to_string()))?.map_err(|e| ClusterError::Refused(chain(&e)))?;
        Ok(NewInvitation { token: token.to_string(), expires: token.expires })
    }

    /// Invitations made here that may still be used.
    ///
    /// # Errors
    /// Outside of a cluster.
    pub fn invitations(&self) -> Result<Vec<InvitationView>, ClusterError> {
        let now = now();
        let open = self.member()?.invitations.list().into_iter().filter(|i| !i.is_over(now));
        Ok(open.map(|i| InvitationView { id: i.id.to_string(), issued: i.issued, expires: i.expires }).collect())
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// When there is none of that id, or it was used.
    pub fn revoke(&self, id: &str) -> Result<(), ClusterError> {
        let unknown = || ClusterError::Unknown(format!("there is no invitation {id}"));
        let member = self.member()?;
        let found = member.invitations.list().into_iter().find(|i| i.id.to_string() == id).ok_or_else(unknown)?;
        member.invitations.revoke(found.id, now()).map_err(|e| ClusterError::Refused(chain(&e)))
    }

    /// Joins the cluster of a token. What this node has stays its own.
    ///
    /// # Errors
    /// In words what is wrong with the token, or why it was refused; nothing has changed then.
    pub async fn join(&self, token: &str) -> Result<(), ClusterError> {
        let _turn = self.0.turn.lock().await;
        self.not_yet()?;
        let (inner, internal) = (&self.0, |e: String| ClusterError::Internal(e));
        let token: Token = token.parse().map_err(|e: postern_link::token::TokenError| ClusterError::Token(e.to_string()))?;
        inner.files.make().map_err(|e| internal(e.to_string()))?;
        let identity = Identity::open_or_create(&inner.files.key()).map_err(|e| internal(chain(&e)))?;
        let settings = inner.parts.settings.load_full();
        let hello = Hello {
            name: inner.parts.hostname.clone(),
            addresses: settings.node.cluster_addresses.clone(),
            version: inner.parts.version.to_owned(),
        };
        let hello = serde_json::to_vec(&hello).map_err(|e| internal(e.to_string()))?;
        let snapshot = join::redeem(&identity, &settings.node.cluster_listen, &token, hello).await.map_err(|e| match e {
            join::JoinError::Refused { why } => ClusterError::Refused(why),
            join::JoinError::Unreachable { .. } | join::JoinError::Broken { .. } => ClusterError::Unreachable(chain(&e)),
            other => ClusterError::Internal(chain(&other)),
        })?;
        let document = Document::open(&snapshot, Some(ClusterId(token.cluster)), writer(&identity)).map_err(|e| internal(e.to_string()))?;
        self.begin(identity, document, Vec::new()).await?;
        tracing::info!(cluster = self.name(), "this node joined a cluster");
        Ok(())
    }

    /// Removes a node for ever.
    ///
    /// # Errors
    /// When it is no member, or this node itself.
    pub async fn remove(&self, node: NodeId, author: &str) -> Result<(), ClusterError> {
        let member = self.member()?;
        let known = member.configuration.with(|d| d.members().into_iter().find(|m| m.key.id() == node));
        let Some(known) = known else { return Err(ClusterError::Unknown(format!("{node} is no member"))) };
        if known.key == member.key {
            let other = member.configuration.with(|d| d.members().len() > 1);
            return Err(if other { ClusterError::Refused("a node is removed on another member".into()) } else { ClusterError::Last });
        }
        let message = format!("{} is removed", known.name);
        let by = By { author, at: now(), message: &message };
        member.configuration.edit(|d| d.remove_member(known.key, by)).await?;
        tracing::warn!(node = known.name, author, "a node was removed from the cluster");
        Ok(())
    }

    /// Forgets the cluster on this node: it is alone again, and would join as a new one. Returns where the old state lies.
    ///
    /// # Errors
    /// Outside of a cluster, or when the folder cannot be moved.
    pub async fn leave(&self) -> Result<PathBuf, ClusterError> {
        let _turn = self.0.turn.lock().await;
        let member = self.member()?;
        self.0.membership.store(None);
        member.stop().await;
        self.0.shared.send_replace(None);
        let aside = self.0.files.leave(now().0).map_err(|e| ClusterError::Internal(e.to_string()))?;
        tracing::warn!(kept_as = %aside.display(), "this node left its cluster");
        Ok(aside)
    }

    /// The shared settings as the cluster has them in force; `None` outside of one.
    pub fn shared_settings(&self) -> watch::Receiver<Option<Arc<Value>>> {
        self.0.shared.subscribe()
    }

    /// Who made the change that is in force, for this node's own history.
    pub fn last_change(&self) -> Option<(String, String)> {
        let member = self.0.membership.load_full()?;
        let newest = member.configuration.with(|d| d.history(None, 1, now())).pop()?;
        Some((newest.author, newest.message))
    }

    /// This node's settings were changed here: the cluster's become so, too.
    ///
    /// # Errors
    /// When the document cannot take it.
    pub async fn settings_changed(&self, before: &Settings, after: &Settings, author: &str, message: &str) -> Result<(), ClusterError> {
        let Some(member) = self.0.membership.load_full() else { return Ok(()) };
        let schema = &self.0.parts.generation.schema;
        let (before, after) = (schema.shared(before), schema.shared(after));
        Ok(member.configuration.set(&before, &after, By { author, at: now(), message }).await?)
    }

    async fn tell_settings(self, configuration: Configuration) {
        let mut in_force = configuration.in_force();
        in_force.mark_changed();
        while in_force.changed().await.is_ok() {
            let settings = Arc::clone(&in_force.borrow_and_update());
            self.0.shared.send_replace(Some(settings));
        }
    }

    /// Takes the change of one version back; returns the settings that were left alone.
    ///
    /// # Errors
    /// When there is no such version, or the result cannot be used.
    pub async fn undo(&self, version: &str, author: &str) -> Result<Vec<String>, ClusterError> {
        let member = self.member()?;
        let version = self.version(version)?;
        let message = format!("takes back {}", version.to_string().chars().take(12).collect::<String>());
        Ok(member.configuration.undo(version, By { author, at: now(), message: &message }).await?)
    }

    /// A version by its hash, or by the beginning of it.
    fn version(&self, text: &str) -> Result<VersionId, ClusterError> {
        const SEARCHED: usize = 100_000;
        if let Ok(version) = text.parse() {
            return Ok(version);
        }
        let unknown = || ClusterError::Unknown(format!("there is no version `{text}`"));
        if text.len() < 6 {
            return Err(unknown());
        }
        let all = self.member()?.configuration.with(|d| d.history(None, SEARCHED, now()));
        all.iter().map(|v| v.id).find(|id| id.to_string().starts_with(text)).ok_or_else(unknown)
    }

    /// Asks a peer's [`Answerer`].
    ///
    /// # Errors
    /// When it is not connected or does not answer in time.
    pub async fn ask(&self, node: NodeId, question: &[u8], limit: Duration) -> Result<Bytes, ClusterError> {
        asking::ask(&self.member()?.link, node, question, limit).await
    }

    /// Answers peers' questions from now on.
    pub fn set_answerer(&self, answerer: Answerer) {
        self.0.answerer.send_replace(Some(answerer));
    }

    /// Stores of quarantined mails of others, of which this node holds copies.
    pub fn held_quarantines(&self) -> Vec<Quarantine> {
        self.0.membership.load_full().map_or_else(Vec::new, |m| m.shadow.quarantines())
    }

    /// New settings are in force on this node.
    pub fn apply(&self, settings: &Settings) {
        if let Some(membership) = self.0.membership.load_full() {
            membership.shadow.apply(&settings.cluster);
        }
    }

    /// `serving`, `draining`, `drained`: peers are told.
    pub fn set_duty(&self, duty: &'static str) {
        self.0.duty.send_replace(duty);
        if let Some(membership) = self.0.membership.load_full().filter(|_| duty == "serving") {
            membership.shadow.resume();
        }
    }

    /// What nodes that share an address say of themselves.
    pub fn pulses(&self) -> &Pulses {
        &self.0.pulses
    }

    /// Who shares addresses; `None` outside of a cluster.
    pub fn roll(&self) -> Option<Roll> {
        let member = self.0.membership.load_full()?;
        let read = |d: &Document| Roll { members: d.members().into_iter().map(|m| (m.key.id(), m.name)).collect(), seed: d.cluster().0 };
        Some(member.configuration.with(read))
    }

    /// What only this node knows, in words.
    pub async fn uncovered(&self) -> Vec<String> {
        let Some(member) = self.0.membership.load_full() else { return Vec::new() };
        let Some(status) = member.ledger.status().await else { return Vec::new() };
        let mut left = Vec::new();
        if status.unsaved > 0 {
            left.push(format!("{} rows that are not on disk", status.unsaved));
        }
        if !status.peers.iter().any(|p| p.is_in_sync()) {
            let least = status.peers.iter().map(|p| p.behind).min();
            left.push(least.map_or_else(|| "a peer that is connected".to_owned(), |n| format!("{n} rows that no peer has yet")));
        }
        left
    }

    /// Gives all that is queued to peers, to be delivered by them. The queue must not send any of it meanwhile. What nobody took is
    /// still in the spool.
    pub async fn hand_over(&self) -> HandedOver {
        match self.0.membership.load_full() {
            Some(membership) => membership.shadow.hand_over().await,
            None => HandedOver { given: 0, kept: self.0.parts.spool.ids().len() },
        }
    }
}
