//! Parsed records by name, so that the same domain's next mail costs no parsing and no question.

use std::borrow::Borrow;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lru::LruCache;
use mail_auth::common::verify::DomainKey;
use mail_auth::{Error, MX, Parameters, RecordSet, ResolverCache, Txt};
use parking_lot::Mutex;

/// Entries of each kind. A parsed record takes half a kilobyte or so: some ten megabytes in all when full.
const ENTRIES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
/// No record is believed longer, whatever its TTL.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// How long "there is none" is believed.
const ABSENT_TTL: Duration = Duration::from_secs(60);

pub(super) struct Cache<K, V>(Mutex<LruCache<K, (V, Instant), ahash::RandomState>>);

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    fn new() -> Self {
        Self(Mutex::new(LruCache::with_hasher(ENTRIES, ahash::RandomState::new())))
    }
}

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Cache<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut entries = self.0.lock();
        let (value, valid_until) = entries.get(name)?;
        if *valid_until > Instant::now() {
            return Some(value.clone());
        }
        entries.pop(name);
        None
    }

    fn remove<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.lock().pop(name).map(|(value, _)| value)
    }

    fn insert(&self, key: K, value: V, valid_until: Instant) {
        let most = Instant::now() + MAX_TTL;
        self.0.lock().put(key, (value, valid_until.min(most)));
    }
}

impl Cache<Box<str>, Txt> {
    pub(super) fn holds(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn put_absent(&self, name: String, error: Error, now: Instant) {
        self.insert(name.into_boxed_str(), Txt::Error(error), now + ABSENT_TTL);
    }
}

/// Which protocol's TXT records.
#[derive(Clone, Copy)]
pub(super) enum Txts {
    Spf,
    Dkim,
    Dmarc,
}

type TxtCache = Cache<Box<str>, Txt>;
type WithCaches<'x, P> = Parameters<
    'x,
    P,
    TxtCache,
    Cache<Box<str>, RecordSet<MX>>,
    Cache<Box<str>, RecordSet<Ipv4Addr>>,
    Cache<Box<str>, RecordSet<Ipv6Addr>>,
    Cache<IpAddr, RecordSet<Box<str>>>,
>;

pub(super) struct Caches {
    spf: TxtCache,
    dkim: TxtCache,
    pub(super) dmarc: TxtCache,
    mx: Cache<Box<str>, RecordSet<MX>>,
    ipv4: Cache<Box<str>, RecordSet<Ipv4Addr>>,
    ipv6: Cache<Box<str>, RecordSet<Ipv6Addr>>,
    ptr: Cache<IpAddr, RecordSet<Box<str>>>,
}

impl Caches {
    pub(super) fn new() -> Self {
        Self {
            spf: Cache::new(),
            dkim: Cache::new(),
            dmarc: Cache::new(),
            mx: Cache::new(),
            ipv4: Cache::new(),
            ipv6: Cache::new(),
            ptr: Cache::new(),
        }
    }

    pub(super) fn parameters<P>(&self, params: P, txts: Txts) -> WithCaches<'_, P> {
        let txt = match txts {
            Txts::Spf => &self.spf,
            Txts::Dkim => &self.dkim,
            Txts::Dmarc => &self.dmarc,
        };
        Parameters {
            params,
            cache_txt: Some(txt),
            cache_mx: Some(&self.mx),
            cache_ptr: Some(&self.ptr),
            cache_ipv4: Some(&self.ipv4),
            cache_ipv6: Some(&self.ipv6),
        }
    }

    /// A key that a verification just used.
    pub(super) fn key(&self, name: &str) -> Option<Arc<DomainKey>> {
        match self.dkim.get::<str>(&name.to_lowercase())? {
            Txt::DomainKey(key) => Some(key),
            _ => None,
        }
    }
}
