//! From facts to a verdict.
//!
//! The order of what decides, hardest knowledge first: a virus; the operator's block list; the
//! operator's allow lists (a sender only when SPF or DKIM agrees that it is that sender); the policy
//! of the author's domain unless a trusted forwarder vouches (ARC); a check that could not be made
//! and must not be skipped; and only then the score. An attachment that could not be taken apart
//! makes a mail wait or be kept where it would be let through; what is refused is refused.

use postern_mail::authentication::{AuthResult, DmarcPolicy};
use postern_model::envelope::Direction;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::sandbox::WhenNotOpened;
use postern_model::symbol::{Group, Hit};
use postern_model::verdict::{Action, Verdict};
use postern_policy::thresholds::Floor;

use crate::facts::{Asked, Facts, Scan};
use crate::policy::Policy;
use crate::symbols::user::{SENDER_ALLOWED, SENDER_BLOCKED};
use crate::symbols::{self, Findings};
use crate::view::View;

/// A verdict, and what of it holds whatever the score is: rules may have thresholds of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub floor: Floor,
}

impl Judgement {
    /// What is done with the mail when nobody waits for attachments that were not taken apart.
    pub fn unheld(&self, policy: &Policy) -> (Action, Reason) {
        match self.floor {
            Floor::Beside { sender, unchecked: Some(Action::Hold) } => {
                Floor::Beside { sender, unchecked: None }.decide(self.verdict.score, &policy.thresholds)
            }
            _ => (self.verdict.action, self.verdict.reason),
        }
    }
}

/// The judgement. Pure: the same facts and policy give the same verdict.
pub fn judge(facts: &Facts, policy: &Policy) -> Verdict {
    judge_fully(facts, policy).verdict
}

pub fn judge_fully(facts: &Facts, policy: &Policy) -> Judgement {
    if matches!(facts.antivirus, Asked::Yes(Scan::Infected(_))) {
        let view = View::new(facts, policy);
        let mut found = Findings::default();
        symbols::antivirus::check(&view, &mut found);
        return conclude(found, policy, Floor::Final(policy.when_infected, Reason::Virus));
    }
    if facts.connection.ip.is_some_and(|ip| policy.allows_network(ip)) {
        return conclude(Findings::default(), policy, Floor::Final(Action::Accept, Reason::Allowed));
    }
    if facts.direction == Direction::Outbound && !policy.judge_outbound {
        return conclude(Findings::default(), policy, Floor::Final(Action::Accept, Reason::Clean));
    }
    let view = View::new(facts, policy);
    let found = symbols::run(&view);
    let floor = floor(&view, &found);
    conclude(found, policy, floor)
}

fn floor(view: &View<'_>, found: &Findings) -> Floor {
    let policy = view.policy;
    if found.has(&SENDER_BLOCKED) {
        return Floor::Final(Action::Reject, Reason::Blocked);
    }
    if found.has(&SENDER_ALLOWED) {
        return Floor::Final(Action::Accept, Reason::Allowed);
    }
    if policy.antivirus_must_answer && view.facts.antivirus == Asked::Failed {
        return Floor::Final(Action::Defer, Reason::CheckUnavailable);
    }
    Floor::Beside { sender: by_sender_policy(view), unchecked: by_what_was_not_opened(view) }
}

fn by_what_was_not_opened(view: &View<'_>) -> Option<Action> {
    match view.policy.when_not_opened {
        _ if view.facts.sandbox.unanswered.is_empty() => None,
        WhenNotOpened::Pass => None,
        WhenNotOpened::Hold => Some(Action::Hold),
        WhenNotOpened::Quarantine => Some(Action::Quarantine),
        WhenNotOpened::Defer => Some(Action::Defer),
    }
}

/// What the sender's own domain asks for: DMARC (RFC 7489 §6.6) and, when the operator wants it, SPF -all.
fn by_sender_policy(view: &View<'_>) -> Option<(Action, Reason)> {
    let auth = view.auth.filter(|_| view.from_outside)?;
    if view.policy.enforce_dmarc && auth.dmarc == AuthResult::Fail && !view.arc_vouches() {
        match auth.dmarc_policy {
            DmarcPolicy::Reject => return Some((Action::Reject, Reason::DmarcReject)),
            DmarcPolicy::Quarantine => return Some((Action::Quarantine, Reason::DmarcQuarantine)),
            DmarcPolicy::None | DmarcPolicy::Unspecified => {}
        }
    }
    (view.policy.refuse_spf_fail && auth.spf == AuthResult::Fail).then_some((Action::Reject, Reason::SpfFail))
}

/// The sum of a group: `before` its cap, and `after`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupSum {
    pub group: Group,
    pub positive: Score,
    pub negative: Score,
    pub cap: Score,
}

impl GroupSum {
    /// What speaks against the mail, after the cap.
    pub fn added(&self) -> Score {
        if self.positive > self.cap { self.cap } else { self.positive }
    }

    pub fn after(&self) -> Score {
        self.added() + self.negative
    }

    pub fn is_capped(&self) -> bool {
        self.positive > self.cap
    }
}

/// The sums of the groups of some hits, in the order of the groups.
pub fn group_sums(hits: impl IntoIterator<Item = (Group, Score)>, policy: &Policy) -> Vec<GroupSum> {
    let mut sums: Vec<GroupSum> = Vec::new();
    for (group, score) in hits {
        let at = sums.iter().position(|s| s.group == group).unwrap_or_else(|| {
            sums.push(GroupSum { group, positive: Score::ZERO, negative: Score::ZERO, cap: policy.cap(group) });
            sums.len() - 1
        });
        let side = if score > Score::ZERO { &mut sums[at].positive } else { &mut sums[at].negative };
        *side += score;
    }
    sums.sort_by_key(|s| s.group);
    sums
}

fn total(found: &Findings, policy: &Policy) -> Score {
    let hits = found.iter().map(|f| (f.symbol.group, policy.score(f)));
    group_sums(hits, policy).iter().map(GroupSum::after).sum()
}

fn conclude(found: Findings, policy: &Policy, floor: Floor) -> Judgement {
    let score = total(&found, policy);
    let (action, reason) = floor.decide(score, &policy.thresholds);
    let mut hits: Vec<Hit> = found
        .iter()
        .map(|f| Hit { symbol: f.symbol.name.into(), group: f.symbol.group, score: policy.score(f), evidence: f.evidence.clone() })
        .filter(|h| h.score != Score::ZERO)
        .collect();
    hits.sort_by(|a, b| b.score.get().total_cmp(&a.score.get()).then_with(|| a.symbol.cmp(&b.symbol)));
    Judgement { verdict: Verdict { action, reason, score, hits }, floor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::{Arrival, Clock, facts};
    use postern_mail::message::Message;
    use postern_model::settings::Settings;
    use postern_model::time::Timestamp;

    #[test]
    fn what_was_not_opened_hardens_and_never_softens() {
        let mut facts = facts(Message::default(), Arrival::default(), Vec::new(), Clock::At(Timestamp::from_unix_seconds(1_793_613_600)));
        facts.sandbox.unanswered.push("notes.zip: nobody is there".into());
        let verdict = |when, threshold: f64| {
            let mut settings = Settings::default();
            settings.sandbox.when_unavailable = when;
            let t = &mut settings.filter.thresholds;
            (t.tag, t.quarantine, t.reject) = (Score::new(-100.0), Score::new(threshold), Score::new(threshold + 1.0));
            let verdict = judge(&facts, &Policy::new(&settings));
            assert!(verdict.hits.iter().any(|h| h.symbol == "SANDBOX_UNAVAILABLE"), "{verdict:?}");
            (verdict.action, verdict.reason)
        };
        assert_eq!(verdict(WhenNotOpened::Pass, 90.0), (Action::Tag, Reason::ScoreTag));
        assert_eq!(verdict(WhenNotOpened::Hold, 90.0), (Action::Hold, Reason::CheckUnavailable));
        assert_eq!(verdict(WhenNotOpened::Quarantine, 90.0), (Action::Quarantine, Reason::CheckUnavailable));
        assert_eq!(verdict(WhenNotOpened::Defer, 90.0), (Action::Defer, Reason::CheckUnavailable));
        for when in [WhenNotOpened::Hold, WhenNotOpened::Quarantine, WhenNotOpened::Defer] {
            assert_eq!(verdict(when, -100.0), (Action::Reject, Reason::ScoreReject), "refused anyhow");
        }
    }
}
