//! The operator's rules on a mail that came: facts for the engine, and its decisions for the journey.
//!
//! Nothing here decides; `postern-policy` does.

use std::net::IpAddr;

use postern_filter::facts::Asked;
use postern_mail::authentication::{AuthResult, Authentication};
use postern_mail::message::{Message, Part, TrueType};
use postern_model::address::ReversePath;
use postern_model::envelope::{Direction, Recipient};
use postern_model::journey::{AppliedRule, PolicyDecision};
use postern_model::settings::policy::AuthWord;
use postern_model::time::Timestamp;
use postern_model::verdict::Verdict;
use postern_policy::condition::Outcome;
use postern_policy::decide::{Depth, Trial, Tried};
use postern_policy::mail::{Attachment, Mail, Results, Told};
use postern_policy::own::OwnLists;
use postern_policy::split::{self, Part as Group, Resolution};
use postern_policy::thresholds::Floor;
use postern_policy::{Decision, Policy};

/// Rules and pieces of evidence that a journey keeps of one recipient.
const MAX_KEPT: usize = 50;

/// A mail that came whole and was judged.
pub struct Judged<'m> {
    pub at: Timestamp,
    pub direction: Direction,
    pub client: Option<IpAddr>,
    pub port: Option<u16>,
    pub sender: &'m ReversePath,
    pub message: &'m Message,
    pub size: u64,
    pub verdict: &'m Verdict,
    pub floor: Floor,
    pub authentication: &'m Asked<Authentication>,
    /// The sandbox has not looked at an attachment that it was asked about.
    pub is_unopened: bool,
}

impl<'m> Judged<'m> {
    /// As the engine looks at it.
    pub fn mail(&self) -> Mail<'m> {
        let message = self.message;
        Mail {
            at: self.at,
            direction: self.direction,
            client: self.client.map_or(Told::Unknown("no client is given"), Told::Known),
            port: self.port.map_or(Told::Unknown("no port is given"), Told::Known),
            sender: self.sender,
            authors: message.from.iter().map(|m| m.address.as_str()).collect(),
            verdict: self.verdict,
            floor: self.floor,
            subject: message.subject.as_deref().unwrap_or(""),
            headers: Told::Known(message.headers.iter().map(|h| (h.name.as_str(), h.value.as_str())).collect()),
            text: Told::Known(&message.text),
            attachments: Told::Known(message.parts.iter().filter(|p| is_attachment(p)).map(attachment).collect()),
            size: self.size,
            authentication: Told::Known(results(self.authentication)),
            is_unopened: self.is_unopened,
        }
    }
}

/// Also what is shown within the text, when it has a name.
fn is_attachment(part: &Part) -> bool {
    !part.is_multipart && (part.is_attachment || part.filename.is_some())
}

fn attachment(part: &Part) -> Attachment<'_> {
    let seen = match part.true_type {
        TrueType::Unknown => String::new(),
        // The name it has in every other output of ours.
        known => serde_json::to_value(known).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
    };
    Attachment { name: part.filename.as_deref(), declared: &part.content_type, seen, members: &part.member_names }
}

fn results(authentication: &Asked<Authentication>) -> Results {
    let Asked::Yes(auth) = authentication else { return Results::default() };
    let passed = auth.dkim.iter().filter(|d| d.result == AuthResult::Pass).map(|d| d.domain.as_str());
    let spf = (auth.spf == AuthResult::Pass).then_some(auth.spf_domain.as_str());
    let dmarc = (auth.dmarc == AuthResult::Pass).then_some(auth.dmarc_domain.as_str());
    let dkim = auth.dkim.iter().find(|d| d.result == AuthResult::Pass).or(auth.dkim.first()).map_or(AuthResult::None, |d| d.result);
    Results {
        spf: word(auth.spf),
        dkim: word(dkim),
        dmarc: word(auth.dmarc),
        arc: word(auth.arc),
        confirmed: passed.chain(spf).chain(dmarc).filter_map(|d| d.parse().ok()).collect(),
    }
}

fn word(result: AuthResult) -> AuthWord {
    match result {
        AuthResult::None => AuthWord::None,
        AuthResult::Pass => AuthWord::Pass,
        AuthResult::Fail => AuthWord::Fail,
        AuthResult::SoftFail => AuthWord::Softfail,
        AuthResult::Neutral => AuthWord::Neutral,
        AuthResult::Policy => AuthWord::Policy,
        AuthResult::TempError => AuthWord::Temperror,
        AuthResult::PermError => AuthWord::Permerror,
    }
}

/// What is done with a mail, and why.
pub(crate) struct Plan {
    pub resolution: Resolution,
    /// One for each recipient; empty when there are no rules and lists, the recipients' included.
    pub decisions: Vec<Decision>,
}

impl Plan {
    pub(crate) fn new(policy: &Policy, own: &OwnLists, judged: &Judged<'_>, recipients: &[Recipient]) -> Self {
        if policy.is_empty() && own.is_empty() {
            return Self { resolution: split::undivided(judged.verdict, recipients), decisions: Vec::new() };
        }
        let mail = judged.mail();
        let trial = Trial::new(policy, &mail, Depth::Decide).with_own(own);
        let decisions: Vec<Decision> = recipients.iter().map(|r| trial.decide(&r.address)).collect();
        Self { resolution: split::resolve(&decisions, recipients, policy.when_mixed), decisions }
    }

    /// Quarantined mail for each recipient alone, so that each can decide about it.
    #[must_use]
    pub(crate) fn each_alone(self) -> Self {
        Self { resolution: split::each_alone(self.resolution), ..self }
    }

    /// What the journey keeps about the recipients of one group.
    pub(crate) fn kept(&self, group: &Group) -> Vec<PolicyDecision> {
        group.decisions.iter().filter_map(|i| self.decisions.get(*i)).map(kept).collect()
    }

    pub(crate) fn all_kept(&self) -> Vec<PolicyDecision> {
        self.decisions.iter().map(kept).collect()
    }
}

fn kept(decision: &Decision) -> PolicyDecision {
    let applied = |tried: &Tried| AppliedRule {
        rule: tried.rule.clone(),
        evidence: tried
            .conditions
            .iter()
            .filter(|c| c.outcome == Outcome::Met || c.field.starts_with("unless."))
            .take(MAX_KEPT)
            .map(|c| format!("{}: {}", c.field, c.evidence))
            .collect(),
        effects: tried.effects.iter().take(MAX_KEPT).cloned().collect(),
    };
    PolicyDecision {
        recipient: decision.recipient.clone(),
        action: decision.action.name().into(),
        reason: decision.reason,
        rules: decision.matched().take(MAX_KEPT).map(applied).collect(),
    }
}
