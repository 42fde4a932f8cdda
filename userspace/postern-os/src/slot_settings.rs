//! Settings kept apart for each slot: who goes back to the system of before finds its settings as they were, too.
//!
//! Only files that one person writes: the settings file and the machine's own. What the mail made since (queue, quarantine, journeys)
//! stays, and so does the configuration that a cluster shares.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::apply::{self, ApplyError};
use crate::slots::Slot;

/// Below the root of the file system.
const FILES: [&str; 2] = ["var/lib/postern/postern.toml", "var/lib/postern-os/machine.toml"];
/// `a/`, `b/`, and `last`.
const FOLDER: &str = "var/lib/postern-os/slots";

#[derive(Debug, thiserror::Error)]
pub enum SlotSettingsError {
    #[error("{path}: {source}", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Keep(#[from] ApplyError),
}

fn at<T>(path: &Path, done: io::Result<T>) -> Result<T, SlotSettingsError> {
    done.map_err(|source| SlotSettingsError::File { path: path.to_owned(), source })
}

fn folder(root: &Path, slot: Slot) -> PathBuf {
    root.join(FOLDER).join(slot.to_string())
}

fn copy_of(root: &Path, slot: Slot, file: &str) -> PathBuf {
    folder(root, slot).join(Path::new(file).file_name().unwrap_or_default())
}

/// Keeps the settings of the slot that runs, and forgets those that the other one had: a new system takes these over.
///
/// # Errors
/// When the disk refuses.
pub fn before_update(root: &Path, running: Slot) -> Result<(), SlotSettingsError> {
    keep(root, running)?;
    let other = folder(root, running.other());
    match fs::remove_dir_all(&other) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => at(&other, Err(e)),
        _ => write_last(root, &running.to_string()),
    }
}

fn keep(root: &Path, slot: Slot) -> Result<(), SlotSettingsError> {
    let folder = folder(root, slot);
    at(&folder, fs::create_dir_all(&folder))?;
    for file in FILES {
        let (from, to) = (root.join(file), copy_of(root, slot, file));
        let partial = to.with_extension("partial");
        match fs::copy(&from, &partial) {
            Ok(_) => {}
            // Never set up by hand.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return at(&from, Err(e)),
        }
        at(&partial, fs::File::open(&partial).and_then(|f| f.sync_all()))?;
        at(&to, fs::rename(&partial, &to))?;
    }
    Ok(())
}

/// Whose settings are in force: `a`, or `a>b` while those of b are put back.
fn write_last(root: &Path, text: &str) -> Result<(), SlotSettingsError> {
    Ok(apply::keep(&root.join(FOLDER).join("last"), text)?)
}

/// At each start, before anybody reads settings. When another slot ran last, its settings are kept for it, and those of this slot
/// put back where there are any. Returns the files that were put back.
///
/// A file is overwritten in place, so that it keeps its owner; when the power is cut meanwhile the next start does it again.
///
/// # Errors
/// When the disk refuses.
pub fn at_start(root: &Path, running: Slot) -> Result<Vec<PathBuf>, SlotSettingsError> {
    let other = running.other();
    let moving = format!("{other}>{running}");
    let last = fs::read_to_string(root.join(FOLDER).join("last")).unwrap_or_default();
    let has_own = folder(root, running).exists();
    match last.trim() {
        last if last == other.to_string() && has_own => {
            keep(root, other)?;
            write_last(root, &moving)?;
        }
        last if last == other.to_string() => {
            write_last(root, &running.to_string())?;
            return Ok(Vec::new());
        }
        last if last == moving => {}
        // Never updated, or this one ran last.
        _ => return Ok(Vec::new()),
    }
    let mut back = Vec::new();
    for file in FILES {
        let (from, to) = (copy_of(root, running, file), root.join(file));
        let Ok(text) = fs::read(&from) else { continue };
        at(&to, fs::write(&to, &text))?;
        at(&to, fs::File::open(&to).and_then(|f| f.sync_all()))?;
        back.push(to);
    }
    write_last(root, &running.to_string())?;
    Ok(back)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Root(tempfile::TempDir);

    impl Root {
        fn new() -> Self {
            let root = Self(tempfile::tempdir().unwrap());
            for folder in ["var/lib/postern", "var/lib/postern-os"] {
                fs::create_dir_all(root.0.path().join(folder)).unwrap();
            }
            root
        }

        fn set(&self, text: &str) {
            fs::write(self.0.path().join(FILES[0]), text).unwrap();
        }

        fn has(&self) -> String {
            fs::read_to_string(self.0.path().join(FILES[0])).unwrap()
        }

        fn start(&self, slot: Slot) -> usize {
            at_start(self.0.path(), slot).unwrap().len()
        }
    }

    #[test]
    fn an_update_takes_settings_over_and_the_way_back_restores_them() {
        let root = Root::new();
        root.set("old");
        assert_eq!(root.start(Slot::A), 0);
        before_update(root.0.path(), Slot::A).unwrap();
        assert_eq!((root.start(Slot::B), root.has()), (0, "old".into()), "the new system goes on with what there is");
        root.set("new");
        assert_eq!((root.start(Slot::B), root.has()), (0, "new".into()));
        assert_eq!((root.start(Slot::A), root.has()), (1, "old".into()), "back");
        assert_eq!((root.start(Slot::B), root.has()), (1, "new".into()), "and there again");
    }

    #[test]
    fn the_next_update_is_not_given_settings_of_long_ago() {
        let root = Root::new();
        root.set("first");
        before_update(root.0.path(), Slot::A).unwrap();
        root.start(Slot::B);
        root.set("second");
        before_update(root.0.path(), Slot::B).unwrap();
        assert_eq!((root.start(Slot::A), root.has()), (0, "second".into()));
    }

    #[test]
    fn a_power_cut_while_they_are_put_back() {
        let root = Root::new();
        root.set("old");
        before_update(root.0.path(), Slot::A).unwrap();
        root.start(Slot::B);
        root.set("new");
        root.start(Slot::A);
        // As it stands after a cut in the middle of the start of b: a's settings kept, half of b's written.
        keep(root.0.path(), Slot::A).unwrap();
        write_last(root.0.path(), "a>b").unwrap();
        root.set("ne");
        assert_eq!((root.start(Slot::B), root.has()), (1, "new".into()));
        assert_eq!((root.start(Slot::A), root.has()), (1, "old".into()));
    }
}
