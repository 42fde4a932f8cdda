//! A backup that is read from its target as a restore would read it, to the last octet, and put nowhere. One at a time; the key is in
//! memory until then.

use std::sync::Arc;

use parking_lot::Mutex;
use postern_backup::lock::Key;
use postern_backup::manifest::Head;
use postern_backup::name::BackupName;
use postern_backup::target::{self, Target};
use postern_backup::verify::verify;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::Console;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerifyStage {
    #[default]
    None,
    Reading,
    /// A restore would take it.
    Good,
    /// It cannot be read, or this is not its key.
    Bad,
}

/// How far it is, or how the last one ended.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct VerifyView {
    pub stage: VerifyStage,
    pub backup: String,
    /// That were read and are as its list says.
    pub files: u64,
    /// What is in it, when it is good.
    pub contents: Option<Contents>,
    /// What is wrong with it.
    pub why: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Contents {
    /// Name of the node.
    pub node: String,
    /// The version of Postern that made it.
    pub version: String,
    /// In milliseconds since 1970.
    pub at: i64,
    /// All files together.
    pub octets: u64,
    /// Parts of the data folder that are not in it.
    pub left_out: Vec<NotIn>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NotIn {
    pub what: String,
    pub why: String,
}

impl From<Head> for Contents {
    fn from(head: Head) -> Self {
        let left_out = head.left_out.into_iter().map(|l| NotIn { what: l.what, why: l.why }).collect();
        Self { node: head.host, version: head.version, at: head.at.0, octets: head.octets, left_out }
    }
}

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Verifying(Arc<Mutex<VerifyView>>);

impl Verifying {
    pub fn view(&self) -> VerifyView {
        self.0.lock().clone()
    }

    /// Takes the turn; false: another is read.
    fn take(&self, backup: &BackupName) -> bool {
        let mut view = self.0.lock();
        let is_free = view.stage != VerifyStage::Reading;
        if is_free {
            *view = VerifyView { stage: VerifyStage::Reading, backup: backup.to_string(), ..VerifyView::default() };
        }
        is_free
    }

    fn end(&self, read: Result<Head, String>) {
        let mut view = self.0.lock();
        match read {
            Ok(head) => (view.stage, view.contents) = (VerifyStage::Good, Some(head.into())),
            Err(why) => (view.stage, view.why) = (VerifyStage::Bad, Some(why)),
        }
    }
}

/// Begins; false: another is read.
pub fn begin(console: &Console, target: Target, name: BackupName, key: Key) -> bool {
    let verifying = console.verifying.clone();
    let is_ours = verifying.take(&name);
    if is_ours {
        let scratch = console.state().settings.settings().node.data_dir.clone();
        tokio::spawn(async move {
            let read = async {
                let octets = target.read(&name).await.map_err(|e| e.to_string())?;
                let told = verifying.clone();
                let work = move || {
                    let mut tell = |_: &_| told.0.lock().files += 1;
                    verify(target::blocking(octets), &key, &scratch, &mut tell).map_err(|e| e.to_string())
                };
                tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?
            };
            let read = read.await;
            match &read {
                Ok(head) => tracing::info!(backup = %name, members = head.members, "a backup was read and is good"),
                Err(why) => tracing::warn!(backup = %name, why, "a backup was read and is not good"),
            }
            verifying.end(read);
        });
    }
    is_ours
}
