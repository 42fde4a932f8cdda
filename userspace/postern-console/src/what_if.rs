//! Proposed rules on the mails of the last days, as far as their journeys tell.
//!
//! A journey keeps the envelope, From, subject, size, verdict with its symbols, and the results of authentication. What it does not
//! keep (other header fields, text, attachments, the port) cannot be judged: a rule that asks for it is named. It is then tried both
//! ways, matching and not; where the comparison comes out differently nothing is said of the mail.

use std::collections::{BTreeMap, BTreeSet};

use postern_model::address::{Address, Domain};
use postern_model::journey::{JourneySummary, Step};
use postern_model::settings::policy::{AuthWord, PolicyRule, PolicySettings};
use postern_model::time::{Span, Timestamp};
use postern_model::verdict::Verdict;
use postern_policy::condition::Outcome;
use postern_policy::decide::{Depth, Trial};
use postern_policy::mail::{Mail, Results, Told};
use postern_policy::thresholds::Floor;
use postern_policy::{Decision, Policy};
use postern_store::database::journeys::{Journey, JourneySearch, PAGE_LIMIT};
use postern_store::database::{Database, DatabaseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::now;

/// Mails that are looked at, newest first: the answer is to come while somebody waits for it.
const MOST_MAILS: usize = 10_000;
/// WhatIfChange mails that are listed; all are counted.
const MOST_LISTED: usize = 200;

/// Rules in doubt about one mail that are tried both ways; with more nothing is said of it.
const MOST_DOUBTS: usize = 6;

/// What proposed rules would have changed.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct WhatIf {
    /// Milliseconds since 1970.
    since: i64,
    /// Mails of this node that were looked at.
    mails: usize,
    /// There were more; the oldest were left out.
    is_cut: bool,
    /// Recipients that would have fared otherwise.
    changed: usize,
    /// Recipients of whom nothing is said, because a rule asks for what no journey keeps.
    in_doubt: usize,
    /// How many from which action to which; equal ones are mails with another mark, field or address.
    moves: Vec<WhatIfMove>,
    /// The newest of those that changed, at most 200.
    list: Vec<WhatIfChange>,
    /// Conditions that cannot be judged from a journey, and the rules that have them.
    not_judged: Vec<NotJudged>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WhatIfMove {
    before: String,
    after: String,
    count: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WhatIfChange {
    mail: String,
    /// Milliseconds since 1970.
    at: i64,
    sender: String,
    recipient: String,
    subject: Option<String>,
    before: WhatIfFate,
    after: WhatIfFate,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WhatIfFate {
    action: String,
    reason: String,
    /// The rules that match.
    rules: Vec<String>,
    /// What they do, in words.
    effects: Vec<String>,
}

impl WhatIfFate {
    fn of(decision: &Decision) -> Self {
        Self {
            action: decision.action.name().to_owned(),
            reason: decision.reason.name().to_owned(),
            rules: decision.matched().map(|t| t.rule.clone()).collect(),
            effects: decision.matched().flat_map(|t| t.effects.clone()).collect(),
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
pub struct NotJudged {
    rule: String,
    /// As in the settings: `what.attachment_names`.
    field: String,
    why: String,
}

/// # Errors
/// When the database cannot be read.
pub async fn run(database: &Database, rules: &Compared, days: u32) -> Result<WhatIf, DatabaseError> {
    let since = Timestamp(now().0 - i64::try_from(Span::days(u64::from(days)).0.as_millis()).unwrap_or(i64::MAX));
    let mut tally = Tally { found: WhatIf { since: since.0, ..WhatIf::default() }, ..Tally::default() };
    let mut search = JourneySearch { from: Some(since), limit: PAGE_LIMIT, ..JourneySearch::default() };
    let journeys = database.journeys();
    'pages: loop {
        let page = journeys.search(&search).await?;
        for summary in page.journeys {
            if tally.found.mails == MOST_MAILS {
                tally.found.is_cut = true;
                break 'pages;
            }
            if let Some(journey) = journeys.one(summary.mail).await? {
                tally.look(&summary, &journey, rules);
            }
        }
        match page.next {
            Some(next) => search.before = Some(next),
            None => break,
        }
    }
    Ok(tally.done())
}

/// Two sets of rules.
pub struct Compared {
    now: Policy,
    then: Policy,
    /// Names of rules that ask for the same in both: what is assumed of one holds for the other.
    shared: BTreeSet<String>,
}

impl Compared {
    pub fn new(now: (&PolicySettings, Policy), then: (&PolicySettings, Policy)) -> Self {
        let asks = |r: &PolicyRule| (r.name.clone(), r.who.clone(), r.what.clone(), r.when.clone(), r.unless.clone());
        let same_lists = now.0.lists == then.0.lists && now.0.time_zone == then.0.time_zone;
        let theirs: Vec<_> = then.0.rules.iter().map(asks).collect();
        let shared = now.0.rules.iter().map(asks).filter(|r| same_lists && theirs.contains(r)).map(|(name, ..)| name).collect();
        Self { now: now.1, then: then.1, shared }
    }

    /// Whether a recipient would fare otherwise, whatever the rules in doubt come to; `None`: it hangs on them. `was` and `will`
    /// are the decisions when none of them matches: every rule that can be in doubt is in doubt there.
    fn differs(&self, mail: &Mail<'_>, recipient: &Address, was: &Decision, will: &Decision) -> Option<bool> {
        let in_now: BTreeSet<&str> = was.in_doubt().map(|t| t.rule.as_str()).collect();
        let in_then: BTreeSet<&str> = will.in_doubt().map(|t| t.rule.as_str()).collect();
        // One question for a rule that both have, two for one that means another thing in each.
        let questions: Vec<(&str, bool, bool)> = in_now
            .union(&in_then)
            .flat_map(|name| match self.shared.contains(*name) {
                true => vec![(*name, true, true)],
                false => vec![(*name, true, false), (*name, false, true)],
            })
            .filter(|(name, now, then)| (*now && in_now.contains(name)) || (*then && in_then.contains(name)))
            .collect();
        if questions.len() > MOST_DOUBTS {
            return None;
        }
        let mut answers = (0u32..1 << questions.len()).map(|case| {
            let assumed = |of_now: bool| -> Vec<(&str, bool)> {
                let asked = questions.iter().enumerate().filter(|(_, (_, now, then))| if of_now { *now } else { *then });
                asked.map(|(n, (name, ..))| (*name, case >> n & 1 == 1)).collect()
            };
            let (now, then) = (decide(&self.now, mail, &assumed(true), recipient), decide(&self.then, mail, &assumed(false), recipient));
            !now.is_same_as(&then)
        });
        let first = answers.next()?;
        answers.all(|other| other == first).then_some(first)
    }
}

fn decide(policy: &Policy, mail: &Mail<'_>, assumed: &[(&str, bool)], recipient: &Address) -> Decision {
    Trial::new(policy, mail, Depth::Decide).assuming(assumed).decide(recipient)
}

#[derive(Default)]
struct Tally {
    found: WhatIf,
    moves: BTreeMap<(String, String), usize>,
    not_judged: BTreeSet<NotJudged>,
}

impl Tally {
    fn look(&mut self, summary: &JourneySummary, journey: &Journey, rules: &Compared) {
        let Some(told) = Story::of(summary, journey) else { return };
        self.found.mails += 1;
        let mail = told.mail(summary);
        for recipient in &told.recipients {
            let (was, will) = (decide(&rules.now, &mail, &[], recipient), decide(&rules.then, &mail, &[], recipient));
            let doubts = was.in_doubt().chain(will.in_doubt());
            let unknown = doubts.flat_map(|t| t.conditions.iter().filter(|c| c.outcome == Outcome::CannotTell).map(move |c| (t, c)));
            self.not_judged.extend(unknown.map(|(t, c)| NotJudged {
                rule: t.rule.clone(),
                field: c.field.clone(),
                why: c.evidence.clone(),
            }));
            match rules.differs(&mail, recipient, &was, &will) {
                None => self.found.in_doubt += 1,
                Some(false) => {}
                Some(true) => {
                    self.found.changed += 1;
                    *self.moves.entry((was.action.name().to_owned(), will.action.name().to_owned())).or_default() += 1;
                    if self.found.list.len() < MOST_LISTED {
                        self.found.list.push(WhatIfChange {
                            mail: summary.mail.to_string(),
                            at: summary.at.0,
                            sender: summary.mail_from.to_string(),
                            recipient: recipient.to_string(),
                            subject: summary.subject.clone(),
                            before: WhatIfFate::of(&was),
                            after: WhatIfFate::of(&will),
                        });
                    }
                }
            }
        }
    }

    fn done(self) -> WhatIf {
        let mut found = self.found;
        found.moves = self.moves.into_iter().map(|((before, after), count)| WhatIfMove { before, after, count }).collect();
        found.not_judged = self.not_judged.into_iter().collect();
        found
    }
}

/// What a journey tells of its mail.
struct Story<'j> {
    verdict: &'j Verdict,
    authentication: Told<Results>,
    author: Option<&'j str>,
    recipients: Vec<Address>,
}

const NOT_KEPT: &str = "a journey does not keep it";

impl<'j> Story<'j> {
    /// `None`: it was refused before anybody judged it.
    fn of(summary: &'j JourneySummary, journey: &'j Journey) -> Option<Self> {
        let steps = || journey.steps.iter().map(|s| &s.step);
        let verdict = steps().find_map(|s| match s {
            Step::Judged { verdict } => Some(verdict),
            _ => None,
        })?;
        let authentication = steps().find_map(|s| match s {
            Step::Authenticated { results } => Some(Told::Known(read_results(results))),
            _ => None,
        });
        // Whom it was sent to, not where a rule sent it.
        let recipients = steps().find_map(|s| match s {
            Step::Policy { decisions } => Some(decisions.iter().map(|d| d.recipient.clone()).collect()),
            _ => None,
        });
        Some(Self {
            verdict,
            // Nobody asked: the same as when the mail came.
            authentication: authentication.unwrap_or_else(|| Told::Known(Results::default())),
            author: summary.from_header.as_deref(),
            recipients: recipients.unwrap_or_else(|| summary.recipients.clone()),
        })
    }

    fn mail(&self, summary: &'j JourneySummary) -> Mail<'j> {
        Mail {
            at: summary.at,
            direction: summary.direction,
            client: Told::Known(summary.client),
            port: Told::Unknown(NOT_KEPT),
            sender: &summary.mail_from,
            authors: self.author.into_iter().collect(),
            verdict: self.verdict,
            floor: Floor::guessed(self.verdict),
            subject: summary.subject.as_deref().unwrap_or(""),
            headers: Told::Unknown(NOT_KEPT),
            text: Told::Unknown(NOT_KEPT),
            attachments: Told::Unknown(NOT_KEPT),
            size: summary.size,
            authentication: self.authentication.clone(),
            is_unopened: self.verdict.hits.iter().any(|h| h.symbol == "SANDBOX_UNAVAILABLE"),
        }
    }
}

/// Authentication-Results as we wrote them (RFC 8601 §2.2).
fn read_results(text: &str) -> Results {
    let mut results = Results::default();
    // HELO's line comes before that of MAIL FROM, which counts when there is one.
    let mut by_spf = None;
    for part in without_comments(text).split(';').skip(1) {
        let mut words = part.split_whitespace();
        let Some((method, result)) = words.next().and_then(|w| w.split_once('=')) else { continue };
        let Some(word) = word(result) else { continue };
        let property = |names: &[&str]| {
            let mut values = part.split_whitespace().filter_map(|w| w.split_once('=')).filter(|(n, _)| names.contains(n));
            values
                .next()
                .map(|(_, v)| v.trim_matches('"'))
                .map(|v| v.rsplit_once('@').map_or(v, |(_, d)| d))
                .and_then(|d| d.parse::<Domain>().ok())
        };
        let confirmed = match method {
            "spf" => {
                results.spf = word;
                by_spf = property(&["smtp.mailfrom", "smtp.helo"]).filter(|_| word == AuthWord::Pass);
                None
            }
            "dkim" => {
                if results.dkim != AuthWord::Pass {
                    results.dkim = word;
                }
                property(&["header.d", "header.i"])
            }
            "dmarc" => {
                results.dmarc = word;
                property(&["header.from"])
            }
            "arc" => {
                results.arc = word;
                None
            }
            _ => None,
        };
        results.confirmed.extend(confirmed.filter(|_| word == AuthWord::Pass));
    }
    results.confirmed.extend(by_spf);
    results
}

fn without_comments(text: &str) -> String {
    let mut depth = 0usize;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' if depth > 0 => {
                    depth -= 1;
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

fn word(text: &str) -> Option<AuthWord> {
    serde_json::from_value(serde_json::Value::String(text.to_ascii_lowercase())).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn results_are_read_as_they_were_written() {
        let text = "mx.example.net; spf=pass smtp.helo=x.example; spf=pass (all is well; really) smtp.mailfrom=anna@mail.example.org; \
                    dkim=fail header.d=other.example; dkim=pass (2048 bit) header.d=example.org header.s=a; \
                    dmarc=pass policy.dmarc=reject header.from=example.org; arc=none";
        let results = read_results(text);
        assert_eq!(
            (results.spf, results.dkim, results.dmarc, results.arc),
            (AuthWord::Pass, AuthWord::Pass, AuthWord::Pass, AuthWord::None)
        );
        let confirmed: Vec<String> = results.confirmed.iter().map(ToString::to_string).collect();
        assert_eq!(confirmed, ["example.org", "example.org", "mail.example.org"]);
        let none = read_results("mx.example.net; spf=softfail smtp.mailfrom=a@b.example; dmarc=temperror header.from=b.example");
        assert_eq!((none.spf, none.dmarc, none.confirmed.len()), (AuthWord::Softfail, AuthWord::Temperror, 0));
        assert_eq!(read_results("mx.example.net; none"), Results::default());
    }
}
