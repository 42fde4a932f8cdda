//! Figures of a filter on labelled mail: what is caught where a given share of ham is hit, and the
//! area under the curve.

use std::fmt;

/// One mail with its score: the higher the more it looks like spam.
#[derive(Clone, Debug)]
pub struct Scored {
    pub file: String,
    pub is_spam: bool,
    pub score: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Accuracy {
    /// Share of spam that scores above all ham but 0.1% of it.
    pub caught_at_one_in_1000: f64,
    /// The same with 0.5%.
    pub caught_at_five_in_1000: f64,
    /// Probability that a spam scores above a ham; ties count half.
    pub auc: f64,
}

impl Accuracy {
    pub fn of(scored: &[Scored]) -> Self {
        let mut sorted: Vec<&Scored> = scored.iter().collect();
        // Ties: ham first, so that a tie is never to our favour.
        sorted.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.is_spam.cmp(&b.is_spam)));
        Self { caught_at_one_in_1000: caught(&sorted, 0.001), caught_at_five_in_1000: caught(&sorted, 0.005), auc: auc(&sorted) }
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "caught at 0.1% of ham {:5.2}%   at 0.5% {:5.2}%   AUC {:.5}",
            100.0 * self.caught_at_one_in_1000,
            100.0 * self.caught_at_five_in_1000,
            self.auc
        )
    }
}

/// Shares of spam and of ham that score `threshold` or more.
pub fn at_threshold(scored: &[Scored], threshold: f64) -> (f64, f64) {
    let share = |spam: bool| {
        let all = scored.iter().filter(|s| s.is_spam == spam).count().max(1);
        scored.iter().filter(|s| s.is_spam == spam && s.score >= threshold).count() as f64 / all as f64
    };
    (share(true), share(false))
}

fn caught(sorted: &[&Scored], ham_hit: f64) -> f64 {
    let ham = sorted.iter().filter(|s| !s.is_spam).count();
    let spam = sorted.len() - ham;
    let allowed = (ham as f64 * ham_hit).floor() as usize;
    let mut hit = 0;
    let mut found = 0;
    for s in sorted {
        if s.is_spam {
            found += 1;
        } else {
            hit += 1;
            if hit > allowed {
                break;
            }
        }
    }
    found as f64 / spam.max(1) as f64
}

fn auc(sorted: &[&Scored]) -> f64 {
    let ham = sorted.iter().filter(|s| !s.is_spam).count();
    let spam = sorted.len() - ham;
    let mut pairs = 0.0;
    let mut ham_above = 0usize;
    for run in sorted.chunk_by(|a, b| a.score == b.score) {
        let ham_here = run.iter().filter(|s| !s.is_spam).count();
        let spam_here = run.len() - ham_here;
        pairs += spam_here as f64 * ((ham - ham_above - ham_here) as f64 + ham_here as f64 / 2.0);
        ham_above += ham_here;
    }
    pairs / (ham.max(1) as f64 * spam.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(all: &[(f64, bool)]) -> Vec<Scored> {
        all.iter().map(|(score, is_spam)| Scored { file: String::new(), is_spam: *is_spam, score: *score }).collect()
    }

    #[test]
    fn figures_of_small_sets() {
        let perfect = Accuracy::of(&scored(&[(3.0, true), (2.0, true), (1.0, false), (0.0, false)]));
        assert_eq!((perfect.caught_at_one_in_1000, perfect.auc), (1.0, 1.0));
        let tied = Accuracy::of(&scored(&[(1.0, true), (1.0, false)]));
        assert_eq!((tied.caught_at_one_in_1000, tied.auc), (0.0, 0.5));
        let mixed = Accuracy::of(&scored(&[(4.0, true), (3.0, false), (2.0, true), (1.0, false)]));
        assert_eq!((mixed.caught_at_one_in_1000, mixed.auc), (0.5, 0.75));
        assert_eq!(at_threshold(&scored(&[(5.0, true), (4.9, true), (5.0, false)]), 5.0), (0.5, 1.0));
    }
}
