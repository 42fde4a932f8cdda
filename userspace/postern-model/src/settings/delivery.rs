//! `[[domains]]`, `[delivery]`: where mail goes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::{Address, Domain};
use crate::time::Span;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientCheck {
    /// Every recipient of the domain is taken.
    #[default]
    None,
    /// Only those in `recipients`.
    Table,
    /// The backend is asked by RCPT TO, and its answer remembered.
    Callout,
}

/// A domain we take mail for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainSettings {
    /// `example.org`; `*.example.org` for all domains below it; `*` for every domain.
    pub name: String,
    /// Backends, tried in order of `priority`; equal ones share by weight.
    #[serde(default)]
    pub backends: Vec<Backend>,
    #[serde(default)]
    pub recipient_check: RecipientCheck,
    /// The mailboxes, for `recipient_check = "table"`.
    #[serde(default)]
    pub recipients: Vec<Address>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    #[default]
    Smtp,
    /// RFC 2033: one reply for each recipient.
    Lmtp,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsPolicy {
    /// Never.
    Off,
    /// When offered; the certificate is not checked.
    #[default]
    Opportunistic,
    /// Always; the certificate is not checked.
    Required,
    /// Always, with a certificate valid for the host's name.
    Verified,
}

/// A next hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Host name, address, or the path of a unix socket.
    pub host: String,
    /// Default: 25 for SMTP, 24 for LMTP; not used for a unix socket.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub protocol: Protocol,
    #[serde(default)]
    pub tls: TlsPolicy,
    /// Lower is tried first.
    #[serde(default)]
    pub priority: u16,
    /// Share among backends of the same priority.
    #[serde(default = "one")]
    pub weight: u16,
    /// User name for AUTH, when the next hop asks for one.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub password: Option<String>,
}

fn one() -> u16 {
    1
}

impl Backend {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.protocol {
            Protocol::Smtp => 25,
            Protocol::Lmtp => 24,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// Next hops for mail to domains that are not ours; empty: MX look-up.
    pub smarthosts: Vec<Backend>,
    /// TLS towards MX hosts.
    pub mx_tls: TlsPolicy,
    /// Port of MX hosts; 25 but in tests.
    pub mx_port: u16,
    /// Connections at a time to one destination.
    pub max_connections_per_destination: usize,
    /// Connections at a time to all destinations.
    pub max_connections: usize,
    /// An idle connection is kept this long for the next mail.
    pub keep_idle: Span,
    /// Mails over one connection.
    pub max_mails_per_connection: usize,
    /// Recipients in one transaction.
    pub max_recipients_per_mail: usize,
    pub connect_timeout: Span,
    /// Wait for a reply (the reply after the data gets twice as long; RFC 5321 §4.5.3.2).
    pub reply_timeout: Span,
    /// First wait after a failed attempt; doubles up to `retry_max`, with a fifth of jitter.
    pub retry_first: Span,
    pub retry_max: Span,
    /// After this long a mail is given up.
    pub lifetime: Span,
    /// After this long the sender of outbound mail is told that it waits.
    pub delay_notice: Span,
    pub spool: SpoolSettings,
    /// Header and quarantine of what the filter judged.
    pub subject_tag: String,
    /// How long a quarantined mail is kept.
    pub quarantine_ttl: Span,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            smarthosts: Vec::new(),
            mx_tls: TlsPolicy::Opportunistic,
            mx_port: 25,
            max_connections_per_destination: 20,
            max_connections: 500,
            keep_idle: Span::seconds(5),
            max_mails_per_connection: 1000,
            max_recipients_per_mail: 100,
            connect_timeout: Span::seconds(30),
            reply_timeout: Span::minutes(5),
            retry_first: Span::minutes(1),
            retry_max: Span::hours(1),
            lifetime: Span::days(5),
            delay_notice: Span::hours(4),
            spool: SpoolSettings::default(),
            subject_tag: String::new(),
            quarantine_ttl: Span::days(30),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolSettings {
    /// A segment is closed at this many octets.
    pub segment_size: u64,
    /// Bodies above this many octets are files of their own beside the segments.
    pub inline_body: u64,
    /// New mail gets 452 when less than this many octets are free on the disk.
    pub reserve: u64,
    /// Mails that finish within this time share one sync.
    pub group_commit: Span,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self { segment_size: 64 * 1024 * 1024, inline_body: 1024 * 1024, reserve: 256 * 1024 * 1024, group_commit: Span::millis(0) }
    }
}

/// A domain pattern of [`DomainSettings::name`].
pub fn domain_matches(pattern: &str, domain: &Domain) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => domain.as_str().strip_suffix(parent).is_some_and(|head| head.len() > 1 && head.ends_with('.')),
        None => pattern == "*" || pattern.eq_ignore_ascii_case(domain.as_str()),
    }
}
