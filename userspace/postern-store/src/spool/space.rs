//! Free space on the spool's disk, asked at most ten times a second.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use super::SpoolError;

const KEEP_MILLIS: u64 = 100;

#[derive(Debug)]
pub(super) struct Space {
    dir: PathBuf,
    reserve: u64,
    since: Instant,
    /// Milliseconds after `since` of the last answer; 0 before the first.
    asked: AtomicU64,
    full: AtomicBool,
}

impl Space {
    pub fn new(dir: PathBuf, reserve: u64) -> Self {
        Self { dir, reserve, since: Instant::now(), asked: AtomicU64::new(0), full: AtomicBool::new(false) }
    }

    /// Much was taken just now: the next answer is a fresh one.
    pub fn ask_again(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }

    /// Fails when less than the reserve is free.
    pub fn check(&self) -> Result<(), SpoolError> {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let asked = self.asked.load(Ordering::Relaxed);
        if asked == 0 || now.saturating_sub(asked) >= KEEP_MILLIS {
            self.asked.store(now, Ordering::Relaxed);
            // A disk that cannot be asked shows its trouble on writing.
            self.full.store(free(&self.dir).is_some_and(|free| free < self.reserve), Ordering::Relaxed);
        }
        if self.full.load(Ordering::Relaxed) { Err(SpoolError::Full(self.dir.clone())) } else { Ok(()) }
    }
}

/// Octets an unprivileged writer may still use.
fn free(dir: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(dir).ok()?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}
