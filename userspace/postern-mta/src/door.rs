//! What all listeners and sessions share: the rules of the house, how many are inside, and what is done
//! when it gets full.
//!
//! Shedding goes in steps that can be seen (in the log and in [`Census`]): up to 80% of `max_connections` the
//! idle time is the one in the settings; from there it shrinks, down to ten seconds when the last place
//! is taken, so that connections held for their own sake make room for mail; when all places are taken, new
//! clients get 421.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use postern_model::address::{AddressError, Domain};
use postern_model::envelope::Direction;
use postern_model::reason::Reason;
use postern_model::settings::Settings;
use postern_model::settings::smtp::SmtpSettings;
use postern_smtp::server::{Config, Dialect, Newlines, StartTls};
use postern_store::spool::Spool;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::session::Host;
use crate::sources::{SourcePlace, Sources, TooMuch};
use crate::tls::Tls;

/// Idle time when the last place is taken: enough for a mail server on a bad line.
const LEAST_IDLE: Duration = Duration::from_secs(10);
/// Above this share of the places the idle time shrinks.
const BUSY_PERCENT: usize = 80;

/// The settings as sessions use them. A session keeps those it began with.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) smtp: SmtpSettings,
    pub(crate) server: Arc<Config>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    Calm,
    /// Idle clients are sent away sooner.
    Busy,
    /// New clients are refused.
    Full,
}

/// Figures for metrics and the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Census {
    pub load: Load,
    pub open: usize,
    pub max: usize,
    /// Seconds an idle client may stay at this moment.
    pub idle_seconds: u64,
    /// Since the start:
    pub accepted: u64,
    pub refused_full: u64,
    pub refused_source: u64,
    /// Sessions that ended by a time limit.
    pub timed_out: u64,
}

pub struct Door<H> {
    pub(crate) host: H,
    pub(crate) spool: Spool,
    pub(crate) tls: Option<Arc<Tls>>,
    shift: ArcSwap<CancellationToken>,
    rules: ArcSwap<Rules>,
    sources: Sources,
    open: AtomicUsize,
    load: AtomicUsize,
    accepted: AtomicU64,
    refused_full: AtomicU64,
    refused_source: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    emptied: Notify,
}

/// A place among all sessions; dropping it frees the place.
pub(crate) struct Place<H>(pub(crate) Arc<Door<H>>);

impl<H> Drop for Place<H> {
    fn drop(&mut self) {
        let door = &self.0;
        let left = door.open.fetch_sub(1, Relaxed) - 1;
        door.note_load(left);
        if left == 0 {
            door.emptied.notify_waiters();
        }
    }
}

impl Rules {
    fn new(settings: &Settings, hostname: &str) -> Result<Arc<Self>, AddressError> {
        let hostname: Domain = hostname.parse()?;
        let smtp = settings.smtp.clone();
        let newlines = if smtp.refuse_bare_newlines { Newlines::Refuse } else { Newlines::Mend };
        let server = Arc::new(Config { hostname, dialect: Dialect::Smtp, newlines, limits: smtp.limits.clone() });
        Ok(Arc::new(Self { smtp, server }))
    }
}

impl<H> Door<H> {
    /// `hostname` is our own name; `tls` is what STARTTLS offers, when the settings enable it.
    ///
    /// # Errors
    /// When `hostname` is no domain name.
    pub fn new(settings: &Settings, hostname: &str, host: H, spool: Spool, tls: Option<Arc<Tls>>) -> Result<Arc<Self>, AddressError> {
        Ok(Arc::new(Self {
            host,
            spool,
            tls,
            shift: ArcSwap::from_pointee(CancellationToken::new()),
            rules: ArcSwap::new(Rules::new(settings, hostname)?),
            sources: Sources::new(),
            open: AtomicUsize::new(0),
            load: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
            refused_source: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            emptied: Notify::new(),
        }))
    }

    /// New settings, for sessions that begin from now on.
    ///
    /// # Errors
    /// When `hostname` is no domain name; the old rules stay.
    pub fn apply(&self, settings: &Settings, hostname: &str) -> Result<(), AddressError> {
        self.rules.store(Rules::new(settings, hostname)?);
        Ok(())
    }

    /// Ends when those who are inside have to leave and nobody is let in any more.
    pub(crate) fn shift(&self) -> CancellationToken {
        CancellationToken::clone(&self.shift.load())
    }

    pub(crate) fn end_shift(&self) {
        self.shift.load().cancel();
    }

    pub(crate) fn begin_shift(&self) {
        self.shift.store(Arc::new(CancellationToken::new()));
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    pub fn census(&self) -> Census {
        let (rules, open) = (self.rules.load(), self.open.load(Relaxed));
        Census {
            load: load_of(open, rules.smtp.limits.max_connections),
            open,
            max: rules.smtp.limits.max_connections,
            idle_seconds: self.patience(&rules, rules.smtp.limits.idle.0).as_secs(),
            accepted: self.accepted.load(Relaxed),
            refused_full: self.refused_full.load(Relaxed),
            refused_source: self.refused_source.load(Relaxed),
            timed_out: self.timed_out.load(Relaxed),
        }
    }

    /// A place among all, or the reason why not.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place<H>, Reason> {
        let max = self.rules.load().smtp.limits.max_connections;
        let before = self.open.fetch_add(1, Relaxed);
        let place = Place(Arc::clone(self));
        self.note_load(before + 1);
        if before >= max {
            self.refused_full.fetch_add(1, Relaxed);
            return Err(Reason::Overload);
        }
        Ok(place)
    }

    /// How long a client may be idle now, where it may usually be so for `usual`.
    pub(crate) fn patience(&self, rules: &Rules, usual: Duration) -> Duration {
        idle_of(self.open.load(Relaxed), rules.smtp.limits.max_connections, usual)
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.load.load(Relaxed) != Load::Calm as usize
    }

    /// Waits until nobody is inside.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.open.load(Relaxed) == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn note_load(&self, open: usize) {
        let max = self.rules.load().smtp.limits.max_connections;
        let now = load_of(open, max);
        if self.load.swap(now as usize, Relaxed) == now as usize {
            return;
        }
        match now {
            Load::Calm => tracing::info!(open, max, "enough places are free again: idle clients have their usual time"),
            Load::Busy => tracing::warn!(open, max, "places are getting scarce: idle clients are sent away sooner"),
            Load::Full => tracing::error!(open, max, "all places are taken: new clients are told to come again"),
        }
    }
}

impl<H: Host> Door<H> {
    /// A place among those of one source, or the reason why not.
    pub(crate) fn enter_from(&self, address: IpAddr, direction: Direction) -> Result<SourcePlace, Reason> {
        let entered = self.sources.enter(address, &self.rules.load().smtp.limits, Instant::now());
        entered.inspect(|_| _ = self.accepted.fetch_add(1, Relaxed)).map_err(|too_much| {
            self.refused_source.fetch_add(1, Relaxed);
            tracing::debug!(client = %address, ?too_much, "refused at the door");
            if too_much == TooMuch::Rate {
                self.host.turned_away(address, direction);
            }
            Reason::RateLimit
        })
    }
}

fn load_of(open: usize, max: usize) -> Load {
    if open >= max {
        Load::Full
    } else if open.saturating_mul(100) > max.saturating_mul(BUSY_PERCENT) {
        Load::Busy
    } else {
        Load::Calm
    }
}

fn idle_of(open: usize, max: usize, usual: Duration) -> Duration {
    let calm = max.saturating_mul(BUSY_PERCENT) / 100;
    if open <= calm || usual <= LEAST_IDLE {
        return usual;
    }
    let above = u32::try_from((open - calm).min(max - calm)).unwrap_or(u32::MAX);
    let range = u32::try_from(max - calm).unwrap_or(u32::MAX).max(1);
    usual - (usual - LEAST_IDLE).mul_f64(f64::from(above) / f64::from(range))
}

/// Whether this client is offered TLS, and whether it has to take it.
pub(crate) fn start_tls<H>(door: &Door<H>, rules: &Rules, client: IpAddr) -> StartTls {
    if door.tls.is_none() || !rules.smtp.tls.enabled {
        StartTls::NotOffered
    } else if rules.smtp.tls.required_from.iter().any(|n| n.contains(&client)) {
        StartTls::Required
    } else {
        StartTls::Offered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_shrinks_in_the_last_fifth() {
        let usual = Duration::from_secs(300);
        for (open, seconds) in [(0, 300), (80, 300), (90, 155), (100, 10), (150, 10)] {
            assert_eq!(idle_of(open, 100, usual).as_secs(), seconds, "{open} of 100");
        }
        assert_eq!(idle_of(100, 100, Duration::from_secs(5)).as_secs(), 5);
        assert_eq!(idle_of(1, 1, usual), LEAST_IDLE);
    }

    #[test]
    fn steps() {
        assert_eq!([0, 80, 81, 99, 100, 101].map(|n| load_of(n, 100)), {
            use Load::{Busy, Calm, Full};
            [Calm, Calm, Busy, Busy, Full, Full]
        });
    }
}
