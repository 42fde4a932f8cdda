//! `[node]`, `[console]`, `[log]`, `[dns]`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// Fully qualified name: in the greeting, in Received and as authserv-id. Empty: the host's name.
    pub hostname: String,
    /// Spool, quarantine, database, keys.
    pub data_dir: PathBuf,
    /// Unix sockets of the roles.
    pub run_dir: PathBuf,
    /// UDP addresses on which the peers of a cluster reach this node. Nothing is opened before the node is in a cluster.
    pub cluster_listen: Vec<SocketAddr>,
    /// The addresses that peers are told. Empty: those of this machine, with the port it listens on.
    pub cluster_addresses: Vec<SocketAddr>,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            hostname: String::new(),
            data_dir: "/var/lib/postern".into(),
            run_dir: "/run/postern".into(),
            cluster_listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 7425))],
            cluster_addresses: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSettings {
    /// Addresses of the HTTPS console and API.
    pub listen: Vec<SocketAddr>,
    /// PEM file with the certificate chain; empty: a self-signed one is made in the data directory.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
    /// A login that is not used for this long ends, at least `"1m"`. A page that is only open does not use it.
    pub session_idle: Span,
    /// Failed logins from one address before it waits a minute.
    pub login_tries: u32,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 8443))],
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            session_idle: Span::hours(1),
            login_tries: 5,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One line of text each, for people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,postern_mta=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsSettings {
    /// Name servers, `address` or `address:port`. Empty: those of /etc/resolv.conf.
    pub servers: Vec<DnsServer>,
    /// How long one question may take, over all servers and tries.
    pub timeout: Span,
    /// Answers kept in memory.
    pub cache_entries: usize,
    /// Whether name resolution is used at all. Off: SPF, DKIM, DMARC, lists and MX are not asked.
    pub enabled: bool,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Span::seconds(5), cache_entries: 16_384, enabled: true }
    }
}

/// `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct DnsServer(pub SocketAddr);

impl Serialize for DnsServer {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DnsServer {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse::<SocketAddr>().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53))).map(Self).map_err(|_| {
            serde::de::Error::custom(format!("`{text}` is no name server: write an address such as \"192.0.2.53\" or \"192.0.2.53:5353\""))
        })
    }
}
