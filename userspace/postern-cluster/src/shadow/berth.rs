//! What a holder has of one origin: a spool of its own with the copies, and the memory of what was taken over.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_model::settings::delivery::SpoolSettings;
use postern_model::time::Timestamp;
use postern_store::spool::{Body, Spool, SpoolError};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::adopted::{Adopted, By};
use super::bounds::RECENT;
use super::mark::KeptMark;
use super::protocol::{Answer, MAIL_FORMAT};

#[derive(Debug, thiserror::Error)]
pub enum BerthError {
    #[error("the copies in {dir} cannot be opened: {source}")]
    Spool {
        dir: PathBuf,
        #[source]
        source: SpoolError,
    },
    #[error("what was taken over cannot be remembered in {dir}: {source}")]
    Memory {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the lives of this node cannot be written down in {dir}: {source}")]
    Lives {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the directory {dir} of copies cannot be read: {source}")]
    List {
        dir: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the disk's work ended early")]
    Ended,
}

pub struct Berth {
    dir: PathBuf,
    settings: SpoolSettings,
    spool: OnceCell<Spool>,
    adopted: Mutex<Option<Adopted>>,
    /// A session or an adoption at a time.
    pub turn: tokio::sync::Mutex<()>,
    /// The session that is on; a new one ends it.
    pub session: Mutex<Option<CancellationToken>>,
    /// Copies on their way to the disk.
    pub tasks: TaskTracker,
    /// The origin is back: the adoption ends after its batch.
    pub is_back: AtomicBool,
    recent: Mutex<Recent>,
    /// How far the origin's log was.
    pub mark: KeptMark,
    arriving: Mutex<HashMap<MailId, Vec<Change>>>,
}

/// Something the origin told of a mail.
#[derive(Clone, Debug)]
pub enum Change {
    Queue(QueueChange),
    Quarantined,
    Drop,
}

#[derive(Default)]
struct Recent {
    changes: VecDeque<(MailId, QueueChange)>,
    ids: HashSet<MailId>,
}

pub fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

impl Berth {
    pub fn new(dir: PathBuf, settings: SpoolSettings) -> Self {
        Self {
            mark: KeptMark::read(&dir),
            dir,
            settings,
            spool: OnceCell::new(),
            adopted: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            session: Mutex::default(),
            tasks: TaskTracker::new(),
            is_back: AtomicBool::new(false),
            recent: Mutex::default(),
            arriving: Mutex::default(),
        }
    }

    /// Opens what is on disk, if anything is. Blocks.
    pub fn open_existing(&self) -> Result<(), BerthError> {
        if self.dir.join("adopted").exists() {
            self.remember(&[], By::Another)?;
        }
        if self.dir.join("lock").exists() {
            let opened = open_spool(&self.dir, &self.settings)?;
            // Nobody else has this berth yet.
            let _ = self.spool.set(opened);
        }
        Ok(())
    }

    /// The spool, if there is one.
    pub fn existing(&self) -> Option<&Spool> {
        self.spool.get()
    }

    /// The spool; made when there is none.
    pub async fn spool(&self) -> Result<&Spool, BerthError> {
        let open = || async {
            let (dir, settings) = (self.dir.clone(), self.settings.clone());
            tokio::task::spawn_blocking(move || open_spool(&dir, &settings)).await.map_err(|_| BerthError::Ended)?
        };
        self.spool.get_or_try_init(open).await
    }

    /// Remembers adopted ids durably. Blocks.
    pub fn remember(&self, ids: &[MailId], by: By) -> Result<(), BerthError> {
        let failed = |source| BerthError::Memory { dir: self.dir.clone(), source };
        let mut adopted = self.adopted.lock();
        if adopted.is_none() {
            std::fs::create_dir_all(&self.dir).map_err(failed)?;
            *adopted = Some(Adopted::open(&self.dir, now()).map_err(failed)?);
        }
        adopted.as_mut().map_or(Ok(()), |a| a.add(ids, by, now())).map_err(failed)
    }

    /// The origin copies it: whoever took it over before, it has it now.
    fn is_its_own_again(&self, id: MailId) -> Result<(), BerthError> {
        let failed = |source| BerthError::Memory { dir: self.dir.clone(), source };
        self.adopted.lock().as_mut().map_or(Ok(()), |a| a.clear(id, now())).map_err(failed)
    }

    pub fn was_adopted(&self, id: MailId) -> bool {
        self.adopted.lock().as_ref().is_some_and(|a| a.contains(id))
    }

    /// By this node.
    pub fn is_mine(&self, id: MailId) -> bool {
        self.adopted.lock().as_ref().is_some_and(|a| a.is_mine(id))
    }

    pub fn adopted_ids(&self) -> Vec<MailId> {
        self.adopted.lock().as_ref().map(Adopted::ids).unwrap_or_default()
    }

    pub fn recent(&self) -> Vec<(MailId, QueueChange)> {
        self.recent.lock().changes.iter().cloned().collect()
    }

    /// A mail begins to arrive: its changes wait until it is there. False when it arrives already.
    pub fn arrives(&self, id: MailId) -> bool {
        self.recent.lock().forget(id);
        match self.arriving.lock().entry(id) {
            std::collections::hash_map::Entry::Occupied(_) => false,
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(Vec::new());
                true
            }
        }
    }

    /// It is there, or will not come.
    pub async fn arrived(&self, id: MailId) {
        let changes = self.arriving.lock().remove(&id).unwrap_or_default();
        for change in changes {
            self.apply(id, change).await;
        }
    }

    /// The rest of it will not come.
    pub fn abandoned(&self, id: MailId) {
        self.arriving.lock().remove(&id);
    }

    /// Makes a copy durable. The body was written by the caller.
    pub async fn store(&self, mail: QueuedMail, body: Body) -> Answer {
        let (id, hash) = (mail.id, mail.hash);
        if body.hash() != hash || body.size() != mail.size {
            return Answer::DAMAGED;
        }
        let Ok(spool) = self.spool().await else { return Answer::FAILED };
        if self.is_its_own_again(id).is_err() {
            return Answer::FAILED;
        }
        // A drop that was told just before lies with the notes that wait for the disk. It would take away what is called held here.
        if spool.contains(id) && spool.settle().await.is_err() {
            return Answer::FAILED;
        }
        let known: Vec<_> = (0u32..).zip(mail.recipients.clone()).filter(|(_, r)| r.is_done()).collect();
        match spool.accept(mail, body).await {
            Ok(_) => Answer::HELD,
            Err(SpoolError::Duplicate(_)) => {
                for (index, state) in known {
                    let _ = spool.note(id, QueueChange::Recipient { index, state });
                }
                Answer::HELD
            }
            Err(error) => refusal(&error),
        }
    }

    /// Carries out what the origin told.
    pub async fn change(&self, id: MailId, change: Change) {
        if let Some(waiting) = self.arriving.lock().get_mut(&id) {
            waiting.push(change);
            return;
        }
        self.apply(id, change).await;
    }

    async fn apply(&self, id: MailId, change: Change) {
        let Some(spool) = self.existing() else { return };
        let done = match change {
            Change::Queue(change) => {
                self.recent.lock().add(id, &change);
                spool.note(id, change)
            }
            Change::Drop => spool.note(id, QueueChange::Done),
            Change::Quarantined => spool.quarantine_move(id).await.map(drop),
        };
        match done {
            Ok(()) | Err(SpoolError::Unknown(_)) => {}
            Err(error) => tracing::warn!(mail = %id, %error, "a change of a copy is not kept: its taking over may repeat a delivery"),
        }
    }

    pub fn stop_adopting(&self) {
        self.is_back.store(true, Ordering::Release);
    }
}

impl Recent {
    fn add(&mut self, id: MailId, change: &QueueChange) {
        let is_final = match change {
            QueueChange::Done => true,
            QueueChange::Recipient { state, .. } => state.is_done(),
            QueueChange::Disposition(..) | QueueChange::Reroute(_) | QueueChange::Edits(_) => false,
        };
        if !is_final {
            return;
        }
        if self.changes.len() >= RECENT
            && let Some((old, _)) = self.changes.pop_front()
        {
            self.ids.remove(&old);
        }
        self.changes.push_back((id, change.clone()));
        self.ids.insert(id);
    }

    /// The id lives again: released from the quarantine, say.
    fn forget(&mut self, id: MailId) {
        if self.ids.remove(&id) {
            self.changes.retain(|(other, _)| *other != id);
        }
    }
}

pub fn refusal(error: &SpoolError) -> Answer {
    match error {
        SpoolError::Full(_) => Answer::FULL,
        _ => Answer::FAILED,
    }
}

/// A mail of a format this version knows.
pub fn decode(format: u8, mail: &[u8]) -> Option<QueuedMail> {
    if format == MAIL_FORMAT { postcard::from_bytes(mail).ok() } else { None }
}

fn open_spool(dir: &Path, settings: &SpoolSettings) -> Result<Spool, BerthError> {
    let (spool, _) = Spool::open(dir.to_owned(), settings.clone()).map_err(|source| BerthError::Spool { dir: dir.to_owned(), source })?;
    Ok(spool)
}
