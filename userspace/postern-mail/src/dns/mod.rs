//! Name resolution: the only door to DNS, over hickory-resolver, with a cache of plain answers in front.
//!
//! A question has five outcomes and callers must tell them apart: a name that does not exist says
//! something about a sender, a name server that does not answer says nothing (RFC 7208 §2.6.6,
//! RFC 7489 §6.6.3), and a node without name resolution must not punish anybody.

mod cache;
mod servers;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use postern_model::patience::Patience;
use postern_model::settings::node::DnsSettings;
use tokio::time::error::Elapsed;

use cache::{AnswerCache, Records};
use servers::Servers;

/// Negative answers without a SOA are believed for this long; with one, its TTL counts up to the maximum.
const NEGATIVE_TTL: Duration = Duration::from_secs(30);
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(300);
/// A dead name server is not asked the same again by every mail of a burst.
const FAILURE_TTL: Duration = Duration::from_secs(3);
/// Questions in a row without an answer after which the servers are tried by a question of ours: a stranger's zones may be silent on
/// purpose, and must not switch name resolution off for others. Servers that do not answer that are tried again this often.
const SILENT_AFTER: u32 = 20;
const TRY_EVERY: Duration = Duration::from_secs(1);
/// No answer is kept longer than this, whatever its TTL says.
const POSITIVE_TTL_MAX: Duration = Duration::from_secs(3600);
/// Names of one PTR answer that are looked up again (RFC 7208 §4.6.4 has the same bound).
const MAX_REVERSE_NAMES: usize = 10;
/// Records kept of one answer: nobody needs more, and an answer of thousands is an attack.
const MAX_RECORDS: usize = 100;

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    Found(T),
    /// NXDOMAIN, or the name cannot be asked for at all.
    NoName,
    /// The name exists without a record of this type.
    NoData,
    /// No usable answer (time-out, SERVFAIL, REFUSED): asking later may help.
    Temporary(Arc<str>),
    /// Name resolution is switched off: the question was not asked.
    Off,
}

impl<T> Answer<T> {
    pub fn found(self) -> Option<T> {
        match self {
            Self::Found(value) => Some(value),
            _ => None,
        }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Found(value) => Answer::Found(change(value)),
            Self::NoName => Answer::NoName,
            Self::NoData => Answer::NoData,
            Self::Temporary(why) => Answer::Temporary(why),
            Self::Off => Answer::Off,
        }
    }

    /// The name certainly has no such record.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::NoName | Self::NoData)
    }
}

/// One mail exchanger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    pub preference: u16,
    /// Lower case, without the final dot. Empty: "no mail here" (RFC 7505).
    pub exchange: String,
}

/// What the reverse name of an address is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reverse {
    /// The first name that resolves back to the address.
    pub confirmed: Option<String>,
    /// The first name that was given, when none resolves back.
    pub unconfirmed: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    #[error("the resolver cannot be set up")]
    Build(#[source] Box<NetError>),
}

/// A handle on the shared resolver; clones share connections and cache.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    /// `None`: name resolution is switched off.
    servers: Option<Servers>,
    cache: AnswerCache,
    timeout: Duration,
    patience: Patience,
}

impl Inner {
    fn new(servers: Option<Servers>, cache_entries: usize, timeout: Duration) -> Self {
        Self { servers, cache: AnswerCache::new(cache_entries), timeout, patience: Patience::new(SILENT_AFTER, TRY_EVERY, Instant::now()) }
    }
}

impl Resolver {
    /// Sends nothing yet. With `enabled = false` every answer is [`Answer::Off`].
    pub fn new(settings: &DnsSettings) -> Result<Self, ResolverError> {
        let servers = if settings.enabled { Some(Servers::new(settings, Path::new(servers::SYSTEM))?) } else { None };
        Ok(Self(Arc::new(Inner::new(servers, settings.cache_entries, settings.timeout.0))))
    }

    /// A resolver that asks nobody.
    pub fn off() -> Self {
        Self(Arc::new(Inner::new(None, 1, Duration::ZERO)))
    }

    pub fn is_off(&self) -> bool {
        self.0.servers.is_none()
    }

    /// Whether no name server answers: waiting for one is of no use now.
    pub fn is_silent(&self) -> bool {
        self.0.patience.is_over()
    }

    /// The engine, for mail-auth. `None`: it is switched off, or nobody is known who could be asked.
    pub(crate) fn hickory(&self) -> Option<TokioResolver> {
        self.0.servers.as_ref().and_then(Servers::engine)
    }

    /// How long one question may take.
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// MX records, best first. An exchange that is empty says "no mail here": see [`is_null_mx`].
    pub async fn mx(&self, domain: &str) -> Answer<Arc<[Mx]>> {
        let answer = self.ask(domain, RecordType::MX, |records| {
            let mut all: Vec<Mx> = records
                .filter_map(|data| match data {
                    RData::MX(mx) => Some(Mx { preference: mx.preference, exchange: plain(&mx.exchange) }),
                    _ => None,
                })
                .take(MAX_RECORDS)
                .collect();
            all.sort_by_key(|mx| mx.preference);
            (!all.is_empty()).then(|| Records::Mx(all.into()))
        });
        answer.await.and_then(|records| match records {
            Records::Mx(mx) => Some(mx),
            _ => None,
        })
    }

    /// A records.
    pub async fn ipv4(&self, name: &str) -> Answer<Arc<[IpAddr]>> {
        self.ip_records(name, RecordType::A).await
    }

    /// AAAA records.
    pub async fn ipv6(&self, name: &str) -> Answer<Arc<[IpAddr]>> {
        self.ip_records(name, RecordType::AAAA).await
    }

    /// A and AAAA together, IPv6 first.
    pub async fn addresses(&self, name: &str) -> Answer<Arc<[IpAddr]>> {
        let (six, four) = tokio::join!(self.ipv6(name), self.ipv4(name));
        match (six, four) {
            (Answer::Found(six), Answer::Found(four)) => Answer::Found(six.iter().chain(four.iter()).copied().collect()),
            (Answer::Found(one), _) | (_, Answer::Found(one)) => Answer::Found(one),
            (Answer::Temporary(why), _) | (_, Answer::Temporary(why)) => Answer::Temporary(why),
            (Answer::NoData, _) | (_, Answer::NoData) => Answer::NoData,
            (other, _) => other,
        }
    }

    /// TXT records, the strings of each put together, lossy UTF-8.
    pub async fn txt(&self, name: &str) -> Answer<Arc<[String]>> {
        let answer = self.ask(name, RecordType::TXT, |records| {
            let all: Vec<String> = records
                .filter_map(|data| match data {
                    RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                    _ => None,
                })
                .take(MAX_RECORDS)
                .collect();
            (!all.is_empty()).then(|| Records::Text(all.into()))
        });
        answer.await.and_then(|records| match records {
            Records::Text(text) => Some(text),
            _ => None,
        })
    }

    /// Reverse names with forward confirmation.
    pub async fn ptr(&self, ip: IpAddr) -> Answer<Reverse> {
        let ip = ip.to_canonical();
        let mut name = reversed(ip);
        name.push_str(if ip.is_ipv4() { ".in-addr.arpa" } else { ".ip6.arpa" });
        let answer = self.ask(&name, RecordType::PTR, |records| {
            let all: Vec<String> = records
                .filter_map(|data| match data {
                    RData::PTR(ptr) => Some(plain(ptr)),
                    _ => None,
                })
                .filter(|name| !name.is_empty())
                .take(MAX_REVERSE_NAMES)
                .collect();
            (!all.is_empty()).then(|| Records::Text(all.into()))
        });
        let names = match answer.await {
            Answer::Found(Records::Text(names)) => names,
            other => return other.and_then(|_| None),
        };
        let mut failed = None;
        for name in names.iter() {
            let back = if ip.is_ipv4() { self.ipv4(name).await } else { self.ipv6(name).await };
            match back {
                Answer::Found(all) if all.contains(&ip) => {
                    return Answer::Found(Reverse { confirmed: Some(name.clone()), unconfirmed: None });
                }
                Answer::Temporary(why) => failed = Some(why),
                _ => {}
            }
        }
        match failed {
            Some(why) => Answer::Temporary(why),
            None => Answer::Found(Reverse { confirmed: None, unconfirmed: names.first().cloned() }),
        }
    }

    /// Whether mail could be sent to a domain: it has MX, A or AAAA records (RFC 5321 §5.1). A null MX
    /// (RFC 7505) counts as existing: ask [`Resolver::mx`] for it.
    pub async fn exists(&self, domain: &str) -> Answer<()> {
        match self.mx(domain).await {
            Answer::Found(_) => Answer::Found(()),
            Answer::NoName => Answer::NoName,
            Answer::Off => Answer::Off,
            Answer::NoData => self.addresses(domain).await.map(|_| ()),
            Answer::Temporary(why) => match self.addresses(domain).await {
                Answer::Found(_) => Answer::Found(()),
                _ => Answer::Temporary(why),
            },
        }
    }

    /// Asks a DNS list about an address (RFC 5782 §2.1, §2.4). `Found`: it is listed, with these answers.
    pub async fn dnsbl(&self, ip: IpAddr, zone: &str) -> Answer<Arc<[Ipv4Addr]>> {
        self.dnsbl_name(&reversed(ip.to_canonical()), zone).await
    }

    /// Asks a DNS list about a domain (RFC 5782 §2.2).
    pub async fn dnsbl_name(&self, subject: &str, zone: &str) -> Answer<Arc<[Ipv4Addr]>> {
        let mut name = String::with_capacity(subject.len() + zone.len() + 1);
        name.push_str(subject.trim_end_matches('.'));
        name.push('.');
        name.push_str(zone);
        self.ipv4(&name).await.map(|all| {
            all.iter()
                .filter_map(|ip| match ip {
                    IpAddr::V4(four) => Some(*four),
                    IpAddr::V6(_) => None,
                })
                .collect()
        })
    }

    /// Forgets everything that was answered, after settings or a name server changed.
    pub fn clear(&self) {
        self.0.cache.clear();
        if let Some(hickory) = self.hickory() {
            hickory.clear_cache();
        }
    }

    async fn ip_records(&self, name: &str, kind: RecordType) -> Answer<Arc<[IpAddr]>> {
        let answer = self.ask(name, kind, |records| {
            let all: Vec<IpAddr> = records
                .filter_map(|data| match data {
                    RData::A(a) => Some(IpAddr::V4(a.0)),
                    RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
                    _ => None,
                })
                .take(MAX_RECORDS)
                .collect();
            (!all.is_empty()).then(|| Records::Ip(all.into()))
        });
        answer.await.and_then(|records| match records {
            Records::Ip(all) => Some(all),
            _ => None,
        })
    }

    /// The cache, then the name servers, within the time limit.
    async fn ask<F>(&self, name: &str, kind: RecordType, read: F) -> Answer<Records>
    where
        F: FnOnce(&mut dyn Iterator<Item = &RData>) -> Option<Records>,
    {
        let Some(servers) = &self.0.servers else { return Answer::Off };
        let now = Instant::now();
        let key = cache::key(name, kind);
        if let Some(known) = self.0.cache.get(&key, now) {
            return known;
        }
        let Some(query) = parse_name(name) else { return Answer::NoName };
        let Some(hickory) = servers.engine() else { return Answer::Temporary(Arc::from("no name server is known")) };
        if self.is_silent() && !(self.0.patience.may_ask(now) && self.servers_answer().await) {
            return Answer::Temporary(Arc::from("the name servers are silent"));
        }
        let asked = tokio::time::timeout(self.0.timeout, hickory.lookup(query, kind)).await;
        let is_silence = !is_answer(&asked);
        let (answer, valid_until) = match asked {
            Err(_) => (Answer::Temporary(Arc::from("no answer in time")), now + FAILURE_TTL),
            Ok(Ok(lookup)) => {
                let valid_until = lookup.valid_until().min(now + POSITIVE_TTL_MAX);
                match read(&mut lookup.answers().iter().map(|record| &record.data)) {
                    Some(records) => (Answer::Found(records), valid_until),
                    // A CNAME that leads nowhere, or records of another type only.
                    None => (Answer::NoData, now + NEGATIVE_TTL),
                }
            }
            Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => {
                let ttl =
                    none.negative_ttl.map_or(NEGATIVE_TTL, |s| Duration::from_secs(u64::from(s)).clamp(NEGATIVE_TTL, NEGATIVE_TTL_MAX));
                (if none.response_code == ResponseCode::NXDomain { Answer::NoName } else { Answer::NoData }, now + ttl)
            }
            Ok(Err(other)) => (Answer::Temporary(other.to_string().into()), now + FAILURE_TTL),
        };
        if !is_silence {
            self.0.patience.answered();
        } else if self.0.patience.is_at_its_end() {
            self.servers_answer().await;
        } else {
            self.0.patience.failed(Instant::now());
        }
        self.0.cache.insert(key, answer.clone(), valid_until);
        answer
    }
}

impl Resolver {
    /// Asks for a name that nobody's zone can hold (RFC 6761 §6.2) and no cache does. (`invalid` would do as well, but is answered by
    /// hickory itself.) Runs on when the asker, who may have less time, is gone.
    async fn servers_answer(&self) -> bool {
        let resolver = self.clone();
        tokio::spawn(async move { resolver.try_servers().await }).await.unwrap_or(false)
    }

    async fn try_servers(&self) -> bool {
        let Some(hickory) = self.hickory() else { return false };
        let name = format!("{:016x}.test.", rand::random::<u64>());
        let asked = tokio::time::timeout(self.0.timeout, hickory.lookup(name, RecordType::A)).await;
        let answers = is_answer(&asked);
        if answers {
            if self.is_silent() {
                tracing::info!("name servers answer again");
            }
            self.0.patience.answered();
        } else if self.0.patience.failed(Instant::now()) {
            tracing::warn!("no name server answers: mail goes on without names, DNS lists and sender authentication; see [dns] servers");
        }
        answers
    }
}

/// Whether a server said anything: a refusal or a failure of its own is about the name, not about the server.
fn is_answer<T>(asked: &Result<Result<T, NetError>, Elapsed>) -> bool {
    matches!(asked, Ok(Ok(_) | Err(NetError::Dns(_))))
}

impl<T> Answer<T> {
    fn and_then<U>(self, change: impl FnOnce(T) -> Option<U>) -> Answer<U> {
        match self.map(change) {
            Answer::Found(Some(value)) => Answer::Found(value),
            Answer::Found(None) | Answer::NoData => Answer::NoData,
            Answer::NoName => Answer::NoName,
            Answer::Temporary(why) => Answer::Temporary(why),
            Answer::Off => Answer::Off,
        }
    }
}

/// One MX that points at the root: the domain takes no mail (RFC 7505 §3).
pub fn is_null_mx(records: &[Mx]) -> bool {
    matches!(records, [only] if only.exchange.is_empty())
}

/// `1.2.0.192`, or 32 nibbles: the address as DNS lists and reverse zones want it.
pub fn reversed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(four) => {
            let [a, b, c, d] = four.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(six) => {
            let mut out = String::with_capacity(63);
            for octet in six.octets().iter().rev() {
                for nibble in [octet & 15, octet >> 4] {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
                }
            }
            out
        }
    }
}

/// A fully qualified name in A-labels; `None` for what cannot be a name (empty, too long, an address literal).
fn parse_name(name: &str) -> Option<Name> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    if bare.is_empty() || bare.starts_with('[') || bare.bytes().any(|b| b <= b' ' || b == b'\\' || b == 0x7f) {
        return None;
    }
    let ascii = if bare.is_ascii() { None } else { Some(idna::domain_to_ascii(bare).ok()?) };
    let mut parsed = Name::from_ascii(ascii.as_deref().unwrap_or(bare)).ok()?;
    parsed.set_fqdn(true);
    Some(parsed)
}

/// Lower case, no final dot.
fn plain(name: &Name) -> String {
    let mut text = name.to_ascii();
    text.make_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}
