//! The gate in front of restored mail: what was queued here before a restart may be another node's by now.
//!
//! It opens when every member said what it knows, or is known to be away, or after a few seconds. What a holder says later
//! is carried out as well, as far as the mail is not delivered yet.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use postern_model::id::MailId;
use postern_model::node::NodeId;
use postern_model::queue::{QueueChange, QueuedMail};
use tokio::sync::Notify;

pub struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// `None`: it is open.
    mails: Option<BTreeMap<MailId, QueuedMail>>,
    waits_for: BTreeSet<NodeId>,
}

impl Gate {
    pub fn new(mails: Vec<QueuedMail>, members: impl IntoIterator<Item = NodeId>) -> Self {
        let mails = Some(mails.into_iter().map(|m| (m.id, m)).collect());
        Self { state: Mutex::new(State { mails, waits_for: members.into_iter().collect() }), changed: Notify::new() }
    }

    /// The peer said all it knows, or cannot be asked.
    pub fn heard(&self, peer: NodeId) {
        self.state.lock().waits_for.remove(&peer);
        self.changed.notify_waiters();
    }

    pub async fn all_heard(&self) {
        self.until(|| {
            let state = self.state.lock();
            state.waits_for.is_empty() || state.mails.as_ref().is_none_or(BTreeMap::is_empty)
        })
        .await;
    }

    /// Until the condition holds, or every member is heard or known to be away.
    pub async fn heard_enough(&self, is_enough: impl Fn() -> bool) {
        self.until(|| {
            // Not asked under our lock: it takes locks of its own.
            let nobody = self.state.lock().waits_for.is_empty();
            nobody || is_enough()
        })
        .await;
    }

    async fn until(&self, is_done: impl Fn() -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if is_done() {
                return;
            }
            changed.await;
        }
    }

    pub fn open(&self) -> Vec<QueuedMail> {
        self.state.lock().mails.take().unwrap_or_default().into_values().collect()
    }

    /// Another node answers for the mail. True when it was still behind the gate: nobody delivers it then.
    pub fn withdraw(&self, id: MailId) -> bool {
        let mut state = self.state.lock();
        let Some(mails) = &mut state.mails else { return false };
        mails.remove(&id).is_some()
    }

    /// A holder remembers a change. True when it is news and has to be written down.
    pub fn told(&self, id: MailId, change: &QueueChange) -> bool {
        let mut state = self.state.lock();
        let Some(mails) = &mut state.mails else { return false };
        let Some(mail) = mails.get_mut(&id) else { return false };
        match change {
            QueueChange::Done => mails.remove(&id).is_some(),
            QueueChange::Recipient { index, state } => {
                let is_news = state.is_done() && mail.recipients.get(*index as usize).is_some_and(|r| !r.is_done());
                if is_news {
                    mail.apply(change);
                }
                is_news
            }
            QueueChange::Disposition(..) | QueueChange::Reroute(_) | QueueChange::Edits(_) => false,
        }
    }
}
