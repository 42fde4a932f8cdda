//! What rows mean to this node, in both directions.
//!
//! Out: what changes in the database ([`Database::changes`]) and what the node bans by itself becomes rows ([`outgoing`]). In: rows
//! of peers go into the database by its `merge` methods, their bans to whoever puts them into force, their decisions on
//! mails that lie here to whoever carries them out ([`incoming`]).
//!
//! Invariants: what came from a peer is not told again. Applying a row twice changes nothing, so how far an origin was applied
//! is noted after it was. A database that was lost gets everything again, also what this node wrote itself.
//!
//! Each row ends by itself: a quarantine entry some weeks after its mail expires, a ban with its end, a count after 100 days.

pub mod bans;

mod files;
mod incoming;
mod outgoing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use postern_model::control::BanChange;
use postern_model::id::MailId;
use postern_model::quarantine::QuarantineState;
use postern_model::sandbox::SeenFile;
use postern_model::time::Timestamp;
use postern_store::database::Database;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use crate::ledger::fact::Health;
use crate::ledger::kind::KindSet;
use crate::ledger::merge::Merged;
use crate::ledger::origin::NodeId;
use crate::shell::handle::LedgerHandle;

/// How the node is, asked every ten seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    pub queued: u64,
    /// Free octets where the spool lies.
    pub free: u64,
    /// What is wrong, as names; empty: nothing.
    pub trouble: Vec<String>,
}

/// A peer's decision on a mail that lies in the quarantine here. Who carries it out raises the mail's state afterwards, also when
/// the mail's file is gone already: until then the order comes again with every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineOrder {
    pub mail: MailId,
    pub to: QuarantineState,
    pub by: String,
    pub at: Timestamp,
}

/// What is joined.
pub struct Parts {
    pub ledger: LedgerHandle,
    pub database: Database,
    /// Those that mean something to this node.
    pub kinds: KindSet,
    /// What this node bans and lifts by itself.
    pub own_bans: mpsc::Receiver<BanChange>,
    /// What peers ban and lift, to be put into force here.
    pub peer_bans: mpsc::Sender<BanChange>,
    /// What this node saw of files.
    pub own_files: mpsc::Receiver<SeenFile>,
    /// What peers saw of them.
    pub peer_files: mpsc::Sender<SeenFile>,
    pub orders: mpsc::Sender<QuarantineOrder>,
    /// Woken when the classifier's counts in the database changed by a peer's lesson.
    pub learned: Arc<Notify>,
    pub probe: Box<dyn Fn() -> Probe + Send + Sync>,
}

/// What a node said of itself, and when that came, by our own clock.
struct Said {
    heard: Instant,
    health: Health,
}

/// The running tasks; they end when it is dropped.
pub struct Kinds {
    memory: Arc<Mutex<Merged>>,
    said: Arc<Mutex<BTreeMap<NodeId, Said>>>,
    tasks: Vec<AbortHandle>,
}

impl Kinds {
    /// Starts both directions. Needs a tokio runtime.
    pub fn start(parts: Parts) -> Self {
        let Parts { ledger, database, kinds, own_bans, peer_bans, own_files, peer_files, orders, learned, probe } = parts;
        let memory = Arc::new(Mutex::new(Merged::default()));
        let said = Arc::<Mutex<BTreeMap<NodeId, Said>>>::default();
        let changes = database.changes();
        let incoming = incoming::Incoming {
            ledger: ledger.clone(),
            database: database.clone(),
            kinds,
            memory: Arc::clone(&memory),
            said: Arc::clone(&said),
            peer_bans,
            peer_files,
            orders,
            learned,
        };
        let outgoing = outgoing::Outgoing { ledger, database, kinds, changes, own_bans, own_files, probe };
        let tasks = vec![tokio::spawn(outgoing.run()).abort_handle(), tokio::spawn(incoming.run()).abort_handle()];
        Self { memory, said, tasks }
    }

    /// What each node said of itself last: what came last since the start, whatever its clock said; before that what is kept.
    pub fn health(&self) -> BTreeMap<NodeId, Health> {
        let mut all = self.memory.lock().all_health().clone();
        all.extend(self.said.lock().iter().map(|(node, said)| (*node, said.health.clone())));
        all
    }

    /// How long ago a node's last word came here, by our own clock: the other one may be minutes off. `None`: not since the start.
    pub fn silent_for(&self, node: NodeId) -> Option<Duration> {
        self.said.lock().get(&node).map(|said| said.heard.elapsed())
    }
}

impl Drop for Kinds {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
