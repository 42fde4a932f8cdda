//! One address and 500 sessions: how many break, whatever happens to the nodes, how soon new ones are served, and who gets how many.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::json;

use super::{Bar, Found, QUIET, Setting, milliseconds};
use crate::bench::report::percentile;
use crate::cluster::crowd::{self, Crowd};
use crate::cluster::nodes::{Cluster, Options, SMTP};
use crate::cluster::ring::{agree, member, name, owner, ring};
use crate::gateway::wait_until;

pub(super) const ADDRESS: &str = "198.51.100.250";
const LIMIT: Duration = Duration::from_secs(60);
/// Between two mails of a session: 500 sessions are a load that two cores bear with three nodes on them.
const PAUSE: Duration = Duration::from_secs(4);
/// Clients whose node is counted for the shares.
const COUNTED: usize = 6000;

/// Three nodes that serve one address; only `running` of them are started.
pub(super) fn cluster(setting: &Setting, running: usize, options: Options) -> anyhow::Result<(Cluster, SocketAddr)> {
    let address = ADDRESS.parse()?;
    let settings = format!("{QUIET}{}", options.settings);
    let options = Options { settings, edge: true, virtual_addresses: vec![address], ..options };
    let mut cluster = Cluster::new(&setting.postern, &setting.folder, 3, options)?;
    crowd::lodge(&cluster)?;
    (0..running).try_for_each(|n| cluster.start(n))?;
    cluster.unite()?;
    cluster.api(0).set("smtp.greeting_pause", json!("0s"))?;
    agree(&cluster, &(0..running).collect::<Vec<_>>(), &vec!["ready"; running], LIMIT)?;
    Ok((cluster, SocketAddr::new(address, SMTP)))
}

/// # Errors
/// When the cluster cannot be had, or does not become one ring again.
pub fn measure(setting: &Setting, sessions: usize) -> anyhow::Result<Found> {
    let (mut cluster, door) = cluster(setting, 2, Options::default())?;
    let crowd = Crowd::start(cluster.client(), door, sessions, PAUSE)?;
    let (mut rows, mut known, mut others) = (Vec::new(), BTreeSet::new(), 0);
    let mut note = |crowd: &Crowd, what: &str, own: Option<&str>| -> anyhow::Result<()> {
        // Whoever is broken is found out by his next mail.
        let before: Vec<u64> = crowd.sessions().iter().map(|s| s.mails).collect();
        wait_until("mails in all sessions", LIMIT, || {
            crowd.sessions().iter().zip(&before).all(|(s, n)| s.broken.is_some() || s.mails > *n)
        })?;
        let broken = crowd.broken();
        let new: Vec<_> = broken.iter().filter(|s| known.insert(s.source)).collect();
        let strange = new.iter().filter(|s| Some(s.node.as_str()) != own).count();
        others += strange;
        let alive = crowd.sessions().len() - broken.len();
        rows.push(vec![what.to_owned(), alive.to_string(), new.len().to_string(), strange.to_string()]);
        Ok(())
    };
    note(&crowd, "two nodes", None)?;
    cluster.start(2)?;
    cluster.join(2, 0)?;
    agree(&cluster, &[0, 1, 2], &["ready"; 3], LIMIT)?;
    note(&crowd, "a third joins", None)?;

    let (shares, connects) = shares(&cluster, door)?;

    let first = owner(&cluster, ADDRESS).context("nobody owns the address")?;
    cluster.ask(first, &["node", "drain"])?;
    let rest: Vec<usize> = (0..3).filter(|n| *n != first).collect();
    let mut states = ["ready"; 3];
    states[first] = "draining";
    agree(&cluster, &rest, &states, LIMIT)?;
    note(&crowd, "the owner of the address drains", None)?;
    cluster.ask(first, &["node", "resume"])?;
    agree(&cluster, &[0, 1, 2], &["ready"; 3], LIMIT)?;
    note(&crowd, "it is back", None)?;

    let dead = owner(&cluster, ADDRESS).context("nobody owns the address")?;
    cluster.network.isolate(dead, &[]);
    cluster.kill(dead)?;
    let served = crowd::served_again(cluster.client(), door, 20_000, Instant::now())?;
    states = ["ready"; 3];
    states[dead] = "silent";
    let rest: Vec<usize> = (0..3).filter(|n| *n != dead).collect();
    agree(&cluster, &rest, &states, LIMIT)?;
    let own = name(dead);
    wait_until("the dead node's sessions to be over", LIMIT, || {
        crowd.sessions().iter().filter(|s| s.node == own).all(|s| s.broken.is_some())
    })?;
    note(&crowd, "the owner of the address is killed", Some(&own))?;
    cluster.network.heal();
    cluster.start(dead)?;
    agree(&cluster, &[0, 1, 2], &["ready"; 3], LIMIT)?;
    note(&crowd, "it is back", None)?;
    let mails = crowd.mails();
    crowd.stop();

    let worst = shares.values().map(|(share, ideal)| (share / ideal - 1.0).abs()).fold(0.0, f64::max);
    let shown = shares.iter().map(|(n, (share, ideal))| format!("{n} {:.1}% of {:.1}%", share * 100.0, ideal * 100.0));
    Ok(Found {
        title: format!("{sessions} sessions with one address, a mail every {} s in each", PAUSE.as_secs()),
        head: vec!["what happened", "sessions that go on", "broken by it", "of them not the dead node's own"],
        rows,
        remarks: vec![
            format!("{mails} mails taken. Shares of {COUNTED} clients: {}.", shown.collect::<Vec<_>>().join(", ")),
            format!("Connects to three nodes: p99 {:.1} ms.", percentile(&connects, 0.99)),
            "Killed: kill -9 of the node whose machine gets all packets, and its cable cut in the same moment.".into(),
        ],
        bars: vec![
            Bar::at_most("steering: sessions broken, the dead node's own apart", others as f64, 0.0, "sessions"),
            Bar::at_most("steering: after a loss, until who connects is served at once", served.as_secs_f64(), 1.0, "s"),
            Bar::at_most("steering: a node's share beside its due, at worst", worst * 100.0, 10.0, "%"),
        ],
        details: json!({ "mails": mails, "served_again_ms": milliseconds(served), "shares": shares }),
    })
}

/// Share and due of each node, and the times of the connects in milliseconds.
type Shares = BTreeMap<String, (f64, f64)>;

fn shares(cluster: &Cluster, door: SocketAddr) -> anyhow::Result<(Shares, Vec<f64>)> {
    let greetings = crowd::greetings(cluster.client(), door, 1000, COUNTED)?;
    let failed = greetings.iter().filter_map(|g| g.as_ref().err()).next();
    ensure!(failed.is_none(), "a client was not greeted: {failed:?}");
    let greetings: Vec<_> = greetings.into_iter().flatten().collect();
    let shown = ring(cluster, 0);
    let weight = |n: usize| member(&shown, n)["weight"].as_f64().unwrap_or(0.0);
    let all: f64 = (0..3).map(weight).sum();
    let share = |n: usize| greetings.iter().filter(|g| g.node == name(n)).count() as f64 / greetings.len() as f64;
    let shares = (0..3).map(|n| (name(n), (share(n), weight(n) / all))).collect();
    Ok((shares, greetings.iter().map(|g| milliseconds(g.connect)).collect()))
}
