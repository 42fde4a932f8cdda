//! What tracking is told of a mail on its way in: its arrival, its verdict, what the rules made of it.

use postern_filter::facts::Asked;
use postern_mail::authentication::Authentication;
use postern_model::address::Address;
use postern_model::envelope::{Envelope, Recipient};
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, PolicyDecision, Step};
use postern_model::queue::{QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::sandbox::Opened;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use postern_policy::split::Part;

use crate::accept;
use crate::journey::Journey;
use crate::policy::Plan;
use crate::visit::Visit;

impl Journey {
    /// A mail's first event.
    pub(crate) fn note_arrival(&self, visit: &Visit, mail: MailId, at: Timestamp) {
        let client = &visit.client;
        let (tls, reverse) = (client.tls.as_ref().map(|t| t.version.clone()), client.reverse.clone());
        self.events.send(JourneyEvent { mail, at, step: Step::Received { client: client.ip(), helo: client.helo.clone(), tls, reverse } });
    }

    pub(crate) fn note_verdict(&self, visit: &Visit, mail: MailId, known: &Known<'_>, outcome: &Outcome) {
        let Known { at, envelope, size, verdict, authentication, .. } = *known;
        tracing::info!(%mail, client = %visit.client.ip(), from = %envelope.mail_from, recipients = envelope.recipients.len(), size,
            action = outcome.action.name(), reason = %outcome.reason, score = %verdict.score, "judged");
        if let Asked::Yes(a) = authentication {
            self.events.send(JourneyEvent { mail, at, step: Step::Authenticated { results: a.header_value.replace("\r\n", "") } });
        }
        if !known.opened.is_empty() {
            self.events.send(JourneyEvent { mail, at, step: Step::TakenApart { attachments: known.opened.to_vec() } });
        }
        let mut recipients: Vec<Address> = match &outcome.recipients {
            Some(recipients) => recipients.iter().map(|r| r.address.clone()).collect(),
            None => envelope.recipients.iter().map(|r| r.address.clone()).collect(),
        };
        // A search for whom it was sent to finds it, wherever a rule sent it.
        for decision in &outcome.decisions {
            if !recipients.contains(&decision.recipient) {
                recipients.push(decision.recipient.clone());
            }
        }
        self.summarise(mail, known, outcome.action, outcome.reason, recipients);
        self.events.send(JourneyEvent { mail, at, step: Step::Judged { verdict: verdict.clone() } });
        if !outcome.decisions.is_empty() {
            self.events.send(JourneyEvent { mail, at, step: Step::Policy { decisions: outcome.decisions.clone() } });
        }
    }

    pub(crate) fn summarise(&self, mail: MailId, known: &Known<'_>, action: Action, reason: Reason, recipients: Vec<Address>) {
        let Known { at, envelope, heading, size, verdict, .. } = *known;
        self.database.journeys().summarise(JourneySummary {
            mail,
            at,
            direction: envelope.direction,
            client: envelope.client.ip(),
            mail_from: envelope.mail_from.clone(),
            recipients,
            from_header: heading.from.clone(),
            subject: heading.subject.clone(),
            message_id: heading.message_id.clone(),
            size,
            action: action.name().into(),
            reason,
            score: verdict.score.get(),
        });
    }

    /// A mail that was held was judged again.
    pub(crate) fn note_second_verdict(&self, mail: &QueuedMail, verdict: &Verdict, opened: Vec<Opened>, decisions: Vec<PolicyDecision>) {
        if !opened.is_empty() {
            self.events.step(mail.id, Step::TakenApart { attachments: opened });
        }
        self.events.step(mail.id, Step::Judged { verdict: verdict.clone() });
        if !decisions.is_empty() {
            self.events.step(mail.id, Step::Policy { decisions });
        }
    }

    /// What is done with a mail that was held, and why it waits no more.
    pub(crate) fn note_hold_ended(&self, mail: &QueuedMail, action: Action, reason: Reason, score: Score, why: &str) {
        let word = if action == Action::Quarantine { "quarantine" } else { "deliver" };
        tracing::info!(mail = %mail.id, action = action.name(), %reason, why, "held no more");
        self.events.step(mail.id, Step::HoldEnded { action: word.into(), why: why.to_owned().into() });
        // A search for whom it was sent to finds it, wherever a rule sent it.
        let original = |r: &QueuedRecipient| r.recipient.original.as_deref()?.strip_prefix("rfc822;")?.parse::<Address>().ok();
        let mut recipients: Vec<Address> = mail.addresses().cloned().collect();
        recipients.extend(mail.recipients.iter().filter_map(original));
        recipients.dedup();
        self.database.journeys().decide(JourneySummary {
            mail: mail.id,
            at: mail.accepted,
            direction: mail.envelope.direction,
            client: mail.envelope.client.ip(),
            mail_from: mail.envelope.mail_from.clone(),
            recipients,
            from_header: mail.from_header.clone(),
            subject: mail.subject.clone(),
            message_id: mail.message_id.clone(),
            size: mail.size,
            action: action.name().into(),
            reason,
            score: score.get(),
        });
    }
}

/// What tracking is told of a mail.
#[derive(Clone, Copy)]
pub(crate) struct Known<'k> {
    pub at: Timestamp,
    pub envelope: &'k Envelope,
    pub heading: &'k accept::Heading,
    pub size: u64,
    pub verdict: &'k Verdict,
    pub authentication: &'k Asked<Authentication>,
    /// What the sandbox saw in attachments.
    pub opened: &'k [Opened],
}

/// What became of a mail, or of one part of it.
pub(crate) struct Outcome {
    pub action: Action,
    pub reason: Reason,
    /// `None`: all of the envelope.
    pub recipients: Option<Vec<Recipient>>,
    pub decisions: Vec<PolicyDecision>,
}

impl Outcome {
    pub(crate) fn of_all(plan: &Plan, action: Action, reason: Reason) -> Self {
        Self { action, reason, recipients: None, decisions: plan.all_kept() }
    }

    pub(crate) fn of_part(plan: &Plan, part: &Part) -> Self {
        Self { action: part.action, reason: part.reason, recipients: Some(part.recipients.clone()), decisions: plan.kept(part) }
    }
}
