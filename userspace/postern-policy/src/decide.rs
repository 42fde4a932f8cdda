//! One recipient's decision: the lists, then the rules in their order.
//!
//! Block lists come first and end it. Allow lists lift the score's verdict and leave the rules to say otherwise. A rule's
//! decision replaces what was decided before; without one the filter's verdict stands, by the thresholds that hold for this
//! recipient. Last comes what the recipient chose about the sender ([`crate::own`]).

use std::cell::OnceCell;

use postern_model::address::{Address, Domain};
use postern_model::envelope::Direction;
use postern_model::own_list::Choice;
use postern_model::reason::Reason;
use postern_model::verdict::{Action, Verdict};
use serde::Serialize;

use crate::compile::{Policy, Rule};
use crate::condition::{Condition, Judged, Outcome};
use crate::mail::{Mail, Told};
use crate::own::{self, Match, OwnLists};
use crate::thresholds::Floor;

/// How a condition came out, and why, when it does not depend on the recipient.
type Shared = Option<(Outcome, String)>;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// A rule is left at the first condition that is not met.
    Decide,
    /// Every condition is judged, for people.
    Explain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleOutcome {
    Matched,
    NotMatched,
    /// Some facts are not known: it may have matched.
    CannotTell,
    Disabled,
    /// A rule before it ended the search.
    NotReached,
}

/// What a rule, or a list, came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// The rule's name; `list:NAME` for a list that decides by itself, `own:ADDRESS` for that of the recipient.
    pub rule: String,
    pub outcome: RuleOutcome,
    pub conditions: Vec<Judged>,
    /// What it did, in words.
    pub effects: Vec<String>,
}

/// What becomes of the mail for one recipient.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    pub recipient: Address,
    pub action: Action,
    pub reason: Reason,
    /// The text after 550, when a rule gives one.
    pub reply: Option<String>,
    pub subject_prefixes: Vec<String>,
    pub headers: Vec<(String, String)>,
    /// In place of the recipient; empty: the recipient itself.
    pub redirect_to: Vec<Address>,
    pub add_recipients: Vec<Address>,
    pub tried: Vec<Tried>,
}

impl Decision {
    pub fn matched(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(|t| t.outcome == RuleOutcome::Matched)
    }

    /// Rules of which nobody knows whether they match.
    pub fn in_doubt(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(|t| t.outcome == RuleOutcome::CannotTell)
    }

    /// Whether two decisions do the same with a mail. Marks on what nobody gets do not count.
    pub fn is_same_as(&self, other: &Self) -> bool {
        if self.action != other.action || self.reply != other.reply {
            return false;
        }
        let marks = |d: &Self| (d.subject_prefixes.clone(), d.headers.clone(), d.redirect_to.clone(), d.add_recipients.clone());
        matches!(self.action, Action::Defer | Action::Reject | Action::Discard) || marks(self) == marks(other)
    }
}

/// A mail and the rules; what is the same for all recipients is worked out once.
pub struct Trial<'t, 'm> {
    policy: &'t Policy,
    mail: &'t Mail<'m>,
    depth: Depth,
    /// What is taken for true of rules of which nobody knows whether they match.
    assumed: &'t [(&'t str, bool)],
    shared: Vec<OnceCell<Vec<Shared>>>,
    own: Option<&'t OwnLists>,
}

impl<'t, 'm> Trial<'t, 'm> {
    pub fn new(policy: &'t Policy, mail: &'t Mail<'m>, depth: Depth) -> Self {
        Self { policy, mail, depth, assumed: &[], shared: policy.rules.iter().map(|_| OnceCell::new()).collect(), own: None }
    }

    /// The same trial with what the recipients chose for themselves.
    pub fn with_own(self, own: &'t OwnLists) -> Self {
        Self { own: Some(own), ..self }
    }

    /// The same trial as if these rules, if they are in doubt, matched or did not.
    pub fn assuming(self, assumed: &'t [(&'t str, bool)]) -> Self {
        Self { assumed, ..self }
    }

    pub fn decide(&self, recipient: &Address) -> Decision {
        let verdict = self.mail.verdict;
        let mut decision = Decision {
            recipient: recipient.clone(),
            action: verdict.action,
            reason: verdict.reason,
            reply: None,
            subject_prefixes: Vec::new(),
            headers: Vec::new(),
            redirect_to: Vec::new(),
            add_recipients: Vec::new(),
            tried: Vec::new(),
        };
        let mut is_over = self.ask_lists(&mut decision);
        for (index, rule) in self.policy.rules.iter().enumerate() {
            let outcome = if !rule.enabled {
                RuleOutcome::Disabled
            } else if is_over {
                RuleOutcome::NotReached
            } else {
                RuleOutcome::NotMatched
            };
            let mut tried = Tried { rule: rule.name.clone(), outcome, conditions: Vec::new(), effects: Vec::new() };
            if outcome == RuleOutcome::NotMatched {
                (tried.outcome, tried.conditions) = self.judge(index, rule, recipient);
                if let (RuleOutcome::CannotTell, Some((_, matches))) =
                    (tried.outcome, self.assumed.iter().find(|(name, _)| *name == rule.name))
                {
                    tried.outcome = if *matches { RuleOutcome::Matched } else { RuleOutcome::NotMatched };
                }
                if tried.outcome == RuleOutcome::Matched {
                    tried.effects = apply(rule, &mut decision, self.mail);
                    is_over = rule.action.stops;
                }
            }
            if self.depth == Depth::Explain || matches!(tried.outcome, RuleOutcome::Matched | RuleOutcome::CannotTell) {
                decision.tried.push(tried);
            }
        }
        self.ask_recipient(&mut decision);
        decision
    }

    /// Whether an operator's list ended it makes no difference: what that decided is not lifted ([`own::obey`]).
    fn ask_recipient(&self, decision: &mut Decision) {
        let Some(own) = self.own.and_then(|lists| lists.of(&decision.recipient)) else { return };
        let found = |choice, (field, entry, evidence): (&'static str, String, String)| Match { choice, field, entry, evidence };
        let author = || self.mail.authors.iter().find_map(|a| Some(("who.authors", own.blocks.address(a)?, format!("{a} is blocked"))));
        let sender = || Some(("who.senders", own.blocks.path(self.mail.sender)?, format!("{} is blocked", shown(self.mail))));
        let block = author().or_else(sender).map(|m| found(Choice::Block, m));
        let confirmed = self.authentic(&own.allows).map(|(field, entry, who)| (field, entry, format!("{who} confirmed, and allowed")));
        let allow = confirmed.map(|m| found(Choice::Allow, m));
        let Some(Match { choice, field, entry, evidence }) = own::stronger(block, allow) else { return };
        let effect = own::obey(choice, decision, self.mail);
        let name = format!("own:{}", decision.recipient);
        decision.tried.push(tried_list(name, field, format!("{evidence} by {entry}"), &effect));
    }

    /// True: a list ended it.
    fn ask_lists(&self, decision: &mut Decision) -> bool {
        let client = |parties: &crate::parties::Parties| match &self.mail.client {
            Told::Known(ip) => parties.client(*ip).map(|entry| ("who.clients", format!("{ip} is in {entry}"))),
            Told::Unknown(_) => None,
        };
        for (name, parties) in &self.policy.blocks {
            let author = || self.mail.authors.iter().find_map(|a| Some(("who.authors", format!("{a} is in {}", parties.address(a)?))));
            let sender = || Some(("who.senders", format!("{} is in {}", shown(self.mail), parties.path(self.mail.sender)?)));
            if let Some((field, evidence)) = client(parties).or_else(sender).or_else(author) {
                (decision.action, decision.reason) = (Action::Reject, Reason::Blocked);
                decision.tried.push(by_list(name, field, evidence, "reject"));
                return true;
            }
        }
        for (name, parties) in &self.policy.allows {
            let by_address = || self.authentic(parties).map(|(field, entry, who)| (field, format!("{who} in {entry}, and is confirmed")));
            let Some((field, evidence)) = client(parties).or_else(by_address) else { continue };
            let effect = match protects(self.mail.verdict, Action::Accept, &[]) {
                Some(why) => why,
                None => {
                    (decision.action, decision.reason) = (Action::Accept, Reason::Allowed);
                    "accept".to_owned()
                }
            };
            decision.tried.push(by_list(name, field, evidence, &effect));
            break;
        }
        false
    }

    /// An allow list without authentication would be a key under the mat: anybody can write an address.
    /// The field, the entry, and whose it is as in `anna@example.org is`.
    fn authentic(&self, parties: &crate::parties::Parties) -> Option<(&'static str, String, String)> {
        let is_confirmed = |domain: &Domain| match (&self.mail.authentication, self.mail.direction) {
            (_, Direction::Outbound) => true,
            (Told::Known(results), Direction::Inbound) => results.confirm(domain),
            (Told::Unknown(_), Direction::Inbound) => false,
        };
        let author = || {
            // With several authors, one that is on the list must not speak for the others.
            let [author] = self.mail.authors[..] else { return None };
            let domain: Domain = author.rsplit_once('@')?.1.parse().ok()?;
            let entry = parties.address(author).filter(|_| is_confirmed(&domain))?;
            Some(("who.authors", entry, format!("{author} is")))
        };
        let sender = || {
            let entry = parties.path(self.mail.sender).filter(|_| self.mail.sender.domain().is_some_and(is_confirmed))?;
            Some(("who.senders", entry, format!("{} is", shown(self.mail))))
        };
        author().or_else(sender)
    }

    fn judge(&self, index: usize, rule: &Rule, recipient: &Address) -> (RuleOutcome, Vec<Judged>) {
        let all = || rule.conditions.iter().map(|c| (c, false)).chain(rule.exceptions.iter().map(|c| (c, true)));
        // What does not depend on the recipient. Filled as far as it was needed: with `Depth::Decide` an unmet one ends it.
        let shared = self.shared[index].get_or_init(|| {
            let mut found = Vec::with_capacity(rule.conditions.len() + rule.exceptions.len());
            let mut is_left = false;
            for (condition, is_exception) in all() {
                let judged = (!condition.is_per_recipient() && !is_left).then(|| condition.judge(self.mail, recipient));
                let ends = judged.as_ref().is_some_and(|(outcome, _)| speaks_against(*outcome, is_exception));
                is_left |= ends && self.depth == Depth::Decide;
                found.push(judged);
            }
            found
        });
        let (mut conditions, mut outcome) = (Vec::new(), RuleOutcome::Matched);
        for ((condition, is_exception), known) in all().zip(shared) {
            let (said, evidence) = match known {
                Some(known) => known.clone(),
                None if condition.is_per_recipient() => condition.judge(self.mail, recipient),
                None => continue,
            };
            if speaks_against(said, is_exception) {
                outcome = RuleOutcome::NotMatched;
            } else if said == Outcome::CannotTell && outcome == RuleOutcome::Matched {
                outcome = RuleOutcome::CannotTell;
            }
            conditions.push(Judged { field: field(condition, is_exception), outcome: said, evidence });
            if outcome == RuleOutcome::NotMatched && self.depth == Depth::Decide {
                break;
            }
        }
        (outcome, conditions)
    }
}

fn speaks_against(outcome: Outcome, is_exception: bool) -> bool {
    outcome == if is_exception { Outcome::Met } else { Outcome::NotMet }
}

fn field(condition: &Condition, is_exception: bool) -> String {
    if is_exception { format!("unless.{}", condition.field()) } else { condition.field().to_owned() }
}

fn shown(mail: &Mail<'_>) -> String {
    mail.sender.address().map_or_else(|| "<>".to_owned(), ToString::to_string)
}

fn by_list(name: &str, field: &str, evidence: String, effect: &str) -> Tried {
    tried_list(format!("list:{name}"), field, evidence, effect)
}

fn tried_list(rule: String, field: &str, evidence: String, effect: &str) -> Tried {
    Tried {
        rule,
        outcome: RuleOutcome::Matched,
        conditions: vec![Judged { field: field.to_owned(), outcome: Outcome::Met, evidence }],
        effects: vec![effect.to_owned()],
    }
}

/// Why a milder decision is not obeyed, when it is not. Measured by the filter's verdict: two rules in a row must not get
/// around it.
fn protects(verdict: &Verdict, wanted: Action, named: &[Reason]) -> Option<String> {
    let is_hard = matches!(verdict.reason, Reason::Virus | Reason::CheckUnavailable);
    (is_hard && wanted < verdict.action && !named.contains(&verdict.reason)).then(|| {
        let (action, reason) = (verdict.action.name(), verdict.reason);
        format!("not milder than {action}: only a rule that names `{reason}` in what.reasons passes over it")
    })
}

fn apply(rule: &Rule, decision: &mut Decision, mail: &Mail<'_>) -> Vec<String> {
    let effects = &rule.action;
    let mut said = Vec::new();
    if effects.skip_thresholds || effects.thresholds.is_some() {
        let (action, reason) = match &effects.thresholds {
            Some(own) => mail.floor.decide(mail.verdict.score, own),
            None => mail.floor.alone(),
        };
        let words = if effects.skip_thresholds { "the score does not count" } else { "own thresholds" };
        said.push(match mail.floor {
            Floor::Final(..) => format!("{words}: the score had no say"),
            Floor::Beside { .. } => {
                (decision.action, decision.reason) = (action, reason);
                format!("{words}: {} ({reason})", action.name())
            }
        });
    }
    if let Some(decide) = effects.decide {
        match protects(mail.verdict, decide.action(), &rule.reasons) {
            Some(why) => said.push(why),
            None => {
                (decision.action, decision.reason) = (decide.action(), Reason::Policy);
                decision.reply.clone_from(&effects.reply);
                said.push(decision.action.name().to_owned());
            }
        }
    }
    if let Some(prefix) = effects.subject_prefix.as_ref().filter(|p| !decision.subject_prefixes.contains(p)) {
        decision.subject_prefixes.push(prefix.clone());
        said.push(format!("subject begins with {prefix}"));
    }
    for (name, value) in &effects.headers {
        decision.headers.push((name.clone(), value.clone()));
        said.push(format!("adds {name}: {value}"));
    }
    if !effects.redirect_to.is_empty() {
        decision.redirect_to.clone_from(&effects.redirect_to);
        said.push(format!("goes to {} in place of {}", list(&effects.redirect_to), decision.recipient));
    }
    for address in effects.add_recipients.iter() {
        if !decision.add_recipients.contains(address) {
            decision.add_recipients.push(address.clone());
            said.push(format!("goes to {address} too"));
        }
    }
    if said.is_empty() {
        said.push("no further rule is tried".to_owned());
    }
    said
}

fn list(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
