//! Which mails of the queue an operator means.

use postern_model::id::MailId;
use postern_model::queue::{Disposition, QueuedMail};
use postern_model::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// All that is given must hold. Texts are compared without regard to case and match anywhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// One of these; empty: any.
    pub ids: Vec<MailId>,
    /// Part of MAIL FROM; `<>` for the null path.
    pub sender: Option<String>,
    /// Part of an address that is not done.
    pub recipient: Option<String>,
    /// Domain of a recipient that is not done; exact.
    pub domain: Option<String>,
    /// Accepted longer ago than this.
    pub older_than: Option<Span>,
    /// Accepted more recently than this.
    pub younger_than: Option<Span>,
    pub status: Option<Status>,
    /// Part of the last reply for a recipient that is not done.
    pub reply: Option<String>,
    /// Every mail: says that a filter without any condition is meant.
    pub all: bool,
}

/// Where a mail stands, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Being sent.
    Active,
    /// In line for its destination.
    Ready,
    /// Waits for its next attempt.
    Waiting,
    Held,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Held => "held",
        }
    }
}

impl Filter {
    pub fn id(id: MailId) -> Self {
        Self { ids: vec![id], ..Self::default() }
    }

    /// Without any condition.
    pub fn is_open(&self) -> bool {
        *self == Self { all: self.all, ..Self::default() }
    }

    pub fn matches(&self, mail: &QueuedMail, status: Status, now: Timestamp) -> bool {
        let age = now.since(mail.accepted);
        let contains = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let sender = |part: &String| match part.as_str() {
            "<>" => mail.envelope.mail_from.address().is_none(),
            part => mail.envelope.mail_from.address().is_some_and(|a| contains(&a.to_string(), part)),
        };
        let any_open = |test: &dyn Fn(&postern_model::queue::QueuedRecipient) -> bool| mail.pending().any(|(_, r)| test(r));
        (self.ids.is_empty() || self.ids.contains(&mail.id))
            && self.sender.as_ref().is_none_or(sender)
            && self.recipient.as_ref().is_none_or(|part| any_open(&|r| contains(&r.recipient.address.to_string(), part)))
            && self.domain.as_ref().is_none_or(|d| any_open(&|r| r.recipient.address.domain().as_str().eq_ignore_ascii_case(d)))
            && self.older_than.is_none_or(|span| age >= span.0)
            && self.younger_than.is_none_or(|span| age < span.0)
            && self.status.is_none_or(|s| s == status)
            && self.reply.as_ref().is_none_or(|part| any_open(&|r| r.last.as_ref().is_some_and(|l| contains(&l.reply, part))))
    }
}

/// Whether the queue does nothing with a mail by itself.
pub(super) fn is_held(mail: &QueuedMail) -> bool {
    mail.disposition != Disposition::Deliver
}
