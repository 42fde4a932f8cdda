//! Which bans are in force: purely, from requests and the time the caller read.
//!
//! Every change comes out as a list of [`Change`]s that the shell carries out in the kernel. Bans stand in one order by their end:
//! it serves expiry (the first ones, in batches) and making room (again the first ones).

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use postern_model::control::Ban;
use postern_model::time::Timestamp;

use super::kernel::MAX_NETWORKS;
use crate::network::truncated;

/// Author of bans that come from the verdict on mails; anybody else is an admin.
pub const NODE: &str = "node";

/// Bans that end within one call of [`Authority::expire`] at most, so that a tick stays short.
pub const EXPIRE_BATCH: usize = 10_000;

/// Shortest networks that may be banned: wider ones are somebody's mistake.
pub const SHORTEST_V4: u8 = 8;
pub const SHORTEST_V6: u8 = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Ban),
    Remove(IpNet),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("{0} is within {1} of the allow list, which always wins")]
    Allowed(IpNet, IpNet),
    #[error("the ban of {0} ended before it began")]
    Over(IpNet),
    #[error("{0} is too wide: ban /{SHORTEST_V4} (IPv6: /{SHORTEST_V6}) or longer")]
    TooWide(IpNet),
    #[error("{MAX_NETWORKS} networks are banned already: use a feed for long lists")]
    TooManyNetworks,
}

#[derive(Debug, Default)]
pub struct Authority {
    bans: HashMap<IpNet, Ban, ahash::RandomState>,
    ends: BTreeSet<(Timestamp, IpNet)>,
    networks: usize,
    allow: Vec<IpNet>,
    max: usize,
}

impl Authority {
    /// At most `max` bans; what is within `allow` is never banned.
    pub fn new(max: usize, allow: &[IpNet]) -> Self {
        Self { max: max.max(1), allow: allow.iter().map(|n| truncated(*n)).collect(), ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.bans.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bans.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Ban> {
        self.bans.values()
    }

    /// Puts a ban in force. One in force for the same network is replaced by an admin's; the node's never shortens it.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn ban(&mut self, mut ban: Ban, now: Timestamp) -> Result<Vec<Change>, Refused> {
        ban.network = truncated(ban.network);
        let network = ban.network;
        let shortest = if network.addr().is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
        if network.prefix_len() < shortest {
            return Err(Refused::TooWide(network));
        }
        if let Some(allowed) = self.allow.iter().find(|a| a.contains(&network)) {
            return Err(Refused::Allowed(network, *allowed));
        }
        if ban.until <= now || ban.until <= ban.from {
            return Err(Refused::Over(network));
        }
        if let Some(old) = self.bans.get(&network)
            && ban.by == NODE
            && old.until >= ban.until
        {
            return Ok(Vec::new());
        }
        let is_new = !self.bans.contains_key(&network);
        if is_new && is_wide(&network) && self.networks >= MAX_NETWORKS {
            return Err(Refused::TooManyNetworks);
        }
        let mut changes = Vec::new();
        if is_new && self.bans.len() >= self.max {
            changes.extend(self.ends.first().map(|(_, n)| *n).and_then(|first| self.forget(&first)));
        }
        self.forget(&network);
        self.ends.insert((ban.until, network));
        self.networks += usize::from(is_wide(&network));
        self.bans.insert(network, ban.clone());
        changes.push(Change::Put(ban));
        Ok(changes)
    }

    /// Ends the bans of exactly these networks.
    pub fn unban(&mut self, networks: &[IpNet]) -> Vec<Change> {
        networks.iter().filter_map(|n| self.forget(&truncated(*n))).collect()
    }

    /// Ends what is over, the oldest first, at most [`EXPIRE_BATCH`].
    pub fn expire(&mut self, now: Timestamp) -> Vec<Change> {
        let over: Vec<IpNet> = self.ends.iter().take_while(|(end, _)| *end <= now).take(EXPIRE_BATCH).map(|(_, n)| *n).collect();
        over.iter().filter_map(|n| self.forget(n)).collect()
    }

    /// Changes the bounds; bans that are now within the allow list end, and so do those beyond `max`.
    pub fn set_bounds(&mut self, max: usize, allow: &[IpNet]) -> Vec<Change> {
        self.max = max.max(1);
        self.allow = allow.iter().map(|n| truncated(*n)).collect();
        let mut gone: Vec<IpNet> = self.bans.keys().filter(|n| self.allow.iter().any(|a| a.contains(*n))).copied().collect();
        let spare = self.bans.len().saturating_sub(gone.len()).saturating_sub(self.max);
        gone.extend(self.ends.iter().map(|(_, n)| *n).filter(|n| !gone.contains(n)).take(spare).collect::<Vec<_>>());
        gone.iter().filter_map(|n| self.forget(n)).collect()
    }

    /// The newest bans.
    pub fn newest(&self, limit: usize) -> Vec<Ban> {
        let mut all: Vec<&Ban> = self.bans.values().collect();
        let order = |a: &&Ban, b: &&Ban| b.from.cmp(&a.from).then_with(|| a.network.cmp(&b.network));
        if limit < all.len() {
            all.select_nth_unstable_by(limit, order);
            all.truncate(limit);
        }
        all.sort_unstable_by(order);
        all.into_iter().cloned().collect()
    }

    fn forget(&mut self, network: &IpNet) -> Option<Change> {
        let ban = self.bans.remove(network)?;
        self.ends.remove(&(ban.until, *network));
        self.networks -= usize::from(is_wide(network));
        Some(Change::Remove(*network))
    }
}

/// Whether the kernel keeps it in its small table of networks.
fn is_wide(network: &IpNet) -> bool {
    match network {
        IpNet::V4(n) => n.prefix_len() != 32,
        IpNet::V6(n) => !matches!(n.prefix_len(), 64 | 128),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use postern_model::reason::Reason;
    use proptest::prelude::*;

    use super::*;

    fn ban(network: &str, from: i64, until: i64, by: &str) -> Ban {
        let (from, until) = (Timestamp(from), Timestamp(until));
        Ban { network: network.parse().unwrap(), reason: Reason::Pregreet, from, until, count: 0, by: by.into(), evidence: String::new() }
    }

    #[test]
    fn the_allow_list_wins_now_and_later() {
        let mut a = Authority::new(10, &["192.0.2.0/24".parse().unwrap()]);
        let refused = a.ban(ban("192.0.2.7/32", 0, 100, NODE), Timestamp(0)).unwrap_err();
        assert_eq!(refused.to_string(), "192.0.2.7/32 is within 192.0.2.0/24 of the allow list, which always wins");
        a.ban(ban("198.51.100.1/32", 0, 100, NODE), Timestamp(0)).unwrap();
        a.ban(ban("2001:db8::/64", 0, 100, NODE), Timestamp(0)).unwrap();
        let changes = a.set_bounds(10, &["198.51.100.0/24".parse().unwrap()]);
        assert_eq!(changes, [Change::Remove("198.51.100.1/32".parse().unwrap())]);
        assert_eq!(a.len(), 1);
    }

    #[test]
    fn the_node_never_shortens_and_an_admin_may() {
        let mut a = Authority::new(10, &[]);
        a.ban(ban("192.0.2.7/32", 0, 100, NODE), Timestamp(0)).unwrap();
        assert_eq!(a.ban(ban("192.0.2.7/32", 1, 50, NODE), Timestamp(1)).unwrap(), []);
        assert_eq!(a.newest(9)[0].until, Timestamp(100));
        a.ban(ban("192.0.2.7/32", 1, 50, "alice"), Timestamp(1)).unwrap();
        assert_eq!(a.newest(9)[0].until, Timestamp(50));
        assert_eq!(a.expire(Timestamp(49)), []);
        assert_eq!(a.expire(Timestamp(50)).len(), 1);
        assert!(a.is_empty());
    }

    #[test]
    fn the_first_to_end_make_room() {
        let mut a = Authority::new(2, &[]);
        a.ban(ban("192.0.2.1/32", 0, 300, NODE), Timestamp(0)).unwrap();
        a.ban(ban("192.0.2.2/32", 0, 100, NODE), Timestamp(0)).unwrap();
        let changes = a.ban(ban("192.0.2.3/32", 0, 200, NODE), Timestamp(0)).unwrap();
        assert_eq!(changes[0], Change::Remove("192.0.2.2/32".parse().unwrap()));
        assert_eq!(a.len(), 2);
    }

    #[test]
    fn nonsense_is_refused() {
        let mut a = Authority::new(2, &[]);
        for (network, from, until) in [("0.0.0.0/0", 0, 100), ("::/3", 0, 100), ("192.0.2.1/32", 50, 40), ("192.0.2.1/32", 0, 5)] {
            assert!(a.ban(ban(network, from, until, "alice"), Timestamp(10)).is_err(), "{network} {from} {until}");
        }
    }

    proptest! {
        /// Replaying the changes gives exactly the bans in force: the kernel's tables follow.
        #[test]
        fn changes_replay_to_the_same_bans(acts in prop::collection::vec((0u8..4, 0u8..6, 1i64..50), 1..200), max in 1usize..5) {
            let mut a = Authority::new(max, &["10.0.0.5/32".parse().unwrap()]);
            let mut kernel: HashMap<IpNet, Timestamp> = HashMap::new();
            let mut now = 0;
            for (act, host, span) in acts {
                now += 3;
                let network = format!("10.0.0.{host}/32");
                let changes = match act {
                    0 | 1 => a.ban(ban(&network, now, now + span, if act == 0 { NODE } else { "alice" }), Timestamp(now)).unwrap_or_default(),
                    2 => a.unban(&[network.parse().unwrap()]),
                    _ => a.expire(Timestamp(now)),
                };
                for change in changes {
                    match change {
                        Change::Put(b) => drop(kernel.insert(b.network, b.until)),
                        Change::Remove(n) => drop(kernel.remove(&n)),
                    }
                }
                let truth: HashMap<IpNet, Timestamp> = a.iter().map(|b| (b.network, b.until)).collect();
                prop_assert_eq!(&kernel, &truth);
                prop_assert!(a.len() <= max && a.ends.len() == a.len());
            }
        }
    }
}
