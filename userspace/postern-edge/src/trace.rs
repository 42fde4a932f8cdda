//! What would happen to an address, and why: the program's own rules, asked on the host over the kernel's maps.

use std::cell::{OnceCell, RefCell};
use std::net::IpAddr;

use postern_ebpf_abi::address::{KeyV6, Prefix};
use postern_ebpf_abi::allow::AllowTable;
use postern_ebpf_abi::ban::{BanTable, BanValue};
use postern_ebpf_abi::feed::FeedTable;
use postern_ebpf_abi::feed::v4::{Bucket, FeedsV4};
use postern_ebpf_abi::feed::v6::FeedsV6;
use postern_ebpf_abi::judge::{Decision, Tables, judge};
use postern_ebpf_abi::packet::Packet;
use postern_ebpf_abi::rate::{RateTable, take};
use postern_ebpf_abi::reason::Reason;
use postern_model::control::Trace;

use crate::bans::kernel::reason_of;
use crate::clock::{self, Clocks};
use crate::kernel::maps::KernelMaps;
use crate::kernel::table::{Table, TableError};
use crate::network;

/// Judges a packet as the program would now; nothing changes, no token of a rate is taken. With every question asked, in order.
///
/// # Errors
/// When a map cannot be read.
pub fn decide(maps: &KernelMaps, features: u32, packet: &Packet) -> Result<(Decision, Vec<String>), TableError> {
    let config = maps.front.config();
    let tables =
        HostTables { maps, feeds_v4: OnceCell::new(), feeds_v6: OnceCell::new(), steps: RefCell::default(), failed: RefCell::default() };
    let decision = judge(&tables, &config, features, packet);
    match tables.failed.into_inner() {
        Some(e) => Err(e),
        None => Ok((decision, tables.steps.into_inner())),
    }
}

/// What would happen to a new connection from `address` to `port`. `feeds` are the feeds' names by number.
///
/// # Errors
/// When a map cannot be read.
pub fn trace(maps: &KernelMaps, features: u32, address: IpAddr, port: u16, feeds: &[String]) -> Result<Trace, TableError> {
    let packet = Packet { source: network::source(address), port, opens: true };
    let (decision, mut steps) = decide(maps, features, &packet)?;
    steps.insert(0, format!("a new connection from {address} to port {port}"));
    let why = match decision.reason {
        Reason::DropFeed => feeds.get(decision.detail as usize).map(|name| format!("feed {name}")),
        Reason::DropBan | Reason::DropBanNetwork => reason_of(decision.detail).map(|r| format!("banned for {r}")),
        _ => None,
    };
    steps.extend(why);
    let action = if decision.reason.drops() { "drop" } else { "pass" };
    Ok(Trace { address, action: action.into(), reason: decision.reason.name().into(), steps })
}

struct HostTables<'a> {
    maps: &'a KernelMaps,
    feeds_v4: OnceCell<Option<Box<FeedsV4>>>,
    feeds_v6: OnceCell<Option<Box<FeedsV6>>>,
    steps: RefCell<Vec<String>>,
    /// The rules know no errors: the first one is kept and ends the trace.
    failed: RefCell<Option<TableError>>,
}

impl HostTables<'_> {
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
}
