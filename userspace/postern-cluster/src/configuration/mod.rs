//! The configuration document of this node: on its disk, in step with the peers', and which state of it is in force.
//!
//! Every change is on disk before whoever made it is told so. What a peer sends is taken by [`postern_document`]'s rules or not
//! at all; a state that this node cannot use is kept and passed on, and the last good one stays in force.

mod file;
mod overlay;
mod session;

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use postern_document::{By, Document, LastGood, MemberError, OwnChangeError, Refused, VersionId, WriteError};
use postern_model::settings::Problem;
use postern_model::time::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

pub use file::DocumentFileError;
pub use overlay::overlay;

/// Says what is wrong with shared settings on this node.
pub type Validate = Arc<dyn Fn(&Value) -> Result<(), Vec<Problem>> + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error(transparent)]
    Own(#[from] OwnChangeError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error(transparent)]
    File(#[from] DocumentFileError),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Configuration(Arc<Inner>);

struct Inner {
    file: file::DocumentFile,
    validate: Validate,
    state: Mutex<State>,
    /// Counts the document's changes, whoever made them.
    changes: watch::Sender<u64>,
    /// Changes that are on disk.
    kept: watch::Sender<u64>,
    in_force: watch::Sender<Arc<Value>>,
}

struct State {
    document: Document,
    last_good: LastGood,
}

impl Configuration {
    /// Starts with a document, beside the settings that the node runs with. Needs a runtime: a task keeps the file in step.
    pub fn start(path: &Path, document: Document, running: Value, validate: Validate, now: Timestamp) -> Self {
        let mut last_good = LastGood::new(running.clone(), Vec::new());
        last_good.look(&document, &*validate, now);
        let in_force = Arc::new(last_good.in_force().settings.clone());
        let configuration = Self(Arc::new(Inner {
            file: file::DocumentFile::new(path),
            validate,
            state: Mutex::new(State { document, last_good }),
            changes: watch::Sender::new(1),
            kept: watch::Sender::new(0),
            in_force: watch::Sender::new(in_force),
        }));
        tokio::spawn(configuration.clone().keep());
        configuration
    }

    /// Looks at the document.
    pub fn with<T>(&self, look: impl FnOnce(&Document) -> T) -> T {
        look(&self.0.state.lock().document)
    }

    /// Why the document's present state is not in force, if it is not.
    pub fn refused(&self) -> Option<Refused> {
        self.0.state.lock().last_good.refused().cloned()
    }

    /// The shared settings in force. Changes are told when they are good.
    pub fn in_force(&self) -> watch::Receiver<Arc<Value>> {
        self.0.in_force.subscribe()
    }

    /// Told of every change of the document, also of those that change no setting.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Sets shared settings: what differs between `before` and `after` is changed, and nothing else, also when a peer's change
    /// has come in between.
    ///
    /// # Errors
    /// Nothing was changed when the result cannot be used or written.
    pub async fn set(&self, before: &Value, after: &Value, by: By<'_>) -> Result<(), ConfigurationError> {
        let change = {
            let State { document, last_good } = &mut *self.0.state.lock();
            let wanted = overlay(&document.settings(), before, after);
            let plan = document.plan(&wanted).map_err(WriteError::from)?;
            last_good.change(document, plan, by, &*self.0.validate)?
        };
        if change.version.is_some() { self.own_change().await } else { Ok(()) }
    }

    /// Takes back what a version changed; returns the settings that were left alone, as somebody changed them since.
    ///
    /// # Errors
    /// As [`Self::set`], or there is no such version.
    pub async fn undo(&self, version: VersionId, by: By<'_>) -> Result<Vec<String>, ConfigurationError> {
        let change = {
            let State { document, last_good } = &mut *self.0.state.lock();
            let plan = document.plan_undo(version)?;
            last_good.change(document, plan, by, &*self.0.validate)?
        };
        if change.version.is_some() {
            self.own_change().await?;
        }
        Ok(change.untouched)
    }

    /// Changes facts about members or logins.
    ///
    /// # Errors
    /// Of the change itself, or when it cannot be kept.
    pub async fn edit<T>(&self, edit: impl FnOnce(&mut Document) -> Result<T, MemberError>) -> Result<T, ConfigurationError> {
        let done = edit(&mut self.0.state.lock().document)?;
        self.own_change().await?;
        Ok(done)
    }

    /// Everything, for a node that joins.
    pub fn snapshot(&self) -> Vec<u8> {
        self.0.state.lock().document.clone().save()
    }

    /// Tells everybody, and waits until the change is on disk.
    async fn own_change(&self) -> Result<(), ConfigurationError> {
        let number = self.tell();
        let mut kept = self.0.kept.subscribe();
        // The task that keeps the file lives as long as this.
        let _ = kept.wait_for(|k| *k >= number).await;
        Ok(self.0.file.trouble()?)
    }

    /// A peer's change was laid upon the document.
    fn took_news(&self, now: Timestamp) {
        {
            let State { document, last_good } = &mut *self.0.state.lock();
            last_good.look(document, &*self.0.validate, now);
            if let Some(refused) = last_good.refused() {
                let wrong: Vec<String> = refused.problems.iter().map(ToString::to_string).collect();
                let by: Vec<String> = refused.suspects.iter().map(|v| format!("{} on {:?}", v.author, v.node)).collect();
                tracing::error!(
                    problems = wrong.join("; "),
                    since = by.join(", "),
                    "the cluster's settings cannot be used here: the last good ones stay in force"
                );
            }
        }
        self.tell();
    }

    fn tell(&self) -> u64 {
        let in_force = self.0.state.lock().last_good.in_force().settings.clone();
        self.0.in_force.send_if_modified(|old| {
            let is_new = **old != in_force;
            if is_new {
                *old = Arc::new(in_force);
            }
            is_new
        });
        let mut number = 0;
        self.0.changes.send_modify(|n| {
            *n += 1;
            number = *n;
        });
        number
    }

    /// Writes the file after each change; changes that come meanwhile go with the next writing.
    async fn keep(self) {
        let mut changes = self.0.changes.subscribe();
        changes.mark_changed();
        while changes.changed().await.is_ok() {
            let number = *changes.borrow_and_update();
            let this = self.clone();
            let written = tokio::task::spawn_blocking(move || {
                let octets = this.0.state.lock().document.save();
                this.0.file.write(&octets);
            });
            if written.await.is_err() {
                return;
            }
            self.0.kept.send_replace(number);
        }
    }
}
