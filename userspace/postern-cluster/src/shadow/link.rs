//! The origin's end of one stream to a holder: copies on their way, each answered by its number.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use tokio::sync::oneshot;

use super::bounds::PIECE_OCTETS;
use super::mark::Mark;
use super::outbox::{Gone, Outbox};
use super::protocol::{Answer, MAIL_FORMAT, Message};

pub struct Link {
    pub peer: NodeId,
    pub outbox: Outbox,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Reply>>>,
    next: AtomicU64,
    is_ready: AtomicBool,
    /// It is told how far this disk is: it has nothing that this disk lost.
    is_marked: AtomicBool,
    rest: Mutex<Option<Rest>>,
}

/// The peer was slow, full or refused.
struct Rest {
    until: Instant,
    /// A mail is tried with it meanwhile.
    is_probed: bool,
}

enum Reply {
    Copy(Answer),
    Taken(Vec<MailId>),
}

/// Ends the waiting when nobody waits any more; pieces that have not been sent yet are called off.
struct Waiting<'a> {
    link: &'a Link,
    number: u64,
    calls_off: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.waiting.lock().remove(&self.number);
        if self.calls_off {
            self.link.outbox.note(&Message::GiveUp { number: self.number });
        }
    }
}

impl Link {
    pub fn new(peer: NodeId, outbox: Outbox) -> Self {
        Self {
            peer,
            outbox,
            waiting: Mutex::default(),
            next: AtomicU64::new(0),
            is_ready: AtomicBool::new(false),
            is_marked: AtomicBool::new(false),
            rest: Mutex::default(),
        }
    }

    /// The peer said all it knows and takes copies.
    pub fn ready(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// From now on the peer is told how far this disk is.
    pub fn begin_marks(&self) {
        self.is_marked.store(true, Ordering::Release);
    }

    pub fn mark(&self, mark: Mark) {
        if self.is_marked.load(Ordering::Acquire) {
            self.outbox.mark(mark);
        }
    }

    /// Others are asked until then.
    pub fn rest(&self, until: Instant) {
        *self.rest.lock() = Some(Rest { until, is_probed: false });
    }

    pub fn rests(&self, now: Instant) -> bool {
        self.rest.lock().as_ref().is_some_and(|rest| rest.until > now)
    }

    /// Whether it may be tried although it rests: by one at a time.
    pub fn probe(&self) -> bool {
        self.rest.lock().as_mut().is_some_and(|rest| !std::mem::replace(&mut rest.is_probed, true))
    }

    /// It took a copy.
    pub fn recovered(&self) {
        *self.rest.lock() = None;
    }

    fn wait(&self) -> (Waiting<'_>, oneshot::Receiver<Reply>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        self.waiting.lock().insert(number, sender);
        (Waiting { link: self, number, calls_off: false }, reply)
    }

    /// Sends a mail and waits for the answer. `begun` is called when every change told from then on is behind the mail.
    pub async fn copy(&self, mail: &[u8], body: &Bytes, begun: impl FnOnce() + Send) -> Result<Answer, Gone> {
        let (mut waiting, reply) = self.wait();
        let number = waiting.number;
        if body.len() <= PIECE_OCTETS {
            self.outbox.send(&Message::Copy { number, format: MAIL_FORMAT, mail, body }).await?;
            begun();
        } else {
            self.outbox.send(&Message::Begin { number, format: MAIL_FORMAT, mail, size: body.len() as u64 }).await?;
            begun();
            waiting.calls_off = true;
            for piece in body.chunks(PIECE_OCTETS) {
                self.outbox.send(&Message::Piece { number, body: piece }).await?;
            }
            waiting.calls_off = false;
        }
        match reply.await {
            Ok(Reply::Copy(answer)) => Ok(answer),
            _ => Err(Gone),
        }
    }

    /// Asks the holder to deliver; the ids it took.
    pub async fn take(&self, ids: Vec<MailId>) -> Result<Vec<MailId>, Gone> {
        let (waiting, reply) = self.wait();
        self.outbox.send(&Message::Take { number: waiting.number, ids }).await?;
        match reply.await {
            Ok(Reply::Taken(ids)) => Ok(ids),
            _ => Err(Gone),
        }
    }

    pub fn answered(&self, answers: Vec<(u64, Answer)>) {
        let mut waiting = self.waiting.lock();
        for (number, answer) in answers {
            if let Some(sender) = waiting.remove(&number) {
                let _ = sender.send(Reply::Copy(answer));
            }
        }
    }

    pub fn taken(&self, number: u64, ids: Vec<MailId>) {
        if let Some(sender) = self.waiting.lock().remove(&number) {
            let _ = sender.send(Reply::Taken(ids));
        }
    }

    /// The stream is gone: nobody waits for its answers any more.
    pub fn end(&self) {
        self.is_ready.store(false, Ordering::Release);
        self.waiting.lock().clear();
    }
}
