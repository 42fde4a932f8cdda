//! What counts say about a mail, boiled down to a few numbers.
//!
//! A sum of log ratios over all features (naive Bayes) is far too sure of itself: features of one
//! mail are not independent, and a long thread outvotes everything. Here each tier gets its own pull
//! to both sides, divided by the root of its features, only from features seen in two mails or more;
//! beside them stand the most telling features of all and the share of unknown ones. A small logistic
//! regression ([`super::combiner`]) learned what each of them is worth.

use super::features::Tier;
use super::tokens::{Class, Counts, Tokens};

/// Pull to spam and to ham for each tier, then the four numbers over all.
pub const STATISTICS: usize = 2 * Tier::ALL.len() + 4;

/// Mails taken as seen of each class for features seen at least twice, and for the rest: how far a
/// single sight pulls. Found by trying.
const PRIOR_SOLID: f64 = 0.5;
const PRIOR_ANY: f64 = 0.05;

/// Names in the order of [`Statistics::values`].
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = Tier::ALL.iter().flat_map(|t| [format!("{}-spam", t.name()), format!("{}-ham", t.name())]).collect();
    names.extend(["top-30", "top-100", "all", "unknown"].map(str::to_owned));
    names
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    pub values: [f64; STATISTICS],
    /// Features of the mail that were in a learned mail.
    pub known: usize,
    pub features: usize,
}

/// A feature with its pull: positive to spam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pull {
    pub feature: u64,
    pub log_ratio: f64,
}

/// Boils a mail's features down. `without`: the mail itself is among the learned ones of this class
/// and is taken out of the counts (to fit a combiner without learning by heart).
pub fn statistics(features: &[u64], tokens: &Tokens, without: Option<Class>) -> (Statistics, Vec<Pull>) {
    let minus = without.map(Counts::one).unwrap_or_default();
    let learned = tokens.learned().minus(minus);
    let any = Ratio::new(learned, PRIOR_ANY);
    let solid = Ratio::new(learned, PRIOR_SOLID);
    let mut tiers = [(0.0f64, 0.0f64, 1.0f64); Tier::ALL.len()];
    let mut pulls = Vec::with_capacity(features.len());
    let mut sum = 0.0;
    for feature in features {
        let counts = tokens.get(*feature).minus(minus);
        let Some(tier) = Tier::of(*feature).and_then(|t| tiers.get_mut(t as usize)).filter(|_| counts.total() > 0) else { continue };
        let log_ratio = any.of(counts);
        sum += log_ratio;
        pulls.push(Pull { feature: *feature, log_ratio });
        tier.2 += 1.0;
        if counts.total() >= 2 {
            let log_ratio = solid.of(counts);
            let side = if log_ratio > 0.0 { &mut tier.0 } else { &mut tier.1 };
            *side += log_ratio;
        }
    }
    let known = pulls.len();
    // The most telling first; ties in an order that does not depend on the table.
    let most = known.min(100);
    if most > 0 {
        let order = |a: &Pull, b: &Pull| b.log_ratio.abs().total_cmp(&a.log_ratio.abs()).then(a.feature.cmp(&b.feature));
        pulls.select_nth_unstable_by(most - 1, order);
        pulls.truncate(most);
        pulls.sort_unstable_by(order);
    }
    let top = |n: usize| pulls.iter().take(n).map(|p| p.log_ratio).sum::<f64>() / n as f64;
    let mut values = [0.0; STATISTICS];
    for (slot, (spam, ham, n)) in values.chunks_exact_mut(2).zip(tiers) {
        slot[0] = spam / n.sqrt();
        slot[1] = ham / n.sqrt();
    }
    let rest = [top(30), top(100), sum / (known as f64 + 1.0).sqrt(), (features.len() - known) as f64 / (features.len() as f64 + 1.0)];
    values[2 * Tier::ALL.len()..].copy_from_slice(&rest);
    (Statistics { values, known, features: features.len() }, pulls)
}

/// Log of how much more often a feature is in spam than in ham.
struct Ratio {
    prior: f64,
    /// (ham + 2·prior) / (spam + 2·prior) of the learned mails.
    classes: f64,
}

impl Ratio {
    fn new(learned: Counts, prior: f64) -> Self {
        Self { prior, classes: (f64::from(learned.ham) + 2.0 * prior) / (f64::from(learned.spam) + 2.0 * prior) }
    }

    fn of(&self, counts: Counts) -> f64 {
        ((f64::from(counts.spam) + self.prior) / (f64::from(counts.ham) + self.prior) * self.classes).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_left_out_is_as_if_it_was_never_learned() {
        let mails: Vec<(Vec<u64>, Class)> = (0..40u64)
            .map(|i| {
                (
                    (0..30).map(|j| ((j % 7) << 60) | ((i * 31 + j * j) % 90 + 1)).collect(),
                    if i % 3 == 0 { Class::Spam } else { Class::Ham },
                )
            })
            .collect();
        let mut all = Tokens::new();
        mails.iter().for_each(|(f, c)| all.learn(f, *c));
        let mut rest = Tokens::new();
        mails.iter().skip(1).for_each(|(f, c)| rest.learn(f, *c));
        let (one, _) = statistics(&mails[0].0, &all, Some(mails[0].1));
        let (other, _) = statistics(&mails[0].0, &rest, None);
        assert_eq!(one, other);
    }

    #[test]
    fn nothing_known_says_nothing() {
        let (statistics, pulls) = statistics(&[1, 2, 3], &Tokens::new(), None);
        assert!(pulls.is_empty());
        assert_eq!(statistics.known, 0);
        assert!(statistics.values[..STATISTICS - 1].iter().all(|v| *v == 0.0), "{statistics:?}");
        assert_eq!(names().len(), STATISTICS);
    }
}
