//! Makes the classifier's models from labelled mail and fits the symbols' weights, with figures on
//! mail that was held out. Deterministic: the same mail gives the same files.
//!
//! `fit models CORPUS` writes `start.bin` and `own.tsv`; `fit weights CORPUS` prints a table of
//! weights; `fit figures CORPUS` only measures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use postern_filter::bayes::features::features;
use postern_filter::bayes::model::Model;
use postern_filter::bayes::tokens::Class;
use postern_filter::bayes::{Classifier, probability};
use postern_filter::facts::{BayesFact, Facts};
use postern_filter::judge::judge;
use postern_filter::offline::{Clock, facts};
use postern_filter::policy::Policy;
use postern_filter::registry;
use postern_mail::message::Limits;
use postern_mail::read::read;
use postern_model::settings::Settings;
use postern_model::symbol::Group;
use postern_model::time::Timestamp;
use postern_tests::corpus::build::{self, START_FEATURES, Sample};
use postern_tests::corpus::logistic::{Bias, Column, fit};
use postern_tests::corpus::measure::{Accuracy, Scored, at_threshold};
use postern_tests::corpus::{Corpus, Labelled};

const FOLDS: u64 = 5;
/// Ways of dividing the mails into folds: a single one says little about 2 hits in 2,000.
const SPLITS: u64 = 4;
/// Log odds of a mail of which nothing is known, and the score that log odds of 0 stand for.
const BIAS: f64 = -3.0;
const TAG: f64 = 5.0;
/// How strongly a weight is held to the designed one; a symbol must fire often to move.
const HOLD: f64 = 6.0;

#[derive(Parser)]
struct Args {
    what: What,
    /// The mails: a folder with index.tsv or with mail-corpus.tar.zst
    corpus: PathBuf,
    /// Folder for the models
    #[arg(long, default_value = "userspace/postern-filter/model")]
    out: PathBuf,
    /// Print the ham that scores highest and the spam that scores lowest
    #[arg(long, default_value_t = 0)]
    worst: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Models,
    Weights,
    Figures,
}

/// A mail ready to be judged.
struct Case {
    file: String,
    /// By each way of dividing.
    parts: Vec<u64>,
    facts: Facts,
    /// As it is learned: from the file alone.
    sample: Sample,
    /// As it is judged: with its client.
    judged: Vec<u64>,
}

impl Case {
    fn is_spam(&self) -> bool {
        self.sample.1 == Class::Spam
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let corpus = Corpus::open(&args.corpus)?;
    let cases = cases(&corpus.mails)?;
    let policy = Policy::new(&Settings::default());
    println!(
        "{} mails, {:.0} features each",
        cases.len(),
        cases.iter().map(|c| c.sample.0.len()).sum::<usize>() as f64 / cases.len() as f64
    );
    if args.what == What::Models {
        return models(&cases, &args.out);
    }
    let mut all = Vec::new();
    let mut means = [Accuracy::default(); 2];
    for split in 0..SPLITS as usize {
        let held_out = classify(&cases, split);
        println!("\nsplit {split}");
        if split == 0 {
            figures("symbols alone", &cases, (&vec![None; cases.len()], 0.0), &policy, args.worst);
        }
        let [own_mean, start_mean] = &mut means;
        for (name, odds, own_share, sum) in
            [("own counts, held out", &held_out.own, 1.0, own_mean), ("starting model, held out", &held_out.start, 0.0, start_mean)]
        {
            let accuracy = figures(name, &cases, (odds, own_share), &policy, args.worst);
            sum.caught_at_one_in_1000 += accuracy.caught_at_one_in_1000 / SPLITS as f64;
            sum.caught_at_five_in_1000 += accuracy.caught_at_five_in_1000 / SPLITS as f64;
            sum.auc += accuracy.auc / SPLITS as f64;
        }
        all.push(held_out);
    }
    println!("\nmean of the splits\n{:32} {}\n{:32} {}", "own counts, held out", means[0], "starting model, held out", means[1]);
    if args.what == What::Weights {
        weights(&cases, &all, &policy);
    }
    Ok(())
}

fn figures(name: &str, cases: &[Case], (odds, own_share): (&[Option<f64>], f64), policy: &Policy, worst: usize) -> Accuracy {
    let mut scored = score(cases, odds, own_share, policy);
    let accuracy = Accuracy::of(&scored);
    println!("{name:32} {accuracy}");
    if odds.iter().any(Option::is_some) {
        let bare: Vec<Scored> =
            cases.iter().zip(odds).map(|(c, z)| Scored { file: String::new(), is_spam: c.is_spam(), score: z.unwrap_or(0.0) }).collect();
        println!("{:32} {}", "   the classifier alone", Accuracy::of(&bare));
    }
    let at = [5.0, 8.0, 15.0].map(|threshold| {
        let (spam, ham) = at_threshold(&scored, threshold);
        format!("at {threshold}: {:.2}% of spam, {:.2}% of ham", 100.0 * spam, 100.0 * ham)
    });
    println!("{:32} {}", "", at.join("; "));
    print_worst(&mut scored, worst);
    accuracy
}

fn cases(mails: &[Labelled]) -> anyhow::Result<Vec<Case>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = mails.len().div_ceil(threads).max(1);
    let parts: Vec<anyhow::Result<Vec<Case>>> = std::thread::scope(|scope| {
        let running: Vec<_> = mails.chunks(size).map(|chunk| scope.spawn(move || chunk.iter().map(case).collect())).collect();
        running.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread ended")))).collect()
    });
    let mut all = Vec::with_capacity(mails.len());
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

fn case(mail: &Labelled) -> anyhow::Result<Case> {
    let octets = std::fs::read(&mail.path).with_context(|| format!("read {}", mail.path.display()))?;
    let message = read(&octets, &Limits::default());
    let sample = (features(&message, None), mail.class);
    let facts = facts(message, mail.arrival.clone(), Vec::new(), Clock::NewestReceived(Timestamp::default()));
    let judged = features(&facts.message, facts.client());
    Ok(Case { file: mail.file.clone(), parts: (0..SPLITS).map(|split| Corpus::part(mail, FOLDS, split)).collect(), facts, sample, judged })
}

fn models(cases: &[Case], out: &Path) -> anyhow::Result<()> {
    let samples: Vec<&Sample> = cases.iter().map(|c| &c.sample).collect();
    let start = build::starting_model(&samples, START_FEATURES);
    let octets = start.write();
    println!("starting model: {} tokens, {} octets", start.tokens.len(), octets.len());
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("start.bin"), octets)?;
    let own = build::combiner(&samples, &build::count(samples.iter().copied()));
    std::fs::write(out.join("own.tsv"), format!("# What the classifier's statistics are worth; made by `fit models`.\n{}", own.to_text()))?;
    Ok(())
}

/// Log odds of each mail by models made without its part.
struct HeldOut {
    own: Vec<Option<f64>>,
    start: Vec<Option<f64>>,
}

fn classify(cases: &[Case], split: usize) -> HeldOut {
    let mut held_out = HeldOut { own: vec![None; cases.len()], start: vec![None; cases.len()] };
    for part in 0..FOLDS {
        let train: Vec<&Sample> = cases.iter().filter(|c| c.parts[split] != part).map(|c| &c.sample).collect();
        let tokens = build::count(train.iter().copied());
        let combiner = build::combiner(&train, &tokens);
        // A process that makes five models and ends may keep them.
        let start: &'static Model = Box::leak(Box::new(build::starting_model(&train, START_FEATURES)));
        let own = Classifier::new(tokens, 50).with_start(None).with_own_combiner(combiner);
        let out_of_the_box = Classifier::new(Default::default(), 50).with_start(Some(start));
        for (at, case) in cases.iter().enumerate().filter(|(_, c)| c.parts[split] == part) {
            held_out.own[at] = own.judge(&case.judged).map(|j| j.log_odds);
            held_out.start[at] = out_of_the_box.judge(&case.judged).map(|j| j.log_odds);
        }
    }
    held_out
}

fn with_odds(case: &Case, odds: Option<f64>, own_share: f64) -> Facts {
    let mut facts = case.facts.clone();
    facts.bayes = odds.map(|z| BayesFact { probability: probability(z), own_share, known_tokens: case.judged.len(), evidence: Vec::new() });
    facts
}

fn score(cases: &[Case], odds: &[Option<f64>], own_share: f64, policy: &Policy) -> Vec<Scored> {
    cases
        .iter()
        .zip(odds)
        .map(|(c, z)| Scored { file: c.file.clone(), is_spam: c.is_spam(), score: judge(&with_odds(c, *z, own_share), policy).score.get() })
        .collect()
}

fn print_worst(scored: &mut [Scored], n: usize) {
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    for s in scored.iter().filter(|s| !s.is_spam).take(n) {
        println!("      ham  {:6.2} {}", s.score, s.file);
    }
    for s in scored.iter().rev().filter(|s| s.is_spam).take(n) {
        println!("      spam {:6.2} {}", s.score, s.file);
    }
}

/// Fits weights in score units around the designed ones and prints those that the mail speaks about.
fn weights(cases: &[Case], held_out: &[HeldOut], policy: &Policy) {
    let unit = TAG / -BIAS;
    let labels: Vec<bool> = cases.iter().map(Case::is_spam).collect();
    let mut mean: BTreeMap<&'static str, (f64, f64, usize, usize)> = BTreeMap::new();
    println!("\nweights fitted, held out (sum without the groups' caps):");
    for (split, held_out) in held_out.iter().enumerate() {
        let columns = columns(cases, &held_out.own, policy, unit);
        let plain: Vec<Column> = columns.values().map(|(c, _, _)| c.clone()).collect();
        let mut scored = Vec::new();
        for part in 0..FOLDS {
            let rows: Vec<usize> = (0..cases.len()).filter(|r| cases[*r].parts[split] != part).collect();
            let place: BTreeMap<u32, u32> = rows.iter().enumerate().map(|(new, old)| (*old as u32, new as u32)).collect();
            let train: Vec<Column> = plain
                .iter()
                .map(|c| Column { values: c.values.iter().filter_map(|(r, v)| Some((*place.get(r)?, *v))).collect(), ..c.clone() })
                .collect();
            let fitted = fit(&rows.iter().map(|r| labels[*r]).collect::<Vec<_>>(), &train, HOLD, Bias::Fixed(BIAS));
            let mut sums = vec![0.0; cases.len()];
            for (column, weight) in plain.iter().zip(&fitted.weights) {
                column.values.iter().for_each(|(r, v)| sums[*r as usize] += weight * v * unit);
            }
            let tested = cases.iter().zip(&sums).filter(|(c, _)| c.parts[split] == part);
            scored.extend(tested.map(|(c, s)| Scored { file: c.file.clone(), is_spam: c.is_spam(), score: *s }));
        }
        let (spam, ham) = at_threshold(&scored, TAG);
        println!("split {split}: {}   at {TAG}: {:.2}% of spam, {:.2}% of ham", Accuracy::of(&scored), 100.0 * spam, 100.0 * ham);
        let fitted = fit(&labels, &plain, HOLD, Bias::Fixed(BIAS));
        for ((name, weight), (column, spam, ham)) in columns.keys().zip(&fitted.weights).zip(columns.values()) {
            let slot = mean.entry(name).or_default();
            *slot = (column.centre * unit, slot.1 + weight * unit, *spam, *ham);
        }
    }
    println!("\n{:36} {:>8} {:>8} {:>8} {:>8}", "symbol", "designed", "fitted", "spam", "ham");
    for (name, (designed, weight, spam, ham)) in mean {
        println!("{name:36} {designed:8.2} {:8.2} {spam:8} {ham:8}", weight / SPLITS as f64);
    }
}

type Columns = BTreeMap<&'static str, (Column, usize, usize)>;

/// A column for each symbol that fired: how strongly, and on how many mails of each class.
fn columns(cases: &[Case], odds: &[Option<f64>], policy: &Policy, unit: f64) -> Columns {
    let mut columns = Columns::new();
    for (row, (case, odds)) in cases.iter().zip(odds).enumerate() {
        let verdict = judge(&with_odds(case, *odds, 1.0), policy);
        for hit in &verdict.hits {
            let Some(symbol) = registry::find(&hit.symbol).filter(|s| s.weight != 0.0) else { continue };
            let (column, spam, ham) = columns.entry(symbol.name).or_insert_with(|| {
                // The classifier's two symbols are here to be fitted; the others only within their design.
                let (least, most) = if symbol.group == Group::Bayes { (0.5, 4.0) } else { (0.1, 1.6) };
                let bounds = [symbol.weight * least / unit, symbol.weight * most / unit];
                let column = Column {
                    min: bounds[0].min(bounds[1]),
                    max: bounds[0].max(bounds[1]),
                    centre: symbol.weight / unit,
                    values: Vec::new(),
                };
                (column, 0, 0)
            });
            column.values.push((u32::try_from(row).unwrap_or(u32::MAX), hit.score.get() / symbol.weight));
            *(if case.is_spam() { spam } else { ham }) += 1;
        }
    }
    columns
}
