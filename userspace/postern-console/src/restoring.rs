//! A backup that is to take the place of all an appliance's node has: brought here from its target and verified while the node runs on,
//! then handed to the role `os`, which restarts the machine. The key is in memory until then.

use std::sync::Arc;

use parking_lot::Mutex;
use postern_backup::fetch::fetch;
use postern_backup::lock::Key;
use postern_backup::name::BackupName;
use postern_backup::target::Target;
use postern_model::os::{OsRequest, Unlock};
use postern_os::client;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::Console;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreStage {
    #[default]
    None,
    /// It is brought here, and verified.
    Fetching,
    /// The machine restarts, and puts it in place before the node runs.
    Restarting,
    /// Nothing was changed.
    Failed,
}

/// How far it is.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct RestoreView {
    pub stage: RestoreStage,
    pub backup: String,
    /// That have come.
    pub octets: u64,
    /// What went wrong.
    pub why: Option<String>,
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Restoring(Arc<Mutex<RestoreView>>);

impl Restoring {
    pub fn view(&self) -> RestoreView {
        self.0.lock().clone()
    }

    /// Takes the turn; false: another is under way.
    fn take(&self, backup: &BackupName) -> bool {
        let mut view = self.0.lock();
        let is_free = matches!(view.stage, RestoreStage::None | RestoreStage::Failed);
        if is_free {
            *view = RestoreView { stage: RestoreStage::Fetching, backup: backup.to_string(), ..RestoreView::default() };
        }
        is_free
    }

    fn end(&self, stage: RestoreStage, why: Option<String>) {
        let mut view = self.0.lock();
        (view.stage, view.why) = (stage, why);
    }
}

/// Begins; false: another is under way.
pub fn begin(console: &Console, target: Target, name: BackupName, unlock: Unlock, key: Key) -> bool {
    let restoring = console.restoring.clone();
    let is_ours = restoring.take(&name);
    if is_ours {
        let console = console.clone();
        tokio::spawn(async move {
            let done = carry_out(&console, &target, &name, unlock, &key).await;
            if let Err(why) = &done {
                tracing::error!(backup = %name, why, "a backup was not restored");
            }
            let stage = if done.is_ok() { RestoreStage::Restarting } else { RestoreStage::Failed };
            restoring.end(stage, done.err());
        });
    }
    is_ours
}

async fn carry_out(console: &Console, target: &Target, name: &BackupName, unlock: Unlock, key: &Key) -> Result<(), String> {
    let data = console.state().settings.settings().node.data_dir.clone();
    let tell = |octets| console.restoring.0.lock().octets = octets;
    let fetched = fetch(target, name, key, &data, tell).await.map_err(|e| e.to_string())?;
    tracing::info!(backup = %name, members = fetched.head.members, "a backup is here and good: the machine restarts to restore it");
    client::ask(&console.os_socket(), &OsRequest::Restore { backup: fetched.path, unlock }).await.map(drop).map_err(|e| e.to_string())
}
