//! `just bench sandbox`: how long attachments take through the role, what a thousand of them leave behind, and what eight cells at a
//! time do to SMTP beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use postern_model::sandbox::{Places, Report, RulesId};
use postern_sandbox::client;
use postern_sandbox::job::Job;
use postern_sandbox::yara::Sources;
use postern_tests::bench::load::{RealMail, send_real};
use postern_tests::bench::sink::Sink;
use postern_tests::bench::{namespace, process, report};
use postern_tests::documents::{SOURCE, archive, document, noise, project, project_of};
use postern_tests::gateway::{Gateway, wait_until};
use postern_tests::smtp::plain_mail;
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[derive(Parser)]
struct Options {
    /// The built binary; `postern-cell` lies beside it.
    #[arg(long)]
    postern: PathBuf,
    /// Folder for the JSON.
    #[arg(long)]
    out: PathBuf,
    /// Jobs of each case.
    #[arg(long, default_value_t = 200)]
    jobs: usize,
}

struct Case {
    title: &'static str,
    name: &'static str,
    content: Vec<u8>,
    /// The bar on the median, in milliseconds.
    bar: Option<f64>,
    /// Parts that a right report has: so that nothing is measured that did not happen.
    parts: usize,
}

const AT_ONCE: usize = 8;
const LEFT_BEHIND: usize = 1000;
const SMTP_PORT: u16 = 2600;
const SINK_PORT: u16 = 2701;
const SESSIONS: usize = 8;
const MAILS: usize = 10_000;
/// By how much the reply after the dot may become slower beside the cells.
const SMTP_BAR: f64 = 2.0;

fn cases() -> Vec<Case> {
    let text: String = (0..4000).map(|n| format!("<w:p><w:r><w:t>word {n} of a letter</w:t></w:r></w:p>")).collect();
    let office = |macros: &[u8]| {
        document(&[
            ("word/document.xml", text.as_bytes()),
            ("word/media/image1.png", &[&b"\x89PNG\r\n\x1a\n"[..], &noise(91_500)].concat()),
            ("word/vbaProject.bin", macros),
        ])
    };
    let only_called = project_of("", &[("ThisDocument", &SOURCE.replace("Document_Open", "Format"))]);
    let inner = archive(&[("one.bin", &noise(300_000)), ("two.bin", &noise(300_000)), ("text.txt", &[b'x'; 100_000])], None);
    let nested = archive(&[("inner.zip", &archive(&[("innermost.zip", &inner)], None)), ("three.bin", &noise(400_000))], None);
    vec![
        Case { title: "nothing in it (a cell's own cost)", name: "a.bin", content: vec![0; 16], bar: None, parts: 1 },
        Case { title: "100 KiB office document", name: "letter.docm", content: office(&only_called), bar: Some(20.0), parts: 6 },
        Case {
            title: "the same, with a macro that starts by itself",
            name: "letter.docm",
            content: office(&project("")),
            bar: None,
            parts: 6,
        },
        Case {
            title: "JScript that ends at once",
            name: "invoice.js",
            content: b"new ActiveXObject('WScript.Shell').Run('calc.exe')".to_vec(),
            bar: Some(150.0),
            parts: 1,
        },
        Case {
            title: "a shell script that ends at once, run for real",
            name: "setup.sh",
            content: b"#!/bin/sh\nexit 0\n".to_vec(),
            bar: Some(150.0),
            parts: 1,
        },
        Case { title: "1 MiB of nested ZIP", name: "files.zip", content: nested, bar: Some(100.0), parts: 7 },
    ]
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let scratch = tempfile::Builder::new().prefix("postern-bench").tempdir()?;
    fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    namespace::enter(scratch.path())?;
    let dir = scratch.path().join("postern");
    let settings = format!(
        "[smtp]\nlisten = [\"127.0.0.1:{SMTP_PORT}\"]\ntrusted_listen = []\ngreeting_pause = \"0s\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n\
         [smtp.limits]\nmax_connections_per_source = 1000\nconnections_per_minute = 10000000\n\
         [console]\nlisten = []\n[log]\nlevel = \"warn\"\n[dns]\nenabled = false\n[greylist]\nenabled = false\n\
         [[domains]]\nname = \"*\"\nbackends = [{{ host = \"127.0.0.1\", port = {SINK_PORT}, tls = \"off\" }}]\n"
    );
    let _sink = Sink::start(SINK_PORT)?;
    let _node = Gateway::node(&options.postern, &dir, &settings)?;
    let role = Gateway::sandbox(&options.postern, &dir, &settings)?;
    let socket = dir.join("run/sandbox.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;

    let began = Instant::now();
    let rules = runtime.block_on(client::rules(&socket, &Sources::new(&[])?))?;
    let compiled_in = began.elapsed().as_secs_f64() * 1000.0;
    println!("{} YARA rules compiled in {compiled_in:.0} ms", rules.ours);
    let rules = rules.id;

    let (rows, single) = runtime.block_on(one_after_the_other(&socket, options.jobs, rules))?;
    report::table(
        "Through the role, one at a time, milliseconds",
        &["attachment", "KiB", "p50", "p95", "bar p50", "", "p50 without YARA"],
        &rows,
    );

    let (side_by_side, remains) = runtime.block_on(leave_nothing(&socket, role.id(), rules))?;
    report::table(
        &format!("{LEFT_BEHIND} office documents, {AT_ONCE} cells at a time"),
        &["a second", "processes left", "mounts left", "descriptors left", "memory MB before", "after"],
        &[vec![
            format!("{side_by_side:.0}"),
            remains.processes.to_string(),
            remains.mounts.to_string(),
            remains.descriptors.to_string(),
            format!("{:.1}", remains.memory.0),
            format!("{:.1}", remains.memory.1),
        ]],
    );
    remains.check()?;

    let (alone, beside, busy) = beside_smtp(&runtime, &socket, rules)?;
    let ratio = beside.p99 / alone.p99;
    report::table(
        &format!("The reply after the dot, {SESSIONS} sessions, milliseconds"),
        &["", "p50", "p99", "bar"],
        &[
            vec!["SMTP alone".into(), format!("{:.1}", alone.p50), format!("{:.1}", alone.p99), String::new()],
            vec![
                format!("beside {AT_ONCE} cells ({busy} documents)"),
                format!("{:.1}", beside.p50),
                format!("{:.1}", beside.p99),
                format!("{ratio:.2}x of {SMTP_BAR}x: {}", word(ratio <= SMTP_BAR)),
            ],
        ],
    );
    report::write(
        &options.out,
        "sandbox",
        json!({
            "single": single, "rules_compiled_in_ms": compiled_in, "documents_per_second": side_by_side,
            "smtp_alone_ms": {"p50": alone.p50, "p99": alone.p99}, "smtp_beside_ms": {"p50": beside.p50, "p99": beside.p99},
        }),
    )
}

fn word(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "missed" }
}

async fn open(socket: &Path, case: &Case, number: usize, rules: Option<RulesId>) -> anyhow::Result<Report> {
    let job = Job { name: format!("{number}-{}", case.name), ..Job::default() };
    let sealed = job.seal(&case.content)?;
    // As the node does: watched where edge is there.
    let watch = client::watch_at(socket).await;
    let places = Places { at_once: AT_ONCE, waiting: 10_000 };
    let report = client::open(socket, places, rules, watch.as_ref(), &sealed).await.with_context(|| case.title)?;
    ensure!(report.parts.len() == case.parts, "{}: {} parts, not {}", case.title, report.parts.len(), case.parts);
    Ok(report)
}

async fn one_after_the_other(socket: &Path, jobs: usize, rules: RulesId) -> anyhow::Result<(Vec<Vec<String>>, Vec<Value>)> {
    let (mut rows, mut results) = (Vec::new(), Vec::new());
    for case in cases() {
        let (mut took, mut without) = (Vec::new(), Vec::new());
        for n in 0..jobs + 5 {
            // Interleaved: what else the machine does falls on both.
            for (rules, took) in [(Some(rules), &mut took), (None, &mut without)] {
                let began = Instant::now();
                open(socket, &case, n, rules).await?;
                // The first warm what is read from disk.
                if n >= 5 {
                    took.push(began.elapsed().as_secs_f64() * 1000.0);
                }
            }
        }
        let (p50, p95) = (report::median(&took), report::percentile(&took, 0.95));
        rows.push(vec![
            case.title.into(),
            (case.content.len() / 1024).to_string(),
            format!("{p50:.1}"),
            format!("{p95:.1}"),
            case.bar.map_or_else(String::new, |bar| format!("{bar:.0}")),
            case.bar.map_or("", |bar| word(p50 <= bar)).into(),
            format!("{:.1}", report::median(&without)),
        ]);
        results.push(json!({"case": case.title, "octets": case.content.len(), "bar_ms": case.bar, "ms": took, "without_yara_ms": without}));
    }
    Ok((rows, results))
}

/// What there is more of after the jobs than before.
struct Remains {
    processes: usize,
    mounts: usize,
    descriptors: usize,
    memory: (f64, f64),
}

impl Remains {
    fn check(&self) -> anyhow::Result<()> {
        if self.processes + self.mounts + self.descriptors > 0 {
            bail!("the jobs left something behind: {} processes, {} mounts, {} descriptors", self.processes, self.mounts, self.descriptors);
        }
        Ok(())
    }
}

fn there_is(role: u32) -> anyhow::Result<(usize, usize, usize, f64)> {
    let (memory, processes) = process::memory(&[role]);
    let mounts = fs::read_to_string(format!("/proc/{role}/mounts"))?.lines().count();
    let descriptors = fs::read_dir(format!("/proc/{role}/fd"))?.count();
    Ok((processes, mounts, descriptors, memory))
}

async fn leave_nothing(socket: &Path, role: u32, rules: RulesId) -> anyhow::Result<(f64, Remains)> {
    let case = Arc::new(cases().swap_remove(1));
    let before = there_is(role)?;
    let began = Instant::now();
    let mut running = JoinSet::new();
    for n in 0..LEFT_BEHIND {
        let (case, socket) = (Arc::clone(&case), socket.to_owned());
        running.spawn(async move { open(&socket, &case, n, Some(rules)).await.map(drop) });
        // As many as a client holds open side by side.
        if running.len() >= 4 * AT_ONCE {
            running.join_next().await.context("a job")???;
        }
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    let seconds = began.elapsed().as_secs_f64();
    // The last replies' connections close when the role has read that we hung up.
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let after = there_is(role)?;
        let remains = Remains {
            processes: after.0.saturating_sub(before.0),
            mounts: after.1.saturating_sub(before.1),
            descriptors: after.2.saturating_sub(before.2),
            memory: (before.3, after.3),
        };
        if remains.check().is_ok() || Instant::now() > until {
            return Ok((LEFT_BEHIND as f64 / seconds, remains));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The reply after the dot, in milliseconds.
struct Replies {
    p50: f64,
    p99: f64,
}

/// SMTP alone and beside cells that are always busy; how many documents these took apart.
fn beside_smtp(runtime: &tokio::runtime::Runtime, socket: &Path, rules: RulesId) -> anyhow::Result<(Replies, Replies, usize)> {
    let mails: Vec<RealMail> = (0..MAILS)
        .map(|n| RealMail {
            client: "192.0.2.7".parse().unwrap_or([192, 0, 2, 7].into()),
            helo: "client.example".into(),
            from: "anna@example.org".into(),
            data: format!("{}\r\n.\r\n", plain_mail(&format!("Mail {n}")).trim_end().replace('\n', "\r\n")).into_bytes(),
        })
        .collect();
    let measure = || -> anyhow::Result<Replies> {
        let run = send_real(SMTP_PORT, &mails, SESSIONS)?;
        ensure!(run.accepted == MAILS, "{} of {MAILS} mails were accepted", run.accepted);
        Ok(Replies { p50: report::median(&run.replies), p99: report::percentile(&run.replies, 0.99) })
    };
    measure()?;
    let alone = measure()?;
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut cells = JoinSet::new();
    for n in 0..AT_ONCE {
        let (stop, done, socket) = (Arc::clone(&stop), Arc::clone(&done), socket.to_owned());
        cells.spawn_on(
            async move {
                let case = cases().swap_remove(1);
                while !stop.load(Ordering::Relaxed) {
                    open(&socket, &case, n, Some(rules)).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            },
            runtime.handle(),
        );
    }
    // Cells that begin together are no measure.
    wait_until("cells at work", Duration::from_secs(30), || done.load(Ordering::Relaxed) >= AT_ONCE)?;
    done.store(0, Ordering::Relaxed);
    let beside = measure();
    stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        while let Some(cell) = cells.join_next().await {
            cell??;
        }
        anyhow::Ok(())
    })?;
    Ok((alone, beside?, done.load(Ordering::Relaxed)))
}
