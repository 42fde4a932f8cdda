//! The statistical classifier: what mails that people called spam or ham had in common.
//!
//! A mail becomes [`features`]; each feature's counts ([`tokens`]) give its pull; the pulls become a
//! handful of [`statistics`], and a fitted [`combiner`] turns those into log odds. Counts are the only
//! thing learned at run time: they can be added up over the nodes of a cluster, in any order.
//!
//! Out of the box a starting [`model`] made from public mail of 2002 to 2005 answers. That mail is
//! old: what it says in favour of a mail is damped by how much of the mail it knows at all, so that
//! mail of today is left to the other symbols ([`Classifier::log_odds`]). Once enough of the
//! organisation's own mail was learned, its own counts answer alone.
//!
//! Read first: [`Classifier`], then [`features`].

pub mod combiner;
pub mod features;
pub mod model;
pub mod statistics;
pub mod tokens;

use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard};

use postern_mail::message::Message;

use crate::facts::BayesFact;
use combiner::Combiner;
use features::{Client, Tier};
use model::Model;
use statistics::{Pull, Statistics, statistics};
use tokens::{Class, Counts, Tokens};

static STARTING: &[u8] = include_bytes!("../../model/start.bin");
static OWN_COMBINER: &str = include_str!("../../model/own.tsv");

/// The starting model of this release; parsed once.
pub fn starting_model() -> Option<&'static Model> {
    static MODEL: LazyLock<Option<Model>> = LazyLock::new(|| Model::read(STARTING).ok());
    MODEL.as_ref()
}

/// The combiner for an organisation's own counts.
pub fn own_combiner() -> Option<&'static Combiner> {
    static COMBINER: LazyLock<Option<Combiner>> = LazyLock::new(|| Combiner::parse(OWN_COMBINER).ok());
    COMBINER.as_ref()
}

/// Own counts alone answer from this many times `min_learned` mails of each class on; between, both do.
const OWN_ALONE: f64 = 4.0;
/// Share of a mail's features that the starting model must know before its word in favour of a mail
/// counts in full.
const FAMILIAR: f64 = 0.5;

/// Judges by the organisation's own counts, the starting model, or both. Clones share the counts.
#[derive(Clone)]
pub struct Classifier {
    own: Arc<RwLock<Tokens>>,
    own_combiner: Option<Combiner>,
    start: Start,
    min_learned: u64,
}

#[derive(Clone, Copy)]
enum Start {
    /// This release's, read by the first that asks.
    Shipped,
    Other(Option<&'static Model>),
}

/// Names a mail by what the classifier sees of it: copies that differ only in what delivery added
/// have one name, and are learned once. The way it came has no part in it.
pub fn mail_name(features: &[u64]) -> [u8; 16] {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    features.iter().filter(|f| Tier::of(**f) != Some(Tier::Route)).for_each(|f| hasher.update(&f.to_le_bytes()));
    hasher.digest128().to_be_bytes()
}

/// What the classifier says of one mail.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Log odds of spam; 0 is "no idea".
    pub log_odds: f64,
    /// How much of it the own counts say, 0 to 1.
    pub own_share: f64,
    pub known: usize,
    /// The most telling features, strongest first.
    pub pulls: Vec<Pull>,
}

impl Classifier {
    /// `own`: what was learned here; `min_learned`: mails of each class before it counts at all.
    pub fn new(own: Tokens, min_learned: u64) -> Self {
        Self { own: Arc::new(RwLock::new(own)), own_combiner: own_combiner().cloned(), start: Start::Shipped, min_learned }
    }

    /// Without the starting model, or with another one; for measurements.
    #[must_use]
    pub fn with_start(mut self, start: Option<&'static Model>) -> Self {
        self.start = Start::Other(start);
        self
    }

    fn start(&self) -> Option<&'static Model> {
        match self.start {
            Start::Shipped => starting_model(),
            Start::Other(model) => model,
        }
    }

    /// Reads the starting model now, not while a mail waits.
    pub fn prepare(&self) {
        self.start();
    }

    /// With another combiner for the own counts; for measurements.
    #[must_use]
    pub fn with_own_combiner(mut self, combiner: Combiner) -> Self {
        self.own_combiner = Some(combiner);
        self
    }

    /// How much the own counts say, 0 to 1.
    pub fn own_share(&self) -> f64 {
        share(self.own().learned(), self.min_learned)
    }

    /// Mails learned here of each class.
    pub fn learned(&self) -> Counts {
        self.own().learned()
    }

    /// Counts a mail that the database took as new.
    pub fn learn(&self, features: &[u64], class: Class) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).learn(features, class);
    }

    /// Takes back a mail that the database says was learned as this class.
    pub fn forget(&self, features: &[u64], class: Class) {
        self.own.write().unwrap_or_else(PoisonError::into_inner).forget(features, class);
    }

    /// Puts other counts in the place of the own ones: loaded late, or after the database forgot some.
    pub fn replace(&self, own: Tokens) {
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = own;
    }

    fn own(&self) -> RwLockReadGuard<'_, Tokens> {
        self.own.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a mail by its features. `None`: nothing was ever learned and there is no starting model.
    pub fn judge(&self, features: &[u64]) -> Option<Judgement> {
        let counts = self.own();
        let share = share(counts.learned(), self.min_learned);
        let own = self.own_combiner.as_ref().filter(|_| share > 0.0).map(|combiner| {
            let (statistics, pulls) = statistics(features, &counts, None);
            Judgement { log_odds: combiner.log_odds(&statistics), own_share: share, known: statistics.known, pulls }
        });
        let model = if share < 1.0 { self.start() } else { None };
        let start = model.map(|model| {
            let (statistics, pulls) = statistics(features, &model.tokens, None);
            let log_odds = damped(model.combiner.log_odds(&statistics), &statistics);
            Judgement { log_odds, own_share: 0.0, known: statistics.known, pulls }
        });
        match (own, start) {
            (Some(own), Some(start)) => Some(Judgement {
                log_odds: share * own.log_odds + (1.0 - share) * start.log_odds,
                own_share: share,
                known: own.known.max(start.known),
                pulls: if share >= 0.5 { own.pulls } else { start.pulls },
            }),
            (one, other) => one.or(other),
        }
    }

    /// Judges a mail. `client`: who brought it; `None` for a stored mail, whose trace says it.
    pub fn fact(&self, message: &Message, client: Option<Client<'_>>) -> Option<BayesFact> {
        self.judge(&features::features(message, client)).map(|judgement| fact(&judgement, Vec::new()))
    }

    /// [`Classifier::fact`] with the features that decided, for people. Takes the mail apart once more.
    pub fn fact_with_evidence(&self, message: &Message, client: Option<Client<'_>>) -> Option<BayesFact> {
        let judgement = self.judge(&features::features(message, client))?;
        let spam = judgement.log_odds > 0.0;
        let telling: Vec<Pull> =
            judgement.pulls.iter().filter(|p| (p.log_ratio > 0.0) == spam && p.log_ratio.abs() > 0.5).take(12).copied().collect();
        let mut wanted: Vec<u64> = telling.iter().map(|p| p.feature).collect();
        wanted.sort_unstable();
        let names = if wanted.is_empty() { Vec::new() } else { features::describe(message, client, &wanted) };
        let evidence = telling
            .iter()
            .filter_map(|p| names.iter().find(|(f, _)| *f == p.feature).map(|(_, name)| format!("{name} {:+.1}", p.log_ratio)))
            .collect();
        Some(fact(&judgement, evidence))
    }
}

fn fact(judgement: &Judgement, evidence: Vec<String>) -> BayesFact {
    BayesFact { probability: probability(judgement.log_odds), own_share: judgement.own_share, known_tokens: judgement.known, evidence }
}

fn share(learned: Counts, min_learned: u64) -> f64 {
    let least = f64::from(learned.spam.min(learned.ham));
    let min = min_learned.max(1) as f64;
    if least < min { 0.0 } else { ((least - min) / (min * (OWN_ALONE - 1.0)) + 0.1).clamp(0.0, 1.0) }
}

/// A word in favour of a mail that is mostly unknown is worth little: mail of today shares its signatures,
/// disclaimers and greetings with old mail, and who forges copies them.
fn damped(log_odds: f64, statistics: &Statistics) -> f64 {
    if log_odds >= 0.0 {
        return log_odds;
    }
    let known = statistics.known as f64 / (statistics.features.max(1)) as f64;
    log_odds * (known / FAMILIAR).min(1.0).powi(2)
}

/// Log odds as a probability that can still be turned back: never 0 or 1.
pub fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds.clamp(-30.0, 30.0)).exp())
}

/// The inverse of [`probability`].
pub fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(1e-13, 1.0 - 1e-13);
    (p / (1.0 - p)).ln()
}

#[cfg(test)]
mod tests;
