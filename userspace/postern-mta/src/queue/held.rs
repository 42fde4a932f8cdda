//! Mails that wait for the sandbox: how many may, which they are, and how they leave.
//!
//! Whoever looks at one (`holding.rs`) does so without a lock; what it then decides holds only when the mail still waits.

use std::sync::Arc;

use postern_model::id::MailId;
use postern_model::queue::{Disposition, QueueChange, QueuedMail};
use postern_model::reason::Reason;
use postern_model::settings::sandbox::HoldSettings;

use super::operator::{Log, OperatorError};
use super::{Queue, now};

/// Room that is promised to mails that are being made durable.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    mails: usize,
    octets: u64,
}

/// Room for mails until they are in the queue.
pub(crate) struct Places {
    queue: Queue,
    mails: usize,
    octets: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("{mails} mails of {octets} octets wait for the sandbox, and no more may (sandbox.hold)")]
pub(crate) struct NoRoom {
    mails: usize,
    octets: u64,
}

impl Drop for Places {
    fn drop(&mut self) {
        let mut reserved = self.queue.0.reserved.lock();
        reserved.mails = reserved.mails.saturating_sub(self.mails);
        reserved.octets = reserved.octets.saturating_sub(self.octets);
    }
}

impl Queue {
    /// Room for so many mails of a size, within the bounds.
    pub(crate) fn places(&self, bounds: &HoldSettings, mails: usize, size: u64) -> Result<Places, NoRoom> {
        let octets = size.saturating_mul(mails as u64);
        // Kept until the promise is written down: two sessions must not be promised the same room.
        let mut reserved = self.0.reserved.lock();
        let (held, held_octets) = {
            let schedule = self.0.schedule.lock();
            (schedule.waiting().len() + reserved.mails, schedule.waiting().values().sum::<u64>() + reserved.octets)
        };
        if held + mails > bounds.max_mails || held_octets.saturating_add(octets) > bounds.max_size {
            return Err(NoRoom { mails: held, octets: held_octets });
        }
        reserved.mails += mails;
        reserved.octets += octets;
        drop(reserved);
        Ok(Places { queue: self.clone(), mails, octets })
    }

    /// Mails that wait for the sandbox, oldest first.
    pub(crate) fn waiting_for_sandbox(&self) -> Vec<Arc<QueuedMail>> {
        let schedule = self.0.schedule.lock();
        schedule.waiting().keys().filter_map(|id| schedule.get(*id)).map(|e| Arc::clone(&e.mail)).collect()
    }

    /// Delivers one that waits, after these changes. False: it waits no more.
    pub(crate) async fn deliver_waiting(&self, id: MailId, mut changes: Vec<QueueChange>, reason: Reason) -> Result<bool, OperatorError> {
        changes.push(QueueChange::Disposition(Disposition::Deliver, reason));
        let is_there = self.with_schedule(|schedule| {
            if !schedule.waiting().contains_key(&id) {
                return false;
            }
            schedule.apply(id, &changes);
            if let Some(mail) = schedule.get(id).map(|e| Arc::clone(&e.mail)) {
                self.put(schedule, mail, now());
            }
            true
        });
        if is_there {
            self.write(log(id, changes)).await?;
        }
        Ok(is_there)
    }

    /// Takes one that waits out of the queue, to be moved into the quarantine: that it is, is durable. False: it waits no more.
    pub(crate) async fn quarantine_waiting(
        &self,
        id: MailId,
        mut changes: Vec<QueueChange>,
        reason: Reason,
    ) -> Result<bool, OperatorError> {
        changes.push(QueueChange::Disposition(Disposition::Quarantine, reason));
        let taken = self.with_schedule(|schedule| schedule.waiting().contains_key(&id).then(|| schedule.remove(id)).flatten());
        let Some(mail) = taken else { return Ok(false) };
        if let Err(error) = self.write(log(id, changes)).await {
            self.admit(mail);
            return Err(error);
        }
        Ok(true)
    }
}

fn log(id: MailId, changes: Vec<QueueChange>) -> Log {
    changes.into_iter().map(|change| (id, change)).collect()
}
