//! What operators do with the queue. Each command names its mails by a [`Filter`], is durable before it returns, and
//! leaves an event in the journey of every mail it touched.

use std::borrow::Cow;
use std::sync::Arc;

use postern_model::id::MailId;
use postern_model::journey::Step;
use postern_model::queue::{Disposition, QueueChange, QueuedMail, QueuedRecipient, RecipientStatus};
use postern_model::reason::Reason;
use postern_store::spool::SpoolError;
use serde::Serialize;

use super::filter::{Filter, is_held};
use super::notify::Notice;
use super::rows::{Row, row, status};
use super::schedule::Health;
use super::{PARKED, Queue, now};
use crate::route::{RerouteError, parse_reroute};

/// Mails one command touches at most; the answer says when there were more.
const MAX_MAILS: usize = 100_000;

/// Changes to be made durable.
pub(super) type Log = Vec<(MailId, QueueChange)>;

/// What a command did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changed {
    pub changed: usize,
    /// Left alone because they were being sent at that moment.
    pub busy: usize,
    /// Left alone because the command cannot be done with them (no sender to return to, already held, …).
    pub unfit: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("the filter names every mail: give a condition, or say that all are meant")]
    OpenFilter,
    #[error(transparent)]
    Reroute(#[from] RerouteError),
    #[error("the change could not be written to the spool")]
    Spool(#[source] SpoolError),
}

impl Queue {
    /// Mails that match, oldest first, from behind `after`.
    pub fn list(&self, filter: &Filter, after: Option<MailId>, limit: usize) -> Vec<Row> {
        let at = now();
        let hold = self.0.settings.load().sandbox.hold.time.0;
        let schedule = self.0.schedule.lock();
        let entries = schedule.entries().filter(|(id, _)| after.is_none_or(|a| **id > a)).map(|(_, e)| e);
        entries.filter(|e| filter.matches(&e.mail, status(e), at)).take(limit).map(|e| row(e, &schedule, hold)).collect()
    }

    pub fn count(&self, filter: &Filter) -> usize {
        let at = now();
        self.0.schedule.lock().entries().filter(|(_, e)| filter.matches(&e.mail, status(e), at)).count()
    }

    /// Tries them now, whatever their back-off says.
    pub async fn retry(&self, filter: &Filter, by: &str) -> Result<Changed, OperatorError> {
        let (mails, mut changed) = self.chosen(filter)?;
        let at = now();
        let mut log = Log::default();
        for mail in mails {
            if is_held(&mail) {
                changed.unfit += 1;
                continue;
            }
            let changes = recipients(&mail, |r| r.status == RecipientStatus::Pending && r.next_attempt != PARKED, |r| r.next_attempt = at);
            self.change(&mail, changes, "retry".into(), by, &mut changed, &mut log);
        }
        let lanes: Vec<_> = {
            let schedule = self.0.schedule.lock();
            let mails = schedule.entries().filter(|(_, e)| filter.matches(&e.mail, status(e), at));
            mails.flat_map(|(_, e)| e.jobs.iter().map(|j| j.lane)).collect::<std::collections::HashSet<_>>().into_iter().collect()
        };
        self.with_schedule(|s| {
            for lane in lanes {
                if matches!(s.lane(lane).map(|l| l.health), Some(Health::BackOff { .. })) {
                    s.probe_now(lane);
                }
            }
        });
        self.write(log).await?;
        Ok(changed)
    }

    /// Keeps them from being sent until they are released.
    pub async fn hold(&self, filter: &Filter, by: &str) -> Result<Changed, OperatorError> {
        let hold = |mail: &QueuedMail| (!is_held(mail)).then(|| vec![QueueChange::Disposition(Disposition::Hold, Reason::Manual)]);
        self.for_each(filter, "hold", by, hold).await
    }

    /// Sends what was held, at once.
    pub async fn release(&self, filter: &Filter, by: &str) -> Result<Changed, OperatorError> {
        let at = now();
        let release = |mail: &QueuedMail| {
            is_held(mail).then(|| {
                let mut changes = recipients(mail, |r| !r.is_done(), |r| r.next_attempt = at);
                changes.push(QueueChange::Disposition(Disposition::Deliver, Reason::Clean));
                changes
            })
        };
        self.for_each(filter, "release", by, release).await
    }

    /// Sends them to another next hop than the routing table's; `None` puts the table in charge again.
    pub async fn reroute(&self, filter: &Filter, to: Option<&str>, by: &str) -> Result<Changed, OperatorError> {
        if let Some(to) = to {
            parse_reroute(to)?;
        }
        let at = now();
        let reroute = |mail: &QueuedMail| {
            let mut changes = recipients(mail, |r| !r.is_done() && r.next_attempt != PARKED, |r| r.next_attempt = at);
            changes.push(QueueChange::Reroute(to.map(str::to_owned)));
            Some(changes)
        };
        self.for_each(filter, &format!("reroute to {}", to.unwrap_or("the routing table's next hop")), by, reroute).await
    }

    /// Sends them back to their senders as undeliverable. An operator may do that for mail from outside as well.
    pub async fn return_to_sender(&self, filter: &Filter, by: &str) -> Result<Changed, OperatorError> {
        let (mails, mut changed) = self.chosen(filter)?;
        let mut log = Log::default();
        for mail in mails {
            if mail.envelope.mail_from.address().is_none() {
                changed.unfit += 1;
                continue;
            }
            let open: Vec<QueuedRecipient> = mail
                .pending()
                .map(|(_, r)| {
                    let mut state = r.clone();
                    state.last.get_or_insert_with(|| own_words("550 5.7.0 returned by the administrator"));
                    state
                })
                .collect();
            if !self.take_out(&mail) {
                changed.busy += 1;
                continue;
            }
            if let Err(e) = self.send_notice(&mail, Notice::Failed, &open.iter().collect::<Vec<_>>()).await {
                self.admit(Arc::clone(&mail));
                self.write(log).await?;
                return Err(OperatorError::Spool(e));
            }
            self.queue_action(mail.id, "returned to the sender".into(), by);
            log.push((mail.id, QueueChange::Done));
            changed.changed += 1;
        }
        self.write(log).await?;
        Ok(changed)
    }

    /// Removes them without telling anybody.
    pub async fn delete(&self, filter: &Filter, by: &str) -> Result<Changed, OperatorError> {
        let (mails, mut changed) = self.chosen(filter)?;
        let mut log = Log::default();
        for mail in mails {
            if self.take_out(&mail) {
                self.queue_action(mail.id, "deleted".into(), by);
                log.push((mail.id, QueueChange::Done));
                changed.changed += 1;
            } else {
                changed.busy += 1;
            }
        }
        self.write(log).await?;
        Ok(changed)
    }

    /// A mail is over by somebody's decision.
    pub(super) fn remove_mail(&self, mail: &Arc<QueuedMail>, action: &'static str, by: &str) {
        if self.take_out(mail) {
            self.note_done(mail.id);
            self.queue_action(mail.id, action.into(), by);
        }
    }

    fn queue_action(&self, id: MailId, action: Cow<'static, str>, by: &str) {
        self.0.events.step(id, Step::QueueAction { action, by: by.to_owned() });
    }

    /// Out of the schedule, unless it is being sent.
    fn take_out(&self, mail: &QueuedMail) -> bool {
        self.with_schedule(|s| {
            let is_free = s.get(mail.id).is_some_and(|e| !e.is_leased());
            if is_free {
                s.remove(mail.id);
            }
            is_free
        })
    }

    /// The mails a filter names; those being sent are counted as busy.
    fn chosen(&self, filter: &Filter) -> Result<(Vec<Arc<QueuedMail>>, Changed), OperatorError> {
        if filter.is_open() && !filter.all {
            return Err(OperatorError::OpenFilter);
        }
        let at = now();
        let mut changed = Changed::default();
        let schedule = self.0.schedule.lock();
        let mut mails = Vec::new();
        for (_, entry) in schedule.entries().filter(|(_, e)| filter.matches(&e.mail, status(e), at)).take(MAX_MAILS) {
            if entry.is_leased() {
                changed.busy += 1;
            } else {
                mails.push(Arc::clone(&entry.mail));
            }
        }
        Ok((mails, changed))
    }

    async fn for_each(
        &self,
        filter: &Filter,
        action: &str,
        by: &str,
        changes: impl Fn(&QueuedMail) -> Option<Vec<QueueChange>>,
    ) -> Result<Changed, OperatorError> {
        let (mails, mut changed) = self.chosen(filter)?;
        let mut log = Log::default();
        for mail in mails {
            match changes(&mail) {
                Some(changes) => self.change(&mail, changes, action.to_owned().into(), by, &mut changed, &mut log),
                None => changed.unfit += 1,
            }
        }
        self.write(log).await?;
        Ok(changed)
    }

    /// Changes one mail and plans it anew, unless it is being sent.
    fn change(
        &self,
        mail: &QueuedMail,
        changes: Vec<QueueChange>,
        action: Cow<'static, str>,
        by: &str,
        changed: &mut Changed,
        log: &mut Log,
    ) {
        let is_free = self.with_schedule(|s| {
            if s.get(mail.id).is_none_or(|e| e.is_leased()) {
                return false;
            }
            s.apply(mail.id, &changes);
            if let Some(mail) = s.get(mail.id).map(|e| Arc::clone(&e.mail)) {
                self.put(s, mail, now());
            }
            true
        });
        if is_free {
            log.extend(changes.into_iter().map(|change| (mail.id, change)));
            changed.changed += 1;
            self.queue_action(mail.id, action, by);
        } else {
            changed.busy += 1;
        }
    }

    /// Makes the changes durable: the log of the spool is in order, so the sync of the last one covers all.
    pub(super) async fn write(&self, mut log: Log) -> Result<(), OperatorError> {
        let Some((last, change)) = log.pop() else { return Ok(()) };
        for (id, change) in log {
            self.ignore_unknown(self.0.spool.note(id, change))?;
        }
        self.ignore_unknown(self.0.spool.record(last, change).await)
    }

    /// A mail that was delivered in the meantime needs no change any more.
    fn ignore_unknown(&self, result: Result<(), SpoolError>) -> Result<(), OperatorError> {
        match result {
            Ok(()) | Err(SpoolError::Unknown(_)) => Ok(()),
            Err(e) => Err(OperatorError::Spool(e)),
        }
    }
}

/// Changes of the recipients that `which` names.
fn recipients(mail: &QueuedMail, which: impl Fn(&QueuedRecipient) -> bool, edit: impl Fn(&mut QueuedRecipient)) -> Vec<QueueChange> {
    let chosen = (0u32..).zip(&mail.recipients).filter(|(_, r)| !r.is_done() && which(r));
    let change = |(index, r): (u32, &QueuedRecipient)| {
        let mut state = r.clone();
        edit(&mut state);
        QueueChange::Recipient { index, state }
    };
    chosen.map(change).collect()
}

fn own_words(reply: &str) -> postern_model::queue::LastReply {
    postern_model::queue::LastReply { at: now(), host: "postern".into(), reply: reply.to_owned() }
}
