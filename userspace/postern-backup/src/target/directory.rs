//! A folder. It must be there: whatever is to be mounted at it and is not would else be filled on the root's disk.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::{Octets, Stored, TargetError, is_left_over, young};
use crate::name::BackupName;

#[derive(Debug)]
pub struct Directory(pub PathBuf);

pub(crate) struct Upload {
    folder: PathBuf,
    young: PathBuf,
    place: PathBuf,
    file: File,
}

impl Directory {
    pub(super) async fn list(&self) -> Result<Vec<Stored>, TargetError> {
        let failed = |source| failed("cannot list", &self.0)(source);
        let mut entries = fs::read_dir(&self.0).await.map_err(failed)?;
        let mut found = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            let Some(name) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
            match entry.metadata().await {
                Ok(meta) if meta.is_file() => found.push(Stored { name, size: meta.len() }),
                _ => {}
            }
        }
        Ok(found)
    }

    pub(super) async fn read(&self, name: &BackupName) -> Result<Octets, TargetError> {
        let path = self.0.join(name.to_string());
        match File::open(&path).await {
            Ok(file) => Ok(Box::new(file)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(TargetError::Unknown(name.to_string())),
            Err(e) => Err(failed("cannot open", &path)(e)),
        }
    }

    pub(super) async fn remove(&self, name: &BackupName) -> Result<(), TargetError> {
        let path = self.0.join(name.to_string());
        fs::remove_file(&path).await.map_err(failed("cannot remove", &path))
    }

    pub(super) async fn begin(&self, name: &BackupName) -> Result<Upload, TargetError> {
        self.clear(name).await?;
        let young = self.0.join(young(name));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&young).await;
        let file = file.map_err(failed("cannot make", &young))?;
        Ok(Upload { folder: self.0.clone(), young, place: self.0.join(name.to_string()), file })
    }

    /// What this node began and a crash or a power cut ended.
    async fn clear(&self, name: &BackupName) -> Result<(), TargetError> {
        let failed = |source| failed("cannot list", &self.0)(source);
        let mut entries = fs::read_dir(&self.0).await.map_err(failed)?;
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            if entry.file_name().to_str().is_some_and(|file| is_left_over(file, name)) {
                let _ = fs::remove_file(entry.path()).await;
            }
        }
        Ok(())
    }
}

impl Upload {
    pub async fn write(&mut self, piece: Bytes) -> Result<(), TargetError> {
        self.file.write_all(&piece).await.map_err(failed("cannot write", &self.young))
    }

    pub async fn finish(mut self) -> Result<(), TargetError> {
        let synced = match self.file.flush().await {
            Ok(()) => self.file.sync_all().await,
            Err(e) => Err(e),
        };
        if let Err(e) = synced {
            let error = failed("cannot write", &self.young)(e);
            self.give_up().await;
            return Err(error);
        }
        fs::rename(&self.young, &self.place).await.map_err(failed("cannot rename", &self.young))?;
        let folder = File::open(&self.folder).await.map_err(failed("cannot open", &self.folder))?;
        folder.sync_all().await.map_err(failed("cannot sync", &self.folder))
    }

    pub async fn give_up(self) {
        let _ = fs::remove_file(&self.young).await;
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TargetError {
    move |source| TargetError::Directory { what, path: path.to_owned(), source }
}
