//! Counters by the day (UTC), for reports: how often each symbol fired, mails by domain of their recipients.
//!
//! They are by the day because there are many names: a hundred symbols by the hour would be a million rows a year. Domains are those
//! of mail that came from outside, so they are ours; where any domain is taken (`*`), a day has room for [`DOMAINS`], and what is
//! beyond is counted together.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashSet;
use lru::LruCache;
use postern_model::address::Domain;
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, Step};
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};

use super::counters::of_action;
use super::{Database, DatabaseError};

pub const DAY_MS: i64 = 86_400_000;
/// Domains that a day counts by themselves.
const DOMAINS: usize = 1000;
/// Stands for all others.
pub const OTHER_DOMAINS: &str = "*";
/// Mails that were released from quarantine and not delivered yet, the latest.
const RELEASED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(10_000).unwrap();
/// From acceptance to delivery, in milliseconds, each with the counter of what took no longer.
const DELAYS: [(i64, &str); 4] = [(10_000, "delay-10s"), (60_000, "delay-1m"), (600_000, "delay-10m"), (3_600_000, "delay-1h")];
const LONGER: &str = "delay-more";

pub struct Days<'a>(&'a Database);

impl Database {
    pub fn days(&self) -> Days<'_> {
        Days(self)
    }
}

impl Days<'_> {
    /// What was counted under names that begin so, from the day of `from` until before `to`: names without the beginning.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sums(&self, prefix: &'static str, from: Timestamp, to: Timestamp) -> Result<Vec<(String, u64)>, DatabaseError> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (_, name, count) in self.rows(prefix, from, to).await? {
            *sums.entry(name).or_default() += count;
        }
        Ok(sums.into_iter().collect())
    }

    /// Mails by day, domain and action, as in `example.org`, `action:accept`; `None`: of all domains.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn of_domains(
        &self,
        domains: Option<&BTreeSet<Domain>>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DomainCount>, DatabaseError> {
        let rows = self.rows("domain:", from, to).await?;
        let count = |(day, name, mails): (Timestamp, String, u64)| {
            let (domain, action) = name.split_once(':')?;
            let is_asked = domains.is_none_or(|d| d.iter().any(|d| d.as_str() == domain));
            is_asked.then(|| DomainCount { day, domain: domain.to_owned(), action: action.to_owned(), mails })
        };
        Ok(rows.into_iter().filter_map(count).collect())
    }

    async fn rows(&self, prefix: &'static str, from: Timestamp, to: Timestamp) -> Result<Vec<(Timestamp, String, u64)>, DatabaseError> {
        let shared = &self.0.shared;
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "SELECT day, substr(name, length(?1) + 1), count FROM day_counters WHERE day >= ?2 AND day < ?3 AND name >= ?1 \
             AND name < ?1 || char(1114111) ORDER BY day, name LIMIT 1000000",
        )
        .bind(prefix)
        .bind(from.0.div_euclid(DAY_MS))
        .bind((to.0 + DAY_MS - 1).div_euclid(DAY_MS))
        .fetch_all(&shared.readers())
        .await
        .map_err(shared.failed("read what was counted by the day"))?;
        Ok(rows.into_iter().map(|(day, name, n)| (Timestamp(day * DAY_MS), name, u64::try_from(n).unwrap_or(0))).collect())
    }

    /// Forgets days before `before`.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, DatabaseError> {
        let shared = &self.0.shared;
        let done = sqlx::query("DELETE FROM day_counters WHERE day < ?").bind(before.0.div_euclid(DAY_MS)).execute(&shared.writer()).await;
        Ok(done.map_err(shared.failed("prune what was counted by the day"))?.rows_affected())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainCount {
    /// The day's beginning.
    pub day: Timestamp,
    /// [`OTHER_DOMAINS`]: those that a day had no room for.
    pub domain: String,
    /// As in `action:accept`.
    pub action: String,
    pub mails: u64,
}

/// Names of the day's counters that a verdict belongs to: what was done, each symbol that fired, and once more when it was not let pass.
pub(super) fn of_verdict(verdict: &Verdict) -> impl Iterator<Item = String> + '_ {
    let is_caught = !matches!(verdict.action, Action::Accept | Action::Defer);
    let fired = verdict.hits.iter().map(|hit| format!("symbol:{}", hit.symbol));
    let caught = verdict.hits.iter().filter(move |_| is_caught).map(|hit| format!("caught:{}", hit.symbol));
    std::iter::once(format!("judged:{}", verdict.action.name())).chain(fired).chain(caught)
}

/// What the writer has to remember to count.
pub(super) struct Counting {
    day: i64,
    domains: AHashSet<Domain>,
    released: LruCache<MailId, ()>,
}

impl Default for Counting {
    fn default() -> Self {
        Self { day: 0, domains: AHashSet::new(), released: LruCache::new(RELEASED) }
    }
}

impl Counting {
    /// Names of the day's counters that a mail belongs to; to two recipients of one domain it is one mail.
    pub(super) fn of_mail(&mut self, summary: &JourneySummary) -> Vec<String> {
        if summary.direction != Direction::Inbound {
            return Vec::new();
        }
        let day = summary.at.0.div_euclid(DAY_MS);
        if day > self.day {
            self.day = day;
            self.domains.clear();
        }
        let mut names = BTreeSet::new();
        for domain in summary.recipients.iter().map(|r| r.domain()) {
            let has_room = self.domains.len() < DOMAINS || self.domains.contains(domain);
            let shown = if has_room { domain.as_str() } else { OTHER_DOMAINS };
            names.insert(format!("domain:{shown}:{}", of_action(&summary.action)));
            if has_room && !self.domains.contains(domain) {
                self.domains.insert(domain.clone());
            }
        }
        names.into_iter().collect()
    }

    /// Names of the hour's counters that a step belongs to.
    pub(super) fn of_step(&mut self, event: &JourneyEvent) -> [Option<&'static str>; 2] {
        match &event.step {
            Step::QuarantineAction { action, .. } if action == "released" => {
                self.released.put(event.mail, ());
                [None; 2]
            }
            // How long it lay in quarantine says nothing about deliveries.
            Step::Delivered { .. } if self.released.contains(&event.mail) => [Some("delivery-delivered"), None],
            Step::Delivered { .. } => {
                let took = event.at.0.saturating_sub(event.mail.time().0);
                let within = DELAYS.iter().find(|(most, _)| took <= *most).map_or(LONGER, |(_, name)| *name);
                [Some("delivery-delivered"), Some(within)]
            }
            Step::Deferred { .. } => [Some("delivery-deferred"), None],
            Step::Failed { .. } => [Some("delivery-failed"), None],
            _ => [None; 2],
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;

    use postern_model::address::ReversePath;
    use postern_model::reason::Reason;

    use super::*;

    fn summary(at: i64, recipients: &[String]) -> JourneySummary {
        JourneySummary {
            mail: MailId::new(Timestamp(at), 1),
            at: Timestamp(at),
            direction: Direction::Inbound,
            client: IpAddr::from([192, 0, 2, 1]),
            mail_from: ReversePath::Null,
            recipients: recipients.iter().map(|r| r.parse().unwrap()).collect(),
            from_header: None,
            subject: None,
            message_id: None,
            size: 1,
            action: "accept".into(),
            reason: Reason::Clean,
            score: 0.0,
        }
    }

    fn to(recipients: &[&str]) -> Vec<String> {
        recipients.iter().map(|r| (*r).to_owned()).collect()
    }

    #[test]
    fn a_mail_counts_once_for_each_domain_and_a_day_has_room_for_so_many() {
        let mut counting = Counting::default();
        let mail = summary(DAY_MS, &to(&["a@one.example", "b@ONE.example", "c@two.example"]));
        assert_eq!(counting.of_mail(&mail), ["domain:one.example:action:accept", "domain:two.example:action:accept"]);
        let outbound = JourneySummary { direction: Direction::Outbound, ..mail.clone() };
        assert!(counting.of_mail(&outbound).is_empty(), "other people's domains have no bound");
        for n in 2..DOMAINS {
            counting.of_mail(&summary(DAY_MS, &[format!("x@d{n}.example")]));
        }
        let late = summary(DAY_MS + 1, &to(&["x@late.example", "x@two.example"]));
        assert_eq!(counting.of_mail(&late), ["domain:*:action:accept", "domain:two.example:action:accept"]);
        let tomorrow = summary(2 * DAY_MS, &to(&["x@late.example"]));
        assert_eq!(counting.of_mail(&tomorrow), ["domain:late.example:action:accept"]);
    }

    #[test]
    fn a_delivery_is_counted_by_how_long_it_took_unless_it_was_released() {
        let mut counting = Counting::default();
        let mail = MailId::new(Timestamp(1_000_000), 7);
        let step = |mail, after: i64, step| JourneyEvent { mail, at: Timestamp(1_000_000 + after), step };
        let delivered = || Step::Delivered {
            recipient: "a@example.org".parse().unwrap(),
            host: String::new(),
            reply: String::new(),
            tls: None,
            milliseconds: 3,
        };
        for (after, name) in [(0, "delay-10s"), (10_000, "delay-10s"), (10_001, "delay-1m"), (600_001, "delay-1h"), (3_600_001, LONGER)] {
            assert_eq!(counting.of_step(&step(mail, after, delivered())), [Some("delivery-delivered"), Some(name)], "{after}");
        }
        counting.of_step(&step(mail, 0, Step::QuarantineAction { action: "released".into(), by: "anna".into() }));
        assert_eq!(counting.of_step(&step(mail, DAY_MS, delivered())), [Some("delivery-delivered"), None]);
    }
}
