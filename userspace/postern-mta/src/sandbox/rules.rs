//! The admin's YARA rules: the texts of the settings and the files of a folder, as one set. A change of the settings is seen at once, the folder is
//! looked at every few seconds, and what can be used is in force from the next attachment on.
//!
//! A set with an error in it changes nothing. What was in force last is kept in the data directory, so that a start over an error does not
//! take the rules away.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use postern_model::sandbox::{RuleProblem, RulesReport};
use postern_model::settings::Settings;
use postern_model::settings::sandbox::{RuleText, SandboxSettings};
use postern_model::time::Timestamp;
use postern_sandbox::client::{self, SandboxError};
use postern_sandbox::yara::{self, FolderError, Source, Sources, Stamp};
use tokio::sync::watch;

/// How often the folder is looked at: a list of names and times.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// In the data directory.
const KEPT: &str = "yara-rules";

pub struct RuleBook {
    state: Mutex<State>,
    kept: PathBuf,
}

struct State {
    sources: Arc<Sources>,
    rules: Option<usize>,
    since: Option<Timestamp>,
    trouble: Option<RulesTrouble>,
}

/// How it stands with the admin's rules on this node.
#[derive(Clone, Debug)]
pub struct RulesState {
    /// Texts of the settings and files of the folder that are in force.
    pub files: usize,
    /// Rules in them; none: nobody has counted them since the start.
    pub rules: Option<usize>,
    /// None: there are none.
    pub since: Option<Timestamp>,
    pub trouble: Option<RulesTrouble>,
}

/// Why the newest are not in force.
#[derive(Clone, Debug)]
pub struct RulesTrouble {
    pub at: Timestamp,
    pub why: String,
    pub errors: Vec<RuleProblem>,
    /// Nothing is known to be wrong with them: the role is not there.
    pub is_waiting: bool,
}

/// What was looked at last, whatever came of it.
struct Looked {
    texts: Vec<RuleText>,
    folder: PathBuf,
    stamp: Stamp,
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("the rules cannot be enclosed: {0}")]
    Memory(#[source] io::Error),
    #[error("they are not tried yet: {0}")]
    Role(#[source] SandboxError),
    #[error("there are errors in them: correct them, or take away what they are in")]
    Rules(Vec<RuleProblem>),
}

impl RuleBook {
    /// # Errors
    /// When there is no memory for it.
    pub fn open(data_dir: &Path, settings: &SandboxSettings) -> io::Result<Self> {
        let kept = data_dir.join(KEPT);
        let before = if has_rules(settings) { kept_before(&kept) } else { None };
        let (files, since) = before.unwrap_or_default();
        let state = State { sources: Arc::new(Sources::new(&files)?), rules: None, since, trouble: None };
        Ok(Self { state: Mutex::new(state), kept })
    }

    pub fn in_force(&self) -> Arc<Sources> {
        Arc::clone(&self.state.lock().sources)
    }

    pub fn state(&self) -> RulesState {
        let State { sources, rules, since, trouble } = &*self.state.lock();
        RulesState { files: sources.files, rules: *rules, since: *since, trouble: trouble.clone() }
    }

    /// Follows the settings and the folder that they name, for as long as it is polled.
    pub async fn follow(&self, socket: &Path, mut settings: watch::Receiver<Arc<Settings>>) {
        let mut looked = None;
        loop {
            let now = Arc::clone(&settings.borrow_and_update());
            self.bring_in(socket, &now.sandbox, &mut looked).await;
            if let Ok(Err(_)) = tokio::time::timeout(LOOK_EVERY, settings.changed()).await {
                return;
            }
        }
    }

    async fn bring_in(&self, socket: &Path, settings: &SandboxSettings, looked: &mut Option<Looked>) {
        if !settings.enabled || !settings.yara {
            *looked = None;
            self.state.lock().trouble = None;
            return;
        }
        match self.look(socket, settings, looked).await {
            Ok(Some(report)) => {
                report.problems.iter().for_each(|warning| tracing::warn!(%warning, "a YARA rule is in force that could be better"));
                tracing::info!(rules = report.theirs, "YARA rules are in force");
            }
            Ok(None) => {}
            Err(trouble) => {
                if !matches!(trouble, Trouble::Rules(_)) {
                    *looked = None;
                }
                self.complain(trouble);
            }
        }
    }

    /// Reads the rules when they changed; what is in force then.
    async fn look(&self, socket: &Path, settings: &SandboxSettings, looked: &mut Option<Looked>) -> Result<Option<RulesReport>, Trouble> {
        if !has_rules(settings) {
            *looked = None;
            self.take_away()?;
            return Ok(None);
        }
        let folder = &settings.yara_rules;
        let has_folder = !folder.as_os_str().is_empty();
        let stamp = if has_folder { yara::stamp(folder)? } else { Stamp::new() };
        if looked.as_ref().is_some_and(|l| l.texts == settings.rules && l.folder == *folder && l.stamp == stamp) {
            return Ok(None);
        }
        let mut files = yara::of_settings(&settings.rules);
        if has_folder {
            files.extend(yara::of_folder(folder)?);
        }
        let sources = Sources::new(&files).map_err(Trouble::Memory)?;
        let report = client::rules(socket, &sources).await.map_err(Trouble::Role)?;
        // Tried, so not again before it changes.
        *looked = Some(Looked { texts: settings.rules.clone(), folder: folder.clone(), stamp });
        if !report.is_usable() {
            return Err(Trouble::Rules(report.errors().cloned().collect()));
        }
        self.put(sources, report.theirs);
        Ok(Some(report))
    }

    fn put(&self, sources: Sources, rules: usize) {
        let is_new = self.in_force().id != sources.id;
        if let Some(error) = is_new.then(|| keep(&self.kept, &sources)).and_then(Result::err) {
            tracing::warn!(file = %self.kept.display(), %error, "the YARA rules are in force and not kept for the next start");
        }
        let mut state = self.state.lock();
        if is_new || state.since.is_none() {
            state.since = Some(now());
        }
        state.sources = Arc::new(sources);
        state.rules = Some(rules);
        state.trouble = None;
    }

    fn take_away(&self) -> Result<(), Trouble> {
        let mut state = self.state.lock();
        state.trouble = None;
        if state.since.take().is_some() {
            state.sources = Arc::new(Sources::new(&[]).map_err(Trouble::Memory)?);
            state.rules = None;
            let _ = fs::remove_file(&self.kept);
            tracing::info!("no YARA rules but Postern's own are in force");
        }
        Ok(())
    }

    /// Said once, not every few seconds.
    fn complain(&self, trouble: Trouble) {
        let why = trouble.to_string();
        let is_waiting = matches!(&trouble, Trouble::Role(SandboxError::Away(_) | SandboxError::Busy { .. }));
        let errors = if let Trouble::Rules(errors) = trouble { errors } else { Vec::new() };
        let mut state = self.state.lock();
        if errors.is_empty() && state.trouble.as_ref().is_some_and(|t| t.why == why) {
            return;
        }
        tracing::error!(why, "the YARA rules are not taken: those before them stay in force");
        errors.iter().for_each(|error| tracing::error!(%error, "a YARA rule cannot be used"));
        state.trouble = Some(RulesTrouble { at: now(), why, errors, is_waiting });
    }
}

/// What the role says of texts of rules. Nothing is changed by it.
///
/// # Errors
/// When the role is not there, or did not look at them.
pub async fn try_rules(socket: &Path, rules: &[RuleText]) -> Result<RulesReport, SandboxError> {
    let sources = Sources::new(&yara::of_settings(rules)).map_err(|e| SandboxError::NoCell(e.to_string()))?;
    client::try_rules(socket, &sources).await
}

fn has_rules(settings: &SandboxSettings) -> bool {
    !settings.rules.is_empty() || !settings.yara_rules.as_os_str().is_empty()
}

/// The rules that were in force when the node ended, and since when.
fn kept_before(file: &Path) -> Option<(Vec<Source>, Option<Timestamp>)> {
    let files = yara::read(&fs::read(file).ok()?).ok()?;
    Some((files, fs::metadata(file).and_then(|m| m.modified()).ok().map(Timestamp::from_system)))
}

/// Beside the file, synced, renamed over it: after a power cut it is the old one or the new one.
fn keep(file: &Path, sources: &Sources) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut young = File::create(&new)?;
    young.write_all(&sources.content()?)?;
    young.sync_all()?;
    fs::rename(&new, file)?;
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}
