//! `just bench cluster`: what agreement costs and how soon it is reached, each against its bar.
//!
//! Parts with nodes run the real binary, one network namespace a node, around a switch in userspace (`crate::cluster`).

pub mod config;
pub mod copies;
pub mod flood;
pub mod heal;
pub mod join;
pub mod killing;
pub mod pair;
pub mod plot;
pub mod scale;
pub mod steering;
pub mod sync;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::nodes::{Cluster, Options};

/// What every part is given.
pub struct Setting {
    pub postern: PathBuf,
    /// An empty folder of the part's own.
    pub folder: PathBuf,
    pub seed: u64,
}

/// A figure and what it has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    pub what: String,
    pub value: f64,
    pub limit: Limit,
    pub unit: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Bar {
    pub fn at_most(what: impl Into<String>, value: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, limit: Limit::AtMost(limit), unit }
    }

    pub fn at_least(what: impl Into<String>, value: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), value, limit: Limit::AtLeast(limit), unit }
    }

    /// What was not measured (NaN) is not met.
    pub fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.value <= limit,
            Limit::AtLeast(limit) => self.value >= limit,
        }
    }

    /// For the table of all bars.
    pub fn row(&self) -> Vec<String> {
        let (word, limit) = match self.limit {
            Limit::AtMost(limit) => ("at most", limit),
            Limit::AtLeast(limit) => ("at least", limit),
        };
        let met = if self.is_met() { "met" } else { "MISSED" };
        vec![self.what.clone(), format!("{} {}", figure(self.value), self.unit), format!("{word} {}", figure(limit)), met.into()]
    }
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// What a part found.
#[derive(Default)]
pub struct Found {
    pub title: String,
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Sentences below the table: what exactly was counted.
    pub remarks: Vec<String>,
    pub bars: Vec<Bar>,
    pub details: Value,
}

impl Found {
    pub fn json(&self) -> Value {
        let bars: Vec<Value> =
            self.bars.iter().map(|b| json!({"what": b.what, "value": b.value, "unit": b.unit, "met": b.is_met()})).collect();
        json!({"title": self.title, "bars": bars, "remarks": self.remarks, "details": self.details})
    }
}

/// Settings that keep load from being refused for its rate, and logs short.
const QUIET: &str = "[log]\nlevel = \"warn\"\n[edge.bans]\nenabled = false\n";

/// Nodes that run and see each other.
fn united(setting: &Setting, folder: &Path, nodes: usize, more: &str) -> anyhow::Result<Cluster> {
    let mut cluster = Cluster::new(&setting.postern, folder, nodes, Options { settings: format!("{QUIET}{more}"), ..Options::default() })?;
    cluster.start_all()?;
    cluster.unite()?;
    // Load is to be held up by the nodes' work, not by their courtesy.
    cluster.api(0).set("smtp.greeting_pause", json!("0s"))?;
    crate::gateway::wait_until("all to be connected with all", Duration::from_secs(60), || {
        (0..nodes).all(|n| connected(&cluster, n) == nodes - 1)
    })?;
    Ok(cluster)
}

/// How many others a node is connected with.
fn connected(cluster: &Cluster, node: usize) -> usize {
    let view = cluster.api(node).get("/cluster").unwrap_or_default();
    view["members"].as_array().map_or(0, |m| m.iter().filter(|m| m["this"] == false && m["connected"] == true).count())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
