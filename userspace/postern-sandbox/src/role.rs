//! The role `sandbox`: starts a cell for each attachment that the node encloses in a request, so many at a time, and answers with the
//! cell's report. It has no right to anything: no file of the node, no network, no other role's socket.
//!
//! One connection is one request: a line ([`SandboxRequest`]), with what is to be taken apart enclosed as a descriptor (SCM_RIGHTS), and
//! one reply. Whoever hangs up before it does not want it any more, and its cell ends.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use postern_model::sandbox::{MAX_REQUEST, Places, SandboxReply, SandboxRequest, SandboxStatus};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};

use crate::cell::{Admission, Cells};
use crate::job::Job;

/// For the log, and in errors.
const NAME: &str = "sandbox";
/// Connections served side by side: those that wait for a cell are among them, up to the largest number the settings take.
const CONNECTIONS: usize = 10_100;
/// A request is one line: it is there at once, or its sender hangs. The same holds for taking the reply.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Octets beyond a request that are read, to be thrown away.
const DRAINED: u64 = 1 << 20;

/// What the role knows of itself.
struct Shared {
    cells: Cells,
    patience: Duration,
    admission: Admission,
    opened: AtomicU64,
    busy: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    abandoned: AtomicU64,
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
    let cells = Cells::new(worker);
    match cells.run(&Job::default(), b"").await {
        Ok(_) => tracing::info!("the sandbox serves: a cell could be had"),
        // It may be allowed later; until then each request is told the same.
        Err(e) => tracing::error!("no cell can be had, and no attachment taken apart: {e} (docs/how-to/sandbox.md)"),
    }
    let shared = Arc::new(Shared {
        cells,
        patience,
        admission: Admission::default(),
        opened: AtomicU64::default(),
        busy: AtomicU64::default(),
        failed: AtomicU64::default(),
        refused: AtomicU64::default(),
        abandoned: AtomicU64::default(),
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
            Ok(Received { request: SandboxRequest::Open { places }, mut enclosed }) => match (enclosed.pop(), enclosed.is_empty()) {
                (Some(only), true) => {
                    tokio::select! {
                        reply = self.open(places, File::from(only)) => reply,
                        () = hung_up(&stream) => {
                            self.abandoned.fetch_add(1, Ordering::Relaxed);
                            return Ok(());
                        }
                    }
                }
                (None, _) => refused("nothing is enclosed: one sealed memfd is"),
                (Some(_), false) => refused("more than one descriptor is enclosed"),
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

    async fn open(&self, places: Places, sealed: File) -> SandboxReply {
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
        match self.cells.run_sealed(&job, &sealed).await {
            Ok(report) => {
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
        }
    }
}

fn refused(why: &str) -> SandboxReply {
    SandboxReply::Refused { why: why.to_owned() }
}

struct Received {
    request: SandboxRequest,
    enclosed: Vec<OwnedFd>,
}

/// One line and what came with it; an error is what its sender is told.
async fn receive(stream: &UnixStream) -> Result<Received, String> {
    let (mut line, mut enclosed) = (Vec::new(), Vec::new());
    loop {
        let got = stream.async_io(Interest::READABLE, || receive_some(stream, &mut line, &mut enclosed)).await;
        if got.map_err(|e| format!("the request cannot be read: {e}"))? == 0 {
            return Err("the request has no end: it is one line".to_owned());
        }
        match line.iter().position(|b| *b == b'\n') {
            Some(at) if at + 1 == line.len() => break,
            Some(_) => return Err("more than one line: a connection is one request".to_owned()),
            None if line.len() >= MAX_REQUEST => return Err(format!("the request is longer than {MAX_REQUEST} octets")),
            None => {}
        }
    }
    let request = serde_json::from_slice(&line).map_err(|e| format!("no request: {e}"))?;
    Ok(Received { request, enclosed })
}

/// One recvmsg(2). Room is for two descriptors, so that one too many is seen; what is beyond that the kernel closes.
fn receive_some(stream: &UnixStream, line: &mut Vec<u8>, enclosed: &mut Vec<OwnedFd>) -> io::Result<usize> {
    use std::os::fd::FromRawFd;

    let mut buffer = [0; MAX_REQUEST];
    let mut room = nix::cmsg_space!([std::os::fd::RawFd; 2]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let octets = message.bytes;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel made them for this process with this message, and nobody else knows them.
            enclosed.extend(descriptors.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    line.extend_from_slice(buffer.get(..octets).unwrap_or_default());
    Ok(octets)
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
