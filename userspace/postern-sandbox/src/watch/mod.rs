//! The kernel's watch over cells: what edge's programs saw in a cell's cgroup, asked for by a connection that can do nothing else.
//!
//! It is a second witness. The tracer of a native cell ([`crate::native`]) reads what a call names from memory that its program may change; the
//! kernel says what it took. A cell for reading has no tracer: whatever is seen there, its content took it over.
//!
//! The role has no right to ask edge for anything: the node hands it the connection with the job. Without one the job is done as well, and its
//! report says so.

pub mod merge;

use std::fs;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use postern_control::enclosed;
use postern_model::watch::{MAX_WATCH_REPLY, Sighting, WatchReply, WatchRequest};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long edge may take to begin: the first time it loads its programs.
const TO_BEGIN: Duration = Duration::from_secs(3);
/// And to tell what was seen.
const TO_END: Duration = Duration::from_secs(3);

/// Who watches the cells of a job.
#[derive(Clone, Debug)]
pub enum Watch {
    By(Watcher),
    /// And why.
    Nobody(String),
}

/// A connection to edge; `None` when it is of no use any more.
#[derive(Clone, Debug)]
pub struct Watcher(Arc<Mutex<Option<BufReader<UnixStream>>>>);

/// A cell is watched for as long as this is held.
pub struct Watching {
    connection: OwnedMutexGuard<Option<BufReader<UnixStream>>>,
    partly: Option<String>,
}

/// What was seen in a cell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub sightings: Vec<Sighting>,
    pub lost: u64,
    /// What this kernel does not let be seen.
    pub partly: Option<String>,
}

impl Watch {
    /// By the edge whose socket this is.
    pub async fn of(socket: &Path) -> Self {
        match UnixStream::connect(socket).await {
            Ok(stream) => Self::By(Watcher::new(stream)),
            Err(e) => Self::Nobody(format!("the role edge does not answer: {e}")),
        }
    }

    /// By a connection that somebody handed over.
    #[must_use]
    pub fn handed_over(connection: OwnedFd) -> Self {
        let stream = std::os::unix::net::UnixStream::from(connection);
        match stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)) {
            Ok(stream) => Self::By(Watcher::new(stream)),
            Err(e) => Self::Nobody(format!("what was handed over is no connection to edge: {e}")),
        }
    }

    pub(crate) async fn begin(&self, cgroup: BorrowedFd<'_>, is_strict: bool) -> Result<Watching, String> {
        match self {
            Self::By(watcher) => watcher.begin(cgroup, is_strict).await,
            Self::Nobody(why) => Err(why.clone()),
        }
    }
}

impl Watcher {
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self(Arc::new(Mutex::new(Some(BufReader::new(stream)))))
    }

    async fn begin(&self, cgroup: BorrowedFd<'_>, is_strict: bool) -> Result<Watching, String> {
        let filters = own_filters().map_err(|e| format!("how many filters this role is behind is not to be read: {e}"))?;
        let mut connection = Arc::clone(&self.0).lock_owned().await;
        match asked(&mut connection, &WatchRequest::Begin { filters, is_strict }, Some(cgroup), TO_BEGIN).await? {
            WatchReply::Watching { partly } => Ok(Watching { connection, partly }),
            WatchReply::Refused { why } => Err(why),
            WatchReply::Seen { .. } => Err("edge answers something else than was asked".to_owned()),
        }
    }
}

impl Watching {
    /// All that was seen. To be called when no process of the cell is left.
    pub(crate) async fn end(mut self) -> Result<Seen, String> {
        match asked(&mut self.connection, &WatchRequest::End, None, TO_END).await? {
            WatchReply::Seen { sightings, lost } => Ok(Seen { sightings, lost, partly: self.partly }),
            WatchReply::Refused { why } => Err(why),
            WatchReply::Watching { .. } => Err("edge answers something else than was asked".to_owned()),
        }
    }
}

/// One line and its answer. A connection that failed is never used again: what it says next could be the answer to this.
async fn asked(
    connection: &mut Option<BufReader<UnixStream>>,
    request: &WatchRequest,
    cgroup: Option<BorrowedFd<'_>>,
    patience: Duration,
) -> Result<WatchReply, String> {
    let Some(mut stream) = connection.take() else { return Err("the role edge does not answer any more".to_owned()) };
    match tokio::time::timeout(patience, converse(&mut stream, request, cgroup)).await {
        Ok(Ok(reply)) => {
            *connection = Some(stream);
            Ok(reply)
        }
        Ok(Err(e)) => Err(format!("the role edge does not answer: {e}")),
        Err(_) => Err(format!("the role edge did not answer within {} s", patience.as_secs())),
    }
}

async fn converse(stream: &mut BufReader<UnixStream>, request: &WatchRequest, cgroup: Option<BorrowedFd<'_>>) -> io::Result<WatchReply> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    enclosed::send(stream.get_ref(), &line, cgroup.as_slice()).await?;
    line.clear();
    if stream.take(MAX_WATCH_REPLY).read_until(b'\n', &mut line).await? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Filters of system calls that this process is behind: its unit's.
fn own_filters() -> io::Result<u32> {
    let status = fs::read_to_string("/proc/self/status")?;
    let count = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:")).map(str::trim);
    count.and_then(|count| count.parse().ok()).ok_or_else(|| io::Error::other("the kernel does not say"))
}
