//! Builds models from labelled mail: the starting model and the combiner for own counts.

use postern_filter::bayes::combiner::Combiner;
use postern_filter::bayes::features::Tier;
use postern_filter::bayes::model::Model;
use postern_filter::bayes::statistics::{STATISTICS, statistics};
use postern_filter::bayes::tokens::{Class, Counts, Tokens};

use super::logistic::{Bias, Column, fit};

/// A mail's features with its class.
pub type Sample = (Vec<u64>, Class);

/// Features of the starting model: twelve octets each.
pub const START_FEATURES: usize = 120_000;
/// Mails a feature of the starting model must have been in.
const START_MAILS: u32 = 3;
const L2: f64 = 3.0;

pub fn count<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Tokens {
    let mut tokens = Tokens::new();
    samples.into_iter().for_each(|(features, class)| tokens.learn(features, *class));
    tokens
}

/// Fits what each statistic is worth, every sample left out of the counts it is judged by.
pub fn combiner(samples: &[&Sample], tokens: &Tokens) -> Combiner {
    let rows: Vec<[f64; STATISTICS]> =
        samples.iter().map(|(features, class)| statistics(features, tokens, Some(*class)).0.values).collect();
    let labels: Vec<bool> = samples.iter().map(|(_, class)| *class == Class::Spam).collect();
    let n = rows.len().max(1) as f64;
    // In units of their spread, so that L2 treats them alike.
    let spread: Vec<f64> = (0..STATISTICS)
        .map(|j| {
            let mean = rows.iter().map(|r| r[j]).sum::<f64>() / n;
            (rows.iter().map(|r| (r[j] - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-6)
        })
        .collect();
    let columns: Vec<Column> = (0..STATISTICS)
        .map(|j| Column::free(rows.iter().enumerate().map(|(i, r)| (u32::try_from(i).unwrap_or(u32::MAX), r[j] / spread[j])).collect()))
        .collect();
    let fitted = fit(&labels, &columns, L2, Bias::Free);
    let mut weights = [0.0; STATISTICS];
    for (slot, (weight, spread)) in weights.iter_mut().zip(fitted.weights.iter().zip(&spread)) {
        *slot = weight / spread;
    }
    Combiner { bias: fitted.bias, weights }
}

/// The starting model: the most telling features, with a combiner fitted on exactly those.
pub fn starting_model(samples: &[&Sample], features: usize) -> Model {
    let all = count(samples.iter().copied());
    let learned = all.learned();
    let telling = |c: Counts| {
        let ratio = (f64::from(c.spam) + 0.5) / (f64::from(c.ham) + 0.5) * (f64::from(learned.ham) + 1.0) / (f64::from(learned.spam) + 1.0);
        ratio.ln().abs() * f64::from(c.total()).sqrt()
    };
    let mut ranked: Vec<(f64, u64, Counts)> = all
        .iter()
        // Where the mails of the collection came from says nothing about anybody else's.
        .filter(|(f, c)| c.total() >= START_MAILS && Tier::of(*f) != Some(Tier::Route))
        .map(|(f, c)| (telling(c), f, c))
        .filter(|(t, _, _)| *t > 1.0)
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.truncate(features);
    let mut tokens = Tokens::with_capacity(ranked.len());
    ranked.iter().for_each(|(_, f, c)| tokens.add(*f, *c));
    tokens.set_learned(learned);
    let combiner = combiner(samples, &tokens);
    Model { tokens, combiner }
}
