//! Greylisting: a first contact of client, sender and recipient is put off; who comes again passes.
//!
//! The client is its IPv4 /24 or IPv6 /64, because large senders try again from a neighbour. A client
//! that passed once is not put off again for `pass_ttl`, whoever it writes for. Answers come from
//! memory; the file is asked only about what is not there.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use postern_model::settings::smtp::GreylistSettings;
use postern_model::time::Timestamp;

use super::changes::Change;
use super::writer::Note;
use super::{Database, DatabaseError};

/// Keys in memory: about 8 MB.
const MEMORY: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// A pass is written again when the last one is older than this.
const REFRESH: Duration = Duration::from_secs(6 * 3600);

type Key = [u8; 16];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    first: Timestamp,
    passed: Option<Timestamp>,
}

pub(super) struct Memory(Mutex<LruCache<Key, Entry>>);

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MEMORY)))
    }
}

impl Memory {
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreylistAnswer {
    Pass,
    /// Put it off; it passes when it comes again after this long.
    Wait(Duration),
}

pub struct Greylist<'a>(&'a Database);

impl Database {
    pub fn greylist(&self) -> Greylist<'_> {
        Greylist(self)
    }
}

impl Greylist<'_> {
    /// Judges one attempt and remembers it. `sender` and `recipient` are taken without regard to case.
    pub async fn check(
        &self,
        client: IpAddr,
        sender: &str,
        recipient: &str,
        now: Timestamp,
        settings: &GreylistSettings,
    ) -> Result<GreylistAnswer, DatabaseError> {
        let of_client = key(client, "", "");
        if let Some(entry) = self.find(of_client).await?
            && let Some(passed) = entry.passed
            && now.since(passed) < settings.pass_ttl.0
        {
            if now.since(passed) > REFRESH {
                self.pass(of_client, entry.first, now);
            }
            return Ok(GreylistAnswer::Pass);
        }
        let of_triplet = key(client, sender, recipient);
        match self.find(of_triplet).await? {
            Some(entry) if now.since(entry.first) <= settings.window.0 => {
                let waited = now.since(entry.first);
                if waited < settings.delay.0 {
                    return Ok(GreylistAnswer::Wait(settings.delay.0 - waited));
                }
                self.pass(of_client, entry.first, now);
                Ok(GreylistAnswer::Pass)
            }
            _ => {
                self.put(of_triplet, Entry { first: now, passed: None }, now);
                Ok(GreylistAnswer::Wait(settings.delay.0))
            }
        }
    }

    /// A client passed at a peer: the latest pass counts, and nobody is told again.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn merge(&self, client: [u8; 16], passed: Timestamp) -> Result<(), DatabaseError> {
        let known = self.find(client).await?;
        if known.and_then(|k| k.passed).is_none_or(|before| before < passed) {
            let first = known.map_or(passed, |k| k.first.min(passed));
            self.put(client, Entry { first, passed: Some(passed) }, passed);
        }
        Ok(())
    }

    fn pass(&self, client: Key, first: Timestamp, now: Timestamp) {
        self.put(client, Entry { first, passed: Some(now) }, now);
        self.0.shared.outlet.tell(|| Change::GreylistPass { client, passed: now });
    }

    async fn find(&self, key: Key) -> Result<Option<Entry>, DatabaseError> {
        let shared = &self.0.shared;
        if let Some(entry) = shared.greylist.0.lock().get(&key) {
            return Ok(Some(*entry));
        }
        let row: Option<(i64, Option<i64>)> = sqlx::query_as("SELECT first, passed FROM greylist WHERE key = ?")
            .bind(key.to_vec())
            .fetch_optional(&shared.readers())
            .await
            .map_err(shared.failed("read the greylist"))?;
        let entry = row.map(|(first, passed)| Entry { first: Timestamp(first), passed: passed.map(Timestamp) });
        if let Some(entry) = entry {
            shared.greylist.0.lock().put(key, entry);
        }
        Ok(entry)
    }

    fn put(&self, key: Key, entry: Entry, now: Timestamp) {
        self.0.shared.greylist.0.lock().put(key, entry);
        self.0.note(Note::Greylist { key, first: entry.first, passed: entry.passed, at: now });
    }

    /// Forgets what was not seen since `before`.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM greylist WHERE last < ?").bind(before.0).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune the greylist"))?.rows_affected())
    }
}

fn key(client: IpAddr, sender: &str, recipient: &str) -> Key {
    let mut hash = blake3::Hasher::new();
    match client.to_canonical() {
        IpAddr::V4(a) => hash.update(&a.octets()[..3]),
        IpAddr::V6(a) => hash.update(&a.octets()[..8]),
    };
    for part in [sender, recipient] {
        hash.update(&[0]).update(part.to_lowercase().as_bytes());
    }
    let mut out = [0; 16];
    out.copy_from_slice(&hash.finalize().as_bytes()[..16]);
    out
}
