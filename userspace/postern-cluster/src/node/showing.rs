//! The views of [`super::view`], gathered from the parts.

use std::time::Duration;

use postern_document::{Document, Version};
use postern_model::node::NodeId;

use super::membership::{Membership, now};
use super::view::{
    ClusterView, ConflictView, ConflictingValue, CopiesView, CountView, DifferenceView, LedgerView, MemberView, RefusedView, RemovedView,
    VersionView,
};
use super::{Cluster, ClusterError};

/// Every node says every ten seconds how it is.
const STALE: Duration = Duration::from_secs(35);
/// What a node that does not serve says in the place of a trouble.
const DUTIES: &[&str] = &["draining", "drained"];

impl Cluster {
    /// Everything at a glance.
    pub async fn view(&self) -> ClusterView {
        let Some(member) = self.0.membership.load_full() else { return ClusterView::default() };
        let (id, name, removed, conflicts, unknown_settings) =
            member.configuration.with(|d| (d.cluster().to_string(), d.name(), removed(d), d.conflicts(now()).len(), d.unknown_settings()));
        let members = self.members_of(&member);
        let status = member.ledger.status().await;
        let rows = member.ledger.rows().await.unwrap_or(0);
        let ledger = status.map_or_else(LedgerView::default, |s| LedgerView {
            rows,
            origins: s.vector.len(),
            oddities: s.oddities.iter().map(|(o, n)| CountView { name: o.name().to_owned(), count: *n }).collect(),
        });
        let refused = member.configuration.refused().map(|r| {
            let newest = r.suspects.first();
            RefusedView {
                author: newest.map_or_else(String::new, |v| v.author.clone()),
                node: newest.map(|v| v.node),
                at: newest.map_or_else(now, |v| v.at),
                problems: r.problems,
            }
        });
        let refusals = member.link.refusals().into_iter().filter(|(_, n)| *n > 0);
        let counts = member.shadow.counts();
        let copies = CopiesView {
            shadowed: counts.shadowed,
            unshadowed: counts.unshadowed,
            deferred: counts.deferred,
            lacking: counts.lacking,
            held: counts.held,
            taken_over: counts.adopted,
            given_away: counts.withdrawn,
        };
        ClusterView {
            copies,
            member: true,
            id,
            name,
            node: Some(member.id()),
            members,
            removed,
            conflicts,
            unknown_settings,
            refused,
            ledger,
            refusals: refusals.map(|(name, count)| CountView { name: name.to_owned(), count }).collect(),
        }
    }

    /// The members by name, with their links and what they said last; none outside of a cluster. Reads no disk.
    pub fn members(&self) -> Vec<MemberView> {
        self.0.membership.load_full().map_or_else(Vec::new, |member| self.members_of(&member))
    }

    fn members_of(&self, member: &Membership) -> Vec<MemberView> {
        let mut members: Vec<MemberView> =
            member.configuration.with(|d| d.members().into_iter().map(|m| shown_member(m, member)).collect());
        self.add_link(member, &mut members);
        add_health(member, &mut members);
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    fn add_link(&self, member: &Membership, members: &mut [MemberView]) {
        let peers = member.link.peers();
        for view in members.iter_mut() {
            if view.this {
                view.duty = (*self.0.duty.borrow()).to_owned();
                view.address = view.addresses.first().copied();
                continue;
            }
            let Some(peer) = peers.iter().find(|p| p.node == view.id) else { continue };
            match &peer.connection {
                Some(connection) => {
                    view.connected = true;
                    view.protocol = Some(connection.version);
                    view.address = connection.address;
                    view.round_trip_ms = connection.round_trip.map(|t| t.as_secs_f64() * 1000.0);
                }
                None => view.trouble.clone_from(&peer.last_error),
            }
        }
    }

    /// Changes of what all nodes share, newest first.
    ///
    /// # Errors
    /// Outside of a cluster, or `before` is no version.
    pub fn history(&self, before: Option<&str>, limit: usize) -> Result<Vec<VersionView>, ClusterError> {
        let before = before.map(|b| self.version(b)).transpose()?;
        let versions = self.member()?.configuration.with(|d| d.history(before, limit, now()));
        Ok(versions.into_iter().map(shown_version).collect())
    }

    /// What differs between two versions; without `to`, from one to the present state.
    ///
    /// # Errors
    /// Outside of a cluster, or when there is no such version.
    pub fn diff(&self, from: &str, to: Option<&str>) -> Result<Vec<DifferenceView>, ClusterError> {
        let from = self.version(from)?;
        let to = to.map(|t| self.version(t)).transpose()?;
        let found = self.member()?.configuration.with(|d| {
            let to = to.map_or_else(|| d.heads(), |t| vec![t]);
            d.diff(&[from], &to)
        });
        let found = found.map_err(|e| ClusterError::Unknown(e.to_string()))?;
        Ok(found.into_iter().map(|d| DifferenceView { path: d.path, before: d.before, after: d.after }).collect())
    }

    /// Fields that were set on two nodes at the same time.
    ///
    /// # Errors
    /// Outside of a cluster.
    pub fn conflicts(&self) -> Result<Vec<ConflictView>, ClusterError> {
        let conflicts = self.member()?.configuration.with(|d| d.conflicts(now()));
        let shown = |c: postern_document::Conflict| {
            let mut values: Vec<(bool, ConflictingValue)> = c
                .values
                .into_iter()
                .map(|v| {
                    let (author, at, node) = v.version.map_or_else(|| (String::new(), now(), None), |v| (v.author, v.at, Some(v.node)));
                    (v.counts, ConflictingValue { value: v.value, author, at, node })
                })
                .collect();
            values.sort_by_key(|(counts, _)| !counts);
            ConflictView { path: c.path, values: values.into_iter().map(|(_, v)| v).collect() }
        };
        Ok(conflicts.into_iter().map(shown).collect())
    }
}

/// What each node said of itself last, and how far it has our rows.
fn add_health(member: &Membership, members: &mut [MemberView]) {
    let health = member.kinds.health();
    for view in members {
        let Some(said) = health.get(&view.id) else { continue };
        let silence = member.kinds.silent_for(view.id).filter(|silence| *silence < STALE);
        let is_fresh = silence.is_some();
        let moment = |silence: Duration| now().0 - i64::try_from(silence.as_millis()).unwrap_or(0);
        view.clock_ahead_ms = silence.filter(|_| !view.this).map(|silence| said.at.0 - moment(silence));
        view.heard = Some(said.at);
        view.queued = said.queued;
        view.free = said.free;
        let (duties, problems): (Vec<String>, Vec<String>) = said.trouble.iter().cloned().partition(|t| DUTIES.contains(&t.as_str()));
        view.problems = problems;
        if !view.this && is_fresh {
            view.duty = duties.into_iter().next().unwrap_or_else(|| "serving".to_owned());
        }
    }
}

fn shown_version(version: Version) -> VersionView {
    let node: Option<NodeId> = Some(version.node);
    VersionView { hash: version.id.to_string(), at: version.at, author: version.author, message: version.message, node }
}

fn shown_member(m: postern_document::Member, member: &Membership) -> MemberView {
    MemberView {
        id: m.key.id(),
        key: m.key,
        name: m.name,
        addresses: m.addresses,
        this: m.key == member.key,
        connected: false,
        trouble: None,
        joined: m.joined_at,
        joined_by: m.joined_by,
        address: None,
        round_trip_ms: None,
        duty: "unknown".to_owned(),
        version: m.version,
        protocol: None,
        heard: None,
        clock_ahead_ms: None,
        queued: 0,
        free: 0,
        problems: Vec::new(),
        behind: 0,
    }
}

fn removed(document: &Document) -> Vec<RemovedView> {
    let name = |key| document.known_node(key).map_or_else(String::new, |m| m.name);
    document.removed().into_iter().map(|r| RemovedView { key: r.key, name: name(r.key), at: r.at, by: r.by }).collect()
}
