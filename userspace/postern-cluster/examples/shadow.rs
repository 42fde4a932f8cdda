//! Accepts per second alone and with copies on a second node, by turns: `shadow DIR HOLDER [SESSIONS] [OCTETS] [MAILS]`.
//! Two directories on one disk share its syncs, which two nodes do not.

#[path = "../../postern-store/tests/spool_fixture/mails.rs"]
mod mails;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postern_cluster::shadow::{Pace, Shadow, ShadowParts};
use postern_link::stream::Stream;
use postern_model::node::NodeId;
use postern_model::queue::QueueChange;
use postern_model::settings::cluster::ClusterSettings;
use postern_model::settings::delivery::SpoolSettings;
use postern_store::spool::{Spool, SpoolError};

type Failed = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 3;

fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let mut dir = || args.next().map(PathBuf::from).ok_or("shadow DIR HOLDER [SESSIONS] [OCTETS] [MAILS]");
    let (dir, holder_dir) = (dir()?, dir()?);
    let mut number = |or: usize| args.next().map_or(Ok(or), |a| a.parse());
    let (sessions, octets, mails) = (number(50)?, number(4096)?, number(20_000)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (alone, _) = node(1, &dir.join("alone"), 1)?;
        let (spool, shadow) = node(2, &dir.join("origin"), 2)?;
        let (_, holder) = node(3, &holder_dir, 2)?;
        let (here, there) = Stream::pair(1024 * 1024);
        let (origin, peer) = (shadow.clone(), NodeId([3; 16]));
        tokio::spawn(async move { origin.open(peer, here).await });
        tokio::spawn(async move { holder.serve(NodeId([2; 16]), there).await });
        while shadow.ready_peers() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("{sessions} sessions, {octets} octets");
        println!("{:<12}{:>10}{:>10}{:>10}", "", "mails/s", "p50 µs", "p99 µs");
        for _ in 0..ROUNDS {
            run("alone", &alone, sessions, octets, mails).await?;
            run("with copies", &spool, sessions, octets, mails).await?;
        }
        println!("{:?}", shadow.counts());
        Ok(())
    })
}

fn node(n: u8, dir: &Path, copies: usize) -> Result<(Spool, Shadow), Failed> {
    let spool_settings = SpoolSettings { reserve: 0, ..SpoolSettings::default() };
    let (spool, restored) = Spool::open(dir.join("spool"), spool_settings.clone())?;
    let parts = ShadowParts {
        me: NodeId([n; 16]),
        dir: dir.join("shadows"),
        spool: spool.clone(),
        spool_settings,
        settings: ClusterSettings { copies, ..ClusterSettings::default() },
        restored,
        members: Vec::new(),
        pace: Pace::default(),
    };
    let (shadow, ..) = Shadow::start(parts)?;
    Ok((spool, shadow))
}

async fn run(name: &str, spool: &Spool, sessions: usize, octets: usize, mails: usize) -> Result<(), Failed> {
    let left = Arc::new(AtomicU64::new(mails as u64));
    let body: Arc<[u8]> = vec![b'x'; octets].into();
    let start = Instant::now();
    let tasks: Vec<_> = (0..sessions)
        .map(|_| {
            let (spool, left, body) = (spool.clone(), Arc::clone(&left), Arc::clone(&body));
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                    let mut writer = spool.body()?;
                    for part in body.chunks(16 * 1024) {
                        writer.write(part)?;
                    }
                    let (mail, start) = (mails::fresh(), Instant::now());
                    let accepted = spool.accept(mail, writer.finish()?).await?;
                    waits.push(start.elapsed());
                    spool.note(accepted.mail().id, QueueChange::Done)?;
                }
                Ok::<_, SpoolError>(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let time = start.elapsed();
    waits.sort_unstable();
    let quantile = |q: usize| waits.get(waits.len() * q / 100).copied().unwrap_or_default().as_micros();
    println!("{name:<12}{:>10.0}{:>10}{:>10}", mails as f64 / time.as_secs_f64(), quantile(50), quantile(99));
    Ok(())
}
