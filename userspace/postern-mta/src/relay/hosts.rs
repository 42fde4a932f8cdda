//! Which hosts failed a short while ago: they are tried after the others, so that a dead first MX does not cost
//! every connection its time-out.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

/// Hosts remembered.
const MAX_HOSTS: usize = 4096;
const FIRST: Duration = Duration::from_secs(30);
const MAX: Duration = Duration::from_secs(600);

struct Trouble {
    until: Instant,
    failures: u32,
}

pub(crate) struct HostMemory(Mutex<LruCache<String, Trouble>>);

impl HostMemory {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(MAX_HOSTS).unwrap_or(NonZeroUsize::MIN))))
    }

    pub(crate) fn is_avoided(&self, host: &str, now: Instant) -> bool {
        self.0.lock().peek(host).is_some_and(|t| t.until > now)
    }

    pub(crate) fn failed(&self, host: &str, now: Instant) {
        let mut hosts = self.0.lock();
        let failures = hosts.peek(host).map_or(0, |t| t.failures).saturating_add(1);
        let wait = FIRST.saturating_mul(1 << failures.min(10).saturating_sub(1)).min(MAX);
        hosts.put(host.to_owned(), Trouble { until: now + wait, failures });
    }

    pub(crate) fn works(&self, host: &str) {
        self.0.lock().pop(host);
    }

    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_avoided_for_a_while_after_it_failed() {
        let hosts = HostMemory::new();
        let now = Instant::now();
        assert!(!hosts.is_avoided("a", now));
        hosts.failed("a", now);
        assert!(hosts.is_avoided("a", now + FIRST / 2) && !hosts.is_avoided("a", now + FIRST));
        hosts.failed("a", now);
        assert!(hosts.is_avoided("a", now + FIRST));
        hosts.works("a");
        assert!(!hosts.is_avoided("a", now));
    }
}
