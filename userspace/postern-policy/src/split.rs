//! From the decisions of all recipients to what can be done: SMTP has one reply after the data.
//!
//! Refused for all: refused. Put off for one: put off for all, nothing is lost by waiting. Refused for some: taken, and where
//! it is refused kept in the quarantine, or refused for all, as the settings say. Taken in different ways: taken once for each
//! way, as mails of their own with the same content.

use std::collections::HashSet;
use std::fmt;

use postern_model::address::Address;
use postern_model::envelope::{DsnNotify, Recipient};
use postern_model::reason::Reason;
use postern_model::settings::policy::WhenMixed;
use postern_model::verdict::{Action, Verdict};

use crate::decide::Decision;

/// Recipients of a quarantined mail that get one each.
pub const ALONE_AT_MOST: usize = 50;

/// Recipients that get the same mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `Accept`, `Tag`, `Hold` or `Quarantine`.
    pub action: Action,
    pub reason: Reason,
    pub subject_prefixes: Vec<String>,
    pub headers: Vec<(String, String)>,
    /// Whom it goes to, redirections and additions done.
    pub recipients: Vec<Recipient>,
    /// Indices of the decisions that led to it.
    pub decisions: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The mildest first; never empty, and no part is without recipients.
    Accept(Vec<Part>),
    /// `Reject` or `Defer`.
    Refuse { action: Action, reason: Reason, reply: Option<String> },
    /// Rules dropped it for everybody.
    Discard,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discard => f.write_str("answered with 250 and dropped"),
            Self::Refuse { action: Action::Defer, reason, .. } => write!(f, "put off with 451 for all ({reason})"),
            Self::Refuse { reason, reply: Some(reply), .. } => write!(f, "refused for all ({reason}): {reply}"),
            Self::Refuse { reason, .. } => write!(f, "refused for all ({reason})"),
            Self::Accept(parts) => {
                f.write_str("answered with 250")?;
                for part in parts {
                    let to: Vec<String> = part.recipients.iter().map(|r| r.address.to_string()).collect();
                    let words = match part.action {
                        Action::Quarantine => "kept in the quarantine",
                        Action::Hold => "held for the sandbox",
                        Action::Tag => "delivered with a mark",
                        _ => "delivered",
                    };
                    write!(f, "; {words} for {} ({})", to.join(", "), part.reason)?;
                }
                Ok(())
            }
        }
    }
}

/// Without rules: the filter's verdict, for all.
pub fn undivided(verdict: &Verdict, recipients: &[Recipient]) -> Resolution {
    match verdict.action {
        Action::Accept | Action::Tag | Action::Hold | Action::Quarantine => Resolution::Accept(vec![Part {
            action: verdict.action,
            reason: verdict.reason,
            subject_prefixes: Vec::new(),
            headers: Vec::new(),
            recipients: recipients.to_vec(),
            decisions: Vec::new(),
        }]),
        Action::Defer | Action::Reject => Resolution::Refuse { action: verdict.action, reason: verdict.reason, reply: None },
        Action::Discard => Resolution::Discard,
    }
}

/// Quarantined parts are for one recipient each, who decides about it. A part for more than [`ALONE_AT_MOST`] stays together: each
/// would be another copy on the disk.
#[must_use]
pub fn each_alone(resolution: Resolution) -> Resolution {
    let Resolution::Accept(parts) = resolution else { return resolution };
    let alone = |part: Part| match part.action {
        Action::Quarantine if (2..=ALONE_AT_MOST).contains(&part.recipients.len()) => {
            part.recipients.iter().map(|r| Part { recipients: vec![r.clone()], ..part.clone() }).collect()
        }
        _ => vec![part],
    };
    Resolution::Accept(parts.into_iter().flat_map(alone).collect())
}

/// `decisions` and `recipients` are in the same order.
pub fn resolve(decisions: &[Decision], recipients: &[Recipient], when_mixed: WhenMixed) -> Resolution {
    let refusal = |action: Action| {
        let first = decisions.iter().find(|d| d.action == action)?;
        Some(Resolution::Refuse { action, reason: first.reason, reply: first.reply.clone() })
    };
    if let Some(put_off) = refusal(Action::Defer) {
        return put_off;
    }
    let is_taken = decisions.iter().any(|d| matches!(d.action, Action::Accept | Action::Tag | Action::Hold | Action::Quarantine));
    if let Some(refused) = refusal(Action::Reject).filter(|_| !is_taken || when_mixed == WhenMixed::Reject) {
        return refused;
    }
    let mut parts: Vec<Part> = Vec::new();
    for (index, (decision, recipient)) in decisions.iter().zip(recipients).enumerate() {
        let action = match decision.action {
            Action::Discard => continue,
            Action::Accept | Action::Tag | Action::Hold | Action::Quarantine => decision.action,
            // Not deferred, as seen above.
            Action::Reject | Action::Defer => Action::Quarantine,
        };
        let is_alike = |p: &Part| {
            (p.action, p.reason) == (action, decision.reason)
                && p.subject_prefixes == decision.subject_prefixes
                && p.headers == decision.headers
        };
        let at = parts.iter().position(is_alike).unwrap_or_else(|| {
            parts.push(Part {
                action,
                reason: decision.reason,
                subject_prefixes: decision.subject_prefixes.clone(),
                headers: decision.headers.clone(),
                recipients: Vec::new(),
                decisions: Vec::new(),
            });
            parts.len() - 1
        });
        let part = &mut parts[at];
        part.decisions.push(index);
        if decision.redirect_to.is_empty() {
            part.recipients.push(recipient.clone());
        }
        // RFC 3461 §4.2: who sent it asked about the recipient it named.
        let original = recipient.original.clone().or_else(|| Some(format!("rfc822;{}", recipient.address)));
        part.recipients.extend(decision.redirect_to.iter().map(|to| Recipient {
            address: to.clone(),
            notify: recipient.notify,
            original: original.clone(),
        }));
    }
    // The mildest first: an address that is added to several parts gets the mail where it is delivered.
    parts.sort_by_key(|p| p.action);
    add_copies(&mut parts, decisions);
    if parts.is_empty() { Resolution::Discard } else { Resolution::Accept(parts) }
}

fn add_copies(parts: &mut [Part], decisions: &[Decision]) {
    let mut named: HashSet<String> = parts.iter().flat_map(|p| &p.recipients).map(|r| r.address.key()).collect();
    for part in parts {
        let mut own = HashSet::new();
        part.recipients.retain(|r| own.insert(r.address.key()));
        let added: Vec<&Address> = part.decisions.iter().filter_map(|i| decisions.get(*i)).flat_map(|d| &d.add_recipients).collect();
        for address in added {
            if named.insert(address.key()) {
                // Who sent it knows nothing of them.
                part.recipients.push(Recipient { notify: Some(DsnNotify::NEVER), ..Recipient::plain(address.clone()) });
            }
        }
    }
}
