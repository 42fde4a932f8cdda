//! From bad acts to bans: counts what each source did lately and says when it is enough.
//!
//! Pure: the node feeds it acts with the time they happened and sends the bans that come out to the edge. IPv6 is counted and banned
//! by /64, since its owner can use every address in it. Each ban of the same source is twice as long as the one before.
//!
//! Bounded: the sources that acted least recently are forgotten first, so a flood of sources cannot fill memory.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use ipnet::IpNet;
use lru::LruCache;
use postern_model::control::Ban;
use postern_model::reason::Reason;
use postern_model::settings::edge::BanSettings;
use postern_model::time::Timestamp;

use crate::bans::authority::NODE;
use crate::network::{canonical, of_client, truncated};

/// Sources whose acts are remembered at most.
const MAX_SOURCES: usize = 65_536;
/// Acts of one kind that are remembered for a source at most; thresholds above count as this.
const MAX_ACTS: usize = 1024;

/// Something a mail client should not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Act {
    /// Spoke before the greeting.
    Pregreet,
    /// Asked us to send to a domain that is not ours.
    RelayAttempt,
    /// Named a mailbox that does not exist.
    UnknownRecipient,
    /// Sent a mail that was refused for what it is, or opened far too many connections.
    RejectedMail,
    /// Gave a wrong password.
    FailedLogin,
    /// Sent what is no SMTP.
    ProtocolError,
}

impl Act {
    pub const ALL: [Self; 6] =
        [Self::Pregreet, Self::RelayAttempt, Self::UnknownRecipient, Self::RejectedMail, Self::FailedLogin, Self::ProtocolError];

    /// The reason a ban for this act carries.
    pub fn reason(self) -> Reason {
        match self {
            Self::Pregreet => Reason::Pregreet,
            Self::RelayAttempt => Reason::RelayDenied,
            Self::UnknownRecipient => Reason::DictionaryAttack,
            Self::RejectedMail => Reason::RepeatedRejects,
            Self::FailedLogin => Reason::LoginFailed,
            Self::ProtocolError => Reason::TooManyErrors,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Pregreet => "connections that spoke before the greeting",
            Self::RelayAttempt => "relay attempts",
            Self::UnknownRecipient => "unknown recipients",
            Self::RejectedMail => "refused mails",
            Self::FailedLogin => "failed logins",
            Self::ProtocolError => "protocol errors",
        }
    }

    fn threshold(self, s: &BanSettings) -> usize {
        let n = match self {
            Self::Pregreet => s.pregreet,
            Self::RelayAttempt => s.relay_attempts,
            Self::UnknownRecipient => s.unknown_recipients,
            Self::RejectedMail => s.rejected_mails,
            Self::FailedLogin => s.failed_logins,
            Self::ProtocolError => s.protocol_errors,
        };
        (n as usize).min(MAX_ACTS)
    }
}

#[derive(Debug, Default)]
struct Record {
    acts: [VecDeque<Timestamp>; 6],
    /// Bans so far.
    bans: u32,
    banned_until: Option<Timestamp>,
    reason: Option<Reason>,
}

#[derive(Debug)]
pub struct Offences {
    settings: BanSettings,
    allow: Vec<IpNet>,
    sources: LruCache<IpNet, Record, ahash::RandomState>,
}

impl Offences {
    pub fn new(settings: BanSettings, allow: &[IpNet]) -> Self {
        let bound = NonZeroUsize::MIN.saturating_add(MAX_SOURCES - 1);
        Self {
            settings,
            allow: allow.iter().map(|n| truncated(*n)).collect(),
            sources: LruCache::with_hasher(bound, ahash::RandomState::new()),
        }
    }

    /// Changes the rules; what was counted stays counted.
    pub fn set_rules(&mut self, settings: BanSettings, allow: &[IpNet]) {
        self.settings = settings;
        self.allow = allow.iter().map(|n| truncated(*n)).collect();
    }

    /// Takes over bans in force, from the edge or from a peer, so that they are known here and the next one is longer.
    pub fn remember(&mut self, bans: &[Ban]) {
        for ban in bans {
            let record = self.sources.get_or_insert_mut(truncated(ban.network), Record::default);
            record.bans = record.bans.max(ban.count.saturating_add(1));
            if record.banned_until.is_none_or(|until| until < ban.until) {
                record.banned_until = Some(ban.until);
                record.reason = Some(ban.reason);
            }
        }
    }

    /// Forgets that a source is banned (an admin lifted it); its next ban is as long as a first one.
    pub fn forget(&mut self, networks: &[IpNet]) {
        for network in networks {
            self.sources.pop(&truncated(*network));
        }
    }

    /// Why and until when this client is banned by what was counted or remembered here. (The edge drops such clients before
    /// they come this far; without XDP this is what refuses them.)
    pub fn banned(&mut self, client: IpAddr, now: Timestamp) -> Option<(Reason, Timestamp)> {
        if self.is_allowed(client) {
            return None;
        }
        let single = IpNet::from(canonical(client));
        [of_client(client), single].iter().find_map(|key| {
            let record = self.sources.peek(key)?;
            record.reason.zip(record.banned_until.filter(|until| *until > now))
        })
    }

    /// Counts one act of `client` at `now`; a ban when it was one too many.
    pub fn record(&mut self, client: IpAddr, act: Act, now: Timestamp) -> Option<Ban> {
        let threshold = act.threshold(&self.settings);
        if !self.settings.enabled || threshold == 0 || self.is_allowed(client) {
            return None;
        }
        let window = self.settings.window.0;
        let network = of_client(client);
        let record = self.sources.get_or_insert_mut(network, Record::default);
        let acts = &mut record.acts[act as usize];
        while acts.len() >= threshold || acts.front().is_some_and(|first| now.since(*first) >= window) {
            acts.pop_front();
        }
        acts.push_back(now);
        if acts.len() < threshold || record.banned_until.is_some_and(|until| until > now) {
            return None;
        }
        acts.clear();
        // A source that was good for as long as the longest ban starts anew.
        if record.banned_until.is_some_and(|until| now.since(until) > self.settings.longest.0) {
            record.bans = 0;
        }
        let length = length(&self.settings, record.bans);
        let ban = Ban {
            network,
            reason: act.reason(),
            from: now,
            until: now + length,
            count: record.bans,
            by: NODE.to_owned(),
            evidence: format!("{threshold} {} within {}", act.plural(), self.settings.window),
        };
        record.bans = record.bans.saturating_add(1);
        record.banned_until = Some(ban.until);
        record.reason = Some(ban.reason);
        Some(ban)
    }

    fn is_allowed(&self, client: IpAddr) -> bool {
        let client = canonical(client);
        self.allow.iter().any(|n| n.contains(&client))
    }
}

/// Doubles with each ban before, up to the longest.
fn length(settings: &BanSettings, before: u32) -> Duration {
    let factor = 1u32.checked_shl(before.min(31)).unwrap_or(u32::MAX);
    settings.first.0.saturating_mul(factor).min(settings.longest.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use postern_model::time::Span;

    use super::*;

    fn settings() -> BanSettings {
        BanSettings {
            first: Span::minutes(10),
            longest: Span::hours(1),
            window: Span::minutes(1),
            relay_attempts: 3,
            ..BanSettings::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_third_within_the_window_brings_a_ban() {
        let mut o = Offences::new(settings(), &[]);
        let at = |s: i64| Timestamp(s * 1000);
        assert_eq!(o.record(ip("192.0.2.1"), Act::RelayAttempt, at(0)), None);
        assert_eq!(o.record(ip("192.0.2.1"), Act::RelayAttempt, at(50)), None);
        assert_eq!(o.record(ip("192.0.2.1"), Act::RelayAttempt, at(70)), None, "the first is a minute old");
        assert_eq!(o.record(ip("192.0.2.1"), Act::FailedLogin, at(71)), None, "another kind of act");
        assert_eq!(o.record(ip("192.0.2.2"), Act::RelayAttempt, at(72)), None, "another source");
        let ban = o.record(ip("::ffff:192.0.2.1"), Act::RelayAttempt, at(80)).unwrap();
        assert_eq!((ban.network.to_string().as_str(), ban.reason, ban.until, ban.count), ("192.0.2.1/32", Reason::RelayDenied, at(680), 0));
        assert_eq!(ban.evidence, "3 relay attempts within 1m");
        assert_eq!(o.banned(ip("192.0.2.1"), at(679)), Some((Reason::RelayDenied, at(680))));
        assert_eq!(o.banned(ip("192.0.2.1"), at(680)), None);
    }

    #[test]
    fn bans_grow_and_good_conduct_is_remembered() {
        let mut o = Offences::new(settings(), &[]);
        let mut now = 0;
        let mut next = |o: &mut Offences, wait: i64| {
            now += wait;
            let ban = (0..3).find_map(|_| o.record(ip("192.0.2.1"), Act::RelayAttempt, Timestamp(now))).unwrap();
            now = ban.until.0;
            ban.until.since(ban.from).as_secs() / 60
        };
        let minutes: Vec<u64> = (0..5).map(|_| next(&mut o, 1000)).collect();
        assert_eq!(minutes, [10, 20, 40, 60, 60]);
        assert_eq!(next(&mut o, 3_700_000), 10, "more than the longest ban without a new one");
    }

    #[test]
    fn a_source_in_ipv6_is_its_64() {
        let mut o = Offences::new(settings(), &[]);
        let ban = (0..3).find_map(|i| o.record(ip(&format!("2001:db8::{i}")), Act::RelayAttempt, Timestamp(i))).unwrap();
        assert_eq!(ban.network.to_string(), "2001:db8::/64");
        assert!(o.banned(ip("2001:db8::ffff"), Timestamp(5)).is_some());
    }

    #[test]
    fn allowed_or_switched_off_means_never() {
        let mut o = Offences::new(settings(), &["192.0.2.0/24".parse().unwrap()]);
        assert!((0..99).all(|i| o.record(ip("192.0.2.1"), Act::RelayAttempt, Timestamp(i)).is_none()));
        o.set_rules(BanSettings { relay_attempts: 0, ..settings() }, &[]);
        assert!((0..99).all(|i| o.record(ip("192.0.2.1"), Act::RelayAttempt, Timestamp(i)).is_none()));
        o.set_rules(BanSettings { enabled: false, ..settings() }, &[]);
        assert!((0..99).all(|i| o.record(ip("192.0.2.1"), Act::RelayAttempt, Timestamp(i)).is_none()));
    }

    #[test]
    fn bans_of_others_are_known_and_lengthen_ours() {
        let mut o = Offences::new(settings(), &[]);
        let first = (0..3).find_map(|_| o.record(ip("192.0.2.1"), Act::RelayAttempt, Timestamp(0))).unwrap();
        let mut fresh = Offences::new(settings(), &[]);
        fresh.remember(std::slice::from_ref(&first));
        assert!(fresh.banned(ip("192.0.2.1"), Timestamp(5)).is_some());
        let later = first.until;
        let second = (0..3).find_map(|_| fresh.record(ip("192.0.2.1"), Act::RelayAttempt, later)).unwrap();
        assert_eq!((second.count, second.until.since(second.from).as_secs()), (1, 1200));
        fresh.forget(&[second.network]);
        assert!(fresh.banned(ip("192.0.2.1"), later).is_none());
    }
}
