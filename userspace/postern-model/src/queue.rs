//! A mail in the queue: the durable facts about what is still to be done with it.

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::envelope::{Envelope, Recipient};
use crate::id::MailId;
use crate::reason::Reason;
use crate::score::Score;
use crate::time::Timestamp;

/// What happens to an accepted mail next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// To be delivered.
    Deliver,
    /// Held in the queue until somebody says otherwise, or until the sandbox has looked at it ([`QueuedMail::waits_for_sandbox`]).
    Hold,
    /// Kept in the quarantine.
    Quarantine,
}

/// Changes to a mail's header that were decided when it was accepted and are made on the way out;
/// the spool keeps the mail as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderEdits {
    /// Whole header lines with CRLF, put before the mail: Received, Authentication-Results, X-Postern-*.
    pub prepend: Vec<u8>,
    /// Octet ranges `start..end` of the original to leave out (forged results), ascending, disjoint.
    pub remove: Vec<(u64, u64)>,
}

/// Where one recipient stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientStatus {
    Pending,
    /// Done: a next hop answered 2xx for it.
    Delivered,
    /// Done: refused for good, or given up after the queue's lifetime.
    Failed,
    /// Done: returned or deleted by an operator.
    Removed,
}

/// The last thing a next hop (or we ourselves) said about a recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReply {
    pub at: Timestamp,
    /// `mx1.example.org[192.0.2.1]:25`, or `postern` for our own words.
    pub host: String,
    /// `450 4.2.0 mailbox busy`
    pub reply: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedRecipient {
    pub recipient: Recipient,
    pub status: RecipientStatus,
    pub attempts: u32,
    pub next_attempt: Timestamp,
    pub last: Option<LastReply>,
    /// A delay notification (RFC 3461) was already sent.
    pub delay_notified: bool,
}

impl QueuedRecipient {
    pub fn new(recipient: Recipient, at: Timestamp) -> Self {
        Self { recipient, status: RecipientStatus::Pending, attempts: 0, next_attempt: at, last: None, delay_notified: false }
    }

    pub fn is_done(&self) -> bool {
        self.status != RecipientStatus::Pending
    }
}

/// A mail that was answered with 250 and is not done yet. The spool stores exactly this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueuedMail {
    pub id: MailId,
    pub accepted: Timestamp,
    /// Octets of the body as it came.
    pub size: u64,
    /// BLAKE3 of the body as it came.
    pub hash: [u8; 32],
    pub disposition: Disposition,
    /// Why it is where it is.
    pub reason: Reason,
    pub envelope: Envelope,
    pub recipients: Vec<QueuedRecipient>,
    pub edits: HeaderEdits,
    /// An operator's next hop for this mail in place of the routing table: `host:port` or `lmtp:host:port`.
    pub reroute: Option<String>,
    /// Message-ID, Subject and From as text for lists and notifications; at most 200 characters each.
    pub subject: Option<String>,
    pub message_id: Option<String>,
    pub from_header: Option<String>,
    pub score: Score,
}

/// A durable change to a queued mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueChange {
    /// New state of one recipient (by index in [`QueuedMail::recipients`]).
    Recipient {
        index: u32,
        state: QueuedRecipient,
    },
    Disposition(Disposition, Reason),
    Reroute(Option<String>),
    /// Nothing is left to do: body and entry may be freed.
    Done,
    /// The header is changed in another way than it was to be when the mail was accepted. A version that does not know it delivers with
    /// the older header.
    Edits(HeaderEdits),
}

impl QueuedMail {
    /// Applies a change; a recipient index that does not exist is ignored.
    pub fn apply(&mut self, change: &QueueChange) {
        match change {
            QueueChange::Recipient { index, state } => {
                if let Some(slot) = self.recipients.get_mut(*index as usize) {
                    *slot = state.clone();
                }
            }
            QueueChange::Disposition(disposition, reason) => {
                self.disposition = *disposition;
                self.reason = *reason;
            }
            QueueChange::Reroute(to) => self.reroute.clone_from(to),
            QueueChange::Edits(edits) => self.edits.clone_from(edits),
            QueueChange::Done => {
                for r in &mut self.recipients {
                    if !r.is_done() {
                        r.status = RecipientStatus::Removed;
                    }
                }
            }
        }
    }

    pub fn is_done(&self) -> bool {
        self.recipients.iter().all(QueuedRecipient::is_done)
    }

    /// Held because an attachment could not be taken apart in time: tried again, and given free when that is over.
    pub fn waits_for_sandbox(&self) -> bool {
        self.disposition == Disposition::Hold && self.reason == Reason::CheckUnavailable
    }

    /// Recipients still to be served.
    pub fn pending(&self) -> impl Iterator<Item = (u32, &QueuedRecipient)> {
        (0u32..).zip(&self.recipients).filter(|(_, r)| !r.is_done())
    }

    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.recipients.iter().map(|r| &r.recipient.address)
    }
}
