//! Answers kept as plain values: hickory's own cache parses names and copies whole messages on every
//! hit, several microseconds each; at thousands of mails per second with twenty questions each that
//! would be a core of its own.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use hickory_resolver::proto::rr::RecordType;
use lru::LruCache;
use parking_lot::Mutex;

use super::{Answer, Mx};

/// Locks are held for one look-up; eight shards keep two dozen threads apart.
const SHARDS: usize = 8;

/// Record type and lower-case name in one string, so that a look-up makes one allocation.
pub(super) type Key = Box<str>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Records {
    Ip(Arc<[IpAddr]>),
    Mx(Arc<[Mx]>),
    Text(Arc<[String]>),
}

struct Entry {
    answer: Answer<Records>,
    valid_until: Instant,
}

pub(super) struct AnswerCache {
    shards: [Mutex<LruCache<Key, Entry, ahash::RandomState>>; SHARDS],
    hasher: ahash::RandomState,
}

impl AnswerCache {
    pub(super) fn new(entries: usize) -> Self {
        let per_shard = NonZeroUsize::new(entries / SHARDS).unwrap_or(NonZeroUsize::MIN);
        Self {
            shards: std::array::from_fn(|_| Mutex::new(LruCache::with_hasher(per_shard, ahash::RandomState::new()))),
            hasher: ahash::RandomState::new(),
        }
    }

    pub(super) fn get(&self, key: &Key, now: Instant) -> Option<Answer<Records>> {
        let mut shard = self.shard(key).lock();
        match shard.get(key) {
            Some(entry) if entry.valid_until > now => Some(entry.answer.clone()),
            Some(_) => {
                shard.pop(key);
                None
            }
            None => None,
        }
    }

    pub(super) fn insert(&self, key: Key, answer: Answer<Records>, valid_until: Instant) {
        self.shard(&key).lock().put(key, Entry { answer, valid_until });
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().clear();
        }
    }

    fn shard(&self, key: &Key) -> &Mutex<LruCache<Key, Entry, ahash::RandomState>> {
        &self.shards[(self.hasher.hash_one(key) as usize) % SHARDS]
    }
}

pub(super) fn key(name: &str, kind: RecordType) -> Key {
    let letter = match kind {
        RecordType::A => 'a',
        RecordType::AAAA => '6',
        RecordType::MX => 'm',
        RecordType::TXT => 't',
        _ => 'p',
    };
    let mut key = String::with_capacity(name.len() + 1);
    key.push(letter);
    key.push_str(name.strip_suffix('.').unwrap_or(name));
    key.make_ascii_lowercase();
    key.into_boxed_str()
}
