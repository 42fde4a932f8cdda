//! `postern scan`: judges many mails, one line of JSON for each.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use postern_filter::bayes::Classifier;
use postern_filter::facts::Facts;
use postern_filter::judge::judge;
use postern_filter::offline::{self, Clock};
use postern_filter::policy::Policy;
use postern_mail::message::Limits;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_model::verdict::Verdict;
use serde::Serialize;

use super::index::Index;
use super::inputs::{self, InputError};
use super::{database, parallel};

/// Judges mails in files and prints one line of JSON for each: file, score, action, reason, symbols.
#[derive(Clone, Debug, clap::Args)]
pub struct ScanArgs {
    /// Mails, or folders of mails
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Table with the columns file, client_ip, helo, mail_from, rcpt_to (tab-separated)
    #[arg(long, value_name = "TSV")]
    pub index: Option<PathBuf>,
    /// Take the moment of judgement from each mail's newest Received line instead of the clock
    #[arg(long)]
    pub now_from_received: bool,
    /// Folder with what `postern learn` learned [default: postern in the user's data directory]
    #[arg(long, value_name = "DIR", env = "POSTERN_DB", hide_env_values = true)]
    pub db: Option<PathBuf>,
}

/// Everything that is the same for all mails of a run.
pub struct Scanner {
    pub settings: Settings,
    pub policy: Policy,
    pub limits: Limits,
    pub classifier: Option<Classifier>,
    pub index: Index,
    pub clock: Clock,
}

impl Scanner {
    pub fn new(settings: Settings, classifier: Option<Classifier>, index: Index, clock: Clock) -> Self {
        Self { policy: Policy::new(&settings), limits: inputs::limits(&settings.filter), settings, classifier, index, clock }
    }

    /// # Errors
    /// When the file cannot be read or is no mail.
    pub fn verdict(&self, file: &Path) -> Result<Verdict, InputError> {
        let mut facts = self.facts(file)?;
        facts.bayes = self.classifier.as_ref().and_then(|c| c.fact(&facts.message, facts.client()));
        Ok(judge(&facts, &self.policy))
    }

    /// Facts of a mail in a file, without the classifier's word.
    ///
    /// # Errors
    /// When the file cannot be read or is no mail.
    pub fn facts(&self, file: &Path) -> Result<Facts, InputError> {
        let message = inputs::mail(file, &self.limits)?;
        let own_domains = self.settings.domains.iter().filter_map(|d| d.name.parse().ok()).collect();
        Ok(offline::facts(message, self.index.find(file).cloned().unwrap_or_default(), own_domains, self.clock))
    }
}

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    score: f64,
    action: &'static str,
    reason: &'static str,
    symbols: BTreeMap<&'a str, f64>,
}

/// # Errors
/// When the index or the database cannot be read, or the output is closed.
pub fn run(args: &ScanArgs, settings: Settings, out: &mut dyn Write, problems: &mut dyn Write) -> anyhow::Result<u8> {
    let index = args.index.as_deref().map(Index::read).transpose()?.unwrap_or_default();
    let classifier = match database::folder(args.db.as_deref()) {
        Ok(folder) => database::classifier(&folder, &settings.filter.bayes)
            .with_context(|| format!("what was learned in {} cannot be read", folder.display()))?,
        // Without a home nothing can have been learned there.
        Err(_) => database::classifier(Path::new(""), &settings.filter.bayes)?,
    };
    let now = Timestamp::from_system(std::time::SystemTime::now());
    let clock = if args.now_from_received { Clock::NewestReceived(now) } else { Clock::At(now) };
    let scanner = Scanner::new(settings, classifier, index, clock);

    let (files, errors) = inputs::files(&args.paths);
    let mut failed = errors.len();
    for error in &errors {
        writeln!(problems, "{error}")?;
    }
    let mut judged = 0usize;
    parallel::each(
        &files,
        |file| scanner.verdict(file),
        |file, result| -> anyhow::Result<()> {
            match result {
                Ok(verdict) => {
                    judged += 1;
                    print(file, &verdict, out)?;
                }
                Err(error) => {
                    failed += 1;
                    writeln!(problems, "{error}")?;
                }
            }
            Ok(())
        },
    )?;
    out.flush()?;
    if judged == 0 && failed == 0 {
        writeln!(problems, "there are no mails in what was given")?;
        return Ok(2);
    }
    Ok(match (judged, failed) {
        (_, 0) => 0,
        (0, _) => 2,
        _ => 1,
    })
}

fn print(file: &Path, verdict: &Verdict, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut symbols: BTreeMap<&str, f64> = BTreeMap::new();
    for hit in &verdict.hits {
        *symbols.entry(hit.symbol.as_ref()).or_default() += hit.score.get();
    }
    let name = file.to_string_lossy();
    let line = Line { file: &name, score: verdict.score.get(), action: verdict.action.name(), reason: verdict.reason.name(), symbols };
    // More digits than a score is shown with: a ranking must not be lost in rounding.
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")?;
    Ok(())
}
