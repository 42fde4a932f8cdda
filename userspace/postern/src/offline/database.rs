//! The database of learned mail in a folder of its own.

use std::path::{Path, PathBuf};

use postern_filter::bayes::Classifier;
use postern_filter::bayes::tokens::{Counts, Tokens};
use postern_model::settings::filter::BayesSettings;
use postern_store::database::tokens::LearnedMails;
use postern_store::database::{Database, DatabaseError, OpenError};

/// The file in the folder: the same name as in a node's data directory.
const FILE: &str = "postern.db";

#[derive(Debug, thiserror::Error)]
pub enum LearnedError {
    #[error("there is no folder for learned mail: say which with --db, or set HOME")]
    NoFolder,
    #[error("a runtime for the database cannot be started: {0}")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The folder for learned mail: the one given, or `postern` in the user's data directory.
///
/// # Errors
/// When none was given and there is no home.
pub fn folder(given: Option<&Path>) -> Result<PathBuf, LearnedError> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    given
        .map(Path::to_owned)
        .or_else(|| set("XDG_DATA_HOME").map(|d| d.join("postern")))
        .or_else(|| set("HOME").map(|d| d.join(".local/share/postern")))
        .ok_or(LearnedError::NoFolder)
}

/// Runs what needs the database to its end.
///
/// # Errors
/// When no runtime can be started.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T, LearnedError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LearnedError::Runtime)?;
    Ok(runtime.block_on(work))
}

/// # Errors
/// When it can neither be opened nor made.
pub async fn open(folder: &Path) -> Result<Database, LearnedError> {
    Ok(Database::open(&folder.join(FILE)).await?)
}

/// The classifier with what was learned in a folder; with the starting model alone when nothing was.
///
/// # Errors
/// When the database is there but cannot be read.
pub fn classifier(folder: &Path, settings: &BayesSettings) -> Result<Option<Classifier>, LearnedError> {
    if !settings.enabled {
        return Ok(None);
    }
    // Judging makes no database.
    if !folder.join(FILE).exists() {
        return Ok(Some(Classifier::new(Tokens::new(), settings.min_learned)));
    }
    let tokens = block_on(async {
        let database = open(folder).await?;
        let tokens = load(&database).await;
        database.close().await;
        tokens
    })??;
    Ok(Some(Classifier::new(tokens, settings.min_learned)))
}

/// Counts and mails as the database has them.
///
/// # Errors
/// When it cannot be read.
pub async fn load(database: &Database) -> Result<Tokens, LearnedError> {
    let mut tokens = Tokens::new();
    let count = |n: i64| u32::try_from(n).unwrap_or(0);
    let LearnedMails { spam, ham } =
        database.tokens().load(|feature, spam, ham| tokens.add(feature, Counts { spam: count(spam), ham: count(ham) })).await?;
    let mails = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    tokens.set_learned(Counts { spam: mails(spam), ham: mails(ham) });
    Ok(tokens)
}
