//! Work on many files over all cores, results in the order of the files, bounded memory.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Files in work at a time for each core: enough to even out large mails.
const PER_CORE: usize = 64;

/// Calls `work` for each file, then `finish` for each result in the order of the files.
///
/// # Errors
/// The first error of `finish` ends the work.
pub fn each<T: Send, E>(
    files: &[PathBuf],
    work: impl Fn(&Path) -> T + Sync,
    mut finish: impl FnMut(&Path, T) -> Result<(), E>,
) -> Result<(), E> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for chunk in files.chunks(cores * PER_CORE) {
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Option<T>>> = chunk.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..cores.min(chunk.len()) {
                scope.spawn(|| {
                    while let Some((file, slot)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((chunk.get(at)?, results.get(at)?)))
                    {
                        let result = work(file);
                        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                    }
                });
            }
        });
        for (file, slot) in chunk.iter().zip(results) {
            if let Some(result) = slot.into_inner().unwrap_or_else(PoisonError::into_inner) {
                finish(file, result)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_files() {
        let files: Vec<PathBuf> = (0..1000).map(|i| PathBuf::from(format!("{i}"))).collect();
        let mut seen = Vec::new();
        let done: Result<(), ()> = each(
            &files,
            |f| f.to_owned(),
            |f, r| {
                assert_eq!(f, r);
                seen.push(r);
                Ok(())
            },
        );
        assert_eq!(done, Ok(()));
        assert_eq!(seen, files);
        let stopped = each(&files, |_| (), |f, ()| if f == Path::new("7") { Err("stop") } else { Ok(()) });
        assert_eq!(stopped, Err("stop"));
    }
}
