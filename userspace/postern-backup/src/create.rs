//! A backup made and brought to its target, and the oldest ones there removed.

use std::sync::Arc;
use std::time::Duration;

use postern_model::time::Timestamp;

use crate::archive;
use crate::lock::Lock;
use crate::manifest::Head;
use crate::name::BackupName;
use crate::pipe::pipe;
use crate::stage::{Source, Stage, StageError};
use crate::target::{Retry, Stored, Target, TargetError};

/// Waits before the second, third and fourth try to bring a backup to its target.
const WAITS: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(60)];

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("the backup cannot be written: {0}")]
    Write(#[source] std::io::Error),
    #[error("the backup was stopped")]
    Stopped,
}

/// A backup that is complete at its target.
#[derive(Debug)]
pub struct Created {
    pub stored: Stored,
    pub head: Head,
    /// Older ones that were removed.
    pub removed: Vec<BackupName>,
    /// Why older ones could not be removed. The backup is good all the same.
    pub not_removed: Option<TargetError>,
}

/// Makes a backup. Works beside a running node and without one. Needs a runtime.
///
/// # Errors
/// No backup was made, and the older ones are untouched.
pub async fn create(source: Source, lock: &Lock, target: &Target, keep: u32, at: Timestamp) -> Result<Created, CreateError> {
    let name = BackupName::new(&source.host, at);
    let stage = Arc::new(Stage::make(source, at).await?);
    let mut waits = WAITS.into_iter();
    let size = loop {
        match bring(&stage, lock, target, &name).await {
            Ok(size) => break size,
            Err(CreateError::Target(error)) if error.retry() == Retry::Helps => {
                let Some(wait) = waits.next() else { return Err(error.into()) };
                tracing::warn!(%error, seconds = wait.as_secs(), "a backup did not reach its target: tried again");
                tokio::time::sleep(wait).await;
            }
            Err(error) => return Err(error),
        }
    };
    let (removed, not_removed) = match thin_out(target, &name, keep).await {
        Ok(removed) => (removed, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    Ok(Created { stored: Stored { name, size }, head: stage.head().clone(), removed, not_removed })
}

/// Streams the archive to the target; its octets.
async fn bring(stage: &Arc<Stage>, lock: &Lock, target: &Target, name: &BackupName) -> Result<u64, CreateError> {
    let mut upload = target.begin(name).await?;
    let (writer, mut pieces) = pipe();
    let (stage, lock) = (Arc::clone(stage), lock.clone());
    let writing = tokio::task::spawn_blocking(move || archive::write(&stage, &lock, writer)?.finish());
    let mut size = 0;
    while let Some(piece) = pieces.recv().await {
        size += piece.len() as u64;
        if let Err(error) = upload.write(piece).await {
            // The writer's next piece finds nobody, and it ends.
            drop(pieces);
            let _ = writing.await;
            upload.give_up().await;
            return Err(error.into());
        }
    }
    match writing.await {
        Ok(Ok(())) => upload.finish().await.map(|()| size).map_err(Into::into),
        Ok(Err(error)) => {
            upload.give_up().await;
            Err(CreateError::Write(error))
        }
        Err(_) => {
            upload.give_up().await;
            Err(CreateError::Stopped)
        }
    }
}

/// Removes all but the newest of this node. Another node's are none of its business.
async fn thin_out(target: &Target, newest: &BackupName, keep: u32) -> Result<Vec<BackupName>, TargetError> {
    let mut own: Vec<BackupName> = target.list().await?.into_iter().map(|s| s.name).filter(|n| n.is_of_same_node(newest)).collect();
    own.sort();
    // A clock that was wrong once must not make the new one the oldest.
    own.retain(|name| name != newest);
    let surplus = own.len().saturating_sub((keep.max(1) - 1) as usize);
    own.truncate(surplus);
    for name in &own {
        target.remove(name).await?;
    }
    Ok(own)
}
