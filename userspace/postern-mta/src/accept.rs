//! From a judged mail to the entry the spool stores: which header lines go, which come.

use std::borrow::Cow;

use postern_filter::facts::Asked;
use postern_mail::authentication::Authentication;
use postern_mail::edit;
use postern_mail::message::Message;
use postern_model::envelope::{Direction, Envelope};
use postern_model::id::MailId;
use postern_model::queue::{Disposition, QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use postern_policy::split::Part;
use postern_store::spool::Body;

use crate::live::Live;
use crate::visit::Visit;

/// Characters of a subject or address kept for lists and tracking.
const SHOWN: usize = 200;

/// What lists and tracking show of a mail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heading {
    pub from: Option<String>,
    pub subject: Option<String>,
    pub message_id: Option<String>,
}

impl Heading {
    pub(crate) fn of(message: &Message) -> Self {
        let shown = |text: &str| text.chars().take(SHOWN).collect::<String>();
        Self {
            from: message.from.first().map(|m| shown(&m.address)).filter(|a| !a.is_empty()),
            subject: message.subject.as_deref().map(shown),
            message_id: message.message_id.as_deref().map(shown),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "the one place where all that is known of a mail becomes its entry")]
pub(crate) fn queued_mail(
    live: &Live,
    visit: &Visit,
    id: MailId,
    at: Timestamp,
    envelope: Envelope,
    body: &Body,
    heading: &Heading,
    judged: &Verdict,
    part: &Part,
    unheld: (Action, Reason),
    authentication: &Asked<Authentication>,
) -> QueuedMail {
    // A mail that is held has the header it needs if somebody releases it.
    let (action, reason) = if part.action == Action::Hold { unheld } else { (part.action, part.reason) };
    // Mostly it is what the filter said, and its hits need no copy.
    let verdict = match (action, reason) == (judged.action, judged.reason) {
        true => Cow::Borrowed(judged),
        false => Cow::Owned(Verdict { action, reason, ..judged.clone() }),
    };
    let disposition = match part.action {
        Action::Quarantine => Disposition::Quarantine,
        Action::Hold => Disposition::Hold,
        _ => Disposition::Deliver,
    };
    let tag = (action == Action::Tag).then_some(&live.settings.delivery.subject_tag).filter(|t| !t.is_empty());
    let marks: Vec<&str> = tag.into_iter().chain(&part.subject_prefixes).map(String::as_str).collect();
    let marks = marks.join(" ");
    let results = match authentication {
        Asked::Yes(a) => Some(a.header_value.as_str()),
        Asked::No | Asked::Failed => None,
    };
    let edits = edit::edits(&edit::Input {
        mail: body.bytes(),
        hostname: &live.hostname,
        id,
        at,
        envelope: &envelope,
        client: &visit.client,
        authentication_results: results,
        verdict: (visit.is_judged && envelope.direction == Direction::Inbound).then_some(&*verdict),
        subject_tag: (!marks.is_empty()).then_some(marks.as_str()),
        added: &part.headers,
    });
    QueuedMail {
        id,
        accepted: at,
        size: body.size(),
        hash: body.hash(),
        disposition,
        // That is how the queue knows what it waits for.
        reason: if part.action == Action::Hold { Reason::CheckUnavailable } else { reason },
        recipients: envelope.recipients.iter().map(|r| QueuedRecipient::new(r.clone(), at)).collect(),
        envelope,
        edits,
        reroute: None,
        subject: heading.subject.clone(),
        message_id: heading.message_id.clone(),
        from_header: heading.from.clone(),
        score: verdict.score,
    }
}
