//! The ring as the nodes of a test show it.

use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::nodes::Cluster;
use crate::gateway::wait_until;

/// What `postern edge ring` says on a node; null when it says nothing.
pub fn ring(cluster: &Cluster, node: usize) -> Value {
    cluster.ask(node, &["edge", "ring"]).unwrap_or_default()
}

pub fn name(node: usize) -> String {
    format!("node{node}.example")
}

/// What a ring says of a member.
pub fn member(ring: &Value, node: usize) -> Value {
    let wanted = name(node);
    ring["members"].as_array().and_then(|all| all.iter().find(|m| m["name"] == wanted)).cloned().unwrap_or_default()
}

/// Waits until these nodes have the same ring, in which the members are in these states, each address has one owner, and whoever is ready can
/// be reached.
///
/// # Errors
/// When they do not in time; with what each says.
pub fn agree(cluster: &Cluster, nodes: &[usize], states: &[&str], within: Duration) -> anyhow::Result<()> {
    let agreed = wait_until(&format!("one ring with {states:?}"), within, || {
        let rings: Vec<Value> = nodes.iter().map(|n| ring(cluster, *n)).collect();
        is_one(&rings, states)
    });
    agreed.map(drop).with_context(|| {
        let shown = nodes.iter().map(|n| format!("node{n}: {:#}\n{}", ring(cluster, *n), cluster.nodes[*n].log()));
        shown.collect::<Vec<_>>().join("\n")
    })
}

fn is_one(rings: &[Value], states: &[&str]) -> bool {
    let same = rings.windows(2).all(|w| w[0]["digest"] == w[1]["digest"]);
    let as_wanted = |ring: &Value| {
        let stands = |(n, state): (usize, &&str)| {
            let state = *state;
            let member = member(ring, n);
            member["state"] == state && (state != "ready" || member["trouble"].is_null())
        };
        ring["trouble"].is_null() && states.iter().enumerate().all(stands)
    };
    let addresses = rings.first().and_then(|r| r["addresses"].as_array()).map_or(0, Vec::len);
    let owned = |ring: &Value| ring["addresses"].as_array().map_or(0, |a| a.iter().filter(|a| a["owned"] == true).count());
    addresses > 0 && same && rings.iter().all(as_wanted) && rings.iter().map(owned).sum::<usize>() == addresses
}

/// The node of those that run at which packets to an address come in.
pub fn owner(cluster: &Cluster, address: &str) -> Option<usize> {
    let owns = |n: &usize| {
        let ring = ring(cluster, *n);
        ring["addresses"].as_array().is_some_and(|all| all.iter().any(|a| a["address"] == address && a["owned"] == true))
    };
    (0..cluster.nodes.len()).filter(|n| cluster.nodes[*n].process.is_some()).find(owns)
}
