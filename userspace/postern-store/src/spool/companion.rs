//! A companion keeps a second copy of what the spool accepts, on another node: a 250 then survives the loss of this one.
//!
//! The copy is made side by side with the local sync, not after it. Whatever ends an acceptance in another way than with an
//! [`super::Accepted`] (the disk refuses, the session goes away) is told as [`QueueChange::Done`], so that no copy stays
//! of a mail its sender still has.

use std::pin::Pin;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};

use super::Position;

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyOutcome {
    /// Durable elsewhere, too.
    Held,
    /// Nobody takes it now; the mail is accepted all the same.
    Alone,
    /// Nobody takes it now, and the policy is that the sender keeps it then.
    Defer,
}

pub type Copying = Pin<Box<dyn Future<Output = CopyOutcome> + Send>>;

/// Two exist: the cluster's, and those of tests that refuse, are slow or count.
pub trait Companion: Send + Sync {
    /// Makes a copy durable elsewhere. `mail` has the size and hash of `body`.
    fn copy(&self, mail: Arc<QueuedMail>, body: Bytes) -> Copying;
    /// The mail is accepted: it and all that was accepted before lie on this disk before `at`. Never waits.
    fn accepted(&self, id: MailId, at: Position);
    /// A change that is or soon will be on this disk. Never waits.
    fn changed(&self, id: MailId, change: &QueueChange);
    /// The mail is in the quarantine now and not in the queue any more. Never waits.
    fn quarantined(&self, id: MailId);
    /// The mail left the quarantine: released, deleted, expired. Never waits.
    fn unquarantined(&self, id: MailId);
}

/// Where a spool and its quarantine find their companion; none until it is set.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<ArcSwapOption<Arc<dyn Companion>>>);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.load().is_some() { "a companion" } else { "no companion" })
    }
}

impl Slot {
    pub fn set(&self, companion: Arc<dyn Companion>) {
        self.0.store(Some(Arc::new(companion)));
    }

    pub fn get(&self) -> Option<Arc<dyn Companion>> {
        self.0.load().as_ref().map(|c| Arc::clone(c.as_ref()))
    }

    pub fn tell(&self, tell: impl FnOnce(&dyn Companion)) {
        if let Some(companion) = self.0.load().as_ref() {
            tell(companion.as_ref().as_ref());
        }
    }
}

/// Takes the copy back, unless the mail was accepted.
pub(super) struct TakeBack {
    companion: Arc<dyn Companion>,
    id: Option<MailId>,
}

impl TakeBack {
    pub fn new(companion: Arc<dyn Companion>, id: MailId) -> Self {
        Self { companion, id: Some(id) }
    }

    pub fn accepted(mut self) {
        self.id = None;
    }
}

impl Drop for TakeBack {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.companion.changed(id, &QueueChange::Done);
        }
    }
}
