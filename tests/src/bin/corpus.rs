//! Accuracy on labelled mail by the commands a user has: five folds of `postern learn` and
//! `postern scan`, and the release as it comes out of the box. Fails when a bar is missed.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Parser;
use postern_filter::bayes::tokens::Class;
use postern_tests::corpus::measure::{Accuracy, Scored, at_threshold};
use postern_tests::corpus::{Corpus, Labelled};

const FOLDS: u64 = 5;

#[derive(Parser)]
struct Args {
    /// The program
    #[arg(long)]
    postern: PathBuf,
    /// The mails: a folder with index.tsv or mail-corpus.tar.zst
    #[arg(long, env = "POSTERN_DATA")]
    corpus: Option<PathBuf>,
    /// Print the ham that scores highest and the spam that scores lowest
    #[arg(long, default_value_t = 0)]
    worst: usize,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let Some(folder) = args.corpus.filter(|f| !f.as_os_str().is_empty()) else {
        println!("skipped: POSTERN_DATA names no folder with labelled mail");
        return Ok(());
    };
    let corpus = Corpus::open(&folder)?;
    let place = tempfile::tempdir()?;
    let spam = corpus.mails.iter().filter(|m| m.class == Class::Spam).count();
    println!("{} mails of spam, {} of ham", spam, corpus.mails.len() - spam);

    let empty = place.path().join("empty");
    let began = Instant::now();
    let mut boxed = scan(&args.postern, &corpus, corpus.mails.iter().collect(), &empty, &place.path().join("all"))?;
    let each = began.elapsed().as_secs_f64() * 1000.0 / corpus.mails.len() as f64;
    report("out of the box (the model knows these mails)", &mut boxed, args.worst);
    println!("   {each:.2} ms a mail, wall clock, reading included");

    let mut pooled = Vec::new();
    for part in 0..FOLDS {
        let here = place.path().join(format!("fold{part}"));
        let (test, train): (Vec<&Labelled>, Vec<&Labelled>) = corpus.mails.iter().partition(|m| Corpus::part(m, FOLDS, 0) == part);
        let database = here.join("db");
        for class in [Class::Spam, Class::Ham] {
            let folder = here.join(format!("train-{}", class.name()));
            links(train.iter().filter(|m| m.class == class).copied(), &folder)?;
            let done = Command::new(&args.postern).arg("learn").arg("--db").arg(&database).arg(class.name()).arg(&folder).output()?;
            if !done.status.success() {
                bail!("postern learn: {}", String::from_utf8_lossy(&done.stderr));
            }
        }
        pooled.extend(scan(&args.postern, &corpus, test, &database, &here.join("test"))?);
    }
    let accuracy = report("five folds, trained on four parts", &mut pooled, args.worst);
    let mut missed = Vec::new();
    if accuracy.caught_at_one_in_1000 < 0.95 {
        missed.push("less than 95% of spam is caught where 0.1% of ham is hit");
    }
    if accuracy.auc < 0.999 {
        missed.push("the area under the curve is below 0.999");
    }
    if Accuracy::of(&boxed).caught_at_five_in_1000 < 0.80 {
        missed.push("out of the box less than 80% of spam is caught where 0.5% of ham is hit");
    }
    if missed.is_empty() { Ok(()) } else { bail!("{}", missed.join("; ")) }
}

fn report(name: &str, scored: &mut [Scored], worst: usize) -> Accuracy {
    let accuracy = Accuracy::of(scored);
    println!("{name}\n   {accuracy}");
    for (what, threshold) in [("tag", 5.0), ("quarantine", 8.0), ("reject", 15.0)] {
        let (spam, ham) = at_threshold(scored, threshold);
        println!("   {what:10} from {threshold:4.1}: {:6.2}% of spam, {:5.2}% of ham", 100.0 * spam, 100.0 * ham);
    }
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    for s in scored.iter().filter(|s| !s.is_spam).take(worst) {
        println!("      ham  {:6.2} {}", s.score, s.file);
    }
    for s in scored.iter().rev().filter(|s| s.is_spam).take(worst) {
        println!("      spam {:6.2} {}", s.score, s.file);
    }
    accuracy
}

/// A folder of links to mails: a command line cannot name thousands.
fn links<'a>(mails: impl Iterator<Item = &'a Labelled>, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    for mail in mails {
        let name = mail.file.replace('/', "+");
        symlink(std::fs::canonicalize(&mail.path)?, folder.join(name))?;
    }
    Ok(())
}

fn scan(postern: &Path, corpus: &Corpus, mails: Vec<&Labelled>, database: &Path, folder: &Path) -> anyhow::Result<Vec<Scored>> {
    links(mails.iter().copied(), folder)?;
    let done = Command::new(postern)
        .arg("scan")
        .arg("--index")
        .arg(&corpus.index)
        .arg("--now-from-received")
        .arg("--db")
        .arg(database)
        .arg(folder)
        .output()
        .with_context(|| format!("start {}", postern.display()))?;
    if !done.status.success() {
        bail!("postern scan: {}", String::from_utf8_lossy(&done.stderr));
    }
    let mut scored = Vec::with_capacity(mails.len());
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        let line: serde_json::Value = serde_json::from_str(line).context("a line of postern scan is no JSON")?;
        let file = line["file"].as_str().and_then(|f| f.rsplit('/').next()).unwrap_or_default().replace('+', "/");
        let score = line["score"].as_f64().with_context(|| format!("{file} has no score"))?;
        let class = mails.iter().find(|m| m.file == file).map(|m| m.class).with_context(|| format!("{file} was not asked for"))?;
        scored.push(Scored { is_spam: class == Class::Spam, file, score });
    }
    if scored.len() != mails.len() {
        bail!("postern scan judged {} of {} mails", scored.len(), mails.len());
    }
    Ok(scored)
}
