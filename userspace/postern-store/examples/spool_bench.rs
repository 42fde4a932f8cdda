//! Accepts per second and CPU per accept: `spool_bench DIR [SESSIONS] [OCTETS] [MAILS]`.

#[path = "../tests/spool_fixture/mails.rs"]
mod mails;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postern_model::queue::QueueChange;
use postern_model::settings::delivery::SpoolSettings;
use postern_store::spool::{Spool, SpoolError};

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().ok_or("spool_bench DIR [SESSIONS] [OCTETS] [MAILS]")?);
    let mut number = |or: usize| args.next().map_or(Ok(or), |a| a.parse());
    let (sessions, octets, mails) = (number(50)?, number(4096)?, number(60_000)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("{sessions} sessions, {octets} octets");
    println!("{:<26}{:>10}{:>12}{:>12}{:>10}{:>10}", "", "mails/s", "CPU µs/mail", "mails/sync", "p50 µs", "p99 µs");
    let settings = SpoolSettings { reserve: 0, ..SpoolSettings::default() };
    let (spool, _) = Spool::open(dir.clone(), settings.clone())?;
    // The second run finds recycled segments.
    for name in ["accept, done", "again, recycled segments"] {
        runtime.block_on(run(name, &spool, sessions, octets, mails, true))?;
    }
    runtime.block_on(run("accept only", &spool, sessions, octets, mails, false))?;
    read_all(&spool)?;
    drop(spool);
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let (spool, live) = Spool::open(dir.clone(), settings.clone())?;
    println!(
        "opened with {} live of {} records in {:?}, {:?} CPU",
        live.len(),
        spool.recovery().records,
        start.elapsed(),
        cpu_time()? - cpu
    );
    let half = live.len() / 2;
    for mail in &live[half..] {
        spool.note(mail.id, QueueChange::Done)?;
    }
    drop(spool);
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let (spool, live) = Spool::open(dir.clone(), settings)?;
    println!(
        "opened with {} live of {} records in {:?}, {:?} CPU",
        live.len(),
        spool.recovery().records,
        start.elapsed(),
        cpu_time()? - cpu
    );
    println!("{:#?}", spool.usage());
    drop(spool);
    Ok(remove(&dir)?)
}

fn remove(dir: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(dir)
}

async fn run(name: &str, spool: &Spool, sessions: usize, octets: usize, mails: usize, done: bool) -> Result<(), Failed> {
    let body: Arc<[u8]> = (0..octets).map(|i| b"0123456789abcdef\r\n"[i % 18]).collect();
    let left = Arc::new(AtomicU64::new(mails as u64));
    let before = spool.usage().counters;
    let (start, cpu) = (Instant::now(), cpu_time()?);
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
                    let mail = mails::fresh();
                    let start = Instant::now();
                    let accepted = spool.accept(mail, writer.finish()?).await?;
                    waits.push(start.elapsed());
                    if done {
                        spool.note(accepted.mail().id, QueueChange::Done)?;
                    }
                }
                Ok::<_, SpoolError>(waits)
            })
        })
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let (time, cpu) = (start.elapsed(), cpu_time()? - cpu);
    waits.sort_unstable();
    let after = spool.usage().counters;
    let quantile = |q: usize| waits.get(waits.len() * q / 100).copied().unwrap_or_default().as_micros();
    println!(
        "{name:<26}{:>10.0}{:>12.1}{:>12.1}{:>10}{:>10}",
        mails as f64 / time.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / mails as f64,
        mails as f64 / (after.batches - before.batches).max(1) as f64,
        quantile(50),
        quantile(99),
    );
    Ok(())
}

fn read_all(spool: &Spool) -> Result<(), Failed> {
    let ids = spool.ids();
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let mut octets = 0;
    for id in &ids {
        octets += spool.read(*id)?.bytes().len();
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / ids.len().max(1) as f64;
    println!("read {} bodies, {octets} octets: {:.1} µs each, {:.1} µs CPU", ids.len(), each(start.elapsed()), each(cpu_time()? - cpu));
    Ok(())
}

fn cpu_time() -> Result<Duration, nix::Error> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let all = usage.user_time() + usage.system_time();
    Ok(Duration::from_micros(u64::try_from(all.tv_sec() * 1_000_000 + all.tv_usec()).unwrap_or(0)))
}
