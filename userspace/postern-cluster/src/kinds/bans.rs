//! Bans as rows and as edge knows them.

use ipnet::IpNet;
use postern_model::control::Ban;
use postern_model::reason::Reason;
use postern_model::time::Timestamp;

use crate::ledger::fact::{self, Fact};
use crate::ledger::merge::Merged;

/// Octets of the evidence and of a name that go into a row.
const EVIDENCE: usize = 640;
const NAME: usize = 128;

pub(super) fn set(ban: Ban) -> Fact {
    let count = ban.count.min(u32::MAX - 1);
    let (by, evidence) = (cut(&ban.by, NAME), cut(&ban.evidence, EVIDENCE));
    let row = fact::Ban { from: ban.from, until: ban.until, reason: ban.reason.name().to_owned(), count, by, evidence };
    Fact::Ban(ban.network.trunc(), row)
}

/// A ban that ends as it begins lifts all that began before.
pub(super) fn lifted(network: IpNet, at: Timestamp) -> Fact {
    let (reason, by) = (Reason::Manual.name().to_owned(), String::new());
    Fact::Ban(network.trunc(), fact::Ban { from: at, until: at, reason, count: 0, by, evidence: String::new() })
}

/// The ban in force on exactly this network.
pub(super) fn in_force(merged: &Merged, network: IpNet, now: Timestamp) -> Option<Ban> {
    let ban = merged.ban(network, now)?;
    // A reason of a later version: that it is banned counts for more than why.
    let reason = ban.reason.parse().unwrap_or(Reason::RepeatedRejects);
    let (by, evidence) = (ban.by.clone(), ban.evidence.clone());
    Some(Ban { network, reason, from: ban.from, until: ban.until, count: ban.count, by, evidence })
}

/// At most so many octets, whole characters.
pub(super) fn cut(text: &str, octets: usize) -> String {
    text[..text.floor_char_boundary(octets)].to_owned()
}
