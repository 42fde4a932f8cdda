//! Messages between the roles: `node` → `edge` over a unix socket, one JSON object a line.
//!
//! Every request gets exactly one reply, in order. A line that is no [`EdgeRequest`] ends the
//! connection (STYLE 14); a line over [`MAX_LINE`] octets does too.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;
use crate::settings::edge::EdgeSettings;
use crate::steering::{SteerPlan, SteeringStatus};
use crate::time::Timestamp;

/// Longest line either side takes: settings with a few thousand allowed networks fit.
pub const MAX_LINE: usize = 1 << 20;

/// A ban in force. Bans name a /32 or a /128 (or, by hand, a network).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    pub network: IpNet,
    pub reason: Reason,
    pub from: Timestamp,
    pub until: Timestamp,
    /// How often this address was banned before; the ban's length grows with it.
    pub count: u32,
    /// `node`, or the name of the admin who set it.
    pub by: String,
    /// What it did, for people.
    pub evidence: String,
}

/// What nodes of a cluster tell each other about bans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BanChange {
    Set(Vec<Ban>),
    Lifted(Vec<IpNet>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum EdgeRequest {
    /// Put these settings in force (allow list, feeds, rates, interfaces).
    Apply {
        settings: Box<EdgeSettings>,
    },
    Ban {
        bans: Vec<Ban>,
    },
    Unban {
        networks: Vec<IpNet>,
    },
    /// The bans in force, newest first, at most `limit`.
    Bans {
        limit: usize,
    },
    Status,
    /// The newest dropped packets' samples, at most `limit`.
    Samples {
        limit: usize,
    },
    /// What would happen to a packet, and why.
    Trace(TraceQuestion),
    /// Read the feed files again now.
    ReloadFeeds,
    /// Who serves the virtual addresses; `None`: nobody steers. To be repeated every second.
    Steer {
        plan: Option<Box<SteerPlan>>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum EdgeReply {
    Done,
    Bans {
        bans: Vec<Ban>,
    },
    Status {
        status: Box<EdgeStatus>,
    },
    Samples {
        samples: Vec<Sample>,
    },
    Trace {
        trace: Trace,
    },
    /// What was wrong with the request, for people.
    Refused {
        why: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EdgeStatus {
    pub version: String,
    pub since: Timestamp,
    pub interfaces: Vec<InterfaceStatus>,
    pub counters: Vec<Counter>,
    pub bans: usize,
    pub allowed: usize,
    pub feeds: Vec<FeedStatus>,
    /// Samples lost because the ring was full or the cap was reached.
    pub samples_lost: u64,
    /// `None`: nothing is steered.
    #[serde(default)]
    pub steering: Option<SteeringStatus>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    pub name: String,
    /// `native`, `generic`, or why it is not attached.
    pub mode: String,
    pub attached: bool,
}

/// Packets and octets for one reason since the maps were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Stable kebab-case name of the kernel side's reason: `drop-ban`, `drop-feed`, `pass`, ….
    pub name: String,
    pub drops: bool,
    pub packets: u64,
    pub octets: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedStatus {
    pub name: String,
    pub entries: usize,
    pub loaded: Option<Timestamp>,
    /// What went wrong at the last reading; the last good content stays in force.
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub at: Timestamp,
    pub source: IpAddr,
    pub port: u16,
    pub reason: String,
    pub length: u32,
}

/// A packet that is only thought of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceQuestion {
    /// Where it comes from.
    pub address: IpAddr,
    /// The port it comes from; 40000 unless given.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// Where it goes to; unless given the first virtual address of the same family, where something is steered.
    #[serde(default)]
    pub to: Option<IpAddr>,
    /// The first SMTP port unless given.
    #[serde(default)]
    pub port: Option<u16>,
    /// It belongs to a connection that is open already.
    #[serde(default)]
    pub established: bool,
}

impl TraceQuestion {
    /// A new SMTP connection from an address.
    pub fn of(address: IpAddr) -> Self {
        Self { address, source_port: None, to: None, port: None, established: false }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub address: IpAddr,
    /// `pass`, `drop`, `forward` or `answer`
    pub action: String,
    pub reason: String,
    /// Each stage asked, in order, with its answer.
    pub steps: Vec<String>,
}
