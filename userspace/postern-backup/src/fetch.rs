//! Brings a backup from its target to this node, for whoever restores it later without the target: the appliance, at its next start.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::{self, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::archive::ReadError;
use crate::inventory::RESTORE;
use crate::lock::Key;
use crate::manifest::Head;
use crate::name::BackupName;
use crate::restore::room;
use crate::target::{Target, TargetError};
use crate::verify::verify;

const BLOCK: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the backup cannot be read: {0}")]
    Input(#[source] io::Error),
    #[error("{what} {path}: {source}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("reading the backup was stopped")]
    Stopped,
}

/// A backup that is here, and that a restore would take.
#[derive(Debug)]
pub struct Fetched {
    pub path: PathBuf,
    pub head: Head,
}

/// Brings it into the folder `restore` of the data folder, where an earlier one is replaced, and verifies all of it; `tell` hears how many octets
/// came. It needs room for the backup, and then for what is in it.
///
/// # Errors
/// Nothing is left in the folder.
pub async fn fetch(target: &Target, name: &BackupName, key: &Key, data: &Path, tell: impl Fn(u64)) -> Result<Fetched, FetchError> {
    let folder = data.join(RESTORE);
    clear(&folder).await?;
    let fetched = bring_and_verify(target, name, key, &folder, tell).await;
    if fetched.is_err() {
        let _ = fs::remove_dir_all(&folder).await;
    }
    fetched
}

async fn clear(folder: &Path) -> Result<(), FetchError> {
    match fs::remove_dir_all(folder).await {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(FetchError::File { what: "cannot remove", path: folder.to_owned(), source });
        }
        _ => {}
    }
    let made = fs::DirBuilder::new().mode(0o700).create(folder).await;
    made.map_err(|source| FetchError::File { what: "cannot make the folder", path: folder.to_owned(), source })
}

async fn bring_and_verify(target: &Target, name: &BackupName, key: &Key, folder: &Path, tell: impl Fn(u64)) -> Result<Fetched, FetchError> {
    let stored = target.list().await?.into_iter().find(|s| s.name == *name);
    let stored = stored.ok_or_else(|| TargetError::Unknown(name.to_string()))?;
    room(folder, stored.size)?;
    let path = folder.join(name.to_string());
    let failed = |what| {
        let path = path.clone();
        move |source| FetchError::File { what, path, source }
    };
    let mut input = target.read(name).await?;
    let mut output = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await.map_err(failed("cannot make"))?;
    let (mut block, mut octets) = (vec![0; BLOCK], 0);
    loop {
        let read = input.read(&mut block).await.map_err(FetchError::Input)?;
        if read == 0 {
            break;
        }
        output.write_all(&block[..read]).await.map_err(failed("cannot write"))?;
        octets += read as u64;
        // Who sends more than it has said would fill the disk.
        if octets > stored.size {
            return Err(ReadError::Damaged.into());
        }
        tell(octets);
    }
    output.sync_all().await.map_err(failed("cannot sync"))?;
    let (key, scratch, file) = (key.clone(), folder.to_owned(), path.clone());
    let verified = tokio::task::spawn_blocking(move || {
        let input = std::fs::File::open(&file).map_err(ReadError::Input)?;
        verify(input, &key, &scratch, &mut |_| {})
    });
    let head = verified.await.map_err(|_| FetchError::Stopped)??;
    room(folder, head.octets)?;
    Ok(Fetched { path, head })
}
