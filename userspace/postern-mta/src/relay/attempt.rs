//! One mail over one connection: as many transactions as its recipients need.

use postern_model::envelope::Recipient;
use postern_model::settings::delivery::DeliverySettings;
use postern_smtp::client::{Outcome, Payload, Stage, Transaction};

use super::connection::{Connection, Sent};
use crate::queue::{Fate, Lease};

#[derive(Debug)]
pub(super) enum Attempt {
    /// The connection can be used again.
    Done(Vec<Fate>),
    /// The connection is gone.
    Broken(Vec<Fate>),
    /// It was gone before anything was answered; what can be said about it.
    DeadOnArrival(String),
}

pub(super) async fn send(connection: &mut Connection, lease: &Lease, settings: &DeliverySettings, body: &[u8]) -> Attempt {
    let payload = Payload::new(&lease.mail.edits, body);
    let mut fates = Vec::with_capacity(lease.recipients.len());
    for chunk in lease.recipients.chunks(settings.max_recipients_per_mail.max(1)) {
        let recipients: Vec<&Recipient> =
            chunk.iter().filter_map(|i| lease.mail.recipients.get(*i as usize)).map(|r| &r.recipient).collect();
        let line_is_trusted = connection.is_trusted();
        let transaction = Transaction { envelope: &lease.mail.envelope, recipients: &recipients, payload: &payload, line_is_trusted };
        match connection.send(&transaction).await {
            Sent::Unfit(reply) => fates.extend(std::iter::repeat_n(Fate::Failed(reply.to_string()), chunk.len())),
            Sent::Done(outcome) => {
                if fates.is_empty()
                    && let Some(words) = goodbye(&outcome)
                {
                    return Attempt::DeadOnArrival(words);
                }
                take(&mut fates, outcome, "450 4.4.2 no answer");
            }
            Sent::Lost(outcome, error) => {
                let words = error.reply();
                if fates.is_empty() && outcome.replies == 0 {
                    return Attempt::DeadOnArrival(words);
                }
                take(&mut fates, outcome, &words);
                fates.resize(lease.recipients.len(), Fate::Deferred(words));
                return Attempt::Broken(fates);
            }
        }
    }
    fates.resize(lease.recipients.len(), Fate::Deferred("450 4.3.0 not tried".into()));
    Attempt::Done(fates)
}

/// 421 in reply to MAIL: how a host says that the connection was kept for too long or for too many mails.
fn goodbye(outcome: &Outcome) -> Option<String> {
    let mut answers = outcome.recipients.iter();
    let first = answers.next()?.as_ref().filter(|r| r.stage == Stage::Mail && r.reply.code == 421)?;
    answers.all(|a| a.as_ref().is_some_and(|a| a.stage == Stage::Mail)).then(|| first.reply.to_string())
}

fn take(fates: &mut Vec<Fate>, outcome: Outcome, unanswered: &str) {
    fates.extend(outcome.recipients.into_iter().map(|answer| match answer {
        Some(answer) if answer.reply.is_positive() && answer.stage == Stage::Text => Fate::Delivered(answer.reply.to_string()),
        Some(answer) if answer.reply.is_permanent() => Fate::Failed(answer.reply.to_string()),
        Some(answer) => Fate::Deferred(answer.reply.to_string()),
        None => Fate::Deferred(unanswered.to_owned()),
    }));
}
