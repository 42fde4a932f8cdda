//! From a score to an action: the filter's thresholds, or a rule's own.

use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::filter::Thresholds;
use postern_model::verdict::{Action, Verdict};

/// What holds whatever the score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The score had no say: a virus, a list, a network that is not judged.
    Final(Action, Reason),
    /// The score decides, above what these ask for.
    Beside {
        /// The sender's domain (DMARC, SPF -all).
        sender: Option<(Action, Reason)>,
        /// Something was not looked at that must be.
        unchecked: Option<Action>,
    },
}

impl Floor {
    pub const NOTHING: Self = Self::Beside { sender: None, unchecked: None };

    /// As far as a verdict alone tells.
    pub fn guessed(verdict: &Verdict) -> Self {
        match verdict.reason {
            Reason::Clean | Reason::ScoreTag | Reason::ScoreQuarantine | Reason::ScoreReject => Self::NOTHING,
            Reason::DmarcReject | Reason::DmarcQuarantine | Reason::SpfFail => {
                Self::Beside { sender: Some((verdict.action, verdict.reason)), unchecked: None }
            }
            reason => Self::Final(verdict.action, reason),
        }
    }

    /// What a score comes to.
    pub fn decide(&self, score: Score, thresholds: &Thresholds) -> (Action, Reason) {
        self.above(by_score(score, thresholds))
    }

    /// The score does not count.
    pub fn alone(&self) -> (Action, Reason) {
        self.above((Action::Accept, Reason::Clean))
    }

    fn above(&self, by_score: (Action, Reason)) -> (Action, Reason) {
        let (sender, unchecked) = match *self {
            Self::Final(action, reason) => return (action, reason),
            Self::Beside { sender, unchecked } => (sender, unchecked),
        };
        let decided = match sender {
            Some(harder) if harder.0 > by_score.0 || (harder.0 == by_score.0 && harder.0 == Action::Reject) => harder,
            _ => by_score,
        };
        match unchecked {
            Some(action) if decided.0 < Action::Quarantine => (action, Reason::CheckUnavailable),
            _ => decided,
        }
    }
}

fn by_score(score: Score, t: &Thresholds) -> (Action, Reason) {
    if score >= t.reject {
        (Action::Reject, Reason::ScoreReject)
    } else if score >= t.quarantine {
        (Action::Quarantine, Reason::ScoreQuarantine)
    } else if score >= t.tag {
        (Action::Tag, Reason::ScoreTag)
    } else {
        (Action::Accept, Reason::Clean)
    }
}
