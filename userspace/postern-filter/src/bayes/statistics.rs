//! What counts say about a mail, boiled down to a few numbers.
//!
//! A sum of log ratios over all features (naive Bayes) is far too sure of itself: features of one
//! mail are not independent, and a long thread outvotes everything. Here each tier gets its own pull
//! to both sides, divided by the root of its features, only from features seen in two mails or more,
//! and the strength of its few most telling features; beside them stand the most telling of all and
//! the share of unknown ones. What each is worth a small logistic regression learned
//! ([`super::combiner`]): once for all mail, and once more for what comes over mailing lists, whose
//! headers speak for any post, so that there the words must count for more.

use std::cell::RefCell;

use super::features::{Tier, is_of_list};
use super::tokens::{Class, Counts, Tokens};

const TIERS: usize = Tier::ALL.len();
/// Pull to spam and to ham for each tier, then four numbers over all.
const SUMS: usize = 2 * TIERS + 4;
/// The sums, the tiers' most telling features, and for mail of lists the sums again with a constant.
pub const STATISTICS: usize = SUMS + 2 * TIERS + SUMS + 1;

/// Mails taken as seen of each class for features seen at least twice, for those of them that are
/// ranked, and for the rest: how far a single sight pulls. Found by trying.
const PRIOR_SOLID: f64 = 0.5;
const PRIOR_RANKED: f64 = 0.3;
const PRIOR_ANY: f64 = 0.05;
/// Most telling features of a tier, to either side.
const BEST: usize = 6;

/// Names in the order of [`Statistics::values`].
pub fn names() -> Vec<String> {
    let sides = |end: &str| {
        Tier::ALL.iter().flat_map(|t| [format!("{}-spam{end}", t.name()), format!("{}-ham{end}", t.name())]).collect::<Vec<_>>()
    };
    let sums = |end: &str| {
        let mut names = sides(end);
        names.extend(["top-30", "top-100", "all", "unknown"].map(|n| format!("{n}{end}")));
        names
    };
    let mut names = sums("");
    names.extend(sides("-best"));
    names.extend(sums("-list"));
    names.push("is-list".to_owned());
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

/// What was found in one tier.
#[derive(Clone, Copy)]
struct Side {
    spam: f64,
    ham: f64,
    /// Features, and one so that it can be divided by.
    n: f64,
    /// Strongest first; zero: none.
    best_spam: [f64; BEST],
    best_ham: [f64; BEST],
}

impl Side {
    const NONE: Self = Self { spam: 0.0, ham: 0.0, n: 1.0, best_spam: [0.0; BEST], best_ham: [0.0; BEST] };
}

/// Boils a mail's features down. `without`: the mail itself is among the learned ones of this class
/// and is taken out of the counts (to fit a combiner without learning by heart).
pub fn statistics(features: &[u64], tokens: &Tokens, without: Option<Class>) -> (Statistics, Vec<Pull>) {
    thread_local! {
        static RATIOS: RefCell<Ratios> = RefCell::new(Ratios::new(Counts::default()));
    }
    let minus = without.map(Counts::one).unwrap_or_default();
    let learned = tokens.learned().minus(minus);
    RATIOS.with_borrow_mut(|ratios| {
        if ratios.learned != learned {
            *ratios = Ratios::new(learned);
        }
        boil_down(features, tokens, minus, ratios)
    })
}

fn boil_down(features: &[u64], tokens: &Tokens, minus: Counts, ratios: &mut Ratios) -> (Statistics, Vec<Pull>) {
    let mut tiers = [Side::NONE; TIERS];
    let mut pulls = Vec::with_capacity(features.len());
    let mut sum = 0.0;
    for (feature, counts) in features.iter().zip(tokens.get_all(features)) {
        let counts = counts.minus(minus);
        let Some(tier) = Tier::of(*feature).and_then(|t| tiers.get_mut(t as usize)).filter(|_| counts.total() > 0) else { continue };
        let [log_ratio, pull, rank] = ratios.of(counts);
        sum += log_ratio;
        pulls.push(Pull { feature: *feature, log_ratio });
        tier.n += 1.0;
        if counts.total() >= 2 {
            if pull > 0.0 {
                tier.spam += pull;
            } else {
                tier.ham += pull;
            }
            insert(if rank > 0.0 { &mut tier.best_spam } else { &mut tier.best_ham }, rank);
        }
    }
    let known = pulls.len();
    keep_most_telling(&mut pulls, 100);
    let top = |n: usize| pulls.iter().take(n).map(|p| p.log_ratio).sum::<f64>() / n as f64;
    let mut sums = [0.0; SUMS];
    for (slot, side) in sums.chunks_exact_mut(2).zip(&tiers) {
        slot[0] = side.spam / side.n.sqrt();
        slot[1] = side.ham / side.n.sqrt();
    }
    let rest = [top(30), top(100), sum / (known as f64 + 1.0).sqrt(), (features.len() - known) as f64 / (features.len() as f64 + 1.0)];
    sums[2 * TIERS..].copy_from_slice(&rest);

    let list = f64::from(u8::from(is_of_list(features)));
    let best = tiers.iter().flat_map(|t| [t.best_spam, t.best_ham]).map(|b| b.iter().sum::<f64>() / BEST as f64);
    let all = sums.iter().copied().chain(best).chain(sums.iter().map(|v| v * list)).chain([list]);
    let mut values = [0.0; STATISTICS];
    values.iter_mut().zip(all).for_each(|(slot, value)| *slot = value);
    (Statistics { values, known, features: features.len() }, pulls)
}

/// Puts a value among the strongest of its sign.
fn insert(best: &mut [f64; BEST], value: f64) {
    let mut value = value;
    for slot in best.iter_mut() {
        if value.abs() > slot.abs() {
            std::mem::swap(slot, &mut value);
        }
    }
}

/// The most telling first; ties in an order that does not depend on the table.
fn keep_most_telling(pulls: &mut Vec<Pull>, n: usize) {
    let most = pulls.len().min(n);
    if most > 0 {
        let order = |a: &Pull, b: &Pull| b.log_ratio.abs().total_cmp(&a.log_ratio.abs()).then(a.feature.cmp(&b.feature));
        pulls.select_nth_unstable_by(most - 1, order);
        pulls.truncate(most);
        pulls.sort_unstable_by(order);
    }
}

/// Counts below this are the most frequent ones.
const FEW: usize = 32;

/// Log ratios with each prior (any, solid, ranked). Those of small counts are kept from mail to mail as long as
/// nothing is learned: the logarithms were a sixth of the work here.
struct Ratios {
    learned: Counts,
    priors: [Ratio; 3],
    /// By spam and ham; NaN: not worked out yet.
    few: Box<[[[f64; 3]; FEW]; FEW]>,
}

impl Ratios {
    fn new(learned: Counts) -> Self {
        let priors = [PRIOR_ANY, PRIOR_SOLID, PRIOR_RANKED].map(|prior| Ratio::new(learned, prior));
        Self { learned, priors, few: Box::new([[[f64::NAN; 3]; FEW]; FEW]) }
    }

    fn of(&mut self, counts: Counts) -> [f64; 3] {
        let Self { priors: [any, solid, ranked], few, .. } = self;
        let work_out = || [any.of(counts), solid.of(counts), ranked.of(counts)];
        match few.get_mut(counts.spam as usize).and_then(|row| row.get_mut(counts.ham as usize)) {
            Some(known) => {
                if known[0].is_nan() {
                    *known = work_out();
                }
                *known
            }
            None => work_out(),
        }
    }
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
                let mut features: Vec<u64> = (0..30).map(|j| ((j % 8) << 60) | ((i * 31 + j * j) % 90 + 1)).collect();
                features.sort_unstable();
                features.dedup();
                (features, if i % 3 == 0 { Class::Spam } else { Class::Ham })
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
        let names = names();
        assert_eq!(names.len(), STATISTICS);
        for (name, value) in names.iter().zip(statistics.values) {
            assert!(value == 0.0 || name.starts_with("unknown"), "{name} is {value}");
        }
    }

    #[test]
    fn the_best_are_the_strongest_in_order() {
        let mut best = [0.0; BEST];
        [1.0, 5.0, 3.0, 2.0, 9.0, 4.0, 0.5, 6.0].iter().for_each(|v| insert(&mut best, *v));
        assert_eq!(best, [9.0, 6.0, 5.0, 4.0, 3.0, 2.0]);
    }
}
