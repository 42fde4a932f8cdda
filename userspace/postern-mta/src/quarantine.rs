//! What happens to quarantined mail by itself: moved from the spool into files of its own, indexed,
//! deleted when its time has passed. (People release and delete through the console.)
//!
//! The files are the truth; the index in the database only finds them, and is filled anew from them
//! when it was lost. Released beats deleted beats held, so that no order of two people's clicks loses
//! a mail that somebody wanted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, Step};
use postern_model::queue::QueuedMail;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineSearch, QuarantineState};
use postern_store::database::{Database, DatabaseError};
use postern_store::spool::{QuarantineError, Spool};

use crate::events::Events;

/// How often expired mails are looked for.
const SWEEP: Duration = Duration::from_secs(600);
/// Expired mails deleted in one sweep step, so that a large clean-up does not hold the disk.
const SWEEP_STEP: usize = 500;

#[derive(Debug, thiserror::Error)]
pub enum ExpiryError {
    #[error("mail {0} is not in the quarantine")]
    Unknown(MailId),
    #[error("the quarantine's file of mail {mail} cannot be used")]
    File {
        mail: MailId,
        #[source]
        source: QuarantineError,
    },
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct QuarantineKeeper {
    spool: Spool,
    database: Database,
    events: Events,
    settings: Arc<ArcSwap<Settings>>,
}

impl QuarantineKeeper {
    /// Moves what a crash left in the spool, mends the index, and sweeps from then on.
    pub fn start(spool: Spool, database: Database, events: Events, settings: Arc<ArcSwap<Settings>>, left_behind: Vec<MailId>) -> Self {
        let keeper = Self { spool, database, events, settings };
        let starting = keeper.clone();
        tokio::spawn(async move {
            for id in left_behind {
                starting.hold(id).await;
            }
            starting.mend_index().await;
            let mut tick = tokio::time::interval(SWEEP);
            loop {
                tick.tick().await;
                starting.sweep().await;
            }
        });
        keeper
    }

    /// Moves an accepted mail from the spool into the quarantine. A failure leaves it in the spool,
    /// where the next start finds it.
    pub async fn hold(&self, id: MailId) {
        match self.spool.quarantine_move(id).await {
            Ok(mail) => {
                self.events.send(JourneyEvent { mail: id, at: now(), step: Step::Quarantined { reason: mail.reason } });
                if let Err(e) = self.database.quarantine().add(&self.entry(&mail)).await {
                    tracing::warn!(mail = %id, error = %e, "a quarantined mail is not in the index; the next start adds it");
                }
            }
            Err(e) => {
                tracing::error!(mail = %id, error = %e, "a mail stays in the spool instead of the quarantine; the next start moves it")
            }
        }
    }

    /// Deletes a quarantined mail for good.
    ///
    /// # Errors
    /// When its file cannot be removed.
    async fn delete(&self, id: MailId, by: &str) -> Result<(), ExpiryError> {
        let at = now();
        self.remove_file(id).await?;
        self.events.send(JourneyEvent { mail: id, at, step: Step::QuarantineAction { action: "deleted".into(), by: by.to_owned() } });
        self.database.quarantine().raise(id, QuarantineState::Deleted, by, at).await?;
        Ok(())
    }

    async fn remove_file(&self, id: MailId) -> Result<(), ExpiryError> {
        let files = self.spool.quarantine().clone();
        let removed = tokio::task::spawn_blocking(move || files.delete(id)).await;
        match removed {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) | Err(_) => Err(ExpiryError::Unknown(id)),
            Ok(Err(source)) => Err(ExpiryError::File { mail: id, source }),
        }
    }

    fn entry(&self, mail: &QueuedMail) -> QuarantineEntry {
        QuarantineEntry {
            mail: mail.id,
            at: mail.accepted,
            sender: mail.envelope.mail_from.to_string(),
            recipients: mail.addresses().map(ToString::to_string).collect(),
            from_header: mail.from_header.clone(),
            subject: mail.subject.clone(),
            score: mail.score,
            reason: mail.reason,
            size: mail.size,
            expires: mail.accepted + self.settings.load().delivery.quarantine_ttl.0,
            state: QuarantineState::Held,
            state_by: None,
            state_at: None,
            holder: None,
        }
    }

    /// Adds to the index what lies in the files and is not in it (a database that was lost).
    async fn mend_index(&self) {
        let mut known = HashSet::new();
        let mut search = QuarantineSearch { state: Some(QuarantineState::Held), limit: SWEEP_STEP, ..QuarantineSearch::default() };
        while let Ok(page) = self.database.quarantine().search(&search).await {
            known.extend(page.mails.iter().map(|e| e.mail));
            match page.next {
                Some(next) => search.before = Some(next),
                None => break,
            }
        }
        let files = self.spool.quarantine().clone();
        let lacking =
            tokio::task::spawn_blocking(move || files.list().flatten().filter(|m| !known.contains(&m.id)).collect::<Vec<_>>()).await;
        let lacking = lacking.unwrap_or_default();
        if !lacking.is_empty() {
            tracing::info!(mails = lacking.len(), "the quarantine's index lacked mails that lie in its files: added");
        }
        for mail in lacking {
            if let Err(e) = self.database.quarantine().add(&self.entry(&mail)).await {
                tracing::warn!(mail = %mail.id, error = %e, "a quarantined mail is not in the index");
            }
        }
    }

    async fn sweep(&self) {
        loop {
            let expired = match self.database.quarantine().expired(now(), SWEEP_STEP).await {
                Ok(expired) => expired,
                Err(e) => {
                    tracing::warn!(error = %e, "expired quarantined mails cannot be looked for");
                    return;
                }
            };
            let found = expired.len();
            for id in expired {
                match self.delete(id, "expiry").await {
                    // The file was gone already: the index must not name it for ever.
                    Err(ExpiryError::Unknown(_)) => {
                        let _ = self.database.quarantine().raise(id, QuarantineState::Deleted, "expiry", now()).await;
                    }
                    Err(e) => tracing::warn!(mail = %id, error = %e, "an expired mail was not deleted"),
                    Ok(()) => {}
                }
            }
            if found < SWEEP_STEP {
                return;
            }
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
