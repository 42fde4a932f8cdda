//! When to stop waiting for a service that keeps silent. Each question to it costs the asker its whole time limit; after enough of them
//! in a row one asker at a time tries whether it is back, and the others go on without an answer at once.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Patience {
    /// Failures in a row after which it is over.
    limit: u32,
    /// Between two tries.
    pause: Duration,
    since: Instant,
    failures: AtomicU32,
    /// When the next try is due, in nanoseconds since `since`.
    next_try: AtomicU64,
}

impl Patience {
    pub fn new(limit: u32, pause: Duration, now: Instant) -> Self {
        Self { limit, pause, since: now, failures: AtomicU32::new(0), next_try: AtomicU64::new(0) }
    }

    /// Whether asking now is worth the wait; who is told yes has to report what became of it.
    pub fn may_ask(&self, now: Instant) -> bool {
        if !self.is_over() {
            return true;
        }
        let now = self.nanoseconds(now);
        let due = self.next_try.load(Ordering::Relaxed);
        let next = now.saturating_add(self.pause.as_nanos() as u64);
        now >= due && self.next_try.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    pub fn is_over(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= self.limit
    }

    /// Whether one more failure ends it: the moment to make sure that the service is at fault.
    pub fn is_at_its_end(&self) -> bool {
        self.failures.load(Ordering::Relaxed).saturating_add(1) >= self.limit
    }

    /// It answered, whatever it said.
    pub fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// It did not answer. Whether this ended the patience.
    pub fn failed(&self, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < self.limit {
            return false;
        }
        // Far from overflow, however long it stays away.
        self.failures.store(self.limit, Ordering::Relaxed);
        self.next_try.store(self.nanoseconds(now).saturating_add(self.pause.as_nanos() as u64), Ordering::Relaxed);
        failures == self.limit
    }

    /// Whether a question is worth its wait. Once patience is over one asker for each pause finds out by `is_alive`, which nobody's mail can
    /// make slow.
    pub async fn is_worth_asking(&self, is_alive: impl Future<Output = bool>) -> bool {
        !self.is_over() || (self.may_ask(Instant::now()) && self.make_sure(is_alive).await)
    }

    /// A question had no answer. Strangers can send what takes long: before the service counts as silent, `is_alive` asks it itself.
    pub async fn no_answer(&self, is_alive: impl Future<Output = bool>) {
        if self.is_at_its_end() {
            self.make_sure(is_alive).await;
        } else {
            self.failed(Instant::now());
        }
    }

    async fn make_sure(&self, is_alive: impl Future<Output = bool>) -> bool {
        let is_alive = is_alive.await;
        if is_alive {
            self.answered();
        } else {
            self.failed(Instant::now());
        }
        is_alive
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.since).as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_limit_one_asks_for_each_pause() {
        let patience = Patience::new(3, Duration::from_secs(10), Instant::now());
        let at = |seconds| patience.since + Duration::from_secs(seconds);
        assert_eq!([1, 2, 3, 4].map(|s| patience.failed(at(s))), [false, false, true, false]);
        assert_eq!([5, 13, 14, 15, 23, 24].map(|s| patience.may_ask(at(s))), [false, false, true, false, false, true]);
    }

    #[test]
    fn an_answer_restores_it() {
        let patience = Patience::new(2, Duration::from_secs(10), Instant::now());
        patience.failed(patience.since);
        patience.answered();
        assert!(!patience.failed(patience.since) && !patience.is_over(), "not in a row");
        assert!(patience.failed(patience.since) && patience.is_over());
        patience.answered();
        assert!(patience.may_ask(patience.since) && patience.may_ask(patience.since));
    }
}
