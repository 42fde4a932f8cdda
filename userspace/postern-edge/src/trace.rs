//! What would happen to a packet, and why: the program's own rules, asked on the host over the kernel's maps.

mod steer;

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;

use postern_ebpf_abi::address::{KeyV6, Prefix};
use postern_ebpf_abi::allow::AllowTable;
use postern_ebpf_abi::ban::{BanTable, BanValue};
use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::feed::FeedTable;
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4};
use postern_ebpf_abi::feed::v6::FeedsV6;
use postern_ebpf_abi::judge::{Decision, Tables, judge};
use postern_ebpf_abi::packet::{Packet, parse};
use postern_ebpf_abi::rate::{RateTable, take};
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::decide::{ANY_MAC, Arrival, Verdict, mark_of};
use postern_ebpf_abi::steer::ring::Ring;
use postern_ebpf_abi::steer::seen::{self, Seen};
use postern_ebpf_abi::steer::tunnel::delivered;
use postern_model::control::Trace;

use crate::bans::kernel::reason_of;
use crate::clock::{self, Clocks};
use crate::kernel::maps::KernelMaps;
use crate::kernel::steer::address_of;
use crate::kernel::table::{Table, TableError};
use crate::network;

/// Judges a packet as the program's first stages would now; nothing changes, no token of a rate is taken. With every question asked,
/// in order.
///
/// # Errors
/// When a map cannot be read.
pub fn decide(maps: &KernelMaps, features: u32, packet: &Packet) -> Result<(Decision, Vec<String>), TableError> {
    let tables = HostTables::of(maps, STRANGE);
    let decision = judge(&tables, &maps.front.config(), features, packet);
    tables.said().map(|steps| (decision, steps))
}

/// What would become of a frame that came by this interface, at all stages.
///
/// # Errors
/// When a map cannot be read.
pub fn frame(maps: &KernelMaps, features: u32, octets: &[u8], interface: u32) -> Result<(Verdict, Vec<String>), TableError> {
    let arrival = octets.first_chunk().map_or(STRANGE, |ethernet| Arrival::of(ethernet, interface));
    let tables = HostTables::of(maps, arrival);
    let verdict = whole(&tables, features, octets);
    tables.said().map(|steps| (verdict, steps))
}

/// Of a packet that came by no interface.
const STRANGE: Arrival = Arrival::Frame { source: 0, destination: ANY_MAC, interface: 0 };

fn whole(tables: &HostTables<'_>, features: u32, octets: &[u8]) -> Verdict {
    let in_tunnel = matches!(tables.arrival, Arrival::Tunnel { .. });
    // What a peer sends was counted where it came in.
    let stages = if in_tunnel { features & !feature::RATES } else { features };
    let given = match parse(octets) {
        Ok(packet) => judge(tables, &tables.maps.front.config(), stages, &packet).reason,
        Err(reason) => reason,
    };
    let Some(seen) = seen::read(octets).ok().filter(|_| given.passes()) else { return Verdict::of(given) };
    if features & feature::STEER != 0
        && let Some(delivery) = delivered(tables, &seen)
    {
        let delivery = if in_tunnel { Err(Reason::DropTunnelInner) } else { delivery };
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(reason) => return Verdict::of(reason),
        };
        let Arrival::Frame { destination, interface, .. } = tables.arrival else { return Verdict::of(given) };
        let mut inner = octets[..seen.ip_at].to_vec();
        let kind: u16 = if seen.kind == seen::Kind::TunnelV6 { 0x86dd } else { 0x0800 };
        inner[seen.ip_at - 2..].copy_from_slice(&kind.to_be_bytes());
        inner.extend(&octets[seen.ip_at + seen.headers..]);
        tables.say(format!("out of the tunnel of peer {}", delivery.peer));
        let arrival = Arrival::Tunnel { peer: delivery.peer, hop: delivery.hop, destination, interface };
        let within = HostTables::of(tables.maps, arrival);
        let verdict = whole(&within, features, &inner);
        match within.said() {
            Ok(steps) => steps.into_iter().for_each(|step| tables.say(step)),
            Err(e) => tables.or_fail::<()>(Err(e)).unwrap_or_default(),
        }
        return verdict;
    }
    steer::steered(tables, features, &tables.arrival, &seen, given)
}

/// A packet that somebody asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub source: IpAddr,
    pub source_port: u16,
    /// Where it goes; without it steering is not asked.
    pub destination: Option<IpAddr>,
    pub port: u16,
    /// A new connection (SYN), or a packet of one that there is.
    pub opens: bool,
}

/// What would happen to a packet. `feeds` are the feeds' names by number.
///
/// # Errors
/// When a map cannot be read.
pub fn trace(maps: &KernelMaps, features: u32, asked: &Question, feeds: &[String]) -> Result<Trace, TableError> {
    let Question { source, source_port, destination, port, opens } = *asked;
    let packet = Packet { source: network::source(source), port, opens, class: 0 };
    let tables = HostTables::of(maps, STRANGE);
    let what = if opens { "a new connection" } else { "a packet of a connection" };
    tables.say(match destination {
        Some(to) => format!("{what} from {source} to {to} port {port}"),
        None => format!("{what} from {source} to port {port}"),
    });
    let decision = judge(&tables, &maps.front.config(), features, &packet);
    let why = match decision.reason {
        Reason::DropFeed => feeds.get(decision.detail as usize).map(|name| format!("feed {name}")),
        Reason::DropBan | Reason::DropBanNetwork => reason_of(decision.detail).map(|r| format!("banned for {r}")),
        _ => None,
    };
    why.into_iter().for_each(|why| tables.say(why));
    let mut reason = decision.reason;
    if let Some(destination) = destination.filter(|_| reason.passes()) {
        let (is_v6, client) = (destination.is_ipv6(), address_of(source));
        let seen = Seen {
            kind: if opens { seen::Kind::Open } else { seen::Kind::Segment },
            is_v6,
            whole: true,
            is_fragment: false,
            ip_at: 14,
            headers: if is_v6 { 40 } else { 20 },
            length: if is_v6 { 60 } else { 40 },
            class: 0,
            ttl: 64,
            flags: if opens { seen::SYN } else { seen::ACK },
            source: client,
            destination: address_of(destination),
            client,
            client_port: source_port,
            port,
        };
        reason = steer::steered(&tables, features, &tables.arrival, &seen, reason).reason;
    }
    let steps = tables.said()?;
    Ok(Trace { address: source, action: reason.action().into(), reason: reason.name().into(), steps })
}

pub(super) struct HostTables<'a> {
    maps: &'a KernelMaps,
    arrival: Arrival,
    feeds_v4: OnceCell<Option<Box<FeedsV4>>>,
    feeds_v6: OnceCell<Option<Box<FeedsV6>>>,
    ring: OnceCell<Option<Box<Ring>>>,
    steps: RefCell<Vec<String>>,
    /// The rules know no errors: the first one is kept and ends the trace.
    failed: RefCell<Option<TableError>>,
}

impl<'a> HostTables<'a> {
    fn of(maps: &'a KernelMaps, arrival: Arrival) -> Self {
        Self {
            maps,
            arrival,
            feeds_v4: OnceCell::new(),
            feeds_v6: OnceCell::new(),
            ring: OnceCell::new(),
            steps: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    fn said(self) -> Result<Vec<String>, TableError> {
        match self.failed.into_inner() {
            Some(e) => Err(e),
            None => Ok(self.steps.into_inner()),
        }
    }

    fn say(&self, step: String) {
        self.steps.borrow_mut().push(step);
    }

    fn or_fail<T>(&self, result: Result<Option<T>, TableError>) -> Option<T> {
        result.unwrap_or_else(|e| {
            self.failed.borrow_mut().get_or_insert(e);
            None
        })
    }

    fn bit(&self, name: &str, word: u64) -> u64 {
        if word == 0 {
            self.say(format!("{name}: nothing near"));
        }
        word
    }

    fn ban(&self, what: &str, found: Result<Option<BanValue>, TableError>) -> Option<BanValue> {
        let ban = self.or_fail(found);
        self.say(match &ban {
            Some(ban) => format!("{what}: a ban until {}", Clocks::now().wall_of(ban.until)),
            None => format!("{what}: none"),
        });
        ban
    }
}

impl AllowTable for HostTables<'_> {
    fn allow_bits(&self, word: u32) -> u64 {
        self.bit("allow list", self.maps.front.allow_bits(word))
    }

    fn allow_longest(&self, key: &Prefix) -> bool {
        let found = self.or_fail(self.maps.allow.get(key)).is_some();
        self.say(format!("allow list: {}", if found { "listed" } else { "not listed" }));
        found
    }
}

impl BanTable for HostTables<'_> {
    fn ban_filter(&self, word: u32) -> u64 {
        self.bit("bans", self.maps.front.ban_filter(word))
    }

    fn ban_v4(&self, address: &u32) -> Option<BanValue> {
        self.ban("bans of this address", self.maps.bans_v4.get(address))
    }

    fn ban_v6(&self, key: &KeyV6) -> Option<BanValue> {
        self.ban(&format!("bans of its /{}", key.length), self.maps.bans_v6.get(key))
    }

    fn ban_network(&self, key: &Prefix) -> Option<BanValue> {
        self.ban("bans of networks around it", self.maps.ban_networks.get(key))
    }
}

impl FeedTable for HostTables<'_> {
    type Bucket = Box<Bucket>;

    fn feeds_v4(&self) -> Option<&FeedsV4> {
        let feeds = self.feeds_v4.get_or_init(|| self.or_fail(self.maps.feeds_v4_in_force().map(Some)));
        self.say(format!(
            "feeds: {} rules of IPv4 in force",
            if feeds.as_ref().is_some_and(|f| f.head.filter_words > 0) { "some" } else { "no" }
        ));
        feeds.as_deref()
    }

    fn feeds_v6(&self) -> Option<&FeedsV6> {
        let feeds = self.feeds_v6.get_or_init(|| self.or_fail(self.maps.feeds_v6_in_force().map(Some)));
        self.say(format!("feeds: {} rules of IPv6 in force", if feeds.as_ref().is_some_and(|f| f.used > 0) { "some" } else { "no" }));
        feeds.as_deref()
    }

    fn bucket_v4(&self, table: u32, index: u32) -> Option<Box<Bucket>> {
        let inner = self.maps.feed_table_v4.open(table).and_then(|fd| match fd {
            Some(fd) => Table::<u32, Bucket>::from_fd("FEED_TABLE_V4", fd)?.get_boxed(&index),
            None => Ok(None),
        });
        self.say(format!("feeds: line {index} of the table is read"));
        self.or_fail(inner)
    }

    fn feed_v6(&self, table: u32, key: &KeyV6) -> Option<u32> {
        let inner = self.maps.feed_table_v6.open(table).and_then(|fd| match fd {
            Some(fd) => Table::<KeyV6, u32>::from_fd("FEED_TABLE_V6", fd)?.get(key),
            None => Ok(None),
        });
        let found = self.or_fail(inner);
        self.say(format!("feeds, its /{}: {}", key.length, if found.is_some() { "listed" } else { "not listed" }));
        found
    }
}

impl RateTable for HostTables<'_> {
    fn take_source(&self, row: u32, bucket: u32, now_ms: u32, rate: u32, burst: u32) -> bool {
        let table = self.maps.rate_rows.get(row as usize);
        let found = table.and_then(|t| self.or_fail(t.get(&bucket))).unwrap_or(0);
        let (_, passes) = take(found, now_ms, rate, burst);
        self.say(format!("rate of new connections, row {row}: {}", if passes { "within" } else { "used up" }));
        passes
    }

    fn take_total(&self, now_ms: u32, rate: u32, burst: u32) -> bool {
        let found = self.or_fail(self.maps.rate_total.get(&0)).unwrap_or(0);
        let (_, passes) = take(found, now_ms, rate, burst);
        self.say(format!("rate of new connections from everywhere: {}", if passes { "within" } else { "used up" }));
        passes
    }
}

impl Tables for HostTables<'_> {
    fn port_word(&self, word: u32) -> u64 {
        self.maps.front.port_word(word)
    }

    fn now(&self) -> u64 {
        clock::boot_ns()
    }

    fn comes_from_peer(&self, class: u8) -> bool {
        let ring = self.or_fail(self.maps.steer.ring());
        let known = ring.is_some_and(|ring| mark_of(&ring, &self.arrival, class).hop != 0);
        self.say(format!("its mark: {}", if known { "a peer forwarded it, rates do not count it again" } else { "not of a peer" }));
        known
    }
}
