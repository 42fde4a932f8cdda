//! How long what is remembered is kept, and the clean-up that forgets it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postern_model::time::Timestamp;

use super::{Database, DatabaseError};

const DAY: u64 = 86_400;
/// First clean-up after the opening, when the rush of the start is over; then once an hour.
const FIRST: Duration = Duration::from_secs(300);
const EVERY: Duration = Duration::from_secs(3600);

/// Ages from which rows are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub journeys: Duration,
    /// Index rows of mails that were released or deleted: a report about a month wants those of its first day, some days after its last.
    pub quarantine: Duration,
    /// Must be longer than `greylist.pass_ttl`.
    pub greylist: Duration,
    pub senders: Duration,
    pub counters: Duration,
    /// Logins that were not used for so long; `console.session_idle` refuses them long before.
    pub sessions: Duration,
    /// What users took back; a peer that was away for longer could bring it back.
    pub user_lists: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |n| Duration::from_secs(n * DAY);
        Self {
            journeys: days(30),
            quarantine: days(35),
            greylist: days(60),
            senders: days(400),
            counters: days(400),
            sessions: days(2),
            user_lists: days(400),
        }
    }
}

impl Database {
    /// Forgets what is older than the retention says; returns how many rows. The database does it by itself once an hour.
    ///
    /// # Errors
    /// The first that failed; what was forgotten before stays so.
    pub async fn prune(&self, now: Timestamp, retention: &Retention) -> Result<u64, DatabaseError> {
        let before = |age: Duration| Timestamp(now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
        let mut forgotten = self.journeys().prune(before(retention.journeys)).await?;
        forgotten += self.quarantine().prune(before(retention.quarantine)).await?;
        forgotten += self.greylist().prune(before(retention.greylist)).await?;
        forgotten += self.senders().prune(before(retention.senders)).await?;
        forgotten += self.recipients().prune(now).await?;
        forgotten += self.counters().prune(before(retention.counters)).await?;
        forgotten += self.days().prune(before(retention.counters)).await?;
        forgotten += self.sessions().prune(before(retention.sessions)).await?;
        forgotten += self.users().prune(before(retention.sessions)).await?;
        forgotten += self.user_lists().prune(before(retention.user_lists)).await?;
        Ok(forgotten)
    }
}

/// Cleans up now and then, until the last handle is dropped.
pub(super) fn keep(database: &Database) {
    let (shared, notes) = (Arc::downgrade(&database.shared), database.notes.downgrade());
    tokio::spawn(async move {
        let mut wait = FIRST;
        loop {
            tokio::time::sleep(wait).await;
            wait = EVERY;
            let (Some(shared), Some(notes)) = (shared.upgrade(), notes.upgrade()) else { return };
            let database = Database { shared, notes };
            match database.prune(Timestamp::from_system(SystemTime::now()), &Retention::default()).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "old tracking and memory of mail were forgotten"),
                Err(error) => tracing::warn!(%error, "the clean-up of the database did not succeed"),
            }
        }
    });
}
