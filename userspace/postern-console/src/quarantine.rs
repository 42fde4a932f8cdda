//! Quarantined mails that lie on this node, as its own or as copies of a peer's: read, release, delete.
//!
//! Releasing makes the mail durable in the spool first: a crash in between leaves it in both places, never in none.

use bytes::Bytes;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, Step};
use postern_model::queue::{Disposition, QueuedMail};
use postern_model::reason::Reason;
use postern_store::database::quarantine::QuarantineState;
use postern_store::spool::{Quarantine, QuarantineError};

use crate::problem::{Answer, Problem};
use crate::state::{Console, now};

/// What became of a release or a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// The mail does not lie on this node.
    NotHere,
}

/// The octets of a mail that lies here.
///
/// # Errors
/// When its file cannot be read.
pub async fn read_here(console: &Console, mail: MailId) -> Answer<Option<Bytes>> {
    for files in places(console) {
        let read = tokio::task::spawn_blocking(move || files.read(mail).map(|q| Bytes::copy_from_slice(q.body())));
        match read.await.map_err(|e| Problem::internal(e.to_string()))? {
            Ok(octets) => return Ok(Some(octets)),
            Err(QuarantineError::Unknown(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(None)
}

/// Releases or deletes a mail that lies here: the file goes, the index and the journey say why.
///
/// # Errors
/// When it is in the queue already, or a disk refuses.
pub async fn end_here(console: &Console, mail: MailId, to: QuarantineState, by: &str) -> Answer<Ended> {
    let _turn = console.releasing.lock().await;
    let Some(files) = place(console, mail).await? else { return Ok(Ended::NotHere) };
    let action = match to {
        QuarantineState::Released => {
            release(console, mail, &files).await?;
            "released"
        }
        _ => "deleted",
    };
    let state = console.state();
    state.database.quarantine().raise(mail, to, by, now()).await?;
    let deleted = tokio::task::spawn_blocking(move || files.delete(mail)).await;
    deleted.map_err(|e| Problem::internal(e.to_string()))??;
    let step = Step::QuarantineAction { action: action.into(), by: by.to_owned() };
    state.database.journeys().record(JourneyEvent { mail, at: now(), step });
    Ok(Ended::Done)
}

async fn release(console: &Console, id: MailId, files: &Quarantine) -> Answer<()> {
    let state = console.state();
    if state.queue.contains(id) {
        return Err(Problem::conflict(format!("mail {id} is in the queue already")));
    }
    let (files, spool) = (files.clone(), state.spool.clone());
    let copy = move || -> Answer<(QueuedMail, postern_store::spool::Body)> {
        let kept = files.read(id)?;
        let mut writer = spool.body()?;
        writer.write(kept.body())?;
        let body = writer.finish()?;
        let mut mail = kept.mail;
        mail.disposition = Disposition::Deliver;
        mail.reason = Reason::Manual;
        // Its waits began when it came, which may be weeks ago: they begin anew, or it would be given up at once.
        mail.accepted = now();
        for recipient in mail.recipients.iter_mut().filter(|r| !r.is_done()) {
            recipient.next_attempt = mail.accepted;
        }
        Ok((mail, body))
    };
    let (queued, body) = tokio::task::spawn_blocking(copy).await.map_err(|e| Problem::internal(e.to_string()))??;
    let accepted = state.spool.accept(queued, body).await?;
    state.queue.enqueue(&accepted);
    Ok(())
}

/// Where quarantined mails lie: this node's own quarantine, and the copies it holds for others.
fn places(console: &Console) -> impl Iterator<Item = Quarantine> + use<> {
    let own = console.state().spool.quarantine().clone();
    std::iter::once(own).chain(console.state().cluster.held_quarantines())
}

async fn place(console: &Console, mail: MailId) -> Answer<Option<Quarantine>> {
    for files in places(console) {
        let looked = files.clone();
        match tokio::task::spawn_blocking(move || looked.mail(mail)).await.map_err(|e| Problem::internal(e.to_string()))? {
            Ok(_) => return Ok(Some(files)),
            Err(QuarantineError::Unknown(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(None)
}
