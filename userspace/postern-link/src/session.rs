//! One connection with a member while it lasts: pings, streams that the peer opens, and why it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use iroh::endpoint::{ApplicationClose, Connection, ConnectionError, RecvStream, SendStream};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use postern_model::node::NodeId;

use crate::endpoint::{Closing, IDLE, KEEP_ALIVE, UNKNOWN_PURPOSE};
use crate::link::{Event, OpenError};
use crate::refusals::{Refusal, Refusals};
use crate::stream::{Purpose, Stream};

/// A stream begins with its purpose and the version spoken on it (little endian).
const HEADER: usize = 3;

/// A peer that opens a stream says at once what for.
const HEADER_WITHIN: Duration = Duration::from_secs(5);

/// How long we wait for the peer to let us open one more stream.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Pings are answered within this, or the peer is gone.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Octets on the first stream after the greetings. Others are of later versions, and passed over.
const PING: u8 = 1;
const PONG: u8 = 2;

/// The connection in use with a member.
#[derive(Clone)]
pub struct Session {
    pub node: NodeId,
    pub connection: Connection,
    pub version: u16,
}

/// Why a connection ended, in words.
pub fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::ApplicationClosed(ApplicationClose { reason, .. }) if !reason.is_empty() => {
            // The peer's words: what a terminal would obey is taken away, and they are short.
            let words: String = String::from_utf8_lossy(reason).chars().filter(|c| !c.is_control()).take(200).collect();
            format!("the peer closed it: {words}")
        }
        ConnectionError::TimedOut => format!("nothing heard for {} s", IDLE.as_secs()),
        other => other.to_string(),
    }
}

/// Whether the peer closed it for this.
pub fn closed_for(connection: &Connection, why: Closing) -> bool {
    matches!(connection.close_reason(), Some(ConnectionError::ApplicationClosed(close)) if close.error_code == why.code())
}

impl Session {
    /// Opens a stream to the peer.
    ///
    /// # Errors
    /// When the connection ends, or the peer lets no more streams be opened.
    pub async fn open(&self, purpose: Purpose) -> Result<Stream, OpenError> {
        let broken = |e: ConnectionError| OpenError::Broken { node: self.node, why: words(&e) };
        let opened = timeout(OPEN_WITHIN, self.connection.open_bi()).await.map_err(|_| OpenError::TooManyStreams { node: self.node })?;
        let (mut sender, receiver) = opened.map_err(broken)?;
        let [low, high] = self.version.to_le_bytes();
        let header = [purpose as u8, low, high];
        sender.write_all(&header).await.map_err(|e| OpenError::Broken { node: self.node, why: e.to_string() })?;
        Ok(Stream::new(receiver, sender))
    }

    /// Serves the connection to its end, and says why it ended.
    pub async fn serve(self, sender: SendStream, receiver: RecvStream, refusals: Arc<Refusals>, events: mpsc::Sender<Event>) -> String {
        let connection = self.connection.clone();
        tokio::select! {
            error = connection.closed() => words(&error),
            why = alive(sender, receiver) => {
                // When the connection ended, so did the stream; the former says why.
                if let Some(reason) = connection.close_reason() {
                    return words(&reason);
                }
                connection.close(Closing::Silent.code(), why.as_bytes());
                why
            }
            () = self.accept(refusals, events) => words(&connection.closed().await),
        }
    }

    /// Each stream has a task of its own until it said what it is for; the engine bounds how many there are.
    async fn accept(self, refusals: Arc<Refusals>, events: mpsc::Sender<Event>) {
        let mut under_way = tokio::task::JoinSet::new();
        while let Ok((sender, receiver)) = self.connection.accept_bi().await {
            under_way.spawn(self.clone().receive(sender, receiver, refusals.clone(), events.clone()));
            while under_way.try_join_next().is_some() {}
        }
    }

    async fn receive(self, mut sender: SendStream, mut receiver: RecvStream, refusals: Arc<Refusals>, events: mpsc::Sender<Event>) {
        let mut header = [0; HEADER];
        let read = timeout(HEADER_WITHIN, receiver.read_exact(&mut header)).await;
        let version = u16::from_le_bytes([header[1], header[2]]);
        let purpose = Purpose::from_number(header[0]).filter(|_| matches!(read, Ok(Ok(()))) && version == self.version);
        let Some(purpose) = purpose else {
            refusals.note(Refusal::UnknownPurpose, format_args!("a stream of {} with header {header:?}", self.node));
            // An error here says that the peer gave it up before us.
            let _ = sender.reset(UNKNOWN_PURPOSE);
            let _ = receiver.stop(UNKNOWN_PURPOSE);
            return;
        };
        let stream = Stream::new(receiver, sender);
        // Nobody listens any more when the link is closed.
        let _ = events.send(Event::Stream { from: self.node, purpose, version, stream }).await;
    }
}

/// Pings and answers pings; returns when the peer does not answer.
///
/// The engine's own keep-alive proves that packets come. It takes an answer to know that ours arrive: with a cut of one
/// direction the side that still hears would find out only after the other gave up, at twice the time.
async fn alive(mut sender: SendStream, mut receiver: RecvStream) -> String {
    let answered = Mutex::new(Instant::now());
    let asked = Notify::new();
    let write = async {
        let mut tick = interval(KEEP_ALIVE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let octet = tokio::select! {
                _ = tick.tick() => PING,
                () = asked.notified() => PONG,
            };
            if let Err(e) = sender.write_all(&[octet]).await {
                return format!("the first stream broke: {e}");
            }
        }
    };
    let read = async {
        let mut octets = [0; 64];
        loop {
            match receiver.read(&mut octets).await {
                Ok(Some(n)) => {
                    if octets[..n].contains(&PONG) {
                        *answered.lock() = Instant::now();
                    }
                    // Several pings in one go need one answer.
                    if octets[..n].contains(&PING) {
                        asked.notify_one();
                    }
                }
                Ok(None) => return "the peer ended the first stream".to_owned(),
                Err(e) => return format!("the first stream broke: {e}"),
            }
        }
    };
    let watch = async {
        let mut tick = interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            if answered.lock().elapsed() >= IDLE {
                return format!("no answer for {} s", IDLE.as_secs());
            }
        }
    };
    tokio::select! {
        why = write => why,
        why = read => why,
        why = watch => {
            debug!(why, "connection");
            why
        }
    }
}
