//! `just bench smtp`: accept and relay, durable, beside Postfix.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use postern_tests::bench::load::{Keep, smtp_source};
use postern_tests::bench::postern::Postern;
use postern_tests::bench::postfix::Postfix;
use postern_tests::bench::sink::Sink;
use postern_tests::bench::{nameserver, namespace, process, report};
use serde_json::json;

#[derive(Parser)]
struct Options {
    /// The built binary.
    #[arg(long)]
    postern: PathBuf,
    /// Folder for the JSON.
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Share of the usual number of mails.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

struct Case {
    name: &'static str,
    length: usize,
    keep: Keep,
    mails: usize,
    /// The bar on messages per second, as a multiple of Postfix.
    bar: f64,
}

const CASES: &[Case] = &[
    Case { name: "4 KiB, one mail per connection", length: 4096, keep: Keep::Closed, mails: 6000, bar: 4.0 },
    Case { name: "4 KiB, connections kept", length: 4096, keep: Keep::Open, mails: 6000, bar: 4.0 },
    Case { name: "100 KiB", length: 102_400, keep: Keep::Closed, mails: 1500, bar: 3.0 },
    Case { name: "1 MiB", length: 1_048_576, keep: Keep::Closed, mails: 250, bar: 2.0 },
];

const SESSIONS: usize = 50;

#[derive(Default)]
struct Measured {
    accepted: Vec<f64>,
    delivered: Vec<f64>,
    cpu_ms: Vec<f64>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let scratch = tempfile::Builder::new().prefix("postern-bench").tempdir()?;
    std::fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    namespace::enter(scratch.path())?;
    nameserver::serve(&["sink.example", "bench.example"])?;

    let settings = "\
        [smtp]\nlisten = [\"127.0.0.1:2600\"]\ntrusted_listen = []\ngreeting_pause = \"0s\"\n\
        [smtp.limits]\nmax_connections_per_source = 1000\nconnections_per_minute = 10000000\n\
        [console]\nlisten = []\n[log]\nlevel = \"warn\"\n[dns]\nenabled = false\n[greylist]\nenabled = false\n\
        [filter]\nallow_networks = [\"127.0.0.0/8\"]\n\
        [delivery]\nmax_connections_per_destination = 50\n\
        [[domains]]\nname = \"*\"\nbackends = [{ host = \"127.0.0.1\", port = 2701, tls = \"off\" }]\n";
    let postfix_sink = Sink::start(2700)?;
    let postern_sink = Sink::start(2701)?;
    let postfix = Postfix::start(&scratch.path().join("postfix"), 2500, 2700, "")?;
    let postern = Postern::start(&options.postern, &scratch.path().join("postern"), 2600, settings)?;

    let mut rows = Vec::new();
    let mut results = Vec::new();
    for case in CASES {
        let mails = ((case.mails as f64 * options.scale) as usize).max(SESSIONS);
        let mut theirs = Measured::default();
        let mut ours = Measured::default();
        for round in 0..=options.rounds {
            // Round 0 warms both sides and is not counted.
            let sides =
                [(&mut theirs, &postfix_sink, 2500, postfix.pid, mails / 3), (&mut ours, &postern_sink, 2600, postern.process.id(), mails)];
            for (side, sink, port, pid, count) in sides {
                let count = if round == 0 { count / 4 + SESSIONS } else { count };
                let target = sink.count() + count as u64;
                let cpu = process::cpu_seconds(&[pid]);
                let began = Instant::now();
                let accepted = smtp_source(port, SESSIONS, count, case.length, case.keep)?;
                sink.wait_for(target, Duration::from_secs(120))?;
                let delivered = began.elapsed().as_secs_f64();
                // What follows the last delivery (freeing, logging) counts too.
                std::thread::sleep(Duration::from_millis(300));
                if round > 0 {
                    side.accepted.push(count as f64 / accepted);
                    side.delivered.push(count as f64 / delivered);
                    side.cpu_ms.push((process::cpu_seconds(&[pid]) - cpu) * 1000.0 / count as f64);
                }
            }
        }
        let m = |values: &[f64]| report::median(values);
        let (their_memory, their_processes) = process::memory(&[postfix.pid]);
        let (our_memory, _) = process::memory(&[postern.process.id()]);
        rows.push(vec![
            case.name.into(),
            format!("{:.0}", m(&theirs.accepted)),
            format!("{:.0}", m(&ours.accepted)),
            format!("{:.1}x (bar {:.0}x)", m(&ours.accepted) / m(&theirs.accepted), case.bar),
            format!("{:.0}", m(&theirs.delivered)),
            format!("{:.0}", m(&ours.delivered)),
            format!("{:.1}x", m(&ours.delivered) / m(&theirs.delivered)),
            format!("{:.2}", m(&theirs.cpu_ms)),
            format!("{:.3}", m(&ours.cpu_ms)),
            format!("1/{:.1}", m(&theirs.cpu_ms) / m(&ours.cpu_ms)),
            format!("{their_memory:.0} ({their_processes})"),
            format!("{our_memory:.0}"),
        ]);
        results.push(json!({
            "case": case.name, "bar": case.bar, "mails": mails,
            "postfix": {"accepted": theirs.accepted, "delivered": theirs.delivered, "cpu_ms": theirs.cpu_ms, "memory_mb": their_memory, "processes": their_processes},
            "postern": {"accepted": ours.accepted, "delivered": ours.delivered, "cpu_ms": ours.cpu_ms, "memory_mb": our_memory},
        }));
    }
    report::table(
        &format!("Accept and relay, fsync before 250, {SESSIONS} sessions, medians of {} interleaved rounds", options.rounds),
        &[
            "case",
            "Postfix acc/s",
            "Postern acc/s",
            "ratio",
            "Postfix del/s",
            "Postern del/s",
            "ratio",
            "Postfix CPU ms",
            "Postern CPU ms",
            "ratio",
            "Postfix MB (proc)",
            "Postern MB",
        ],
        &rows,
    );
    println!("Postern ready after {:.0} ms", postern.ready.as_secs_f64() * 1000.0);
    report::write(&options.out, "smtp", json!({"cases": results, "ready_ms": postern.ready.as_secs_f64() * 1000.0}))
}
