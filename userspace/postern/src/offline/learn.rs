//! `postern learn spam|ham`: teaches the classifier from files.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use postern_filter::bayes::features::features;
use postern_filter::bayes::mail_name;
use postern_mail::message::Limits;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_store::database::tokens::{Lesson, Outcome};

use super::inputs::{self, InputError};
use super::{database, parallel};

/// Mails in one transaction: a megabyte or two of features.
const BATCH: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Spam,
    Ham,
}

/// Teaches the classifier: these mails are spam, or ham. A mail is learned once; learned as the other kind, it changes sides.
#[derive(Clone, Debug, clap::Args)]
pub struct LearnArgs {
    /// What the mails are
    pub kind: Kind,
    /// Mails, or folders of mails
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folder for what is learned [default: postern in the user's data directory]
    #[arg(long, value_name = "DIR", env = "POSTERN_DB", hide_env_values = true)]
    pub db: Option<PathBuf>,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub new: usize,
    pub known: usize,
    pub changed: usize,
    pub failed: usize,
}

/// # Errors
/// When the database cannot be opened or written, or the output is closed.
pub fn run(args: &LearnArgs, settings: &Settings, out: &mut dyn Write, problems: &mut dyn Write) -> anyhow::Result<u8> {
    let folder = database::folder(args.db.as_deref())?;
    let (files, errors) = inputs::files(&args.paths);
    for error in &errors {
        writeln!(problems, "{error}")?;
    }
    let mut tally = learn(&folder, &files, args.kind, settings, problems)
        .with_context(|| format!("nothing more can be learned into {}", folder.display()))?;
    tally.failed += errors.len();
    let Tally { new, known, changed, failed } = tally;
    let kind = match args.kind {
        Kind::Spam => "spam",
        Kind::Ham => "ham",
    };
    write!(out, "{} mails learned as {kind}", new + changed)?;
    if changed > 0 {
        write!(out, ", {changed} of them changed sides")?;
    }
    if known > 0 {
        write!(out, "; {known} were known")?;
    }
    if failed > 0 {
        write!(out, "; {failed} could not be read")?;
    }
    writeln!(out)?;
    Ok(match (new + known + changed, failed) {
        (0, _) => 2,
        (_, 0) => 0,
        _ => 1,
    })
}

/// Learns files into the database of a folder.
///
/// # Errors
/// When the database cannot be opened or written.
pub fn learn(folder: &Path, files: &[PathBuf], kind: Kind, settings: &Settings, problems: &mut dyn Write) -> anyhow::Result<Tally> {
    let limits = inputs::limits(&settings.filter);
    let mut tally = Tally::default();
    // A node's data directory, and the node is in a cluster: it tells its peers.
    let has_peers = folder.join("cluster/document").exists();
    database::block_on(async {
        let database = database::open(folder).await?;
        for batch in files.chunks(BATCH) {
            let mut lessons = Vec::with_capacity(batch.len());
            let read = |file: &Path| lesson(file, kind, &limits);
            parallel::each(batch, read, |_, result| match result {
                Ok(lesson) => {
                    lessons.push(lesson);
                    Ok(())
                }
                Err(error) => {
                    tally.failed += 1;
                    writeln!(problems, "{error}")
                }
            })?;
            let now = Timestamp::from_system(std::time::SystemTime::now());
            let tokens = database.tokens();
            let outcomes = if has_peers { tokens.learn_untold(&lessons, now).await? } else { tokens.learn(&lessons, now).await? };
            for outcome in outcomes {
                match outcome {
                    Outcome::New => tally.new += 1,
                    Outcome::Known => tally.known += 1,
                    Outcome::Changed => tally.changed += 1,
                }
            }
        }
        if database.tokens().needs_folding().await? {
            database.tokens().fold(settings.filter.bayes.max_tokens).await?;
        }
        database.close().await;
        Ok(tally)
    })?
}

fn lesson(file: &Path, kind: Kind, limits: &Limits) -> Result<Lesson, InputError> {
    let features = features(&inputs::mail(file, limits)?, None);
    Ok(Lesson { mail: mail_name(&features), is_spam: kind == Kind::Spam, features })
}
