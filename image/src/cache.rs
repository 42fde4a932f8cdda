//! Finished steps, each in a folder `STEP-FINGERPRINT`. Bounded: of each step the latest few are kept.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{Flock, FlockArg};

use crate::plan::Fingerprint;

/// Results kept of one step: the newest, and what a person may want to go back to.
const KEPT: usize = 2;
/// Marks a folder as finished, and by its age when it was last asked for.
const DONE: &str = ".done";

/// Held while it is open: two builds at a time would clear each other's folders.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    _lock: Flock<File>,
}

impl Cache {
    /// # Errors
    /// When the folder cannot be made, or another build is at work in it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = File::options().write(true).create(true).truncate(false).open(folder.join(".lock"))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, e)| io::Error::new(io::Error::from(e).kind(), "another build is at work in this folder: wait for it"))?;
        Ok(Self { folder: folder.canonicalize()?, _lock: lock })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn packages(&self) -> PathBuf {
        self.folder.join("packages")
    }

    fn place(&self, step: &str, print: &Fingerprint) -> PathBuf {
        self.folder.join(format!("{step}-{print}"))
    }

    /// The folder of a finished step.
    pub fn find(&self, step: &str, print: &Fingerprint) -> Option<PathBuf> {
        let place = self.place(step, print);
        place.join(DONE).exists().then_some(place)
    }

    /// Says that it was needed now.
    ///
    /// # Errors
    /// When the mark cannot be written.
    pub fn touch(&self, place: &Path) -> io::Result<()> {
        fs::write(place.join(DONE), "")
    }

    /// An empty folder to fill.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&self, step: &str, print: &Fingerprint) -> io::Result<PathBuf> {
        let place = self.folder.join(format!("{step}-{print}.part"));
        // Also what an attempt with other inputs left half done.
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".part") && is_of(step, &name) {
                fs::remove_dir_all(path)?;
            }
        }
        fs::create_dir_all(&place)?;
        Ok(place)
    }

    /// Takes a filled folder as the step's result and forgets the oldest ones of that step.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(&self, step: &str, print: &Fingerprint, filled: &Path) -> io::Result<PathBuf> {
        let place = self.place(step, print);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(filled, &place)?;
        self.touch(&place)?;
        for old in self.of_step(step)?.into_iter().skip(KEPT) {
            fs::remove_dir_all(old)?;
        }
        Ok(place)
    }

    /// Folders of a step, the one that was needed last first.
    fn of_step(&self, step: &str) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_of(step, &name) && !name.ends_with(".part") {
                let when = fs::metadata(path.join(DONE)).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((when, path));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, path)| path).collect())
    }
}

/// `root-1f` is of `root`, `root-base-1f` is not.
fn is_of(step: &str, name: &str) -> bool {
    name.strip_prefix(step).and_then(|r| r.strip_prefix('-')).is_some_and(|r| !r.contains('-'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_keeps_the_latest_and_what_is_half_done_is_not_found() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::open(scratch.path()).unwrap();
        assert!(Cache::open(scratch.path()).unwrap_err().to_string().contains("another build"));
        let half = cache.begin("root", &"1".into()).unwrap();
        fs::write(half.join("x"), "").unwrap();
        assert!(cache.find("root", &"1".into()).is_none());
        for print in ["1", "2", "3"] {
            let filled = cache.begin("root", &print.into()).unwrap();
            cache.finish("root", &print.into(), &filled).unwrap();
        }
        let other = cache.begin("root-base", &"1".into()).unwrap();
        cache.finish("root-base", &"1".into(), &other).unwrap();
        assert_eq!(["1", "2", "3"].map(|p| cache.find("root", &p.into()).is_some()), [false, true, true]);
        assert!(cache.find("root-base", &"1".into()).is_some());
    }
}
