//! The settings made ready, and everything that is wrong with them: named by rule and field, with what to write.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use postern_model::address::Address;
use postern_model::settings::Problem;
use postern_model::settings::filter::Thresholds;
use postern_model::settings::policy::{Decide, ListRole, PolicyRule, PolicySettings, RuleAction, Then, What, When, WhenMixed, Who};

use crate::condition::{Check, Condition};
use crate::parties::Parties;
use crate::texts::{Plain, Texts};
use crate::window::{self, Window};

/// A condition on what a field holds.
type Made<T> = fn(T) -> Condition;

/// More would make each mail slow, and nobody could read them.
pub const MAX_RULES: usize = 1000;
/// Recipients that a rule may add, or redirect to.
const MAX_TARGETS: usize = 50;
const MAX_NAME: usize = 100;

/// Fields that say what the mail is, how it is built or where it came from: a second one would break it, or lie.
const OWN_FIELDS: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "sender",
    "reply-to",
    "date",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "received",
    "return-path",
    "mime-version",
    "authentication-results",
    "dkim-signature",
];
const OWN_PREFIXES: &[&str] = &["content-", "resent-", "arc-", "x-postern-"];

/// Rules and lists, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) blocks: Vec<(String, Arc<Parties>)>,
    pub(crate) allows: Vec<(String, Arc<Parties>)>,
    pub when_mixed: WhenMixed,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub name: String,
    pub enabled: bool,
    pub conditions: Vec<Condition>,
    pub exceptions: Vec<Condition>,
    pub action: Effects,
    /// Reasons it names in `what.reasons`: it may pass over them.
    pub reasons: Vec<postern_model::reason::Reason>,
}

#[derive(Clone, Debug)]
pub(crate) struct Effects {
    pub decide: Option<Decide>,
    pub reply: Option<String>,
    pub thresholds: Option<Thresholds>,
    pub skip_thresholds: bool,
    pub subject_prefix: Option<String>,
    pub headers: Vec<(String, String)>,
    pub redirect_to: Vec<Address>,
    pub add_recipients: Vec<Address>,
    pub stops: bool,
}

/// Whether a symbol of this name exists; the nearest one that does, when not.
pub type Symbols<'s> = &'s dyn Fn(&str) -> Result<(), Option<&'static str>>;

impl Policy {
    /// Nothing is set: every recipient gets the filter's verdict.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.allows.is_empty() && !self.rules.iter().any(|r| r.enabled)
    }

    /// Whether a mail has to be taken apart whole for the rules' sake.
    pub fn needs_parts(&self) -> bool {
        let needs = |c: &Condition| matches!(c, Condition::AttachmentNames(_) | Condition::AttachmentTypes(_) | Condition::Text(_));
        self.rules.iter().filter(|r| r.enabled).any(|r| r.conditions.iter().chain(&r.exceptions).any(needs))
    }

    /// # Errors
    /// Everything that is wrong with the rules and lists.
    pub fn new(settings: &PolicySettings, symbols: Symbols<'_>) -> Result<Self, Vec<Problem>> {
        let mut reader =
            Reader { problems: Vec::new(), lists: HashMap::new(), zone: TimeZone::UTC, symbols, allow_discard: settings.allow_discard };
        match window::zone(&settings.time_zone) {
            Ok(zone) => reader.zone = zone,
            Err(message) => reader.say("policy.time_zone".to_owned(), message),
        }
        let mut policy = Self { when_mixed: settings.when_mixed, ..Self::default() };
        for (i, list) in settings.lists.iter().enumerate() {
            let path = format!("policy.lists[{i}]");
            let (about, name) = (format!("list `{}`", list.name), list.name.to_lowercase());
            let is_word = !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
            if !is_word {
                reader.say(format!("{path}.name"), format!("{about}: write a name of letters, digits, `-`, `_` and `.`"));
            }
            let mut parties = Parties::default();
            for (j, entry) in list.entries.iter().enumerate() {
                if let Err(e) = parties.add(entry) {
                    reader.say(format!("{path}.entries[{j}]"), format!("{about}: {e}"));
                }
            }
            let parties = Arc::new(parties);
            match list.role {
                ListRole::Rules => {}
                ListRole::Allow => policy.allows.push((list.name.clone(), Arc::clone(&parties))),
                ListRole::Block => policy.blocks.push((list.name.clone(), Arc::clone(&parties))),
            }
            if reader.lists.insert(name, parties).is_some() {
                reader.say(format!("{path}.name"), format!("{about} stands twice: put its entries into one"));
            }
        }
        if settings.rules.len() > MAX_RULES {
            reader.say("policy.rules".to_owned(), format!("{} rules: at most {MAX_RULES}", settings.rules.len()));
        }
        for (i, rule) in settings.rules.iter().enumerate() {
            if settings.rules[..i].iter().any(|other| other.name.to_lowercase() == rule.name.to_lowercase()) {
                reader.say(format!("policy.rules[{i}].name"), format!("rule `{}` stands twice: give each its own name", rule.name));
            }
            policy.rules.push(reader.rule(i, rule));
        }
        if reader.problems.is_empty() { Ok(policy) } else { Err(reader.problems) }
    }
}

struct Reader<'s> {
    problems: Vec<Problem>,
    lists: HashMap<String, Arc<Parties>>,
    zone: TimeZone,
    symbols: Symbols<'s>,
    allow_discard: bool,
}

/// Where in the settings something stands.
struct Place<'p> {
    rule: &'p str,
    /// `policy.rules[3].` or `policy.rules[3].unless.`
    path: String,
}

impl Reader<'_> {
    fn say(&mut self, path: String, message: String) {
        self.problems.push(Problem { path, message });
    }

    fn at(&mut self, place: &Place<'_>, field: &str, message: impl std::fmt::Display) {
        self.say(format!("{}{field}", place.path), format!("rule `{}`: {message}", place.rule));
    }

    fn rule(&mut self, index: usize, rule: &PolicyRule) -> Rule {
        let place = Place { rule: &rule.name, path: format!("policy.rules[{index}].") };
        if rule.name.trim().is_empty() || rule.name.chars().count() > MAX_NAME || rule.name.chars().any(char::is_control) {
            self.at(&place, "name", format!("write a name of 1 to {MAX_NAME} characters"));
        }
        let mut conditions = self.conditions(&place, &rule.who, &rule.what, &rule.when);
        if rule.action.decide == Some(Decide::Hold) {
            conditions.insert(0, Condition::Unopened);
        }
        let inner = Place { rule: &rule.name, path: format!("{}unless.", place.path) };
        let exceptions = self.conditions(&inner, &rule.unless.who, &rule.unless.what, &rule.unless.when);
        let action = self.effects(&place, &rule.action);
        Rule { name: rule.name.clone(), enabled: rule.enabled, conditions, exceptions, action, reasons: rule.what.reasons.clone() }
    }

    /// Cheap ones first: a rule is left at the first that is not met.
    fn conditions(&mut self, place: &Place<'_>, who: &Who, what: &What, when: &When) -> Vec<Condition> {
        let mut found = Vec::new();
        found.extend(who.direction.map(Condition::Direction));
        if !who.ports.is_empty() {
            found.push(Condition::Ports(who.ports.clone()));
        }
        let parties: [(_, _, Made<Parties>); 4] = [
            ("who.clients", &who.clients, Condition::Clients),
            ("who.senders", &who.senders, Condition::Senders),
            ("who.authors", &who.authors, Condition::Authors),
            ("who.recipients", &who.recipients, Condition::Recipients),
        ];
        for (field, entries, make) in parties {
            if !entries.is_empty() {
                found.push(make(self.parties(place, field, entries)));
            }
        }
        if !what.verdicts.is_empty() {
            found.push(Condition::Verdicts(what.verdicts.clone()));
        }
        if !what.reasons.is_empty() {
            found.push(Condition::Reasons(what.reasons.clone()));
        }
        found.extend(what.min_score.map(Condition::MinScore));
        found.extend(what.below_score.map(Condition::BelowScore));
        if what.min_score.zip(what.below_score).is_some_and(|(least, limit)| least >= limit) {
            self.at(place, "what.below_score", "is not above min_score: no mail has such a score");
        }
        let symbols: [(_, _, Made<Vec<String>>); 2] =
            [("what.symbols", &what.symbols, Condition::Symbols), ("what.all_symbols", &what.all_symbols, Condition::AllSymbols)];
        for (field, names, make) in symbols {
            if !names.is_empty() {
                self.symbols(place, field, names);
                found.push(make(names.clone()));
            }
        }
        found.extend(what.min_size.map(Condition::MinSize));
        found.extend(what.below_size.map(Condition::BelowSize));
        if what.min_size.zip(what.below_size).is_some_and(|(least, limit)| least >= limit) {
            self.at(place, "what.below_size", "is not above min_size: no mail has such a size");
        }
        for (check, words) in [(Check::Spf, &what.spf), (Check::Dkim, &what.dkim), (Check::Dmarc, &what.dmarc), (Check::Arc, &what.arc)] {
            if !words.is_empty() {
                found.push(Condition::Authentication(check, words.clone()));
            }
        }
        match Window::new(when, &self.zone) {
            Ok(window) => found.extend(window.map(Condition::When)),
            Err((field, message)) => self.at(place, &format!("when.{field}"), message),
        }
        found.extend(self.texts(place, "what.subject", &what.subject, Plain::Part).map(Condition::Subject));
        if !what.headers.is_empty() {
            found.push(Condition::Headers(self.headers(place, &what.headers)));
        }
        found.extend(self.texts(place, "what.attachment_names", &what.attachment_names, Plain::Whole).map(Condition::AttachmentNames));
        found.extend(self.texts(place, "what.attachment_types", &what.attachment_types, Plain::Whole).map(Condition::AttachmentTypes));
        found.extend(self.texts(place, "what.text", &what.text, Plain::Part).map(Condition::Text));
        found
    }

    fn parties(&mut self, place: &Place<'_>, field: &str, entries: &[String]) -> Parties {
        let mut parties = Parties::default();
        for (i, entry) in entries.iter().enumerate() {
            if let Some(name) = entry.strip_prefix("list:") {
                match self.lists.get(&name.trim().to_lowercase()).cloned() {
                    Some(list) => parties.add_list(name.trim(), &list),
                    None => {
                        let mut known: Vec<&str> = self.lists.keys().map(String::as_str).collect();
                        known.sort_unstable();
                        let known =
                            if known.is_empty() { "there is none yet".to_owned() } else { format!("there are {}", known.join(", ")) };
                        self.at(place, &format!("{field}[{i}]"), format!("there is no list `{}` ({known})", name.trim()));
                    }
                }
            } else if let Err(e) = parties.add(entry) {
                self.at(place, &format!("{field}[{i}]"), format!("{e}, or list:NAME"));
            } else if field == "who.clients" && !parties.has_networks() {
                self.at(place, &format!("{field}[{i}]"), format!("`{entry}` is no network: write 192.0.2.0/24, one address, or list:NAME"));
            }
        }
        parties
    }

    fn symbols(&mut self, place: &Place<'_>, field: &str, names: &[String]) {
        for (i, name) in names.iter().enumerate().filter(|(_, n)| !n.ends_with('*')) {
            match (self.symbols)(name) {
                Ok(()) => {}
                Err(Some(near)) => self.at(place, &format!("{field}[{i}]"), format!("there is no symbol `{name}`: did you mean {near}?")),
                Err(None) => {
                    self.at(place, &format!("{field}[{i}]"), format!("there is no symbol `{name}`: the names stand in docs/symbols.md"));
                }
            }
        }
    }

    fn texts(&mut self, place: &Place<'_>, field: &str, patterns: &[String], plain: Plain) -> Option<Texts> {
        if patterns.is_empty() {
            return None;
        }
        Texts::new(patterns, plain).map_err(|(i, e)| self.at(place, &format!("{field}[{i}]"), e)).ok()
    }

    fn headers(&mut self, place: &Place<'_>, wanted: &[String]) -> Vec<(String, Option<Texts>)> {
        let mut found = Vec::with_capacity(wanted.len());
        for (i, text) in wanted.iter().enumerate() {
            let (name, pattern) = text.split_once(':').map_or((text.as_str(), None), |(n, p)| (n, Some(p.trim())));
            let field = format!("what.headers[{i}]");
            if !is_field_name(name.trim()) {
                self.at(place, &field, format!("`{name}` is no name of a header field: write \"List-Id\" or \"X-Mailer: *PHP*\""));
                continue;
            }
            let texts = match pattern.filter(|p| !p.is_empty()) {
                None => None,
                Some(pattern) => match Texts::new(&[pattern.to_owned()], Plain::Part) {
                    Ok(texts) => Some(texts),
                    Err((_, e)) => {
                        self.at(place, &field, e);
                        continue;
                    }
                },
            };
            found.push((name.trim().to_owned(), texts));
        }
        found
    }

    fn effects(&mut self, place: &Place<'_>, action: &RuleAction) -> Effects {
        let does_nothing = *action == RuleAction { then: action.then, ..RuleAction::default() } && action.then != Some(Then::Stop);
        if does_nothing {
            self.at(
                place,
                "action",
                "it does nothing: set decide, thresholds, skip_thresholds, subject_prefix, add_headers, redirect_to, add_recipients, \
                 or then = \"stop\"",
            );
        }
        if action.decide == Some(Decide::Discard) && !self.allow_discard {
            self.at(
                place,
                "action.decide",
                "discarding is not allowed: set policy.allow_discard = true, or write \"quarantine\" or \"reject\"",
            );
        }
        if let Some(reply) = &action.reply {
            if action.decide != Some(Decide::Reject) {
                self.at(place, "action.reply", "only a rule with decide = \"reject\" replies");
            }
            // RFC 5321 §4.5.3.1.5: 512 octets for the whole line; code, enhanced code and our id need some of them.
            if reply.trim().is_empty() || reply.len() > 300 || !reply.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                self.at(place, "action.reply", "write 1 to 300 characters of ASCII in one line (RFC 5321 4.2)");
            }
        }
        if let Some(t) = &action.thresholds {
            if action.skip_thresholds {
                self.at(place, "action.skip_thresholds", "own thresholds and none at all: write one of them");
            }
            if t.tag > t.quarantine || t.quarantine > t.reject {
                self.at(place, "action.thresholds", "write tag <= quarantine <= reject");
            }
        }
        if action.decide.is_some() && (action.thresholds.is_some() || action.skip_thresholds) {
            self.at(place, "action.decide", "it decides already: leave thresholds and skip_thresholds out");
        }
        if action.subject_prefix.as_ref().is_some_and(|p| p.trim().is_empty() || p.chars().count() > 60 || p.chars().any(char::is_control))
        {
            self.at(place, "action.subject_prefix", "write 1 to 60 characters");
        }
        let is_dropped = matches!(action.decide, Some(Decide::Reject | Decide::Discard));
        for (field, targets) in [("action.redirect_to", &action.redirect_to), ("action.add_recipients", &action.add_recipients)] {
            if targets.len() > MAX_TARGETS {
                self.at(place, field, format!("{} addresses: at most {MAX_TARGETS}", targets.len()));
            }
            if is_dropped && !targets.is_empty() {
                self.at(place, field, "a mail that is refused or discarded goes to nobody");
            }
        }
        let headers = action.add_headers.iter().enumerate().filter_map(|(i, text)| {
            let field = format!("action.add_headers[{i}]");
            let Some((name, value)) = text.split_once(':').map(|(n, v)| (n.trim(), v.trim())) else {
                self.at(place, &field, format!("`{text}`: write \"Name: value\""));
                return None;
            };
            let lower = name.to_ascii_lowercase();
            if !is_field_name(name) {
                self.at(place, &field, format!("`{name}` is no name of a header field: letters, digits and `-`, at most 70"));
            } else if OWN_FIELDS.contains(&lower.as_str()) || OWN_PREFIXES.iter().any(|p| lower.starts_with(p)) {
                self.at(
                    place,
                    &field,
                    format!("`{name}` is not a rule's to set: write a field of your own, as in \"X-Department: sales\""),
                );
            } else if value.is_empty() || value.len() > 500 || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
                self.at(place, &field, "the value has 1 to 500 characters of ASCII");
            }
            Some((name.to_owned(), value.to_owned()))
        });
        let headers = headers.collect();
        Effects {
            decide: action.decide,
            reply: action.reply.clone(),
            thresholds: action.thresholds.clone(),
            skip_thresholds: action.skip_thresholds,
            subject_prefix: action.subject_prefix.as_ref().map(|p| p.trim().to_owned()),
            headers,
            redirect_to: action.redirect_to.clone(),
            add_recipients: action.add_recipients.clone(),
            stops: action.then.map_or(action.decide.is_some(), |then| then == Then::Stop),
        }
    }
}

/// RFC 5322 §2.2 allows more; nobody who writes a rule means it.
fn is_field_name(name: &str) -> bool {
    (1..=70).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
