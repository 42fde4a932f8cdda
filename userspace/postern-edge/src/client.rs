//! The node's end of the socket to the role `edge`: bans are handed over and never waited for, questions are asked and answered.
//!
//! The edge may be away (not started, restarting, not permitted): bans wait in a bounded queue and go out when it is back,
//! questions fail at once. The last settings applied are sent again on each new connection.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use parking_lot::Mutex;
use postern_model::control::{Ban, EdgeReply, EdgeRequest, EdgeStatus, MAX_LINE, Sample, Trace, TraceQuestion};
use postern_model::settings::edge::EdgeSettings;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};

/// Bans that wait for an edge that is away, at most: the newest stay.
const MAX_WAITING: usize = 65_536;
/// Bans in one request: some 300 octets each stay far below the longest line.
const BATCH: usize = 1000;
/// Questions under way at most.
const MAX_QUESTIONS: usize = 64;
/// Longest wait for a reply; attaching to many interfaces takes a while.
const PATIENCE: Duration = Duration::from_secs(10);
/// Waits between tries to connect.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum EdgeClientError {
    #[error("edge does not answer on its socket; is the role running?")]
    Away,
    #[error("edge refused: {0}")]
    Refused(String),
    #[error("edge answered something else than was asked")]
    Unexpected,
}

/// A handle; clones share the connection.
#[derive(Clone, Debug)]
pub struct EdgeClient {
    shared: Arc<Shared>,
    questions: mpsc::Sender<Question>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<VecDeque<Ban>>,
    settings: Mutex<Option<Box<EdgeSettings>>>,
    wake: Notify,
    connected: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Question {
    request: EdgeRequest,
    reply: oneshot::Sender<EdgeReply>,
}

impl EdgeClient {
    /// Starts the task that keeps the connection; it ends when the last handle is dropped. Needs a tokio runtime.
    pub fn start(socket: impl Into<PathBuf>) -> Self {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            settings: Mutex::default(),
            wake: Notify::new(),
            connected: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        });
        let (questions, asked) = mpsc::channel(MAX_QUESTIONS);
        tokio::spawn(keep(socket.into(), Arc::clone(&shared), asked));
        Self { shared, questions }
    }

    /// Hands a ban over and returns at once.
    pub fn ban(&self, ban: Ban) {
        let mut waiting = self.shared.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            waiting.pop_front();
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting.push_back(ban);
        drop(waiting);
        self.shared.wake.notify_one();
    }

    /// Hands settings over and returns at once; they are sent again whenever edge comes back.
    pub fn apply(&self, settings: EdgeSettings) {
        *self.shared.settings.lock() = Some(Box::new(settings.clone()));
        let (reply, _) = oneshot::channel();
        // Not connected or busy: they go out with the next connection.
        let _ = self.questions.try_send(Question { request: EdgeRequest::Apply { settings: Box::new(settings) }, reply });
    }

    pub fn is_connected(&self) -> bool {
        self.shared.connected.load(Ordering::Acquire)
    }

    /// Bans that were lost because edge was away for too long.
    pub fn bans_dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Asks and waits for the reply.
    ///
    /// # Errors
    /// [`EdgeClientError::Away`] at once when edge is not there, or after ten seconds of silence.
    pub async fn ask(&self, request: EdgeRequest) -> Result<EdgeReply, EdgeClientError> {
        if !self.is_connected() {
            return Err(EdgeClientError::Away);
        }
        let (reply, answer) = oneshot::channel();
        let exchange = async {
            self.questions.send(Question { request, reply }).await.map_err(|_| EdgeClientError::Away)?;
            answer.await.map_err(|_| EdgeClientError::Away)
        };
        match tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| EdgeClientError::Away)?? {
            EdgeReply::Refused { why } => Err(EdgeClientError::Refused(why)),
            reply => Ok(reply),
        }
    }

    /// # Errors
    /// As [`EdgeClient::ask`].
    pub async fn status(&self) -> Result<EdgeStatus, EdgeClientError> {
        match self.ask(EdgeRequest::Status).await? {
            EdgeReply::Status { status } => Ok(*status),
            _ => Err(EdgeClientError::Unexpected),
        }
    }

    /// The bans in force, newest first.
    ///
    /// # Errors
    /// As [`EdgeClient::ask`].
    pub async fn bans(&self, limit: usize) -> Result<Vec<Ban>, EdgeClientError> {
        match self.ask(EdgeRequest::Bans { limit }).await? {
            EdgeReply::Bans { bans } => Ok(bans),
            _ => Err(EdgeClientError::Unexpected),
        }
    }

    /// Bans and waits until it is in force.
    ///
    /// # Errors
    /// As [`EdgeClient::ask`]; refused for what is on the allow list.
    pub async fn ban_now(&self, ban: Ban) -> Result<(), EdgeClientError> {
        self.done(EdgeRequest::Ban { bans: vec![ban] }).await
    }

    /// # Errors
    /// As [`EdgeClient::ask`].
    pub async fn unban(&self, networks: Vec<IpNet>) -> Result<(), EdgeClientError> {
        self.done(EdgeRequest::Unban { networks }).await
    }

    /// # Errors
    /// As [`EdgeClient::ask`].
    pub async fn reload_feeds(&self) -> Result<(), EdgeClientError> {
        self.done(EdgeRequest::ReloadFeeds).await
    }

    /// The newest samples of dropped packets.
    ///
    /// # Errors
    /// As [`EdgeClient::ask`].
    pub async fn samples(&self, limit: usize) -> Result<Vec<Sample>, EdgeClientError> {
        match self.ask(EdgeRequest::Samples { limit }).await? {
            EdgeReply::Samples { samples } => Ok(samples),
            _ => Err(EdgeClientError::Unexpected),
        }
    }

    /// What would happen to a packet, and why.
    ///
    /// # Errors
    /// As [`EdgeClient::ask`].
    pub async fn trace(&self, asked: TraceQuestion) -> Result<Trace, EdgeClientError> {
        match self.ask(EdgeRequest::Trace(asked)).await? {
            EdgeReply::Trace { trace } => Ok(trace),
            _ => Err(EdgeClientError::Unexpected),
        }
    }

    async fn done(&self, request: EdgeRequest) -> Result<(), EdgeClientError> {
        match self.ask(request).await? {
            EdgeReply::Done => Ok(()),
            _ => Err(EdgeClientError::Unexpected),
        }
    }
}

async fn keep(socket: PathBuf, shared: Arc<Shared>, mut asked: mpsc::Receiver<Question>) {
    let mut wait = FIRST_WAIT;
    loop {
        match Connection::open(&socket).await {
            Ok(connection) => {
                tracing::debug!(socket = %socket.display(), "edge is there");
                wait = FIRST_WAIT;
                let ended = connection.serve(&shared, &mut asked).await;
                shared.connected.store(false, Ordering::Release);
                match ended {
                    Ok(()) => return,
                    Err(e) => tracing::warn!(socket = %socket.display(), "edge is gone: {e}"),
                }
            }
            Err(e) => tracing::debug!(socket = %socket.display(), "edge is not there: {e}"),
        }
        // Questions that came meanwhile are not kept: who asked is told at once.
        loop {
            match asked.try_recv() {
                Ok(_) => {}
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

struct Connection {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

impl Connection {
    async fn open(socket: &Path) -> io::Result<Self> {
        let (from, to) = UnixStream::connect(socket).await?.into_split();
        Ok(Self { from: BufReader::new(from), to })
    }

    /// Serves until the last handle is dropped (`Ok`) or the connection ends.
    async fn serve(mut self, shared: &Shared, asked: &mut mpsc::Receiver<Question>) -> io::Result<()> {
        let settings = shared.settings.lock().clone();
        if let Some(settings) = settings
            && let EdgeReply::Refused { why } = self.exchange(&EdgeRequest::Apply { settings }).await?
        {
            tracing::error!("edge refuses the settings: {why}");
        }
        shared.connected.store(true, Ordering::Release);
        loop {
            self.send_bans(shared).await?;
            tokio::select! {
                () = shared.wake.notified() => {}
                question = asked.recv() => {
                    let Some(question) = question else { return Ok(()) };
                    let reply = self.exchange(&question.request).await?;
                    if let (EdgeReply::Refused { why }, EdgeRequest::Apply { .. }) = (&reply, &question.request) {
                        tracing::error!("edge refuses the settings: {why}");
                    }
                    // Who asked may have stopped waiting.
                    let _ = question.reply.send(reply);
                }
                // Nothing is ever sent unasked: octets or an end here are the end.
                ended = self.from.fill_buf() => {
                    return Err(match ended {
                        Ok([]) => io::ErrorKind::UnexpectedEof.into(),
                        Ok(_) => io::Error::other("a reply to nothing"),
                        Err(e) => e,
                    });
                }
            }
        }
    }

    async fn send_bans(&mut self, shared: &Shared) -> io::Result<()> {
        loop {
            let (bans, lost_before): (Vec<Ban>, u64) = {
                let waiting = shared.waiting.lock();
                (waiting.iter().take(BATCH).cloned().collect(), shared.dropped.load(Ordering::Relaxed))
            };
            if bans.is_empty() {
                return Ok(());
            }
            let sent = bans.len();
            if let EdgeReply::Refused { why } = self.exchange(&EdgeRequest::Ban { bans }).await? {
                tracing::warn!("edge refuses a ban: {why}");
            }
            // Only what was answered is taken from the queue; a full queue may have lost its oldest, which were among those.
            let mut waiting = shared.waiting.lock();
            let lost = shared.dropped.load(Ordering::Relaxed) - lost_before;
            let done = sent.saturating_sub(usize::try_from(lost).unwrap_or(sent)).min(waiting.len());
            waiting.drain(..done);
        }
    }

    async fn exchange(&mut self, request: &EdgeRequest) -> io::Result<EdgeReply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            return Ok(EdgeReply::Refused { why: format!("the request is longer than {MAX_LINE} octets") });
        }
        let answer = async {
            self.to.write_all(&line).await?;
            let mut reply = Vec::new();
            (&mut self.from).take(MAX_REPLY).read_until(b'\n', &mut reply).await?;
            if reply.last() != Some(&b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(serde_json::from_slice(&reply)?)
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Longest reply taken: a list of a hundred thousand bans.
const MAX_REPLY: u64 = 64 << 20;
