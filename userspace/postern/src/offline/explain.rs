//! `postern explain`: judges one mail and says why, symbol by symbol.

use std::io::Write;
use std::path::{Path, PathBuf};

use postern_filter::facts::{Facts, Sandboxed};
use postern_filter::judge::{group_sums, judge};
use postern_filter::offline::Clock;
use postern_filter::registry;
use postern_mail::message::Message;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_mta::sandbox::{self, attachments, passwords};
use postern_sandbox::cell::Cells;
use postern_sandbox::yara;
use serde::Serialize;

use super::index::Index;
use super::scan::Scanner;
use super::{database, inputs};
use crate::command::sandbox::{compile_rules, rules_of_folder, worker};

/// Judges one mail in a file and prints every symbol with its evidence.
#[derive(Clone, Debug, clap::Args)]
pub struct ExplainArgs {
    /// The mail
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Table with the mail's envelope; see `postern scan`
    #[arg(long, value_name = "TSV")]
    pub index: Option<PathBuf>,
    /// Take its attachments apart too, in cells as those of `postern sandbox run`
    #[arg(long)]
    pub sandbox: bool,
    /// Take the moment of judgement from the newest Received line instead of the clock
    #[arg(long)]
    pub now_from_received: bool,
    /// Folder with what `postern learn` learned [default: postern in the user's data directory]
    #[arg(long, value_name = "DIR", env = "POSTERN_DB", hide_env_values = true)]
    pub db: Option<PathBuf>,
}

#[derive(Serialize)]
struct Explanation<'a> {
    file: String,
    from: Option<&'a str>,
    subject: Option<&'a str>,
    size: u64,
    score: f64,
    action: &'static str,
    reason: &'static str,
    symbols: Vec<Symbol<'a>>,
    groups: Vec<GroupLine>,
    bayes: Option<Bayes>,
    not_asked: &'static str,
}

#[derive(Serialize)]
struct Symbol<'a> {
    symbol: &'a str,
    group: String,
    score: f64,
    evidence: &'a str,
    meaning: &'static str,
}

/// A group whose cap took something away.
#[derive(Serialize)]
struct GroupLine {
    group: String,
    before_cap: f64,
    cap: f64,
}

#[derive(Serialize)]
struct Bayes {
    probability: f64,
    known_tokens: usize,
    evidence: Vec<String>,
}

const NOT_ASKED: &str = "SPF, DKIM, DMARC, reverse DNS, DNS lists and antivirus: a file tells nothing of them (attachments: --sandbox)";

/// # Errors
/// When the file, the index or the database cannot be read, or the output is closed.
pub fn run(args: &ExplainArgs, settings: Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let index = args.index.as_deref().map(Index::read).transpose()?.unwrap_or_default();
    let folder = database::folder(args.db.as_deref()).unwrap_or_default();
    let classifier = database::classifier(&folder, &settings.filter.bayes)?;
    let now = Timestamp::from_system(std::time::SystemTime::now());
    let clock = if args.now_from_received { Clock::NewestReceived(now) } else { Clock::At(now) };
    let scanner = Scanner::new(settings, classifier, index, clock);
    let mut facts = scanner.facts(&args.file)?;
    if args.sandbox {
        facts.sandbox = taken_apart(&scanner.settings, &args.file, &facts.message)?;
    }
    explain(&scanner, &args.file, facts, args.json, out)?;
    Ok(0)
}

/// The attachments that the node would ask its role about, one after the other.
fn taken_apart(settings: &Settings, file: &Path, message: &Message) -> anyhow::Result<Sandboxed> {
    let mail = inputs::octets(file)?;
    let (attachments, left_out) = attachments::of(&settings.sandbox, &mail, message);
    let passwords = passwords::of(message);
    let cells = Cells::new(worker(None)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut found = Sandboxed { left_out, ..Sandboxed::default() };
    let folder = Some(settings.sandbox.yara_rules.as_path()).filter(|folder| !folder.as_os_str().is_empty());
    let mut files = yara::of_settings(&settings.sandbox.rules);
    files.extend(rules_of_folder(folder)?);
    let (rules, _) = if settings.sandbox.yara { Some(compile_rules(&cells, &files, &runtime)?) } else { None }.unzip();
    let rules = rules.flatten();
    for attachment in attachments {
        let job = sandbox::job(&settings.sandbox, &attachment, &passwords, sandbox::Look::InSession);
        match runtime.block_on(cells.run(&job, &attachment.content, rules.as_ref())) {
            Ok(report) => found.findings.extend(sandbox::findings(&report)),
            Err(e) => found.unanswered.push(format!("{}: {e}", attachment.name)),
        }
    }
    Ok(found)
}

fn explain(scanner: &Scanner, file: &Path, mut facts: Facts, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    facts.bayes = scanner.classifier.as_ref().and_then(|c| c.fact_with_evidence(&facts.message, facts.client()));
    let verdict = judge(&facts, &scanner.policy);
    let symbols = verdict
        .hits
        .iter()
        .map(|hit| Symbol {
            symbol: &hit.symbol,
            group: registry::group_name(hit.group),
            score: hit.score.get(),
            evidence: &hit.evidence,
            meaning: registry::find(&hit.symbol).map_or("", |s| s.description),
        })
        .collect();
    let groups = group_sums(verdict.hits.iter().map(|h| (h.group, h.score)), &scanner.policy)
        .iter()
        .filter(|sum| sum.is_capped())
        .map(|sum| GroupLine { group: registry::group_name(sum.group), before_cap: sum.positive.get(), cap: sum.cap.get() })
        .collect();
    let explanation = Explanation {
        file: file.display().to_string(),
        from: facts.message.from.first().map(|f| f.address.as_str()),
        subject: facts.message.subject.as_deref(),
        size: facts.message.size,
        score: verdict.score.get(),
        action: verdict.action.name(),
        reason: verdict.reason.name(),
        symbols,
        groups,
        bayes: facts.bayes.as_ref().map(|b| Bayes {
            probability: b.probability,
            known_tokens: b.known_tokens,
            evidence: b.evidence.clone(),
        }),
        not_asked: NOT_ASKED,
    };
    if as_json {
        serde_json::to_writer_pretty(&mut *out, &explanation)?;
        writeln!(out)?;
        return Ok(());
    }
    text(&explanation, &scanner.settings, out)?;
    Ok(())
}

fn text(e: &Explanation<'_>, settings: &Settings, out: &mut dyn Write) -> std::io::Result<()> {
    let thresholds = &settings.filter.thresholds;
    writeln!(out, "{}: {}", e.file, printable(e.subject.unwrap_or("(no subject)"), 100))?;
    writeln!(out, "from {}, {} octets", printable(e.from.unwrap_or("(nobody)"), 100), e.size)?;
    let (tag, quarantine, reject) = (thresholds.tag, thresholds.quarantine, thresholds.reject);
    writeln!(out, "\n{:.2}  {} ({})   tag from {tag}, quarantine from {quarantine}, reject from {reject}\n", e.score, e.action, e.reason)?;
    let width = e.symbols.iter().map(|s| s.symbol.len()).max().unwrap_or(0);
    for s in &e.symbols {
        writeln!(out, "{:>7.2}  {:width$}  {}", s.score, s.symbol, s.meaning)?;
        if !s.evidence.is_empty() {
            writeln!(out, "{:>7}  {:width$}    {}", "", "", printable(s.evidence, 200))?;
        }
    }
    if e.symbols.is_empty() {
        writeln!(out, "no symbol fired")?;
    }
    for g in &e.groups {
        writeln!(out, "\nthe group {} would add {:.2}; its cap is {:.2}", g.group, g.before_cap, g.cap)?;
    }
    if let Some(bayes) = &e.bayes {
        writeln!(out, "\nclassifier: {:.4} that it is spam, {} of its tokens known", bayes.probability, bayes.known_tokens)?;
        for line in &bayes.evidence {
            writeln!(out, "         {}", printable(line, 100))?;
        }
    }
    writeln!(out, "\nnot asked: {}", e.not_asked)
}

/// What a mail says must not steer a terminal.
fn printable(text: &str, max: usize) -> String {
    text.chars().take(max).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
