//! Who did something too often, and how long they wait now.

use std::borrow::Borrow;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

/// Keys that are remembered, the latest.
const KEYS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Counts by key; a count is forgotten when nothing was added to it for as long as one waits.
pub struct Tally<K: Hash + Eq> {
    wait: Duration,
    counts: Mutex<LruCache<K, Count>>,
}

struct Count {
    count: u32,
    last: Instant,
}

impl<K: Hash + Eq> Tally<K> {
    pub fn new(wait: Duration) -> Self {
        Self { wait, counts: Mutex::new(LruCache::new(KEYS)) }
    }

    /// How long this one has to wait after so many, if it has to.
    pub fn wait<Q: Hash + Eq + ?Sized>(&self, key: &Q, most: u32) -> Option<Duration>
    where
        K: Borrow<Q>,
    {
        let mut counts = self.counts.lock();
        let entry = counts.get(key)?;
        let since = entry.last.elapsed();
        if since >= self.wait {
            counts.pop(key);
            return None;
        }
        (entry.count >= most.max(1)).then(|| self.wait - since)
    }

    pub fn count(&self, key: K) {
        let mut counts = self.counts.lock();
        let entry = counts.get_or_insert_mut(key, || Count { count: 0, last: Instant::now() });
        entry.count += 1;
        entry.last = Instant::now();
    }

    pub fn forget<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.counts.lock().pop(key);
    }
}

/// Guesses come from a whole IPv6 /64 as easily as from one address.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(a) => {
            let s = a.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
