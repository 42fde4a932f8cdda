//! The role `sandbox`: starts a cell for each attachment that the node encloses in a request, so many at a time, and answers with the
//! cell's report. It has no right to anything: no file of the node, no network, no other role's socket.
//!
//! One connection is one request: a line ([`SandboxRequest`]), with what is to be taken apart enclosed as a descriptor (SCM_RIGHTS), and
//! one reply. Whoever hangs up before it does not want it any more, and its cell ends. YARA rules are sent in the same way before the first
//! request that names them. With a job the node may enclose a connection to edge, too: the only way by which this role comes to one.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use postern_control::enclosed::{self, LineError};
use postern_model::sandbox::{
    CgroupStatus, MAX_REQUEST, Places, RulesId, RulesReport, SandboxReply, SandboxRequest, SandboxStatus, Watched,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::cell::cgroup::Cgroups;
use crate::cell::{Admission, Cells, Rules};
use crate::job::Job;
use crate::watch::Watch;
use crate::yara;

/// For the log, and in errors.
const NAME: &str = "sandbox";
/// Connections served side by side: those that wait for a cell are among them, up to the largest number the settings take.
const CONNECTIONS: usize = 10_100;
/// A request is one line: it is there at once, or its sender hangs. The same holds for taking the reply.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Sets of YARA rules that are kept ready: the one in force, and the one before it, which mails began with.
const SETS: usize = 2;
/// Octets beyond a request that are read, to be thrown away.
const DRAINED: u64 = 1 << 20;

/// What the role knows of itself.
struct Shared {
    cells: Cells,
    patience: Duration,
    admission: Admission,
    /// The newest last.
    rules: Mutex<Vec<(Arc<Rules>, RulesReport)>>,
    sent_last: Mutex<Option<RulesReport>>,
    /// One set after the other is compiled.
    compiling: tokio::sync::Mutex<()>,
    opened: AtomicU64,
    busy: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
    watched: AtomicU64,
    unwatched: AtomicU64,
    unwatched_because: Mutex<Option<String>>,
}

/// Opens the socket in `path` for its owner and group.
///
/// # Errors
/// When it cannot be made, or somebody serves there.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    postern_control::listen(path, NAME)
}

/// Serves for as long as it is polled. `worker`: the program `postern-cell`; `patience`: with clients ([`PATIENCE`]). Who may ask, the
/// socket's file says.
pub async fn serve(listener: UnixListener, worker: PathBuf, patience: Duration) {
    match Cgroups::status() {
        CgroupStatus { without: Some(why), .. } => {
            tracing::warn!("cells have no cgroup of their own, and what a process may have is limited for each alone: {why}");
        }
        CgroupStatus { bounded, .. } if bounded.is_empty() => {
            tracing::warn!("each cell has a cgroup, and none bounds it: no controllers are handed on here (Delegate=)");
        }
        CgroupStatus { bounded, .. } => tracing::info!(bounded = bounded.join(", "), "each cell has a cgroup of its own"),
    }
    match crate::native::office::missing().as_slice() {
        [] => tracing::info!("documents are opened: the office pack is here"),
        missing => tracing::info!("documents are not opened: {} is not on this machine (docs/how-to/sandbox.md)", missing.join(" and ")),
    }
    let cells = Cells::new(worker);
    match cells.run(&Job::default(), b"", None).await {
        Ok(_) => tracing::info!("the sandbox serves: a cell could be had"),
        // It may be allowed later; until then each request is told the same.
        Err(e) => tracing::error!("no cell can be had, and no attachment taken apart: {e} (docs/how-to/sandbox.md)"),
    }
    let shared = Arc::new(Shared {
        cells,
        patience,
        admission: Admission::default(),
        rules: Mutex::default(),
        sent_last: Mutex::default(),
        compiling: tokio::sync::Mutex::default(),
        opened: AtomicU64::default(),
        busy: AtomicU64::default(),
        failed: AtomicU64::default(),
        refused: AtomicU64::default(),
        abandoned: AtomicU64::default(),
        watched: AtomicU64::default(),
        unwatched: AtomicU64::default(),
        unwatched_because: Mutex::default(),
    });
    let converse = move |stream| {
        let shared = Arc::clone(&shared);
        async move { shared.converse(stream).await }
    };
    postern_control::each(listener, NAME, CONNECTIONS, converse).await;
}

impl Shared {
    async fn converse(&self, stream: UnixStream) -> io::Result<()> {
        let late = |_| Err(format!("no whole request within {:?}", self.patience));
        let asked = tokio::time::timeout(self.patience, receive(&stream)).await.unwrap_or_else(late);
        let reply = match asked {
            Ok(Received { request: SandboxRequest::Status, .. }) => SandboxReply::Status { status: self.status() },
            Ok(Received { request, enclosed }) => match Enclosed::of(&request, enclosed) {
                Ok(enclosed) => {
                    tokio::select! {
                        reply = self.work(request, enclosed) => reply,
                        () = hung_up(&stream) => {
                            self.abandoned.fetch_add(1, Ordering::Relaxed);
                            return Ok(());
                        }
                    }
                }
                Err(why) => refused(why),
            },
            Err(why) => refused(&why),
        };
        if let SandboxReply::Refused { why } = &reply {
            self.refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(why, "a request was refused");
        }
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        let said = async {
            let mut stream = stream;
            stream.write_all(&answer).await?;
            stream.shutdown().await?;
            // What was sent and not read would take the reply with it when the socket closes: the other end gets ECONNRESET.
            tokio::io::copy(&mut stream.take(DRAINED), &mut tokio::io::sink()).await
        };
        match tokio::time::timeout(self.patience, said).await {
            Ok(said) => said.map(drop),
            Err(_) => Err(io::Error::other("its client takes no reply, or does not hang up")),
        }
    }

    async fn work(&self, request: SandboxRequest, enclosed: Enclosed) -> SandboxReply {
        match request {
            SandboxRequest::Open { places, rules, .. } => self.open(places, rules, enclosed).await,
            SandboxRequest::Rules => self.make_ready(&enclosed.sealed).await,
            SandboxRequest::TryRules => {
                let _one = self.compiling.lock().await;
                match self.compile(&enclosed.sealed).await {
                    Ok((_, report)) => SandboxReply::Rules { report },
                    Err(reply) => reply,
                }
            }
            SandboxRequest::Status => SandboxReply::Status { status: self.status() },
        }
    }

    /// Compiles the rules, if they are not ready, and keeps them when they can be used.
    async fn make_ready(&self, sealed: &File) -> SandboxReply {
        // Until they are kept: whoever waits for the same set finds it then.
        let _one = self.compiling.lock().await;
        let (rules, report) = match self.compile(sealed).await {
            Ok(compiled) => compiled,
            Err(reply) => return reply,
        };
        *self.sent_last.lock() = Some(report.clone());
        if let Some(rules) = rules {
            tracing::info!(ours = report.ours, theirs = report.theirs, "YARA rules are ready");
            let mut sets = self.rules.lock();
            sets.push((Arc::new(rules), report.clone()));
            let over = sets.len().saturating_sub(SETS);
            sets.drain(..over);
        }
        SandboxReply::Rules { report }
    }

    /// What came of rules; nothing compiled when there are errors in them, or they are ready already. To be called while `compiling` is held.
    async fn compile(&self, sealed: &File) -> Result<(Option<Rules>, RulesReport), SandboxReply> {
        Job::order_of(sealed).map_err(|why| refused(&why.to_string()))?;
        let content = Job::content(sealed).map_err(|why| refused(&why.to_string()))?;
        if let Some((_, report)) = self.ready(yara::id_of(&content)) {
            return Ok((None, report));
        }
        self.cells.compile_sealed(sealed).await.map_err(|why| {
            tracing::error!("YARA rules are not ready: {why}");
            SandboxReply::Failed { why: why.to_string() }
        })
    }

    fn ready(&self, id: RulesId) -> Option<(Arc<Rules>, RulesReport)> {
        self.rules.lock().iter().find(|(_, report)| report.id == id).cloned()
    }

    async fn open(&self, places: Places, rules: Option<RulesId>, Enclosed { sealed, watch }: Enclosed) -> SandboxReply {
        let rules = match rules.map(|id| self.ready(id)) {
            None => None,
            Some(Some((rules, _))) => Some(rules),
            Some(None) => return SandboxReply::UnknownRules,
        };
        let job = match Job::order_of(&sealed) {
            Ok(job) => job,
            Err(why) => return refused(&why.to_string()),
        };
        let _place = match self.admission.enter(places).await {
            Ok(place) => place,
            Err(busy) => {
                self.busy.fetch_add(1, Ordering::Relaxed);
                return SandboxReply::Busy { running: busy.running, waiting: busy.waiting };
            }
        };
        match self.cells.watched(watch).run_sealed(&job, &sealed, rules.as_deref()).await {
            Ok(report) => {
                self.note_watch(&report.watch);
                self.opened.fetch_add(1, Ordering::Relaxed);
                SandboxReply::Report { report }
            }
            Err(why) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!("an attachment was not taken apart: {why}");
                SandboxReply::Failed { why: why.to_string() }
            }
        }
    }

    /// Said once until it is watched again, not for every job.
    fn note_watch(&self, watch: &Watched) {
        let mut before = self.unwatched_because.lock();
        match &watch.without {
            None => {
                self.watched.fetch_add(1, Ordering::Relaxed);
            }
            Some(why) => {
                self.unwatched.fetch_add(1, Ordering::Relaxed);
                if before.as_ref() != Some(why) {
                    tracing::warn!(why, "cells are not watched from the kernel");
                }
            }
        }
        if before.is_some() && watch.without.is_none() {
            tracing::info!("cells are watched from the kernel again");
        }
        before.clone_from(&watch.without);
    }

    fn status(&self) -> SandboxStatus {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SandboxStatus {
            running: self.admission.running(),
            waiting: self.admission.waiting(),
            opened: count(&self.opened),
            busy: count(&self.busy),
            failed: count(&self.failed),
            refused: count(&self.refused),
            abandoned: count(&self.abandoned),
            rules: self.sent_last.lock().clone(),
            cgroups: Cgroups::status(),
            watched: count(&self.watched),
            unwatched: count(&self.unwatched),
            unwatched_because: self.unwatched_because.lock().clone(),
        }
    }
}

fn refused(why: &str) -> SandboxReply {
    SandboxReply::Refused { why: why.to_owned() }
}

/// What came with a request.
struct Enclosed {
    sealed: File,
    watch: Watch,
}

impl Enclosed {
    fn of(request: &SandboxRequest, enclosed: Vec<OwnedFd>) -> Result<Self, &'static str> {
        let is_watched = matches!(request, SandboxRequest::Open { is_watched: true, .. });
        let mut enclosed = enclosed.into_iter();
        match (enclosed.next(), enclosed.next(), enclosed.next(), is_watched) {
            (Some(sealed), None, None, false) => {
                let why = "no connection to the role edge was handed over: it is not there";
                Ok(Self { sealed: File::from(sealed), watch: Watch::Nobody(why.to_owned()) })
            }
            (Some(sealed), Some(edge), None, true) => Ok(Self { sealed: File::from(sealed), watch: Watch::handed_over(edge) }),
            (None, ..) => Err("nothing is enclosed: one sealed memfd is"),
            (.., true) => Err("not two descriptors are enclosed: a sealed memfd and a connection to edge are"),
            (.., false) => Err("more than one descriptor is enclosed"),
        }
    }
}

struct Received {
    request: SandboxRequest,
    enclosed: Vec<OwnedFd>,
}

/// One line and what came with it; an error is what its sender is told.
async fn receive(stream: &UnixStream) -> Result<Received, String> {
    let line = enclosed::receive(stream, MAX_REQUEST).await.and_then(|line| line.ok_or(LineError::NoEnd)).map_err(|e| e.to_string())?;
    let request = serde_json::from_slice(&line.text).map_err(|e| format!("no request: {e}"))?;
    Ok(Received { request, enclosed: line.enclosed })
}

/// Resolves when the other end is gone, or says more than its one line.
async fn hung_up(stream: &UnixStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0]) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
