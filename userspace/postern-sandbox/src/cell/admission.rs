//! Who gets a cell now, who waits for one, and who is told at once that there is none: a queue without end would only make every mail late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use postern_model::sandbox::Places;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub struct Admission {
    free: Arc<Semaphore>,
    /// Places that there are, free or not, as the semaphore knows them.
    size: Mutex<usize>,
    waiting: AtomicUsize,
}

/// A cell may run as long as this is held.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// All places are taken, and as many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    pub running: usize,
    pub waiting: usize,
}

impl Default for Admission {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(0)), size: Mutex::new(0), waiting: AtomicUsize::new(0) }
    }
}

/// One that waits; gone when it got its place or gave up.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Waits for a place, in turn.
    ///
    /// # Errors
    /// When as many wait already as may.
    pub async fn enter(&self, places: Places) -> Result<Place, Busy> {
        self.resize(places.at_once.max(1));
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= places.waiting {
            return Err(Busy { running: self.running(), waiting: before });
        }
        // The semaphore is never closed.
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(|_| Busy { running: self.running(), waiting: before })?;
        Ok(Place { _permit: permit })
    }

    pub fn running(&self) -> usize {
        self.size.lock().saturating_sub(self.free.available_permits())
    }

    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Places that are taken and too many are given up when somebody asks after they became free.
    fn resize(&self, to: usize) {
        let mut size = self.size.lock();
        if to > *size {
            self.free.add_permits(to - *size);
            *size = to;
        } else if to < *size {
            *size -= self.free.forget_permits(*size - to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(at_once: usize, waiting: usize) -> Places {
        Places { at_once, waiting }
    }

    #[tokio::test]
    async fn so_many_at_a_time_so_many_wait_and_the_rest_is_told() {
        let admission = Arc::new(Admission::default());
        let first = admission.enter(places(1, 1)).await;
        assert!(first.is_ok() && admission.running() == 1);
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.enter(places(1, 1)).await.map(drop) }
        });
        while admission.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(admission.enter(places(1, 1)).await.map(drop), Err(Busy { running: 1, waiting: 1 }));
        drop(first);
        assert!(matches!(waiting.await, Ok(Ok(()))));
        assert_eq!((admission.running(), admission.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn a_change_of_the_number_holds_from_the_next_request_on() {
        let admission = Admission::default();
        let (a, b) = (admission.enter(places(2, 0)).await, admission.enter(places(2, 0)).await);
        assert!(a.is_ok() && b.is_ok() && admission.enter(places(2, 0)).await.is_err());
        let c = admission.enter(places(3, 0)).await;
        assert!(c.is_ok() && admission.running() == 3);
        drop((a, b));
        assert!(admission.enter(places(1, 0)).await.is_err(), "one runs still, and one is all there may be");
        drop(c);
        assert!(admission.enter(places(1, 0)).await.is_ok());
    }
}
