//! From `postern cluster join` to a node that does its work.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::json;

use super::{Bar, Found, Setting, milliseconds};
use crate::bench::report::{median, percentile};
use crate::cluster::nodes::{Cluster, Options};
use crate::gateway::wait_until;

const LIMIT: Duration = Duration::from_secs(60);

/// One node after the other joins a cluster of two.
///
/// # Errors
/// When the cluster cannot be had, or a node does not become productive.
pub fn measure(setting: &Setting, joins: usize) -> anyhow::Result<Found> {
    let settings = super::QUIET.to_owned();
    let mut cluster = Cluster::new(&setting.postern, &setting.folder, 2 + joins, Options { settings, ..Options::default() })?;
    (0..2).try_for_each(|n| cluster.start(n))?;
    cluster.ask(0, &["cluster", "init"])?;
    cluster.join(1, 0)?;
    cluster.api(0).set("smtp.limits.max_recipients", json!(777))?;
    let mut stages: [Vec<f64>; 4] = Default::default();
    for node in 2..2 + joins {
        cluster.start(node)?;
        let invitation = cluster.ask(0, &["cluster", "invite"])?;
        let token = invitation["token"].as_str().context("no token")?;
        let api = cluster.api(node);
        let begun = Instant::now();
        let socket = cluster.nodes[node].data.join("run/node.sock");
        let done = Command::new(cluster.binary()).args(["cluster", "join", token, "--json", "--socket"]).arg(socket).output()?;
        anyhow::ensure!(done.status.success(), "join: {}", String::from_utf8_lossy(&done.stderr));
        stages[0].push(milliseconds(begun.elapsed()));
        wait_until("the cluster's settings", LIMIT, || api.setting("/smtp/limits/max_recipients").is_ok_and(|v| v == json!(777)))?;
        stages[1].push(milliseconds(begun.elapsed()));
        wait_until("connections with all", LIMIT, || super::connected(&cluster, node) == node)?;
        stages[2].push(milliseconds(begun.elapsed()));
        wait_until("a question that all answer", LIMIT, || {
            api.get("/journeys").is_ok_and(|page| page["silent"].as_array().is_some_and(Vec::is_empty))
        })?;
        stages[3].push(milliseconds(begun.elapsed()));
    }
    let names =
        ["the command came back", "has the cluster's settings", "is connected with all", "asked all about their mails, and all answered"];
    let row =
        |(name, times): (&str, &Vec<f64>)| vec![name.to_owned(), format!("{:.0}", median(times)), format!("{:.0}", percentile(times, 1.0))];
    Ok(Found {
        title: format!("{joins} nodes join one after the other (ms from the start of `postern cluster join`)"),
        head: vec!["", "median", "longest"],
        rows: names.into_iter().zip(&stages).map(row).collect(),
        remarks: vec!["Each stage is looked for after the one before it.".into()],
        bars: vec![Bar::at_most("join: until productive, the longest", percentile(&stages[3], 1.0) / 1000.0, 10.0, "s")],
        details: json!({"command_ms": stages[0], "settings_ms": stages[1], "connected_ms": stages[2], "productive_ms": stages[3]}),
    })
}
