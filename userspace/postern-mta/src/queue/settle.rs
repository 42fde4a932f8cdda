//! What an attempt comes to: new states, notifications, the record in the spool, the events.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::Step;
use postern_model::queue::{Disposition, LastReply, QueueChange, QueuedMail, QueuedRecipient, RecipientStatus};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;

use super::notify::Notice;
use super::schedule::{LaneId, Requeue, Schedule};
use super::{PARKED, Queue, backoff, now};

/// Recipients of one mail that a worker (or the clean-up) has for itself. Dropped without being settled, it goes back.
pub(crate) struct Lease {
    queue: Queue,
    pub(crate) lane: LaneId,
    pub(crate) mail: Arc<QueuedMail>,
    pub(crate) recipients: Vec<u32>,
    is_settled: bool,
}

impl Lease {
    pub(crate) fn new(queue: Queue, lane: LaneId, mail: Arc<QueuedMail>, recipients: Vec<u32>) -> Self {
        Self { queue, lane, mail, recipients, is_settled: false }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.is_settled {
            let recipients = std::mem::take(&mut self.recipients);
            self.queue.with_schedule(|s| s.settle(self.mail.id, self.lane, Requeue::Front(recipients), now()));
        }
    }
}

/// How it went for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered(String),
    Deferred(String),
    Failed(String),
}

/// How it went for a lease.
#[derive(Debug)]
pub(crate) struct Report {
    /// `mx.example[192.0.2.1]:25`, or `postern`.
    pub(crate) host: String,
    pub(crate) tls: Option<String>,
    pub(crate) milliseconds: u64,
    /// One for each recipient of the lease, in order.
    pub(crate) fates: Vec<Fate>,
    /// The peer took over the duty to notify (RFC 3461 §5.2.2); `None`: it was the last hop (LMTP), success means delivered.
    pub(crate) passes_dsn: bool,
    pub(crate) is_final_hop: bool,
}

impl Report {
    /// The same in our own words for all recipients.
    pub(crate) fn own(lease: &Lease, fate: &Fate) -> Self {
        Self {
            host: "postern".into(),
            tls: None,
            milliseconds: 0,
            fates: vec![fate.clone(); lease.recipients.len()],
            passes_dsn: false,
            is_final_hop: false,
        }
    }
}

impl Queue {
    /// Records an attempt and plans what is left.
    pub(crate) async fn settle(&self, mut lease: Lease, report: Report) {
        let mail = Arc::clone(&lease.mail);
        let recipients = std::mem::take(&mut lease.recipients);
        let at = now();
        let mut states = self.judge(&mail, &recipients, &report, at);
        self.give_notice(&mail, &mut states, &report, at).await;
        lease.is_settled = true;

        let again: Vec<u32> =
            states.iter().filter(|(_, s)| s.status == RecipientStatus::Pending && s.next_attempt != PARKED).map(|(i, _)| *i).collect();
        let due = states.iter().filter(|(i, _)| again.contains(i)).map(|(_, s)| s.next_attempt).min();
        let any_delivered = report.fates.iter().any(|f| matches!(f, Fate::Delivered(_)));
        // All recipients in one lease and none left: no state has to be kept, only the end be noted.
        let is_whole = mail.pending().count() == states.len();
        let is_done_at_once = is_whole && states.iter().all(|(_, s)| s.is_done());
        let changes: Vec<QueueChange> = if is_done_at_once {
            Vec::new()
        } else {
            states.iter().map(|(index, state)| QueueChange::Recipient { index: *index, state: state.clone() }).collect()
        };
        let (is_done, hold) = self.with_schedule(|schedule| {
            if any_delivered {
                schedule.delivered(lease.lane);
            }
            if is_done_at_once {
                schedule.remove(mail.id);
                return (true, None);
            }
            schedule.apply(mail.id, &changes);
            let requeue = match due {
                Some(due) => Requeue::At(due, again),
                None => Requeue::Nothing,
            };
            schedule.settle(mail.id, lease.lane, requeue, at);
            finish(schedule, mail.id)
        });
        for change in changes.into_iter().filter(|_| !is_done).chain(hold.clone()) {
            if let Err(e) = self.0.spool.note(mail.id, change) {
                tracing::error!(mail = %mail.id, error = %e, "an attempt could not be written down: it may be repeated after a restart");
            }
        }
        if is_done {
            self.note_done(mail.id);
        }
        self.tell(&mail, &recipients, &report, &states);
        if hold.is_some() {
            let action = Cow::Borrowed("hold: it failed for good and came from outside");
            self.0.events.step(mail.id, Step::QueueAction { action, by: "postern".into() });
        }
    }

    /// The states after the attempt, before notifications.
    fn judge(&self, mail: &QueuedMail, recipients: &[u32], report: &Report, at: Timestamp) -> Vec<(u32, QueuedRecipient)> {
        let settings = self.0.settings.load();
        let delivery = &settings.delivery;
        let is_expired = at.since(mail.accepted) >= delivery.lifetime.0;
        let mut next = None;
        let mut states = Vec::with_capacity(recipients.len());
        for (index, fate) in recipients.iter().zip(&report.fates) {
            let Some(old) = mail.recipients.get(*index as usize) else { continue };
            let mut state = old.clone();
            state.attempts = state.attempts.saturating_add(1);
            let (Fate::Delivered(reply) | Fate::Deferred(reply) | Fate::Failed(reply)) = fate;
            state.last = Some(LastReply { at, host: report.host.clone(), reply: reply.clone() });
            match fate {
                Fate::Delivered(_) => state.status = RecipientStatus::Delivered,
                Fate::Deferred(_) if !is_expired => {
                    let attempts = state.attempts;
                    let wait = || at + backoff(delivery.retry_first.0, delivery.retry_max.0, attempts, &mut rand::rng());
                    state.next_attempt = *next.get_or_insert_with(wait);
                }
                // ADR 0003: what came from outside is never bounced, it waits for an operator.
                Fate::Deferred(_) | Fate::Failed(_) if mail.envelope.direction == Direction::Inbound => state.next_attempt = PARKED,
                Fate::Deferred(_) | Fate::Failed(_) => state.status = RecipientStatus::Failed,
            }
            states.push((*index, state));
        }
        states
    }

    /// Sends the notifications the outcome asks for. A failure that cannot be notified is not final: it is tried again.
    async fn give_notice(&self, mail: &QueuedMail, states: &mut [(u32, QueuedRecipient)], report: &Report, at: Timestamp) {
        if mail.envelope.direction == Direction::Inbound {
            return;
        }
        let failed: Vec<&QueuedRecipient> = states
            .iter()
            .map(|(_, s)| s)
            .filter(|s| s.status == RecipientStatus::Failed && s.recipient.notify.is_none_or(|n| n.failure))
            .collect();
        let succeeded: Vec<QueuedRecipient> = states
            .iter()
            .map(|(_, s)| s)
            .filter(|s| !report.passes_dsn && s.status == RecipientStatus::Delivered && s.recipient.notify.is_some_and(|n| n.success))
            .cloned()
            .collect();
        if !failed.is_empty() || !succeeded.is_empty() {
            self.note_delivered(mail, states);
        }
        if !failed.is_empty()
            && let Err(e) = self.send_notice(mail, Notice::Failed, &failed).await
        {
            tracing::error!(mail = %mail.id, error = %e, "a non-delivery notification could not be made: tried again later");
            let settings = self.0.settings.load();
            for (_, state) in states.iter_mut().filter(|(_, s)| s.status == RecipientStatus::Failed) {
                state.status = RecipientStatus::Pending;
                state.next_attempt = at + settings.delivery.retry_first.0;
            }
        }
        if !succeeded.is_empty() {
            let notice = if report.is_final_hop { Notice::Delivered } else { Notice::Relayed };
            if let Err(e) = self.send_notice(mail, notice, &succeeded.iter().collect::<Vec<_>>()).await {
                tracing::error!(mail = %mail.id, error = %e, "a delivery notification could not be made");
            }
        }
    }

    /// Before something that takes its time: what a mail server has must not be sent again when this process ends meanwhile.
    fn note_delivered(&self, mail: &QueuedMail, states: &[(u32, QueuedRecipient)]) {
        for (index, state) in states.iter().filter(|(_, s)| s.status == RecipientStatus::Delivered) {
            if let Err(e) = self.0.spool.note(mail.id, QueueChange::Recipient { index: *index, state: state.clone() }) {
                tracing::error!(mail = %mail.id, error = %e, "a delivery could not be written down: it may be repeated after a restart");
            }
        }
    }

    fn tell(&self, mail: &QueuedMail, recipients: &[u32], report: &Report, states: &[(u32, QueuedRecipient)]) {
        let counters = &self.0.counters;
        for ((index, fate), (_, state)) in recipients.iter().zip(&report.fates).zip(states) {
            let Some(recipient) = mail.recipients.get(*index as usize).map(|r| r.recipient.address.clone()) else { continue };
            let host = report.host.clone();
            let step = match fate {
                Fate::Delivered(reply) => {
                    counters.delivered.fetch_add(1, Ordering::Relaxed);
                    Step::Delivered { recipient, host, reply: reply.clone(), tls: report.tls.clone(), milliseconds: report.milliseconds }
                }
                Fate::Deferred(reply) if state.status == RecipientStatus::Pending && state.next_attempt != PARKED => {
                    counters.deferred.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(mail = %mail.id, %recipient, %host, %reply, "deferred");
                    Step::Deferred { recipient, host, reply: reply.clone(), next: state.next_attempt }
                }
                Fate::Deferred(reply) | Fate::Failed(reply) => {
                    counters.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(mail = %mail.id, %recipient, %host, %reply, "failed for good");
                    Step::Failed { recipient, host, reply: reply.clone() }
                }
            };
            self.0.events.step(mail.id, step);
        }
    }

    /// The destination could not be reached: the mail goes back to the head of its line; only its last words change.
    pub(crate) fn put_back(&self, mut lease: Lease, trouble: &LastReply) {
        let mail = Arc::clone(&lease.mail);
        let recipients = std::mem::take(&mut lease.recipients);
        lease.is_settled = true;
        let mut changes = Vec::with_capacity(recipients.len());
        let next = self.with_schedule(|schedule| {
            let next = schedule.unreachable(lease.lane, trouble.clone(), trouble.at);
            for index in &recipients {
                let Some(old) = mail.recipients.get(*index as usize) else { continue };
                let attempts = old.attempts.saturating_add(1);
                let state = QueuedRecipient { attempts, next_attempt: next, last: Some(trouble.clone()), ..old.clone() };
                changes.push(QueueChange::Recipient { index: *index, state });
            }
            schedule.apply(mail.id, &changes);
            schedule.settle(mail.id, lease.lane, Requeue::Front(recipients), trouble.at);
            schedule.leave(lease.lane);
            next
        });
        for change in changes {
            if let QueueChange::Recipient { state, .. } = &change {
                let recipient = state.recipient.address.clone();
                self.0.counters.deferred.fetch_add(1, Ordering::Relaxed);
                let step = Step::Deferred { recipient, host: trouble.host.clone(), reply: trouble.reply.clone(), next };
                self.0.events.step(mail.id, step);
            }
            if let Err(e) = self.0.spool.note(mail.id, change) {
                tracing::error!(mail = %mail.id, error = %e, "an attempt could not be written down");
            }
        }
    }
}

/// After a change: is the mail done, or is all that is left of it held?
pub(super) fn finish(schedule: &mut Schedule, id: MailId) -> (bool, Option<QueueChange>) {
    let Some(entry) = schedule.get(id) else { return (false, None) };
    if entry.mail.is_done() {
        schedule.remove(id);
        return (true, None);
    }
    if entry.jobs.is_empty() && entry.mail.disposition == Disposition::Deliver {
        let change = QueueChange::Disposition(Disposition::Hold, Reason::Undeliverable);
        schedule.apply(id, std::slice::from_ref(&change));
        return (false, Some(change));
    }
    (false, None)
}
