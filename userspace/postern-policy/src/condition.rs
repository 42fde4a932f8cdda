//! One condition of a rule, and what it says about a mail.

use postern_model::address::Address;
use postern_model::envelope::Direction;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::policy::AuthWord;
use postern_model::verdict::Action;
use serde::Serialize;

use crate::mail::{Mail, Results, Told};
use crate::parties::Parties;
use crate::texts::Texts;
use crate::window::Window;

/// Characters of an evidence: it stands in journeys.
const EVIDENCE: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Met,
    NotMet,
    /// The facts do not say.
    CannotTell,
}

/// What a condition came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// As in the settings: `who.senders`, `unless.what.subject`.
    pub field: String,
    pub outcome: Outcome,
    /// What was seen, for people.
    pub evidence: String,
}

/// A result of authentication that a rule can ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Spf,
    Dkim,
    Dmarc,
    Arc,
}

#[derive(Clone, Debug)]
pub enum Condition {
    Direction(Direction),
    Ports(Vec<u16>),
    Clients(Parties),
    Senders(Parties),
    Authors(Parties),
    Recipients(Parties),
    Verdicts(Vec<Action>),
    Reasons(Vec<Reason>),
    MinScore(Score),
    BelowScore(Score),
    Symbols(Vec<String>),
    AllSymbols(Vec<String>),
    MinSize(u64),
    BelowSize(u64),
    Authentication(Check, Vec<AuthWord>),
    When(Window),
    Subject(Texts),
    /// Lower-case name of the field, and what its value must match; `None`: anything.
    Headers(Vec<(String, Option<Texts>)>),
    AttachmentNames(Texts),
    AttachmentTypes(Texts),
    Text(Texts),
    /// Of a rule that decides `hold`: there is something to wait for.
    Unopened,
}

impl Condition {
    pub fn field(&self) -> &'static str {
        match self {
            Self::Direction(_) => "who.direction",
            Self::Ports(_) => "who.ports",
            Self::Clients(_) => "who.clients",
            Self::Senders(_) => "who.senders",
            Self::Authors(_) => "who.authors",
            Self::Recipients(_) => "who.recipients",
            Self::Verdicts(_) => "what.verdicts",
            Self::Reasons(_) => "what.reasons",
            Self::MinScore(_) => "what.min_score",
            Self::BelowScore(_) => "what.below_score",
            Self::Symbols(_) => "what.symbols",
            Self::AllSymbols(_) => "what.all_symbols",
            Self::MinSize(_) => "what.min_size",
            Self::BelowSize(_) => "what.below_size",
            Self::Authentication(Check::Spf, _) => "what.spf",
            Self::Authentication(Check::Dkim, _) => "what.dkim",
            Self::Authentication(Check::Dmarc, _) => "what.dmarc",
            Self::Authentication(Check::Arc, _) => "what.arc",
            Self::When(_) => "when",
            Self::Subject(_) => "what.subject",
            Self::Headers(_) => "what.headers",
            Self::AttachmentNames(_) => "what.attachment_names",
            Self::AttachmentTypes(_) => "what.attachment_types",
            Self::Text(_) => "what.text",
            Self::Unopened => "action.decide",
        }
    }

    /// Whether it is about the recipient in question, and not the same for all.
    pub fn is_per_recipient(&self) -> bool {
        matches!(self, Self::Recipients(_))
    }

    pub fn judge(&self, mail: &Mail<'_>, recipient: &Address) -> (Outcome, String) {
        let (outcome, mut evidence) = self.look(mail, recipient);
        if let Some((end, _)) = evidence.char_indices().nth(EVIDENCE) {
            evidence.truncate(end);
        }
        (outcome, evidence.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }

    fn look(&self, mail: &Mail<'_>, recipient: &Address) -> (Outcome, String) {
        match self {
            Self::Unopened if mail.is_unopened => said(true, "the sandbox has not looked at an attachment yet".to_owned()),
            Self::Unopened => said(false, "the sandbox has nothing left to look at".to_owned()),
            Self::Direction(wanted) => said(mail.direction == *wanted, direction(mail.direction)),
            Self::Ports(ports) => match &mail.port {
                Told::Known(port) => said(ports.contains(port), format!("it came in by port {port}")),
                Told::Unknown(why) => unknown(why),
            },
            Self::Clients(parties) => match &mail.client {
                Told::Known(ip) => listed(&ip.to_canonical().to_string(), parties.client(*ip), parties),
                Told::Unknown(why) => unknown(why),
            },
            Self::Senders(parties) => {
                let shown = mail.sender.address().map_or_else(|| "<>".to_owned(), ToString::to_string);
                listed(&shown, parties.path(mail.sender), parties)
            }
            Self::Authors(parties) => {
                let found = mail.authors.iter().find_map(|a| parties.address(a).map(|entry| (*a, entry)));
                match found {
                    Some((author, entry)) => listed(author, Some(entry), parties),
                    None if mail.authors.is_empty() => (Outcome::NotMet, "the mail names no author".to_owned()),
                    None => listed(&mail.authors.join(", "), None, parties),
                }
            }
            Self::Recipients(parties) => listed(&recipient.to_string(), parties.address(&recipient.key()), parties),
            Self::Verdicts(actions) => {
                said(actions.contains(&mail.verdict.action), format!("the filter says {}", mail.verdict.action.name()))
            }
            Self::Reasons(reasons) => {
                said(reasons.contains(&mail.verdict.reason), format!("the filter's reason is {}", mail.verdict.reason))
            }
            Self::MinScore(least) => said(mail.verdict.score >= *least, format!("the score is {}", mail.verdict.score)),
            Self::BelowScore(limit) => said(mail.verdict.score < *limit, format!("the score is {}", mail.verdict.score)),
            Self::Symbols(names) => match names.iter().find_map(|n| hit(mail, n)) {
                Some(seen) => (Outcome::Met, seen),
                None => (Outcome::NotMet, format!("none of {} fired", names.join(", "))),
            },
            Self::AllSymbols(names) => match names.iter().find(|n| hit(mail, n).is_none()) {
                Some(missing) => (Outcome::NotMet, format!("{missing} did not fire")),
                None => (Outcome::Met, format!("{} fired", names.join(", "))),
            },
            Self::MinSize(least) => said(mail.size >= *least, format!("it has {} octets", mail.size)),
            Self::BelowSize(limit) => said(mail.size < *limit, format!("it has {} octets", mail.size)),
            Self::Authentication(check, words) => match &mail.authentication {
                Told::Known(results) => {
                    let (name, word) = check.of(results);
                    said(words.contains(&word), format!("{name} is {}", word_name(word)))
                }
                Told::Unknown(why) => unknown(why),
            },
            Self::When(window) => {
                let (is_in, moment) = window.contains(mail.at);
                said(is_in, format!("it came on {moment}"))
            }
            Self::Subject(texts) => match texts.matching(mail.subject) {
                Some(pattern) => (Outcome::Met, format!("`{pattern}` matches the subject")),
                None => (Outcome::NotMet, format!("the subject matches none of: {}", texts.written())),
            },
            Self::Headers(wanted) => match &mail.headers {
                Told::Known(headers) => header(wanted, headers),
                Told::Unknown(why) => unknown(why),
            },
            Self::AttachmentNames(texts) => match &mail.attachments {
                Told::Known(all) => {
                    let mut names = all.iter().flat_map(|a| a.name.into_iter().chain(a.members.iter().map(String::as_str)));
                    match names.find_map(|n| texts.matching(n).map(|p| (n, p))) {
                        Some((name, pattern)) => (Outcome::Met, format!("`{pattern}` matches {name}")),
                        None => (Outcome::NotMet, format!("none of {} attachments is named so", all.len())),
                    }
                }
                Told::Unknown(why) => unknown(why),
            },
            Self::AttachmentTypes(texts) => match &mail.attachments {
                Told::Known(all) => {
                    let found = all.iter().find_map(|a| {
                        let of_type = |kind: &str| texts.matching(kind).map(|_| kind.to_owned());
                        let kind = of_type(a.declared).or_else(|| (!a.seen.is_empty()).then(|| of_type(&a.seen)).flatten())?;
                        Some(format!("{} is {kind}", a.name.unwrap_or("an attachment")))
                    });
                    match found {
                        Some(seen) => (Outcome::Met, seen),
                        None => (Outcome::NotMet, format!("none of {} attachments is of this type", all.len())),
                    }
                }
                Told::Unknown(why) => unknown(why),
            },
            Self::Text(texts) => match &mail.text {
                Told::Known(text) => match texts.matching(text) {
                    Some(pattern) => (Outcome::Met, format!("`{pattern}` matches the text")),
                    None => (Outcome::NotMet, format!("the text matches none of: {}", texts.written())),
                },
                Told::Unknown(why) => unknown(why),
            },
        }
    }
}

fn header(wanted: &[(String, Option<Texts>)], headers: &[(&str, &str)]) -> (Outcome, String) {
    for (name, texts) in wanted {
        for (_, value) in headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
            match texts {
                None => return (Outcome::Met, format!("it has {name}")),
                Some(texts) => {
                    if let Some(pattern) = texts.matching(value) {
                        return (Outcome::Met, format!("`{pattern}` matches {name}: {value}"));
                    }
                }
            }
        }
    }
    let names: Vec<&str> = wanted.iter().map(|(n, _)| n.as_str()).collect();
    (Outcome::NotMet, format!("no such field: {}", names.join(", ")))
}

impl Check {
    fn of(self, results: &Results) -> (&'static str, AuthWord) {
        match self {
            Self::Spf => ("SPF", results.spf),
            Self::Dkim => ("DKIM", results.dkim),
            Self::Dmarc => ("DMARC", results.dmarc),
            Self::Arc => ("ARC", results.arc),
        }
    }
}

fn said(is_met: bool, evidence: impl Into<String>) -> (Outcome, String) {
    (if is_met { Outcome::Met } else { Outcome::NotMet }, evidence.into())
}

fn unknown(why: &str) -> (Outcome, String) {
    (Outcome::CannotTell, why.to_owned())
}

fn listed(shown: &str, entry: Option<String>, parties: &Parties) -> (Outcome, String) {
    match entry {
        Some(entry) if entry.eq_ignore_ascii_case(shown) => (Outcome::Met, format!("{shown} is listed")),
        Some(entry) => (Outcome::Met, format!("{shown} is in {entry}")),
        None => (Outcome::NotMet, format!("{shown} is in none of {} entries", parties.len())),
    }
}

/// The symbol that fired under a name or `PREFIX_*`, with its evidence.
fn hit(mail: &Mail<'_>, name: &str) -> Option<String> {
    let found = mail.verdict.hits.iter().find(|h| match name.strip_suffix('*') {
        Some(prefix) => h.symbol.starts_with(prefix),
        None => h.symbol == name,
    })?;
    Some(if found.evidence.is_empty() { format!("{} fired", found.symbol) } else { format!("{} fired: {}", found.symbol, found.evidence) })
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "it is inbound",
        Direction::Outbound => "it is outbound",
    }
}

pub fn word_name(word: AuthWord) -> &'static str {
    match word {
        AuthWord::None => "none",
        AuthWord::Pass => "pass",
        AuthWord::Fail => "fail",
        AuthWord::Softfail => "softfail",
        AuthWord::Neutral => "neutral",
        AuthWord::Policy => "policy",
        AuthWord::Temperror => "temperror",
        AuthWord::Permerror => "permerror",
    }
}
