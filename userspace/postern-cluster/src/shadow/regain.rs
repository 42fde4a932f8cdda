//! Taking back what this disk lost: mails that a holder has and this node does not know any more, because its disk is older than
//! what the holder knows of it ([`super::lives`]).
//!
//! Without such a loss a copy that is not known here is one that was finished here, or was never answered for, and is dropped. With it
//! the mail is fetched and accepted again, by its id once, and the holder's copy is a copy of it as before. Until all is done the
//! holder keeps the old mark, so a stream that breaks, or a full disk, only puts it off.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postern_model::id::MailId;
use postern_model::queue::{Disposition, QueuedMail};
use postern_store::spool::{Body, QuarantineError, SpoolError};
use tokio::sync::mpsc;

use super::berth::{Berth, decode};
use super::bounds::{PIECE_OCTETS, SLOWEST_RATE};
use super::link::Link;
use super::outbox::{Gone, Outbox};
use super::protocol::{MAIL_FORMAT, Message, Place};
use super::{Event, Inner};

/// A holder answers within this time, and the time its octets take.
const ANSWER: Duration = Duration::from_secs(60);

/// What a holder sent of a mail that was asked for.
pub enum Part {
    Mail {
        id: MailId,
        /// `None`: it is not there any more, or cannot be read.
        mail: Option<Box<QueuedMail>>,
        size: u64,
    },
    Piece(Vec<u8>),
}

impl Part {
    pub fn mail(id: MailId, format: u8, mail: &[u8], size: u64) -> Self {
        Self::Mail { id, mail: decode(format, mail).map(Box::new), size }
    }
}

#[derive(Debug, thiserror::Error)]
enum RegainError {
    #[error("the stream broke")]
    Gone,
    #[error("the holder does not answer, or with something else")]
    Odd,
    #[error("the holder cannot give it, or gives another body than was accepted")]
    Damaged,
    #[error("it cannot be taken into the own spool: {0}")]
    Own(#[from] SpoolError),
}

impl From<Gone> for RegainError {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Takes these back from a holder, which is told how far this disk is only then.
pub async fn run(inner: Arc<Inner>, link: Arc<Link>, mut parts: mpsc::Receiver<Part>, unknown: Vec<(Place, MailId)>) {
    tracing::warn!(
        peer = %link.peer,
        mails = unknown.len(),
        "this node's disk is older than a peer knows it, or lost a part: mails that only the peer has are taken back"
    );
    let (mut back, mut open) = (0, unknown);
    while !open.is_empty() {
        let mut refused = Vec::new();
        for (place, id) in open {
            match inner.take_back(&link, &mut parts, place, id).await {
                Ok(()) => back += 1,
                Err(RegainError::Gone) => return,
                Err(error @ RegainError::Odd) => {
                    tracing::warn!(peer = %link.peer, mail = %id, %error, "mails are not taken back on this stream");
                    return link.outbox.give_up();
                }
                // The copy stays where it is, for a person to look at.
                Err(error @ RegainError::Damaged) => tracing::error!(peer = %link.peer, mail = %id, %error, "a mail cannot be taken back"),
                Err(error @ RegainError::Own(_)) => {
                    tracing::error!(mail = %id, %error, "a mail cannot be taken back now; it is tried again");
                    refused.push((place, id));
                }
            }
        }
        open = refused;
        if !open.is_empty() {
            tokio::time::sleep(inner.pace.retry).await;
        }
    }
    tracing::warn!(peer = %link.peer, mails = back, "mails were taken back");
    inner.mark(&link);
}

impl Inner {
    async fn take_back(
        self: &Arc<Self>,
        link: &Arc<Link>,
        parts: &mut mpsc::Receiver<Part>,
        place: Place,
        id: MailId,
    ) -> Result<(), RegainError> {
        // One at a time of all holders: two may have it.
        let mut regained = self.regained.lock().await;
        if !self.spool.contains(id) && !self.spool.quarantine().contains(id) && !regained.contains(&id) {
            link.outbox.send(&Message::Fetch { place, id }).await?;
            let (mut mail, body) = self.fetched(parts, id).await?;
            if place == Place::Quarantine {
                mail.disposition = Disposition::Quarantine;
            }
            if !mail.is_done() {
                self.accept_again(mail, body, link).await?;
            }
            regained.insert(id);
        }
        match place {
            Place::Queue => self.reconcile(link, vec![id], &mut None),
            Place::Quarantine => self.reconcile_quarantine(link, vec![id], &mut None),
        }
        Ok(())
    }

    async fn accept_again(&self, mail: QueuedMail, body: Body, link: &Link) -> Result<(), RegainError> {
        let id = mail.id;
        // Nobody else answers for it: whatever the policy says about mail without a copy.
        self.desk.lock().adopting.insert(id);
        let accepted = self.spool.accept(mail, body).await;
        self.desk.lock().adopting.remove(&id);
        match accepted {
            // Nobody listens when the node stops: the next start finds it in the spool.
            Ok(accepted) => drop(self.events.send(Event::Adopted { accepted, from: link.peer }).await),
            Err(SpoolError::Duplicate(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// A mail and its body, as the holder gives them.
    async fn fetched(&self, parts: &mut mpsc::Receiver<Part>, wanted: MailId) -> Result<(QueuedMail, Body), RegainError> {
        let head = tokio::time::timeout(ANSWER, parts.recv()).await.map_err(|_| RegainError::Odd)?.ok_or(RegainError::Gone)?;
        let Part::Mail { id, mail, size } = head else { return Err(RegainError::Odd) };
        if id != wanted {
            return Err(RegainError::Odd);
        }
        let limit = ANSWER + Duration::from_secs(size / SLOWEST_RATE);
        let body = tokio::time::timeout(limit, self.body(parts, size)).await.map_err(|_| RegainError::Odd)?;
        let mail = mail.filter(|m| m.id == wanted).ok_or(RegainError::Damaged)?;
        let body = body?;
        if body.hash() != mail.hash { Err(RegainError::Damaged) } else { Ok((*mail, body)) }
    }

    /// All pieces are read, also when the disk refuses: the next mail's come behind them.
    async fn body(&self, parts: &mut mpsc::Receiver<Part>, size: u64) -> Result<Body, RegainError> {
        let mut writer = self.spool.body();
        let mut left = size;
        while left > 0 {
            let Part::Piece(octets) = parts.recv().await.ok_or(RegainError::Gone)? else { return Err(RegainError::Odd) };
            left = left.checked_sub(octets.len() as u64).filter(|_| !octets.is_empty()).ok_or(RegainError::Odd)?;
            if let Ok(open) = writer {
                writer = open.append(octets).await;
            }
        }
        Ok(writer?.finish()?)
    }
}

#[derive(Debug, thiserror::Error)]
enum GiveError {
    #[error(transparent)]
    Queue(#[from] SpoolError),
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    #[error("its data cannot be encoded: {0}")]
    Form(#[from] postcard::Error),
    #[error("nothing is kept for its origin here")]
    Nothing,
    #[error("the disk's work ended early")]
    Ended,
}

/// The holder's end: gives copies back, as long as the origin asks on this stream.
pub async fn give_back(berth: Arc<Berth>, outbox: Arc<Outbox>, mut wanted: mpsc::Receiver<(Place, MailId)>) {
    while let Some((place, id)) = wanted.recv().await {
        give(&berth, &outbox, place, id).await;
    }
}

async fn give(berth: &Berth, outbox: &Outbox, place: Place, id: MailId) {
    let read = read(berth, place, id).await;
    if let Err(error) = &read {
        tracing::warn!(mail = %id, %error, "a copy that its origin wants back cannot be given");
    }
    let (mail, body) = read.unwrap_or_default();
    let head = Message::Fetched { id, format: MAIL_FORMAT, mail: &mail, size: body.len() as u64 };
    // When the stream is gone, the origin asks again on the next one.
    let mut sent = outbox.send(&head).await;
    for piece in body.chunks(PIECE_OCTETS) {
        if sent.is_ok() {
            sent = outbox.send(&Message::FetchedPiece { body: piece }).await;
        }
    }
}

/// As its origin told it last.
async fn read(berth: &Berth, place: Place, id: MailId) -> Result<(Vec<u8>, Bytes), GiveError> {
    let spool = berth.existing().ok_or(GiveError::Nothing)?.clone();
    spool.settle().await?;
    let read = tokio::task::spawn_blocking(move || match place {
        Place::Queue => Ok((postcard::to_stdvec(&spool.mail(id)?)?, spool.read(id)?.shared())),
        Place::Quarantine => {
            let kept = spool.quarantine().read(id)?;
            Ok((postcard::to_stdvec(&kept.mail)?, kept.shared_body()))
        }
    });
    read.await.map_err(|_| GiveError::Ended)?
}
