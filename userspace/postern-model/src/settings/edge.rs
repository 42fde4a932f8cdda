//! `[edge]`: what the XDP program does.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Domain;
use crate::time::Span;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum XdpMode {
    /// In the driver where it can, else in the network stack.
    #[default]
    Auto,
    Native,
    Generic,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeSettings {
    /// Interfaces to guard; empty: none (the filter in userspace refuses banned clients by itself).
    pub interfaces: Vec<String>,
    pub mode: XdpMode,
    /// TCP ports that feeds and rates guard. Bans guard every port in `service_ports`.
    pub smtp_ports: Vec<u16>,
    /// TCP ports of the appliance that a banned address cannot reach.
    pub service_ports: Vec<u16>,
    /// Never dropped, never banned.
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<IpNet>,
    pub feeds: Vec<Feed>,
    pub rates: RateSettings,
    pub bans: BanSettings,
    /// One address for the whole cluster.
    pub steering: SteeringSettings,
    /// One of so many dropped packets is shown as a sample.
    pub sample_every: u32,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            mode: XdpMode::Auto,
            smtp_ports: vec![25, 26, 465, 587],
            service_ports: vec![25, 26, 465, 587, 110, 143, 993, 995, 443, 8443],
            allow: Vec::new(),
            feeds: Vec::new(),
            rates: RateSettings::default(),
            bans: BanSettings::default(),
            steering: SteeringSettings::default(),
            sample_every: 64,
        }
    }
}

/// A list of bad networks: a file on this machine, or a URL when one is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// For counters and messages: `drop`, `office-blocklist`.
    pub name: Domain,
    /// One address or CIDR a line; `;` and `#` begin a comment (plain lists, Spamhaus DROP). JSON lines with a `cidr` key are read too.
    #[serde(default)]
    pub file: PathBuf,
    /// Fetched into the data directory by HTTP(S); nothing is fetched unless this is set.
    #[serde(default)]
    pub url: Option<String>,
    /// How often it is read (and fetched) again.
    #[serde(default = "hour")]
    pub every: Span,
}

fn hour() -> Span {
    Span::hours(1)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateSettings {
    /// New connections a second from one IPv4 address or IPv6 /64; 0: no limit.
    pub syn_per_second: u32,
    /// So many may come at once.
    pub syn_burst: u32,
    /// New connections a second over all sources; 0: no limit.
    pub total_syn_per_second: u32,
}

impl Default for RateSettings {
    fn default() -> Self {
        Self { syn_per_second: 20, syn_burst: 200, total_syn_per_second: 0 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BanSettings {
    pub enabled: bool,
    /// Length of a first ban; doubles with each further one of the same address.
    pub first: Span,
    pub longest: Span,
    /// Bad acts are counted over this time.
    pub window: Span,
    /// Bans in force at most; beyond it the ones that end first make room. The kernel keeps some 32 octets of memory ready for
    /// each, rounded up to a power of two, before the first one is there.
    pub max: usize,
    /// How many of each act within `window` bring a ban; 0: that act never does.
    pub pregreet: u32,
    pub relay_attempts: u32,
    pub unknown_recipients: u32,
    /// Mails refused by their verdict or while they came in (too large, bare newline, loop), and connections refused for their rate.
    pub rejected_mails: u32,
    /// At the console.
    pub failed_logins: u32,
    pub protocol_errors: u32,
}

impl Default for BanSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            first: Span::minutes(10),
            longest: Span::days(7),
            window: Span::minutes(10),
            max: 250_000,
            pregreet: 3,
            relay_attempts: 5,
            unknown_recipients: 20,
            rejected_mails: 10,
            failed_logins: 10,
            protocol_errors: 30,
        }
    }
}

/// What decides which node serves a connection to a virtual address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SteerBy {
    /// The client's address (IPv6: its /64): a client always meets the same node, and fragments and ICMP errors find it.
    #[default]
    Source,
    /// Address and ports: spreads the connections of few large clients, too. Fragments of such connections are lost.
    Connection,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SteeringSettings {
    /// Virtual addresses that all nodes of the cluster serve together; empty: no steering. None of them may be configured on a
    /// machine: the nodes put them there.
    #[schemars(with = "Vec<String>")]
    pub addresses: Vec<IpAddr>,
    pub by: SteerBy,
    /// A node that comes (back) gets its share of new connections step by step over this time.
    pub ramp_up: Span,
    /// New connections a second to this node's SMTP ports above which they are answered with SYN cookies at the network card; 0: never
    /// (the kernel has cookies of its own when a port's queue overflows).
    pub syn_cookies_above: u32,
    /// The interface where this node meets its peers and announces virtual addresses; empty: the first guarded one. Node-local.
    pub interface: String,
    /// This node's share beside the others' weights, 1 to 1000. Node-local.
    pub weight: u32,
}

impl Default for SteeringSettings {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            by: SteerBy::Source,
            ramp_up: Span::seconds(60),
            syn_cookies_above: 0,
            interface: String::new(),
            weight: 100,
        }
    }
}

impl EdgeSettings {
    /// Where peers are met: the interface that is named for it, else the first guarded one.
    pub fn steering_interface(&self) -> Option<&str> {
        let named = Some(self.steering.interface.as_str()).filter(|i| !i.is_empty());
        named.or(self.interfaces.first().map(String::as_str))
    }
}
