//! What happened to a mail, step by step. The tracking centre, the graphs and the explanations
//! read only these.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::{Address, ReversePath};
use crate::envelope::Direction;
use crate::id::MailId;
use crate::node::NodeId;
use crate::reason::Reason;
use crate::sandbox::Opened;
use crate::time::Timestamp;
use crate::verdict::Verdict;

/// One step of one mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Step {
    /// The session that brought it.
    Received { client: IpAddr, helo: String, tls: Option<String>, reverse: Option<String> },
    /// A recipient was refused at RCPT TO.
    RecipientRefused { recipient: String, reason: Reason },
    /// SPF, DKIM, DMARC and ARC in one line each, as in Authentication-Results.
    Authenticated { results: String },
    /// Its attachments were taken apart.
    TakenApart { attachments: Vec<Opened> },
    /// The filter's judgement.
    Judged { verdict: Verdict },
    /// What the operator's rules and lists made of it, recipient by recipient.
    Policy { decisions: Vec<PolicyDecision> },
    /// It was taken more than once, in a different way for different recipients; `parts` are the others.
    Split { parts: Vec<MailId> },
    /// Answered with 250: durable here.
    Accepted { size: u64 },
    /// Answered with 4xx or 5xx after the data.
    Refused { reason: Reason, reply: Cow<'static, str> },
    /// Accepted and held until the sandbox has looked at these attachments, at the latest until then.
    Held { why: Vec<String>, until: Timestamp },
    /// It waits no more, and what is done with it: `deliver` or `quarantine`.
    HoldEnded { action: Cow<'static, str>, why: Cow<'static, str> },
    /// Put into quarantine.
    Quarantined { reason: Reason },
    /// Its attachments were taken apart again, because somebody asked.
    OpenedAgain { by: String, attachments: Vec<Opened>, unanswered: Vec<String> },
    /// Released from quarantine, or deleted there, by somebody.
    QuarantineAction { action: Cow<'static, str>, by: String },
    /// A delivery attempt that did not end it.
    Deferred { recipient: Address, host: String, reply: String, next: Timestamp },
    /// A recipient is done: delivered.
    Delivered { recipient: Address, host: String, reply: String, tls: Option<String>, milliseconds: u64 },
    /// A recipient is done: failed for good.
    Failed { recipient: Address, host: String, reply: String },
    /// A notification was sent about it.
    Notified { kind: Cow<'static, str>, mail: MailId },
    /// An operator did something with it in the queue.
    QueueAction { action: Cow<'static, str>, by: String },
    /// This node delivers it from here on: the one that accepted it was lost, or handed it over.
    TakenOver { from: NodeId, by: NodeId },
}

/// What becomes of a mail for one recipient, and by which rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyDecision {
    pub recipient: Address,
    /// As in [`JourneySummary::action`]; what could be done about it with one reply for all is the mail's own action.
    pub action: Cow<'static, str>,
    pub reason: Reason,
    /// The rules that matched, in their order.
    pub rules: Vec<AppliedRule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppliedRule {
    /// Name of the rule; `list:NAME` for a list that decides by itself.
    pub rule: String,
    /// What was seen, as `who.senders: anna@example.org is in *.example.org`.
    pub evidence: Vec<String>,
    /// What it did.
    pub effects: Vec<String>,
}

/// A step with its moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneyEvent {
    pub mail: MailId,
    pub at: Timestamp,
    #[serde(flatten)]
    pub step: Step,
}

/// What the search over journeys looks at: one per mail, written with its first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JourneySummary {
    pub mail: MailId,
    pub at: Timestamp,
    pub direction: Direction,
    pub client: IpAddr,
    pub mail_from: ReversePath,
    pub recipients: Vec<Address>,
    pub from_header: Option<String>,
    pub subject: Option<String>,
    pub message_id: Option<String>,
    pub size: u64,
    /// `accept`, `tag`, `hold`, `quarantine`, `defer`, `reject`, `discard`.
    pub action: Cow<'static, str>,
    pub reason: Reason,
    pub score: f64,
}
