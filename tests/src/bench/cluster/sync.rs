//! What ten nodes that agree say to each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::heal::{connect, shell};
use super::pair::Pair;
use super::{Bar, Found, Setting, united};
use crate::cluster::switch::Carried;

const NODES: usize = 10;
/// How often two nodes compare vectors (`CHECK_EVERY` of the replication core).
const CHECK: f64 = 5.0;
/// # Errors
/// When the cluster cannot be had.
pub fn measure(setting: &Setting, seconds: u64) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let alone = runtime.block_on(pair(&setting.folder, seconds))?;
    drop(runtime);
    let cluster = united(setting, &setting.folder, NODES, "")?;
    // What joining left to say is said.
    thread::sleep(Duration::from_secs(15));
    let before = cluster.network.switch.carried();
    thread::sleep(Duration::from_secs(seconds));
    let after = cluster.network.switch.carried();
    let ways: Vec<Carried> = after
        .iter()
        .filter(|((a, b), _)| *a < NODES && *b < NODES)
        .map(|(way, carried)| before.get(way).map_or_else(|| carried.clone(), |b| carried.since(b)))
        .collect();
    let mut sizes: BTreeMap<usize, u64> = BTreeMap::new();
    ways.iter().flat_map(|w| &w.datagrams).for_each(|(size, n)| *sizes.entry(*size).or_default() += n);
    let (datagrams, payload): (u64, u64) = (sizes.values().sum(), sizes.iter().map(|(size, n)| *size as u64 * n).sum());
    let (frames, octets): (u64, u64) = (ways.iter().map(|w| w.frames).sum(), ways.iter().map(|w| w.octets).sum());
    let pairs_and_checks = (NODES * (NODES - 1) / 2) as f64 * seconds as f64 / CHECK;
    let row = |what: &str, count: Option<u64>, octets: f64| {
        let count = count.map_or_else(String::new, |n| format!("{:.1}", n as f64 / pairs_and_checks));
        vec![what.to_owned(), count, format!("{octets:.0}")]
    };
    Ok(Found {
        title: format!("{seconds} s idle: what a pair says in {CHECK:.0} s, the time of one check; both directions"),
        head: vec!["", "datagrams", "octets"],
        rows: vec![
            row("2 links alone: keep-alives and their acknowledgements", None, alone.silent),
            row("2 links with ledgers in sync: the same, checks and answers", None, alone.checking),
            row("the difference: what a check costs", None, alone.checking - alone.silent),
            row(&format!("{NODES} whole nodes: UDP payload, with each node's health every 10 s and the document's stream"), Some(datagrams), payload as f64 / pairs_and_checks),
            row("the same on the wire, with IP and Ethernet headers and ARP", Some(frames), octets as f64 / pairs_and_checks),
        ],
        remarks: vec![
            "Octets of 2 links are UDP payload as QUIC counts it. The core's check is 18 octets and its answer 2, each with its length before it; the \
             rest of the difference is QUIC's header, seal and acknowledgements. Whole nodes are counted at the switch."
                .into(),
        ],
        bars: vec![Bar::at_most("sync: a pair and check, with QUIC's own octets", alone.checking - alone.silent, 200.0, "octets")],
        details: json!({"seconds": seconds, "links_alone": alone.silent, "links_with_ledgers": alone.checking, "payload_sizes": sizes,
            "payload_octets": payload, "frame_octets": octets, "pairs_and_checks": pairs_and_checks}),
    })
}

/// UDP payload of a pair in the time of one check.
struct Alone {
    silent: f64,
    checking: f64,
}

async fn pair(folder: &Path, seconds: u64) -> anyhow::Result<Alone> {
    let mut pair = Pair::start(folder).await?;
    let each = |octets: u64| octets as f64 * CHECK / seconds as f64;
    let time = Duration::from_secs(seconds);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = pair.octets();
    tokio::time::sleep(time).await;
    let silent = each(pair.octets() - before);
    let (a, b) = (shell(folder, pair.nodes, 0).await?, shell(folder, pair.nodes, 1).await?);
    let _over = connect(&mut pair, &a, &b).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = pair.octets();
    tokio::time::sleep(time).await;
    let checking = each(pair.octets() - before);
    a.stop().await;
    b.stop().await;
    pair.close().await;
    Ok(Alone { silent, checking })
}
