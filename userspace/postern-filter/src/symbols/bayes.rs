//! What the classifier says.
//!
//! The strength follows the log odds without an end stop, so that of two mails the surer one always
//! scores higher: half of the weight at odds of 30 to 1, nine tenths at 250,000 to 1. The group's cap
//! keeps the classifier from refusing a mail alone. As far as the starting model answers, it speaks
//! against a mail with half a voice: its mail is old, and honest mail of today has taken over the
//! looks of what was advertising then.
//!
//! Taught by the organisation's own mail, the classifier has read the same words that the symbols of
//! the body look for. Of the two the stronger then counts in full and the other by a third: a
//! newsletter that people want is not held to its phrases twice. Where the classifier has nothing
//! against a mail, as with a new wave of phishing, the body's symbols count in full.

use postern_model::score::Score;
use postern_model::symbol::Group;

use crate::bayes::log_odds;
use crate::judge::GroupSum;
use crate::judge::group_sums;
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

/// Log odds at which the strength is about 0.7.
const BEND: f64 = 6.0;
/// The starting model's voice against a mail, in the voice of own counts.
const START_VOICE: f64 = 0.5;
/// Log odds that say nothing either way.
const SILENT: f64 = 0.05;

symbols! { Bayes:
    BAYES_SPAM = 12.0, "The classifier takes the mail for spam; counts more the surer it is.";
    BAYES_HAM = -4.0, "The classifier takes the mail for wanted; counts more the surer it is.";
    BAYES_READ_IT_TOO = -0.65, "The classifier, taught by own mail, and the body's symbols speak against the same words: for each point that both add.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(bayes) = &view.facts.bayes else { return };
    let odds = log_odds(bayes.probability);
    if odds.abs() < SILENT {
        return;
    }
    let strength = odds.abs() / odds.hypot(BEND);
    let evidence = format!("{:.4}: {}", bayes.probability, bayes.evidence.join(", "));
    if odds > 0.0 {
        let voice = START_VOICE + (1.0 - START_VOICE) * bayes.own_share;
        found.add_scaled(&BAYES_SPAM, voice * strength, evidence);
    } else {
        found.add_scaled(&BAYES_HAM, strength, evidence);
    }
}

/// Takes back what the body's symbols and the classifier both counted; after all others.
pub fn take_back(view: &View<'_>, found: &mut Findings) {
    let own_share = view.facts.bayes.as_ref().map_or(0.0, |b| b.own_share);
    if own_share <= 0.0 || !found.has(&BAYES_SPAM) {
        return;
    }
    let sums = group_sums(found.iter().map(|f| (f.symbol.group, view.policy.score(f))), view.policy);
    let added = |group| sums.iter().find(|s| s.group == group).map_or(Score::ZERO, GroupSum::added).get();
    let (body, bayes) = (added(Group::Body), added(Group::Bayes));
    let both = body.min(bayes);
    if both > 0.0 {
        found.add_scaled(&BAYES_READ_IT_TOO, both * own_share, format!("the body adds {body:.2}, the classifier {bayes:.2}"));
    }
}
