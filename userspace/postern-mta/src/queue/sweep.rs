//! Once a minute: mails whose time is over, notices of delay, lanes nobody needs.

use std::sync::Arc;
use std::time::Duration;

use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail, RecipientStatus};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;

use super::filter::is_held;
use super::notify::Notice;
use super::{Fate, Lease, Queue, Report, now};

const EVERY: Duration = Duration::from_secs(60);
/// Mails dealt with in one go; the rest has its turn a moment later.
const BATCH: usize = 500;

impl Queue {
    pub(super) async fn keep_clean(self) {
        loop {
            // Settings with short times want a look more often.
            let delivery = self.0.settings.load().delivery.clone();
            let shortest = delivery.delay_notice.0.min(delivery.lifetime.0).min(EVERY * 2) / 2;
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = tokio::time::sleep(shortest.max(Duration::from_millis(50))) => self.sweep(now()).await,
            }
        }
    }

    pub(super) async fn sweep(&self, at: Timestamp) {
        let delivery = self.0.settings.load().delivery.clone();
        let youngest = delivery.delay_notice.0.min(delivery.lifetime.0).min(delivery.quarantine_ttl.0);
        let last = Timestamp(at.0.saturating_sub(i64::try_from(youngest.as_millis()).unwrap_or(i64::MAX)));
        let old: Vec<Arc<QueuedMail>> = {
            let mut schedule = self.0.schedule.lock();
            schedule.sweep_lanes();
            // Ids sort by time, and a mail's id is never younger than the mail.
            let is_due = |m: &QueuedMail| {
                let age = at.since(m.accepted);
                match is_held(m) {
                    true => m.reason == Reason::Undeliverable && age >= delivery.quarantine_ttl.0,
                    false => age >= delivery.lifetime.0 || (age >= delivery.delay_notice.0 && wants_delay_notice(m)),
                }
            };
            let due = schedule.entries_until(MailId::new(last, u128::MAX)).filter(|e| !e.is_leased() && is_due(&e.mail));
            due.map(|e| Arc::clone(&e.mail)).take(BATCH).collect()
        };
        for mail in old {
            if is_held(&mail) {
                // ADR 0003: nobody took care of it for as long as a quarantined mail is kept.
                tracing::warn!(mail = %mail.id, "an undeliverable mail was held until its time was over: removed");
                self.remove_mail(&mail, "removed: it was held as undeliverable for too long", "postern");
            } else if at.since(mail.accepted) >= delivery.lifetime.0 {
                self.expire(&mail).await;
            } else {
                self.notice_delay(&mail).await;
            }
        }
    }

    /// Its time is over: what is still open fails with the last thing that was said about it.
    async fn expire(&self, mail: &Arc<QueuedMail>) {
        let seized = self.with_schedule(|s| s.seize(mail.id));
        for (lane, recipients) in seized {
            let trouble = self.0.schedule.lock().lane(lane).and_then(|l| l.trouble.clone());
            let last = recipients.first().and_then(|i| mail.recipients.get(*i as usize)).and_then(|r| r.last.clone()).or(trouble);
            let why = last.map_or_else(|| "no attempt came to an end".to_owned(), |l| format!("{}: {}", l.host, l.reply));
            let lease = Lease::new(self.clone(), lane, Arc::clone(mail), recipients);
            let report = Report::own(&lease, &Fate::Failed(format!("554 5.4.7 given up, its time is over; last: {why}")));
            self.settle(lease, report).await;
        }
    }

    async fn notice_delay(&self, mail: &Arc<QueuedMail>) {
        let waiting: Vec<_> = mail.pending().filter(|(_, r)| !r.delay_notified && r.recipient.notify.is_none_or(|n| n.delay)).collect();
        let list: Vec<_> = waiting.iter().map(|(_, r)| *r).collect();
        if let Err(e) = self.send_notice(mail, Notice::Delayed, &list).await {
            tracing::error!(mail = %mail.id, error = %e, "a notice of delay could not be made");
            return;
        }
        let changes: Vec<QueueChange> = waiting
            .iter()
            .map(|(index, r)| {
                let mut state = (*r).clone();
                state.delay_notified = true;
                QueueChange::Recipient { index: *index, state }
            })
            .collect();
        let is_unchanged = self.with_schedule(|s| {
            // Being sent meanwhile: the worker's result counts, and one notice too many does no harm.
            let is_unchanged = s.get(mail.id).is_some_and(|e| Arc::ptr_eq(&e.mail, mail) && !e.is_leased());
            if is_unchanged {
                s.apply(mail.id, &changes);
            }
            is_unchanged
        });
        if is_unchanged {
            for change in changes {
                if let Err(e) = self.0.spool.note(mail.id, change) {
                    tracing::error!(mail = %mail.id, error = %e, "a notice of delay could not be written down");
                }
            }
        }
    }
}

fn wants_delay_notice(mail: &QueuedMail) -> bool {
    mail.envelope.direction == Direction::Outbound
        && mail.envelope.mail_from.address().is_some()
        && mail
            .recipients
            .iter()
            .any(|r| r.status == RecipientStatus::Pending && !r.delay_notified && r.recipient.notify.is_none_or(|n| n.delay))
}
