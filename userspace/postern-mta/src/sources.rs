//! How many sessions each source holds and how many it opens a minute. A source is an IPv4 address or an
//! IPv6 /64: one host of a /64 can take any of its addresses.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use parking_lot::Mutex;
use postern_model::settings::smtp::SmtpLimits;

const MINUTE: Duration = Duration::from_secs(60);
/// Sources remembered before those without a session are looked through.
const SWEEP_AT: usize = 16_384;
/// Sources remembered at most. Beyond it new ones are served but not counted: forgetting how to count is
/// better than refusing everybody, and the total is bounded elsewhere.
const MOST: usize = 1 << 20;

#[derive(Debug)]
struct Source {
    open: usize,
    since: Instant,
    this_minute: u32,
}

#[derive(Debug)]
struct Table {
    sources: AHashMap<IpAddr, Source>,
    sweep_at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Sources(Arc<Mutex<Table>>);

/// A session's place among those of its source; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct SourcePlace {
    sources: Sources,
    key: IpAddr,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TooMuch {
    Sessions,
    Rate,
}

pub(crate) fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

impl Sources {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Table { sources: AHashMap::new(), sweep_at: SWEEP_AT })))
    }

    /// A place for one more session of the source that `address` belongs to.
    pub(crate) fn enter(&self, address: IpAddr, limits: &SmtpLimits, now: Instant) -> Result<SourcePlace, TooMuch> {
        let key = source_of(address);
        let mut table = self.0.lock();
        if table.sources.len() >= table.sweep_at {
            table.sources.retain(|_, s| s.open > 0 || now.duration_since(s.since) < MINUTE);
            table.sweep_at = (table.sources.len() * 2).clamp(SWEEP_AT, MOST);
        }
        if table.sources.len() < MOST || table.sources.contains_key(&key) {
            let source = table.sources.entry(key).or_insert(Source { open: 0, since: now, this_minute: 0 });
            if now.duration_since(source.since) >= MINUTE {
                source.since = now;
                source.this_minute = 0;
            }
            // What is refused counts too: who hammers stays out until it pauses.
            source.this_minute = source.this_minute.saturating_add(1);
            if source.this_minute > limits.connections_per_minute {
                return Err(TooMuch::Rate);
            }
            if source.open >= limits.max_connections_per_source {
                return Err(TooMuch::Sessions);
            }
            source.open += 1;
        }
        Ok(SourcePlace { sources: self.clone(), key })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().sources.len()
    }
}

impl Drop for SourcePlace {
    fn drop(&mut self) {
        if let Some(source) = self.sources.0.lock().sources.get_mut(&self.key) {
            source.open = source.open.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn limits(sessions: usize, rate: u32) -> SmtpLimits {
        SmtpLimits { max_connections_per_source: sessions, connections_per_minute: rate, ..SmtpLimits::default() }
    }

    #[test]
    fn sessions_and_rate_are_bounded_for_a_source_and_for_nobody_else() {
        let (sources, now, limits) = (Sources::new(), Instant::now(), limits(2, 4));
        let enter = |address: &str, at: Instant| sources.enter(address.parse().unwrap(), &limits, at);
        let one = enter("2001:db8:1:1::1", now).unwrap();
        let _two = enter("2001:db8:1:1:ffff::2", now).unwrap();
        assert_eq!(enter("2001:db8:1:1::3", now).unwrap_err(), TooMuch::Sessions);
        let _other = enter("2001:db8:1:2::1", now).unwrap();
        drop(one);
        let _three = enter("2001:db8:1:1::3", now).unwrap();
        assert_eq!(enter("2001:db8:1:1::3", now).unwrap_err(), TooMuch::Rate);
        assert_eq!(enter("2001:db8:1:1::3", now + MINUTE).unwrap_err(), TooMuch::Sessions);
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(source_of("::ffff:192.0.2.1".parse().unwrap()), source_of("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn a_flood_of_sources_is_forgotten_again() {
        let (sources, now, limits) = (Sources::new(), Instant::now(), limits(2, 4));
        for i in 0..200_000u32 {
            let later = now + Duration::from_millis(u64::from(i) * 10);
            drop(sources.enter(IpAddr::from(i.to_be_bytes()), &limits, later).unwrap());
        }
        assert!(sources.len() <= SWEEP_AT * 2, "{} sources are remembered", sources.len());
    }
}
