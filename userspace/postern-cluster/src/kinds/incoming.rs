//! From peers to this node.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use postern_model::control::BanChange;
use postern_model::quarantine::QuarantineState;
use postern_model::reason::Reason;
use postern_model::sandbox::SeenFile;
use postern_model::time::Timestamp;
use postern_store::database::quarantine::QuarantineEntry;
use postern_store::database::senders::SenderCell;
use postern_store::database::tokens::{Lesson, Outcome};
use postern_store::database::user_lists::UserChoice;
use postern_store::database::{Database, DatabaseError};
use tokio::sync::{Notify, mpsc};

use super::{QuarantineOrder, Said, bans, files};
use crate::ledger::bounds::PAGE_ROWS;
use crate::ledger::fact::{Fact, SandboxReport};
use crate::ledger::kind::{Kind, KindSet};
use crate::ledger::merge::Merged;
use crate::ledger::origin::{NodeId, Origin};
use crate::ledger::output::Applied;
use crate::shell::handle::LedgerHandle;
use crate::shell::news::{Batch, News};

/// A database that does not take rows is tried again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// How often bans that are over are forgotten, and a lost database is looked for.
const LOOK: Duration = Duration::from_secs(5);
/// No cell counts more mails, so that sums stay far from the end of 64 bits.
const MOST_MAILS: u64 = 1 << 40;

pub(super) struct Incoming {
    pub(super) ledger: LedgerHandle,
    pub(super) database: Database,
    pub(super) kinds: KindSet,
    /// Bans and health, which are in no table.
    pub(super) memory: Arc<Mutex<Merged>>,
    pub(super) said: Arc<Mutex<BTreeMap<NodeId, Said>>>,
    pub(super) peer_bans: mpsc::Sender<BanChange>,
    pub(super) peer_files: mpsc::Sender<SeenFile>,
    pub(super) orders: mpsc::Sender<QuarantineOrder>,
    pub(super) learned: Arc<Notify>,
}

impl Incoming {
    pub(super) async fn run(self) {
        self.remember().await;
        loop {
            let replacements = self.database.replacements();
            let marks = match self.marks().await {
                Ok(marks) => marks,
                Err(error) => {
                    tracing::warn!(%error, "peers' rows wait for the database");
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            };
            let mut news = self.ledger.subscribe(marks).await;
            let mut look = tokio::time::interval(LOOK);
            // A database that was replaced has no marks: everything comes again.
            while self.database.replacements() == replacements {
                tokio::select! {
                    told = news.recv() => match told {
                        Some(told) => self.until_taken(told).await,
                        None => return,
                    },
                    _ = look.tick() => self.memory.lock().forget_bans_over(now()),
                }
            }
        }
    }

    async fn marks(&self) -> Result<BTreeMap<Origin, u64>, DatabaseError> {
        self.database.know_ledger_kinds(self.kinds.bits()).await?;
        self.database.ledger_marks().await
    }

    async fn until_taken(&self, news: News) {
        while let Err(error) = self.take(&news).await {
            tracing::warn!(%error, "peers' rows wait for the database");
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn take(&self, news: &News) -> Result<(), DatabaseError> {
        match news {
            News::Forget(origin) => self.database.set_ledger_mark(*origin, None).await,
            News::Batch(batch) => {
                self.apply(batch).await?;
                self.database.flush().await;
                self.database.set_ledger_mark(batch.origin, Some(batch.through)).await
            }
        }
    }

    async fn apply(&self, batch: &Batch) -> Result<(), DatabaseError> {
        let origin = batch.origin;
        let is_own = origin.node == self.ledger.node();
        let (mut cells, mut lessons) = (Vec::new(), Vec::new());
        for applied in batch.facts.iter().filter(|a| self.kinds.contains(a.fact.kind())) {
            match &applied.fact {
                Fact::QuarantineEntry(..) => {
                    if let Some(entry) = self.entry(origin, &applied.fact) {
                        self.database.quarantine().merge(&entry).await?;
                    }
                }
                Fact::QuarantineAction(..) => self.act(origin, &applied.fact).await?,
                Fact::Ban(..) | Fact::Health(..) => self.keep_in_memory(origin, applied).await,
                Fact::SandboxReport(file, report) if !is_own => self.know(*file, report, origin).await,
                Fact::GreylistPass(client, pass) => self.database.greylist().merge(*client, pass.passed).await?,
                // Our own are in our own table.
                Fact::Reputation(key, counts) if !is_own => {
                    let (life, mails) = (key.life.0, counts.good.min(MOST_MAILS));
                    cells.push(SenderCell { subject: key.subject, day: key.day, life, mails });
                }
                Fact::UserChoice((address, sender), chosen) => {
                    if let Ok(sender) = sender.parse() {
                        let (address, choice, at) = (address.clone(), chosen.choice, chosen.at);
                        self.database.user_lists().merge(&UserChoice { address, sender, choice, at }).await?;
                    }
                }
                Fact::Lesson(mail, lesson) => {
                    let features = lesson.features.0.chunks_exact(8).filter_map(|f| f.try_into().ok().map(u64::from_le_bytes));
                    lessons.push((Lesson { mail: *mail, is_spam: lesson.is_spam, features: rising(features.collect()) }, lesson.at));
                }
                _ => {}
            }
        }
        if !cells.is_empty() {
            self.database.senders().merge(&cells).await?;
        }
        if !lessons.is_empty() && self.database.tokens().merge(&lessons).await?.iter().any(|o| *o != Outcome::Known) {
            self.learned.notify_one();
        }
        Ok(())
    }

    /// A file that somebody saw.
    async fn know(&self, file: [u8; 32], report: &SandboxReport, origin: Origin) {
        let by = (origin.node != self.ledger.node()).then_some(origin.node);
        if let Some(seen) = files::seen(file, report, by) {
            let _ = self.peer_files.send(seen).await;
        }
    }

    fn entry(&self, origin: Origin, fact: &Fact) -> Option<QuarantineEntry> {
        let Fact::QuarantineEntry(mail, row) = fact else { return None };
        Some(QuarantineEntry {
            mail: *mail,
            at: row.at,
            sender: row.sender.clone(),
            recipients: row.recipients.clone(),
            from_header: row.from_header.clone(),
            subject: row.subject.clone(),
            score: row.score,
            // A reason of a later version: that it is held counts for more than why.
            reason: row.reason.parse().unwrap_or(Reason::ScoreQuarantine),
            size: row.size,
            expires: row.expires,
            state: QuarantineState::Held,
            state_by: None,
            state_at: None,
            holder: (origin.node != self.ledger.node()).then_some(origin.node),
        })
    }

    /// A mail that lies here is decided upon by whoever can release it; of others the index is told.
    async fn act(&self, origin: Origin, fact: &Fact) -> Result<(), DatabaseError> {
        let Fact::QuarantineAction((mail, to), action) = fact else { return Ok(()) };
        let known = self.database.quarantine().one(*mail).await?;
        if origin.node != self.ledger.node() && known.as_ref().is_some_and(|e| e.holder.is_none()) {
            if known.is_some_and(|e| e.state < *to) {
                let order = QuarantineOrder { mail: *mail, to: *to, by: action.by.clone(), at: action.at };
                let _ = self.orders.send(order).await;
            }
            return Ok(());
        }
        self.database.quarantine().merge_action(*mail, *to, &action.by, action.at).await?;
        Ok(())
    }

    async fn keep_in_memory(&self, origin: Origin, applied: &Applied) {
        if let Fact::Health((), health) = &applied.fact {
            self.said.lock().insert(origin.node, Said { heard: Instant::now(), health: health.clone() });
        }
        let change = {
            let mut memory = self.memory.lock();
            let Fact::Ban(network, _) = &applied.fact else {
                return memory.absorb(origin, applied.at, &applied.fact);
            };
            let before = bans::in_force(&memory, *network, now());
            memory.absorb(origin, applied.at, &applied.fact);
            match bans::in_force(&memory, *network, now()) {
                after if after == before => None,
                Some(ban) => Some(BanChange::Set(vec![ban])),
                None => Some(BanChange::Lifted(vec![*network])),
            }
        };
        // What this node decided itself is in force already.
        if let Some(change) = change.filter(|_| origin.node != self.ledger.node()) {
            let _ = self.peer_bans.send(change).await;
        }
    }

    /// After a start: what is kept in memory, and orders that were not carried out.
    async fn remember(&self) {
        let Some(status) = self.ledger.status().await else { return };
        for (origin, _) in status.vector {
            for kind in [Kind::Ban, Kind::Health, Kind::QuarantineAction, Kind::SandboxReport] {
                let mut after = None;
                let mut files = 0;
                while let Ok(rows) = self.ledger.of_kind(origin, kind, after.as_ref(), PAGE_ROWS).await {
                    for row in &rows {
                        match Fact::decode(kind, &row.key.0, &row.value.0) {
                            Some(fact @ (Fact::Ban(..) | Fact::Health(..))) => self.memory.lock().absorb(origin, row.at, &fact),
                            // Our own memory of files ended with the last run, too.
                            Some(Fact::SandboxReport(file, report)) => {
                                files += 1;
                                self.know(file, &report, origin).await;
                            }
                            Some(fact) => {
                                if let Err(error) = self.act(origin, &fact).await {
                                    tracing::warn!(%error, "a peer's decision on a quarantined mail waits for the next start");
                                }
                            }
                            None => {}
                        }
                    }
                    after = rows.last().map(|r| r.key.clone());
                    if rows.len() < PAGE_ROWS || files >= files::REMEMBERED {
                        break;
                    }
                }
            }
        }
        let in_force: Vec<_> = {
            let memory = self.memory.lock();
            memory.banned_networks().filter_map(|network| bans::in_force(&memory, network, now())).collect()
        };
        if !in_force.is_empty() {
            let _ = self.peer_bans.send(BanChange::Set(in_force)).await;
        }
    }
}

/// A peer's list may be of any order: the database counts each feature of a mail once.
fn rising(mut features: Vec<u64>) -> Vec<u64> {
    features.sort_unstable();
    features.dedup();
    features
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
