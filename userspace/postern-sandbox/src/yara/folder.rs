//! The admin's folder of rules.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use postern_model::sandbox::RULES_MOST;

use super::Source;

/// Files of a folder, and folders in folders.
const FILES: usize = 5000;
const DEPTH: usize = 8;
const ENDINGS: &[&str] = &["yar", "yara"];

#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("{path} cannot be read: {source}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{0} holds more than {FILES} files of rules: leave out what is not about mail, or write several into one file")]
    TooMany(PathBuf),
    #[error("the rules in {0} are more than {RULES_MOST} octets in all: leave out what is not about mail")]
    TooLarge(PathBuf),
    #[error("folders in {0} lie more than {DEPTH} deep: one may lead back to itself")]
    TooDeep(PathBuf),
}

/// A folder at a moment: files, their sizes and when they were written. Another stamp means that they are to be read again.
pub type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// All files of rules in the folder, in the order of their names.
///
/// # Errors
/// When it cannot be read.
pub fn of_folder(folder: &Path) -> Result<Vec<Source>, FolderError> {
    let mut sources = Vec::new();
    for (path, ..) in stamp(folder)? {
        let text = fs::read(&path).map_err(|source| FolderError::Read { path: path.clone(), source })?;
        let file = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        sources.push(Source { file, text });
    }
    Ok(sources)
}

/// # Errors
/// When the folder cannot be read, or holds too much.
pub fn stamp(folder: &Path) -> Result<Stamp, FolderError> {
    let mut found = Stamp::new();
    list(folder, folder, 0, &mut found)?;
    if found.iter().map(|(_, size, _)| size).sum::<u64>() > RULES_MOST {
        return Err(FolderError::TooLarge(folder.to_owned()));
    }
    found.sort();
    Ok(found)
}

fn list(whole: &Path, folder: &Path, depth: usize, found: &mut Stamp) -> Result<(), FolderError> {
    if depth > DEPTH {
        return Err(FolderError::TooDeep(whole.to_owned()));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let about = fs::metadata(&path).map_err(failed(&path))?;
        if about.is_dir() {
            list(whole, &path, depth + 1, found)?;
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending))) {
            if found.len() == FILES {
                return Err(FolderError::TooMany(whole.to_owned()));
            }
            found.push((path, about.len(), about.modified().ok()));
        }
    }
    Ok(())
}
