//! Taking over: the copies of a lost origin's mails become mails of this node.
//!
//! The order makes a crash harmless at every point: accepted into the own spool (and copied to a new holder); remembered
//! as adopted; the copy dropped durably; only then given to the queue. A mail that is in the own spool and still a copy was
//! being adopted when this node stopped: only the rest is done.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::QueueChange;
use postern_store::spool::{Accepted, Spool, SpoolError};

use super::adopted::By;
use super::berth::{Berth, BerthError};
use super::bounds::ADOPT_BATCH;
use super::protocol::{Message, More};
use super::takeover::{Input, Left};
use super::{Event, Inner};

/// Mails on their way into the own spool at once.
const AT_ONCE: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    #[error("a mail cannot be taken into the own spool: {0}")]
    Own(#[source] SpoolError),
    #[error("a copy cannot be dropped: {0}")]
    Copy(#[source] SpoolError),
    #[error(transparent)]
    Memory(#[from] BerthError),
    #[error("the disk's work ended early")]
    Ended,
}

/// Adopts what is left of an origin, until it is back.
pub async fn run(inner: Arc<Inner>, origin: NodeId) {
    let Some(berth) = inner.berth(origin) else { return };
    berth.is_back.store(false, Ordering::Release);
    let _turn = berth.turn.lock().await;
    let mut left = Left::Nothing;
    let mut unreadable = HashSet::new();
    if let Some(spool) = berth.existing() {
        let mut adopted = 0;
        loop {
            let ids: Vec<MailId> = spool.ids().into_iter().filter(|id| !unreadable.contains(id)).take(ADOPT_BATCH).collect();
            if ids.is_empty() {
                break;
            }
            if berth.is_back.load(Ordering::Acquire) || inner.stop.is_cancelled() {
                left = Left::Something;
                break;
            }
            match batch(&inner, origin, &berth, spool, &ids).await {
                Ok(done) => {
                    adopted += done.len();
                    let done: HashSet<MailId> = done.into_iter().collect();
                    unreadable.extend(ids.into_iter().filter(|id| !done.contains(id)));
                }
                Err(error) => {
                    tracing::error!(%origin, %error, "taking over cannot go on now; it is tried again");
                    left = Left::Something;
                    break;
                }
            }
        }
        tracing::warn!(%origin, adopted, unreadable = unreadable.len(), "the mails of a lost node were taken over");
    }
    inner.broadcast(&Message::Adopted { origin, ids: Vec::new(), more: More::Ended });
    inner.takeover(Input::Ended(origin, left));
}

/// A draining origin asks to deliver these; the ids that are ours now.
pub async fn hand_over(inner: &Arc<Inner>, origin: NodeId, berth: &Arc<Berth>, ids: Vec<MailId>) -> Vec<MailId> {
    let Some(spool) = berth.existing() else { return Vec::new() };
    if inner.is_draining.load(Ordering::Acquire) {
        return Vec::new();
    }
    let held: Vec<MailId> = ids.into_iter().take(ADOPT_BATCH).filter(|id| spool.contains(*id)).collect();
    match batch(inner, origin, berth, spool, &held).await {
        Ok(taken) => taken,
        Err(error) => {
            tracing::error!(%origin, %error, "the mails of a draining node cannot be taken now");
            Vec::new()
        }
    }
}

/// The ids that are this node's now: adopted, or with nothing left to do. Without those that cannot be read.
async fn batch(inner: &Arc<Inner>, origin: NodeId, berth: &Arc<Berth>, spool: &Spool, ids: &[MailId]) -> Result<Vec<MailId>, AdoptError> {
    // What the origin told last is not on disk yet: a copy that is read before would deliver twice.
    spool.settle().await.map_err(AdoptError::Copy)?;
    inner.desk.lock().adopting.extend(ids);
    let taken: Vec<Result<Took, AdoptError>> =
        stream::iter(ids.to_vec()).map(|id| take(inner, berth, spool, id)).buffer_unordered(AT_ONCE).collect().await;
    {
        let mut desk = inner.desk.lock();
        for id in ids {
            desk.adopting.remove(id);
        }
    }
    let (mut accepted, mut ours, mut failed) = (Vec::new(), Vec::new(), None);
    for took in taken {
        match took {
            Ok(Took::Accepted(mail)) => {
                ours.push(mail.mail().id);
                accepted.push(mail);
            }
            Ok(Took::Already(id)) => ours.push(id),
            Ok(Took::Unreadable) => {}
            Err(error) => failed = Some(error),
        }
    }
    settle(berth, spool, &ours).await?;
    inner.broadcast(&Message::Adopted { origin, ids: ours.clone(), more: More::Comes });
    inner.counters.adopted.fetch_add(accepted.len() as u64, Ordering::Relaxed);
    for accepted in accepted {
        // Nobody listens when the node stops: the next start finds them in the spool.
        let _ = inner.events.send(Event::Adopted { accepted, from: origin }).await;
    }
    failed.map_or(Ok(ours), Err)
}

enum Took {
    Accepted(Accepted),
    Already(MailId),
    Unreadable,
}

async fn take(inner: &Arc<Inner>, berth: &Berth, copies: &Spool, id: MailId) -> Result<Took, AdoptError> {
    // Another one may have it, too.
    if berth.was_adopted(id) || inner.spool.contains(id) || inner.spool.quarantine().contains(id) {
        return Ok(Took::Already(id));
    }
    let (from, to) = (copies.clone(), inner.spool.clone());
    let read = tokio::task::spawn_blocking(move || {
        let (mail, body) = match from.mail(id).and_then(|mail| Ok((mail, from.read(id)?))) {
            Ok(read) => read,
            Err(error) => return Err(AdoptError::Copy(error)),
        };
        let mut writer = to.body().map_err(AdoptError::Own)?;
        writer.write(body.bytes()).map_err(AdoptError::Own)?;
        Ok((mail, writer.finish().map_err(AdoptError::Own)?))
    });
    let (mail, body) = match read.await.map_err(|_| AdoptError::Ended)? {
        Ok(read) => read,
        Err(AdoptError::Copy(error @ (SpoolError::Damaged(_) | SpoolError::Unknown(_)))) => {
            tracing::error!(mail = %id, %error, "a copy cannot be taken over");
            return Ok(Took::Unreadable);
        }
        Err(error) => return Err(error),
    };
    if mail.is_done() {
        return Ok(Took::Already(id));
    }
    match inner.spool.accept(mail, body).await {
        Ok(accepted) => Ok(Took::Accepted(accepted)),
        Err(SpoolError::Duplicate(_)) => Ok(Took::Already(id)),
        Err(error) => Err(AdoptError::Own(error)),
    }
}

/// These are not the origin's any more: remembered, then dropped.
async fn settle(berth: &Arc<Berth>, spool: &Spool, ids: &[MailId]) -> Result<(), AdoptError> {
    remember(berth, ids, By::Me).await?;
    for dropped in join_all(ids.iter().map(|id| spool.record(*id, QueueChange::Done))).await {
        match dropped {
            Ok(()) | Err(SpoolError::Unknown(_)) => {}
            Err(error) => return Err(AdoptError::Copy(error)),
        }
    }
    Ok(())
}

async fn remember(berth: &Arc<Berth>, ids: &[MailId], by: By) -> Result<(), BerthError> {
    let (berth, ids) = (Arc::clone(berth), ids.to_vec());
    tokio::task::spawn_blocking(move || berth.remember(&ids, by)).await.map_err(|_| BerthError::Ended)?
}

/// After a start: what was being adopted when the node stopped is ours, and the queue must not have it before the copy is gone.
pub async fn mend(inner: &Arc<Inner>) {
    for (origin, berth) in inner.berths() {
        let Some(spool) = berth.existing() else { continue };
        let ids: Vec<MailId> = spool.ids().into_iter().filter(|id| inner.spool.contains(*id)).collect();
        if !ids.is_empty()
            && let Err(error) = settle(&berth, spool, &ids).await
        {
            tracing::error!(%origin, %error, "an adoption that was interrupted cannot be ended");
        }
    }
}

/// Another node took mails of an origin over.
pub async fn heard(inner: &Arc<Inner>, by: NodeId, origin: NodeId, ids: Vec<MailId>, more: More) {
    if origin == inner.me {
        return withdraw(inner, by, ids).await;
    }
    if more == More::Comes {
        inner.takeover(Input::OtherAdopts(origin));
    }
    let Some(berth) = inner.berth(origin) else { return };
    // Old news is not acted upon twice: the mail may have come back to its origin, and to us.
    let news: Vec<MailId> = ids.into_iter().filter(|id| !berth.was_adopted(*id)).collect();
    // An origin that is there is told, too, and drops its copies itself.
    let is_there = inner.open_streams.lock().get(&origin).is_some_and(|n| *n > 0);
    if let Some(spool) = berth.existing().filter(|_| !is_there) {
        for id in news.iter().filter(|id| spool.contains(**id)) {
            if let Err(error) = spool.note(*id, QueueChange::Done) {
                tracing::warn!(mail = %id, %error, "a copy of a mail another node took over stays");
            }
        }
    }
    if !news.is_empty()
        && let Err(error) = remember(&berth, &news, By::Another).await
    {
        tracing::warn!(%origin, %error, "what another node took over is not remembered here");
    }
}

/// Mails of ours that `by` took over while we were away.
async fn withdraw(inner: &Arc<Inner>, by: NodeId, ids: Vec<MailId>) {
    let berths = inner.berths();
    for id in ids {
        // One we took over ourselves came back to us; the news is older than that.
        if !inner.spool.contains(id) || berths.iter().any(|(_, b)| b.is_mine(id)) {
            continue;
        }
        if !inner.begin_withdrawal(id) {
            continue;
        }
        inner.counters.withdrawn.fetch_add(1, Ordering::Relaxed);
        // A draining node's queue is stopped already.
        if inner.gate.withdraw(id) || inner.is_draining.load(Ordering::Acquire) {
            // When it is lost in a crash, the holders say it again.
            if let Err(error) = inner.spool.note(id, QueueChange::Done) {
                tracing::warn!(mail = %id, %error, "a mail another node took over stays in the spool");
            }
        } else {
            let _ = inner.events.send(Event::Withdraw { mail: id, by }).await;
        }
    }
}
