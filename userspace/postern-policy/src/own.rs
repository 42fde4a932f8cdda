//! What recipients chose about senders, each for the own copy of a mail: asked behind the operator's lists and rules.
//!
//! Thinking: a block is obeyed on a sender's word, since it can only harm who is named by it; an allow wants proof, as an operator's
//! allow list does. A block keeps the mail in quarantine and refuses nothing: one recipient's wish must not be told to a sender, nor
//! decide for other recipients. An allow lifts what the score decided and nothing else: not a virus, a check that is lacking, the sender's own
//! policy (DMARC), an operator's list or rule, nor the score of dangerous attachments: an account that was taken over is confirmed, too. A rule that decided stands. An address counts before its domain; of the same, the block.

use std::collections::HashMap;

use postern_model::address::Address;
use postern_model::own_list::{Choice, Sender};
use postern_model::reason::Reason;
use postern_model::symbol::Group;
use postern_model::verdict::{Action, Verdict};

use crate::decide::Decision;
use crate::mail::Mail;
use crate::parties::Parties;
use crate::thresholds::Floor;

/// Points of what was found in attachments from which an allow lifts nothing: a program, a shortcut, a macro that starts one.
const DANGER: f64 = 3.0;

/// Lists of the recipients that have any, by the keys of their addresses.
#[derive(Clone, Debug, Default)]
pub struct OwnLists(HashMap<String, Own>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    pub(crate) allows: Parties,
    pub(crate) blocks: Parties,
}

impl OwnLists {
    /// `address`: key of the recipient's.
    pub fn add(&mut self, address: &str, sender: &Sender, choice: Choice) {
        let own = self.0.entry(address.to_owned()).or_default();
        let list = match choice {
            Choice::Allow => &mut own.allows,
            Choice::Block => &mut own.blocks,
            Choice::None => return,
        };
        // A sender is an address or a domain, which every list takes.
        let _ = list.add(sender.as_str());
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn of(&self, recipient: &Address) -> Option<&Own> {
        if self.0.is_empty() { None } else { self.0.get(&recipient.key()) }
    }
}

/// An entry of a list that stands for the mail's sender or author.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) choice: Choice,
    pub(crate) field: &'static str,
    pub(crate) entry: String,
    pub(crate) evidence: String,
}

impl Match {
    fn is_exact(&self) -> bool {
        self.entry.contains('@')
    }
}

/// Which of both counts.
pub(crate) fn stronger(block: Option<Match>, allow: Option<Match>) -> Option<Match> {
    match (block, allow) {
        (Some(block), Some(allow)) => Some(if allow.is_exact() && !block.is_exact() { allow } else { block }),
        (block, allow) => block.or(allow),
    }
}

/// Obeys a choice as far as it goes; what came of it, in words.
pub(crate) fn obey(choice: Choice, decision: &mut Decision, mail: &Mail<'_>) -> String {
    if decision.reason == Reason::Policy {
        return "a rule has decided".to_owned();
    }
    match choice {
        Choice::None => String::new(),
        Choice::Block if decision.action >= Action::Quarantine => format!("not harder than {}", decision.action.name()),
        Choice::Block => {
            (decision.action, decision.reason) = (Action::Quarantine, Reason::UserBlocked);
            "quarantine".to_owned()
        }
        Choice::Allow => {
            let by_score = matches!(decision.reason, Reason::ScoreTag | Reason::ScoreQuarantine | Reason::ScoreReject);
            match mail.floor {
                Floor::Beside { .. } if by_score && is_dangerous(mail.verdict) => "does not pass over what is attached".to_owned(),
                Floor::Beside { .. } if by_score => {
                    let (action, reason) = mail.floor.alone();
                    let reason = if action == Action::Accept { Reason::UserAllowed } else { reason };
                    (decision.action, decision.reason) = (action, reason);
                    format!("the score does not count: {}", action.name())
                }
                _ if decision.action == Action::Accept => "accepted anyway".to_owned(),
                _ => format!("does not pass over {}", decision.reason),
            }
        }
    }
}

fn is_dangerous(verdict: &Verdict) -> bool {
    let attached = verdict.hits.iter().filter(|h| matches!(h.group, Group::Attachment | Group::Sandbox | Group::Antivirus));
    attached.map(|h| h.score.get().max(0.0)).sum::<f64>() >= DANGER
}
