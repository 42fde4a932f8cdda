//! The order of the stages: ports, allow list, bans, feeds, rates. First answer wins.
//!
//! Bans guard every port of the appliance: who attacks mail has no business at the console. Feeds and rates
//! guard the SMTP ports only: a list of bad mail senders must not lock out an administrator.

use crate::address::{Hashed, Source};
use crate::allow::{self, AllowTable};
use crate::ban::{self, BanTable};
use crate::config::{Config, feature, ports};
use crate::feed::{self, FeedTable};
use crate::packet::Packet;
use crate::rate::{self, Rate, RateTable};
use crate::reason::Reason;
use crate::steer::mark;

/// What the stages ask; the kernel answers from its maps, the host from the same maps or from a model of them.
pub trait Tables: AllowTable + BanTable + FeedTable + RateTable {
    fn port_word(&self, word: u32) -> u64;
    /// Nanoseconds of CLOCK_BOOTTIME.
    fn now(&self) -> u64;
    /// Whether a packet of this traffic class bears a peer's mark and came from that peer.
    fn comes_from_peer(&self, class: u8) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub reason: Reason,
    /// Number of the feed, or of the ban's reason; else 0.
    pub detail: u32,
}

impl Decision {
    #[inline(always)]
    pub fn of(reason: Reason) -> Self {
        Self { reason, detail: 0 }
    }
}

/// What happens to a TCP packet, and why. `features` are bits of [`feature`].
#[inline(always)]
pub fn judge<T: Tables>(tables: &T, config: &Config, features: u32, packet: &Packet) -> Decision {
    let roles = ports::roles(tables.port_word(ports::word(packet.port)), packet.port);
    if roles == 0 {
        return Decision::of(Reason::PassOtherPort);
    }
    let source: &Source = &packet.source;
    let hashed = Hashed::of(config.seed, *source);
    if features & feature::ALLOW != 0 && allow::is_allowed(tables, source) {
        return Decision::of(Reason::PassAllowed);
    }
    if roles & ports::SERVICE != 0 {
        if features & feature::BANS != 0
            && let Some(ban) = ban::banned(tables, &hashed, || tables.now())
        {
            return Decision { reason: Reason::DropBan, detail: ban.why };
        }
        if features & feature::NETWORK_BANS != 0
            && let Some(ban) = ban::network_banned(tables, source, || tables.now())
        {
            return Decision { reason: Reason::DropBanNetwork, detail: ban.why };
        }
    }
    if roles & ports::SMTP != 0 {
        if features & feature::FEEDS != 0
            && let Some(class) = feed::listed(tables, &hashed)
        {
            return Decision { reason: Reason::DropFeed, detail: class };
        }
        // What a peer forwards was counted where it came in.
        let forwarded =
            features & feature::STEER != 0 && packet.opens && mark::hop(packet.class) != 0 && tables.comes_from_peer(packet.class);
        if features & feature::RATES != 0 && packet.opens && !forwarded {
            match rate::admit(tables, config, source, tables.now()) {
                Rate::Within => {}
                Rate::SourceTooFast => return Decision::of(Reason::DropRate),
                Rate::TotalTooFast => return Decision::of(Reason::DropRateTotal),
            }
        }
    }
    Decision::of(Reason::Pass)
}
