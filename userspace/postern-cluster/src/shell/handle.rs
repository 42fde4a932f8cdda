//! The handle of a shell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use postern_link::stream::Stream;
use postern_store::ledger::{LedgerStore, LedgerStoreError};
use tokio::sync::{mpsc, oneshot};

use super::news::{self, Marks, News};
use crate::ledger::fact::Fact;
use crate::ledger::kind::Kind;
use crate::ledger::members::Members;
use crate::ledger::oddity::Oddity;
use crate::ledger::origin::{Head, Life, NodeId, Origin};
use crate::ledger::publish;
use crate::ledger::row::{Octets, Row};

/// A stop that takes longer is not waited for: the disk hangs.
const STOP_AT_MOST: Duration = Duration::from_secs(10);

/// Why an own row is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// See [`publish::WriteError`].
    #[error(transparent)]
    Refused(#[from] publish::WriteError),
    /// The store's fault (the disk is full, or the file was lost). The row was told to nobody; a retry may help.
    #[error("the row could not be stored")]
    NotSaved,
    #[error("the ledger was stopped")]
    Stopped,
}

/// How the ledger is, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    pub own: Origin,
    pub life: Life,
    pub vector: Vec<(Origin, Head)>,
    /// What was odd since the store was opened, where it was.
    pub oddities: Vec<(Oddity, u64)>,
    pub peers: Vec<PeerStatus>,
    /// Origins of which a peer has more than this node, as far as is known.
    pub fetching: usize,
    /// Own rows that are not durable yet.
    pub unsaved: usize,
    /// Rows posted that were not taken, since the start.
    pub dropped: u64,
    /// Commits that failed, since the start.
    pub failures: u64,
    /// How often the store was opened: once, and again whenever its file was lost.
    pub openings: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    pub node: NodeId,
    /// Own rows that the peer is not known to have. It is learned every five seconds.
    pub behind: u64,
    /// Octets that wait for it.
    pub outbox: usize,
}

impl PeerStatus {
    pub fn is_in_sync(&self) -> bool {
        self.behind == 0
    }
}

pub(super) enum Command {
    Write { fact: Fact, keep: Duration, done: oneshot::Sender<Result<(), WriteError>> },
    Post { fact: Fact, keep: Duration },
    Connected { peer: NodeId, stream: Stream, ended: oneshot::Sender<()> },
    Disconnected { peer: NodeId },
    Members(Members),
    Status(oneshot::Sender<Status>),
    Listen(Arc<Marks>),
    Stop(oneshot::Sender<()>),
}

/// Cheap to clone. The task ends with [`LedgerHandle::stop`], or when the last handle is dropped.
#[derive(Clone)]
pub struct LedgerHandle {
    pub(super) node: NodeId,
    pub(super) life: Life,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) store: Arc<ArcSwap<LedgerStore>>,
    pub(super) dropped: Arc<AtomicU64>,
}

impl LedgerHandle {
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// The life in which this node started.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Writes a row of this node, to be kept for `keep` (at most as long as its kind is); waits until it is durable here.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write(&self, fact: Fact, keep: Duration) -> Result<(), WriteError> {
        let (done, wait) = oneshot::channel();
        self.send(Command::Write { fact, keep, done }).await?;
        wait.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// As [`Self::write`], but never waits: what does not fit is counted ([`Status::dropped`]).
    pub fn post(&self, fact: Fact, keep: Duration) {
        if self.commands.try_send(Command::Post { fact, keep }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Uses a stream to a member, in place of an earlier one. What is returned ends with an error when the stream is over: the
    /// link opens the next one then.
    pub async fn connected(&self, peer: NodeId, stream: Stream) -> oneshot::Receiver<()> {
        let (ended, over) = oneshot::channel();
        let _ = self.send(Command::Connected { peer, stream, ended }).await;
        over
    }

    pub async fn disconnected(&self, peer: NodeId) {
        let _ = self.send(Command::Disconnected { peer }).await;
    }

    pub async fn set_members(&self, members: Members) {
        let _ = self.send(Command::Members(members)).await;
    }

    /// `None`: it was stopped.
    pub async fn status(&self) -> Option<Status> {
        let (answer, wait) = oneshot::channel();
        self.send(Command::Status(answer)).await.ok()?;
        wait.await.ok()
    }

    /// What all origins wrote, and write from now on, after what was told before.
    pub async fn subscribe(&self, told: BTreeMap<Origin, u64>) -> mpsc::Receiver<News> {
        let marks = Arc::<Marks>::default();
        let receiver = news::listen(Arc::clone(&self.store), Arc::clone(&marks), told);
        let _ = self.send(Command::Listen(marks)).await;
        receiver
    }

    /// Rows of a kind of one origin by their keys, at most `limit`, after the key `after`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of_kind(&self, origin: Origin, kind: Kind, after: Option<&Octets>, limit: usize) -> Result<Vec<Row>, LedgerStoreError> {
        self.store.load_full().of_kind(origin, kind.number(), after, limit).await
    }

    /// Rows here, of all origins.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rows(&self) -> Result<u64, LedgerStoreError> {
        self.store.load_full().count().await
    }

    /// Makes own rows durable, closes the store and ends the task.
    pub async fn stop(&self) {
        let (done, wait) = oneshot::channel();
        if self.send(Command::Stop(done)).await.is_ok() {
            let _ = tokio::time::timeout(STOP_AT_MOST, wait).await;
        }
    }

    async fn send(&self, command: Command) -> Result<(), WriteError> {
        self.commands.send(command).await.map_err(|_| WriteError::Stopped)
    }
}
