//! The admin's YARA rules: the folder is looked at every few seconds, and what can be used is in force from the next attachment on.
//!
//! A folder with an error in it changes nothing. What was in force last is kept in the data directory, so that a start over a broken
//! folder does not take the rules away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postern_model::sandbox::RulesReport;
use postern_model::settings::sandbox::SandboxSettings;
use postern_sandbox::client::{self, SandboxError};
use postern_sandbox::yara::{self, FolderError, Sources, Stamp};

/// How often the folder is looked at: a list of names and times.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// In the data directory.
const KEPT: &str = "yara-rules";

pub struct RuleBook {
    in_force: Mutex<Arc<Sources>>,
    kept: PathBuf,
}

/// What was looked at last, whatever came of it.
#[derive(Default)]
struct Looked {
    at: Option<(PathBuf, Stamp)>,
    /// Said once, not every few seconds.
    complained: String,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the rules cannot be enclosed: {0}")]
    Memory(#[source] io::Error),
    #[error("they are not tried yet: {0}")]
    Role(#[source] SandboxError),
    #[error("errors in it: correct them, or take the file away")]
    Rules(Vec<String>),
}

impl RuleBook {
    /// # Errors
    /// When there is no memory for it.
    pub fn open(data_dir: &Path, settings: &SandboxSettings) -> io::Result<Self> {
        let kept = data_dir.join(KEPT);
        let has_folder = !settings.yara_rules.as_os_str().is_empty();
        let before = has_folder.then(|| fs::read(&kept).ok()).flatten().and_then(|content| yara::read(&content).ok());
        Ok(Self { in_force: Mutex::new(Arc::new(Sources::new(&before.unwrap_or_default())?)), kept })
    }

    pub fn in_force(&self) -> Arc<Sources> {
        Arc::clone(&self.in_force.lock())
    }

    /// Follows the folder that the settings name, for as long as it is polled.
    pub async fn follow(&self, socket: &Path, settings: impl Fn() -> SandboxSettings) {
        let mut looked = Looked::default();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let settings = settings();
            if !settings.enabled || !settings.yara {
                continue;
            }
            let folder = settings.yara_rules;
            match self.look(socket, &folder, &mut looked).await {
                Ok(Some(report)) => {
                    looked.complained.clear();
                    report.problems.iter().for_each(|warning| tracing::warn!(%warning, "a YARA rule is in force that could be better"));
                    tracing::info!(folder = %folder.display(), rules = report.theirs, "YARA rules are in force");
                }
                Ok(None) => {}
                Err(trouble) => {
                    let why = trouble.to_string();
                    let errors = if let Trouble::Rules(errors) = &trouble { errors.as_slice() } else { &[] };
                    if looked.complained != why || !errors.is_empty() {
                        tracing::error!(folder = %folder.display(), why, "the YARA rules are not taken: those before them stay in force");
                        errors.iter().for_each(|error| tracing::error!(error, "a YARA rule cannot be used"));
                        looked.complained = why;
                    }
                }
            }
        }
    }

    /// Reads the folder when it changed; what is in force then.
    async fn look(&self, socket: &Path, folder: &Path, looked: &mut Looked) -> Result<Option<RulesReport>, Trouble> {
        if folder.as_os_str().is_empty() {
            looked.at = None;
            if self.in_force().files > 0 {
                *self.in_force.lock() = Arc::new(Sources::new(&[]).map_err(Trouble::Memory)?);
                let _ = fs::remove_file(&self.kept);
                tracing::info!("no YARA rules but Postern's own are in force");
            }
            return Ok(None);
        }
        let stamp = yara::stamp(folder)?;
        if looked.at.as_ref().is_some_and(|(path, at)| path == folder && *at == stamp) {
            return Ok(None);
        }
        let files = yara::of_folder(folder)?;
        let sources = Sources::new(&files).map_err(Trouble::Memory)?;
        let report = client::rules(socket, &sources).await.map_err(Trouble::Role)?;
        // Tried, so not again before it changes.
        looked.at = Some((folder.to_owned(), stamp));
        if !report.is_usable() {
            return Err(Trouble::Rules(report.errors().map(ToString::to_string).collect()));
        }
        if let Err(error) = keep(&self.kept, &sources) {
            tracing::warn!(file = %self.kept.display(), %error, "the YARA rules are in force and not kept for the next start");
        }
        *self.in_force.lock() = Arc::new(sources);
        Ok(Some(report))
    }
}

fn keep(file: &Path, sources: &Sources) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, sources.content()?)?;
    fs::rename(new, file)
}
