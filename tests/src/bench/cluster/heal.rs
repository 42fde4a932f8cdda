//! Two sides were apart while one wrote a hundred thousand rows: how soon does the other have them?
//!
//! Two shells in this process with their SQLite files on disk, joined by a real link: QUIC over UDP on 127.0.0.1. The cut is the
//! stream's, not the network's: how soon a link is back is another question, and the tests of the link answer it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use postern_cluster::ledger::fact::{Fact, GreylistPass};
use postern_cluster::ledger::kind::KindSet;
use postern_cluster::ledger::origin::NodeId;
use postern_cluster::shell::handle::LedgerHandle;
use postern_cluster::shell::{Beginning, start};
use postern_model::time::Timestamp;
use serde_json::json;
use tokio::sync::oneshot;

use super::pair::Pair;
use super::{Bar, Found, Setting};

const KEEP: Duration = Duration::from_secs(24 * 3600);
const LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(10);
/// Writes that wait at the same time, below what a shell lets wait.
const AT_ONCE: u32 = 4096;

/// # Errors
/// When a file cannot be written, or the rows do not arrive.
pub fn measure(setting: &Setting, rows: u32) -> anyhow::Result<Found> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&setting.folder, rows))
}

async fn run(folder: &Path, rows: u32) -> anyhow::Result<Found> {
    let mut pair = Pair::start(folder).await?;
    let (a, b) = (shell(folder, pair.nodes, 0).await?, shell(folder, pair.nodes, 1).await?);
    // They have met before the cut.
    let mut over = connect(&mut pair, &a, &b).await?;
    a.write(fact(0), KEEP).await?;
    has(&a, &b, 1).await?;
    a.disconnected(b.node()).await;
    b.disconnected(a.node()).await;
    over.iter_mut().for_each(oneshot::Receiver::close);

    let begun = Instant::now();
    for first in (1..rows).step_by(AT_ONCE as usize) {
        let mut writes = tokio::task::JoinSet::new();
        for n in first..(first + AT_ONCE).min(rows) {
            let a = a.clone();
            writes.spawn(async move { a.write(fact(n), KEEP).await });
        }
        while let Some(written) = writes.join_next().await {
            written??;
        }
    }
    let writing = begun.elapsed();

    let begun = Instant::now();
    let _over = connect(&mut pair, &a, &b).await?;
    has(&a, &b, u64::from(rows)).await?;
    let healing = begun.elapsed();
    let rate = f64::from(rows - 1) / healing.as_secs_f64();
    let seconds = |t: Duration| format!("{:.2}", t.as_secs_f64());
    a.stop().await;
    b.stop().await;
    pair.close().await;
    Ok(Found {
        title: format!("Heal after a cut during which one side wrote {rows} rows"),
        head: vec!["", "s", "rows/s"],
        rows: vec![
            vec!["written by one side, each durable".into(), seconds(writing), format!("{:.0}", f64::from(rows) / writing.as_secs_f64())],
            vec!["from the heal until the other has all".into(), seconds(healing), format!("{rate:.0}")],
        ],
        remarks: vec![
            "Two shells in one process on SQLite files, joined by QUIC over UDP on 127.0.0.1; the rows are greylist passes.".into(),
        ],
        bars: vec![
            Bar::at_most(format!("heal: {rows} rows"), healing.as_secs_f64(), 10.0, "s"),
            Bar::at_least("heal: rows applied", rate, 20_000.0, "rows/s"),
        ],
        details: json!({"rows": rows, "writing_s": writing.as_secs_f64(), "healing_s": healing.as_secs_f64()}),
    })
}

/// Also for what else is measured on a pair.
pub(super) async fn shell(folder: &Path, nodes: [NodeId; 2], n: usize) -> anyhow::Result<LedgerHandle> {
    let beginning =
        Beginning { node: nodes[n], members: nodes.into_iter().collect(), kinds: KindSet::ALL, path: folder.join(format!("{n}.db")) };
    start(beginning).await.context("a shell")
}

pub(super) async fn connect(pair: &mut Pair, a: &LedgerHandle, b: &LedgerHandle) -> anyhow::Result<[oneshot::Receiver<()>; 2]> {
    let (here, there) = pair.stream().await?;
    Ok([a.connected(b.node(), here).await, b.connected(a.node(), there).await])
}

fn fact(n: u32) -> Fact {
    let mut subject = [0; 16];
    subject[..4].copy_from_slice(&n.to_le_bytes());
    Fact::GreylistPass(subject, GreylistPass { passed: Timestamp(i64::from(n)) })
}

/// The other's vector says that it has all, and its store agrees. (Counting rows at each look would be work beside the work.)
async fn has(from: &LedgerHandle, to: &LedgerHandle, rows: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        let (Some(theirs), Some(ours)) = (from.status().await, to.status().await) else { anyhow::bail!("a shell stopped") };
        if ours.vector == theirs.vector && to.rows().await.context("the store")? == rows {
            return Ok(());
        }
        anyhow::ensure!(begun.elapsed() < LIMIT, "{rows} rows: not within {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
}
