//! `[smtp]`, `[greylist]`: receiving mail.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpSettings {
    /// Addresses for mail from the Internet.
    pub listen: Vec<SocketAddr>,
    /// Addresses for mail from our own servers to anywhere; only `trusted_networks` may use them.
    pub trusted_listen: Vec<SocketAddr>,
    /// Who may send outbound mail through `trusted_listen`.
    #[schemars(with = "Vec<String>")]
    pub trusted_networks: Vec<IpNet>,
    /// Balancers that send a PROXY protocol header (v1 or v2) first. Nobody else may.
    #[schemars(with = "Vec<String>")]
    pub proxy_protocol_from: Vec<IpNet>,
    pub tls: TlsSettings,
    pub limits: SmtpLimits,
    /// Silence before the greeting; a client that speaks in it is no mail server. Zero: no pause.
    pub greeting_pause: Span,
    /// Wait before each reply to a client that made errors; grows with each error up to ten times.
    pub tarpit: Span,
    /// Refuse mail with a bare CR or LF. Off: it is mended to CRLF (never passed on as it is).
    pub refuse_bare_newlines: bool,
    /// Refuse senders whose domain has neither MX nor address.
    pub refuse_unknown_sender_domain: bool,
    /// Refuse HELO names that are no host name or that claim to be us.
    pub refuse_bad_helo: bool,
    pub callout: CalloutSettings,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 25))],
            trusted_listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 26))],
            trusted_networks: Vec::new(),
            proxy_protocol_from: Vec::new(),
            tls: TlsSettings::default(),
            limits: SmtpLimits::default(),
            greeting_pause: Span::millis(200),
            tarpit: Span::millis(500),
            refuse_bare_newlines: true,
            refuse_unknown_sender_domain: true,
            refuse_bad_helo: true,
            callout: CalloutSettings::default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Offer STARTTLS.
    pub enabled: bool,
    /// PEM file with the certificate chain; empty: a self-signed one is made in the data directory.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// Networks that must use TLS before MAIL.
    #[schemars(with = "Vec<String>")]
    pub required_from: Vec<IpNet>,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { enabled: true, certificate: PathBuf::new(), key: PathBuf::new(), required_from: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SmtpLimits {
    /// Largest mail, in octets (SIZE, RFC 1870).
    pub max_message_size: u64,
    /// Recipients in one transaction; RFC 5321 §4.5.3.1.8 asks for at least 100.
    pub max_recipients: usize,
    /// Transactions in one session.
    pub max_transactions: usize,
    /// Sessions at a time over all sources.
    pub max_connections: usize,
    /// Sessions at a time from one IPv4 address or IPv6 /64.
    pub max_connections_per_source: usize,
    /// New sessions a minute from one IPv4 address or IPv6 /64.
    pub connections_per_minute: u32,
    /// Errors in one session before it is closed.
    pub max_errors: usize,
    /// Unknown recipients in one session before it is closed as a dictionary attack.
    pub max_unknown_recipients: usize,
    /// Longest command line, in octets; RFC 5321 §4.5.3.1.4 asks for at least 512.
    pub max_command_line: usize,
    /// Longest line of a mail before it is refused, in octets. RFC 5321 §4.5.3.1.6 says 1,000; real mail does not keep to it.
    pub max_text_line: usize,
    /// Octets of a mail's header before it is refused.
    pub max_header_size: usize,
    /// Received lines before a mail is taken for a loop (RFC 5321 §6.3).
    pub max_hops: usize,
    /// Wait for the next whole command (RFC 5321 §4.5.3.2.7 says five minutes; under load it shrinks).
    pub idle: Span,
    /// Wait for the next 512 octets of a mail (under load it shrinks).
    pub data_idle: Span,
    /// One session as a whole.
    pub session: Span,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            max_message_size: 50 * 1024 * 1024,
            max_recipients: 1000,
            max_transactions: 1000,
            max_connections: 20_000,
            max_connections_per_source: 100,
            connections_per_minute: 600,
            max_errors: 10,
            max_unknown_recipients: 10,
            max_command_line: 4096,
            max_text_line: 1024 * 1024,
            max_header_size: 1024 * 1024,
            max_hops: 50,
            idle: Span::minutes(5),
            data_idle: Span::minutes(3),
            session: Span::hours(2),
        }
    }
}

/// Asking the backend whether a recipient exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CalloutSettings {
    /// How long "it exists" is believed.
    pub positive_ttl: Span,
    /// How long "it does not exist" is believed.
    pub negative_ttl: Span,
    /// How long one question may take.
    pub timeout: Span,
    /// Answers kept in memory.
    pub cache_entries: usize,
    /// When no backend answers and nothing is remembered: take the mail (true) or answer 451.
    pub accept_when_unreachable: bool,
}

impl Default for CalloutSettings {
    fn default() -> Self {
        Self {
            positive_ttl: Span::days(1),
            negative_ttl: Span::minutes(10),
            timeout: Span::seconds(10),
            cache_entries: 100_000,
            accept_when_unreachable: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GreylistSettings {
    pub enabled: bool,
    /// How long a first attempt is put off.
    pub delay: Span,
    /// A second attempt must come within this time.
    pub window: Span,
    /// A client that passed once is not put off again for this long.
    pub pass_ttl: Span,
    /// Only clients with at least this score before the data are put off; good clients pass at once.
    pub min_score: f64,
}

impl Default for GreylistSettings {
    fn default() -> Self {
        Self { enabled: true, delay: Span::minutes(3), window: Span::hours(48), pass_ttl: Span::days(36), min_score: 2.0 }
    }
}
