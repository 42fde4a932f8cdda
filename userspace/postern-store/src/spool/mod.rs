//! The durable spool: append-only segments with group commit. The source of truth about accepted mail.
//!
//! What it is not: it knows no deadline, no destination and no order of delivery. The queue keeps its own index of
//! [`QueuedMail`]s, from [`Spool::open`] and from every [`Accepted`]; the spool keeps about 60 octets per mail.
//!
//! Invariants: an [`Accepted`] exists only after the sync that covers its mail. Whatever has a good checksum before the
//! end of a segment stays, whatever has none is never believed. A segment whose write or sync failed is never written
//! again. Segments are freed from the oldest on.
//!
//! On disk, below one directory: `lock`; `segment-N` (form in [`record`], life in [`segment`]); `spare-N`; `jottings` for
//! notes on their way into the log; `bodies/ID` for bodies above `inline_body`; `quarantine/`; `damaged/` for octets that failed their checksum.
//!
//! A [`Companion`] keeps copies elsewhere; without one the spool is alone.
//!
//! Read first: [`record`], then [`commit`], then [`recover`], then [`keeper`].

mod body;
mod commit;
mod companion;
mod failure;
mod index;
mod jottings;
mod keeper;
mod quarantine;
mod queue;
mod record;
mod recover;
mod scan;
mod segment;
mod shared;
mod space;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_model::settings::delivery::SpoolSettings;
use tokio::sync::oneshot;

pub use body::{Body, BodyWriter, StoredBody};
pub use companion::{Companion, CopyOutcome, Copying};
pub use failure::SpoolError;
pub use index::{Counters, Position, Usage};
pub use quarantine::{Quarantine, QuarantineError, Quarantined};
pub use recover::Recovery;

use commit::Committer;
use companion::TakeBack;
use failure::{Failure, io_error};
use jottings::Jottings;
use queue::{Answer, Job, Payload, Queue, Receipt};
use record::Kind;
use segment::{MAX_SEGMENT, MIN_SEGMENT, sync_dir};
use shared::{Shared, Supply, Trouble};
use space::Space;

/// Proof that a mail is durable here: only an `Accepted` can be turned into a 250 (STYLE 10).
/// There is no other constructor than [`Spool::accept`] and [`Spool::accept_all`].
#[derive(Debug)]
#[must_use = "an accepted mail has to be answered with 250 and put into the queue"]
pub struct Accepted {
    mail: Arc<QueuedMail>,
}

impl Accepted {
    pub fn mail(&self) -> &Arc<QueuedMail> {
        &self.mail
    }
}

/// Durable, but nobody was told: dropped, it is taken back.
struct Held {
    mail: Arc<QueuedMail>,
    receipt: Receipt,
    copy: Option<(TakeBack, Arc<dyn Companion>)>,
}

impl Held {
    fn taken(self, spool: &Spool) -> Accepted {
        self.receipt.taken();
        if let Some((take_back, companion)) = self.copy {
            take_back.accepted();
            companion.accepted(self.mail.id, spool.position());
        }
        Accepted { mail: self.mail }
    }
}

/// Cheap to clone; all clones are one spool. When the last is dropped, what was noted is written and the spool closed.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    quarantine: Quarantine,
    _life: Arc<Life>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

/// The threads behind a spool, and the lock against a second process.
struct Life {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: File,
}

impl Drop for Life {
    fn drop(&mut self) {
        // The keeper may wait for the committer, so it ends first.
        self.shared.bell.stop();
        let mut threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads.drain(..) {
            let _ = thread.join();
            self.shared.queue.stop();
        }
    }
}

impl Spool {
    /// Opens or makes the spool under `dir`, cuts torn tails, and returns every mail that is not done, oldest first.
    /// What was found is in [`Spool::recovery`].
    pub fn open(dir: PathBuf, settings: SpoolSettings) -> Result<(Self, Vec<QueuedMail>), SpoolError> {
        let bodies = dir.join("bodies");
        std::fs::create_dir_all(&bodies).map_err(io_error("cannot make the directory", &bodies))?;
        let lock = lock(&dir)?;
        sync_dir(&dir)?;
        let quarantine =
            Quarantine::open(dir.join("quarantine")).map_err(|e| SpoolError::Stopped(format!("its quarantine cannot be opened: {e}")))?;
        let mut found = recover::recover(&dir, &bodies)?;
        let (jottings, jotted) = Jottings::open(&dir)?;
        let last_note = found.noted.values().copied().chain(jotted.last().map(|j| j.number)).max().unwrap_or(0);
        let jotted = jottings::replay(jotted, found.noted, &mut found.mails);
        found.report.jotted = jotted.len() as u64;
        for damage in &found.report.damage {
            tracing::error!("the spool was damaged: {damage}");
        }
        let segment_size = settings.segment_size.clamp(MIN_SEGMENT, MAX_SEGMENT).next_multiple_of(4096);
        let shared = Arc::new(Shared {
            bodies: bodies.into(),
            instance: rand::random(),
            segment_size,
            // A segment of few large bodies wastes its end, and its rest is dear to move.
            inline_limit: settings.inline_body.min(segment_size / 4),
            group_commit: settings.group_commit.0,
            budget: Arc::default(),
            space: Space::new(dir.clone(), settings.reserve),
            index: Mutex::new(found.index),
            queue: Queue::new(last_note),
            jottings,
            bell: keeper::Bell::default(),
            supply: Mutex::new(Supply { ready: None, next_number: found.next_number, spares: found.spares }),
            recovery: found.report,
            trouble: Trouble::default(),
            dir,
        });
        let mut committer = Committer::new(Arc::clone(&shared), found.last_batch);
        committer.start(jotted)?;
        let keeper = Arc::clone(&shared);
        let threads = vec![
            spawn("spool-keeper", &shared.dir, move || keeper::run(&keeper))?,
            spawn("spool-commit", &shared.dir, move || committer.run())?,
        ];
        let life = Life { shared: Arc::clone(&shared), threads: Mutex::new(threads), _lock: lock };
        Ok((Self { shared, quarantine, _life: Arc::new(life) }, found.mails))
    }

    /// What opening found: torn tails, damage, orphans.
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }

    /// How far what was written since the opening is on disk; zero before the first batch.
    pub fn position(&self) -> Position {
        self.shared.index.lock().position
    }

    /// Starts a body. Fails when less than the reserve is free, or the disk refuses.
    pub fn body(&self) -> Result<BodyWriter, SpoolError> {
        self.ready()?;
        Ok(BodyWriter::new(
            Arc::clone(&self.shared.bodies),
            self.shared.instance,
            self.shared.inline_limit,
            Arc::clone(&self.shared.budget),
        ))
    }

    /// Makes mail and body durable; returns after the sync that covers them. `size` and `hash` of the mail are set from
    /// the body. When the future is dropped before it is ready, the mail is not in the spool, or soon is not any more.
    /// With a companion the mail is durable there, too, or the companion said that it may be accepted without.
    pub async fn accept(&self, mail: QueuedMail, body: Body) -> Result<Accepted, SpoolError> {
        Ok(self.hold(mail, body).await?.taken(self))
    }

    /// [`Spool::accept`] for mails with the same content: all of them or none. What is durable of them when the process ends before
    /// all are, was never answered with 250: its sender comes again, and a recipient may get it twice.
    pub async fn accept_all(&self, mails: Vec<QueuedMail>, body: Body) -> Result<Vec<Accepted>, SpoolError> {
        let mut jobs = Vec::with_capacity(mails.len());
        let mut mails = mails.into_iter();
        let last = mails.next_back();
        for mail in mails {
            jobs.push((mail, body.twin(&self.shared.bodies)?));
        }
        jobs.extend(last.map(|mail| (mail, body)));
        let held = futures_util::future::try_join_all(jobs.into_iter().map(|(mail, body)| self.hold(mail, body))).await?;
        Ok(held.into_iter().map(|held| held.taken(self)).collect())
    }

    /// Makes mail and body durable, and takes them back unless they are taken.
    async fn hold(&self, mut mail: QueuedMail, body: Body) -> Result<Held, SpoolError> {
        self.ready()?;
        if body.spool != self.shared.instance {
            return Err(SpoolError::Stopped("the body belongs to a spool that was closed".to_owned()));
        }
        let id = mail.id;
        mail.size = body.size();
        mail.hash = body.hash();
        let mail = Arc::new(mail);
        let Some(companion) = self.quarantine.companion.get() else {
            let receipt = self.store(&mail, body).await?;
            return Ok(Held { mail, receipt, copy: None });
        };
        if self.contains(id) {
            // Its copy is not ours to take back.
            return Err(SpoolError::Duplicate(id));
        }
        let take_back = TakeBack::new(Arc::clone(&companion), id);
        let copying = companion.copy(Arc::clone(&mail), body.shared());
        let (stored, copied) = tokio::join!(self.store(&mail, body), copying);
        let receipt = stored?;
        if copied == CopyOutcome::Defer {
            return Err(SpoolError::NoCopy);
        }
        Ok(Held { mail, receipt, copy: Some((take_back, companion)) })
    }

    async fn store(&self, mail: &QueuedMail, body: Body) -> Result<Receipt, SpoolError> {
        let id = mail.id;
        let meta = keeper::encode_mail(mail)?;
        let (body, body_sum) = if body.is_external() {
            let shared = Arc::clone(&self.shared);
            let stored = tokio::task::spawn_blocking(move || body.into_payload(&shared, id)).await;
            (stored.map_err(|e| SpoolError::Stopped(format!("storing a body ended early: {e}")))??, 0)
        } else {
            let sum = crc32c::crc32c(body.bytes());
            (Payload::Inline(body), sum)
        };
        let (waiter, done) = oneshot::channel();
        self.shared.queue.push(Job { kind: Kind::Mail, id, meta, body, body_sum, note: 0, answer: Answer::Mail(waiter) });
        done.await.map_err(|_| Failure::closed().error())?.map_err(|f| f.error())
    }

    /// From now on every accepted mail is copied to `companion`, and every change is told to it.
    pub fn set_companion(&self, companion: Arc<dyn Companion>) {
        self.quarantine.companion.set(companion);
    }

    /// Waits until all that was noted before is on disk.
    pub async fn settle(&self) -> Result<(), SpoolError> {
        let (waiter, done) = oneshot::channel();
        let (id, answer) = (MailId::from_bytes([0; 16]), Answer::Change(waiter));
        self.shared.queue.push(Job::change(id, Kind::Cut, Vec::new(), answer));
        done.await.map_err(|_| Failure::closed().error())?.map_err(|f| f.error())
    }

    /// The body of a live mail, verified against its hash. Reads the disk.
    pub fn read(&self, id: MailId) -> Result<StoredBody, SpoolError> {
        self.shared.read(id)
    }

    /// A live mail as it stands, from disk.
    pub fn mail(&self, id: MailId) -> Result<QueuedMail, SpoolError> {
        self.shared.mail(id)
    }

    pub fn contains(&self, id: MailId) -> bool {
        self.shared.index.lock().mails.contains_key(&id)
    }

    /// Ids of all live mails, oldest first.
    pub fn ids(&self) -> Vec<MailId> {
        let mut ids: Vec<MailId> = self.shared.index.lock().mails.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Appends a change and waits for its sync (operators' commands).
    pub async fn record(&self, id: MailId, change: QueueChange) -> Result<(), SpoolError> {
        self.write(id, &change).await?;
        self.quarantine.companion.tell(|c| c.changed(id, &change));
        Ok(())
    }

    async fn write(&self, id: MailId, change: &QueueChange) -> Result<(), SpoolError> {
        self.shared.trouble.check()?;
        if !self.contains(id) {
            return Err(SpoolError::Unknown(id));
        }
        let (kind, meta) = encode_change(id, change)?;
        let (waiter, done) = oneshot::channel();
        self.shared.queue.push(Job::change(id, kind, meta, Answer::Change(waiter)));
        done.await.map_err(|_| Failure::closed().error())?.map_err(|f| f.error())
    }

    /// Appends a change without waiting: losing it in a power cut means at most a repeated attempt or delivery. It survives the end
    /// of this process at once ([`jottings`]), and is on disk with the next batch, at the latest after 100 ms; when the disk
    /// refuses, as soon as it does not.
    pub fn note(&self, id: MailId, change: QueueChange) -> Result<(), SpoolError> {
        if !self.contains(id) {
            return Err(SpoolError::Unknown(id));
        }
        let (kind, meta) = encode_change(id, &change)?;
        let number = self.shared.queue.push_note(Job::note(id, kind, meta.clone()));
        if let Some(number) = number {
            self.shared.jottings.jot(number, id, &meta);
        }
        self.quarantine.companion.tell(|c| c.changed(id, &change));
        if number.is_none() {
            self.shared.trouble.check()?;
            return Err(SpoolError::Stopped("too many changes wait for the disk".to_owned()));
        }
        Ok(())
    }

    /// Moves a mail into the quarantine store: durable there first, then done here. A crash in between leaves it in
    /// both places; doing it again is right then.
    pub async fn quarantine_move(&self, id: MailId) -> Result<QueuedMail, SpoolError> {
        let (shared, quarantine) = (Arc::clone(&self.shared), self.quarantine.clone());
        let stored = tokio::task::spawn_blocking(move || {
            let (mail, body) = (shared.mail(id)?, shared.read(id)?);
            match quarantine.put(&mail, body.bytes()) {
                Ok(()) => Ok(mail),
                Err(QuarantineError::Io { what, path, source }) => Err(io_error(what, &path)(source)),
                Err(other) => Err(SpoolError::Stopped(other.to_string())),
            }
        });
        let mail = stored.await.map_err(|e| SpoolError::Stopped(format!("the quarantine ended early: {e}")))??;
        self.quarantine.companion.tell(|c| c.quarantined(id));
        self.write(id, &QueueChange::Done).await?;
        Ok(mail)
    }

    /// The store of quarantined mails.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Figures for metrics; looks at every live mail.
    pub fn usage(&self) -> Usage {
        self.shared.index.lock().usage()
    }

    /// Whether new mail would be taken now.
    pub fn ready(&self) -> Result<(), SpoolError> {
        self.shared.trouble.check()?;
        self.shared.space.check()
    }
}

fn encode_change(id: MailId, change: &QueueChange) -> Result<(Kind, Vec<u8>), SpoolError> {
    if *change == QueueChange::Done {
        return Ok((Kind::Done, Vec::new()));
    }
    let meta = postcard::to_stdvec(change).map_err(|e| SpoolError::Io {
        what: "cannot encode a change of",
        path: id.to_string().into(),
        source: std::io::Error::other(e),
    })?;
    Ok((Kind::Change, meta))
}

fn lock(dir: &Path) -> Result<File, SpoolError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(io_error("cannot make the lock file", &path))?;
    file.try_lock().map_err(|e| SpoolError::Io { what: "another process has the spool open; its lock file is", path, source: e.into() })?;
    Ok(file)
}

fn spawn(name: &str, dir: &Path, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, SpoolError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(io_error("cannot start a thread for", dir))
}
