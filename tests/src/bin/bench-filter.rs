//! `just bench filter`: real mails through all detection, beside Postfix with Rspamd.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Parser;
use postern_tests::bench::load::{read_corpus, send_real};
use postern_tests::bench::postern::Postern;
use postern_tests::bench::postfix::Postfix;
use postern_tests::bench::rspamd::Rspamd;
use postern_tests::bench::sink::Sink;
use postern_tests::bench::{nameserver, namespace, process, report};
use serde_json::json;

#[derive(Parser)]
struct Options {
    #[arg(long)]
    postern: PathBuf,
    #[arg(long)]
    out: PathBuf,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Folder with mail-corpus.tar.zst, or an unpacked mail-corpus with index.tsv.
    #[arg(long, env = "POSTERN_DATA")]
    data: Option<PathBuf>,
    /// Parallel sessions.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 20, 50])]
    sessions: Vec<usize>,
    /// Mails of the corpus to send in each round.
    #[arg(long, default_value_t = usize::MAX)]
    mails: usize,
    /// Postern alone, to profile it; no ratios.
    #[arg(long)]
    alone: bool,
}

#[derive(Default)]
struct Measured {
    rate: Vec<f64>,
    cpu_ms: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    refused: usize,
}

/// Postfix with Rspamd as its milter, and where it delivers.
struct Peer {
    postfix: Postfix,
    rspamd: Rspamd,
    _sink: Sink,
}

impl Peer {
    fn start(scratch: &Path) -> anyhow::Result<Self> {
        let sink = Sink::start(2700)?;
        let rspamd = Rspamd::start(&scratch.join("rspamd"), 2650)?;
        let milter = "smtpd_milters = inet:127.0.0.1:2650\nmilter_default_action = tempfail\nsmtpd_upstream_proxy_protocol = haproxy\n";
        let postfix = Postfix::start(&scratch.join("postfix"), 2500, 2700, milter)?;
        Ok(Self { postfix, rspamd, _sink: sink })
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let Some(data) = &options.data else {
        println!("skipped: no labelled mail (set POSTERN_DATA to a folder with mail-corpus.tar.zst)");
        return Ok(());
    };
    let scratch = tempfile::Builder::new().prefix("postern-bench").tempdir()?;
    std::fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let folder = if data.join("index.tsv").exists() {
        data.clone()
    } else {
        let archive = data.join("mail-corpus.tar.zst");
        let status = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(scratch.path()).status()?;
        if !status.success() {
            bail!("cannot unpack {}", archive.display());
        }
        scratch.path().join("mail-corpus")
    };
    let mut mails = read_corpus(&folder).context("the corpus")?;
    mails.truncate(options.mails);

    namespace::enter(scratch.path())?;
    nameserver::serve(&["sink.example"])?;
    let settings = "\
        [smtp]\nlisten = [\"127.0.0.1:2600\"]\ntrusted_listen = []\ngreeting_pause = \"0s\"\nproxy_protocol_from = [\"127.0.0.0/8\"]\n\
        refuse_unknown_sender_domain = false\nrefuse_bad_helo = false\n\
        [smtp.limits]\nmax_connections_per_source = 1000\nconnections_per_minute = 10000000\n\
        [console]\nlisten = []\n[log]\nlevel = \"warn\"\n[greylist]\nenabled = false\n\
        [edge.bans]\nenabled = false\n\
        [dns]\nservers = [\"127.0.0.1\"]\n\
        [dns_lists]\nrefuse_at = 1000\nlists = [{ zone = \"zen.bench.example\", weight = 4.0 }, { zone = \"bl.bench.example\", weight = 3.0 }, { zone = \"dbl.bench.example\", weight = 4.0, subject = \"domain\" }]\n\
        [delivery]\nmax_connections_per_destination = 20\n\
        [[domains]]\nname = \"*\"\nbackends = [{ host = \"127.0.0.1\", port = 2701, tls = \"off\" }]\n";
    let _postern_sink = Sink::start(2701)?;
    let peer = if options.alone { None } else { Some(Peer::start(scratch.path())?) };
    let their_roots = peer.as_ref().map(|p| vec![p.postfix.pid, p.rspamd.process.id()]).unwrap_or_default();
    let postern = Postern::start(&options.postern, &scratch.path().join("postern"), 2600, settings)?;

    let mut rows = Vec::new();
    let mut results = Vec::new();
    for &sessions in &options.sessions {
        let mut theirs = Measured::default();
        let mut ours = Measured::default();
        for round in 0..=options.rounds {
            for (side, port, roots) in [(&mut theirs, 2500, &their_roots), (&mut ours, 2600, &vec![postern.process.id()])] {
                if roots.is_empty() {
                    continue;
                }
                // Round 0 warms caches on a tenth and is not counted.
                let part = if round == 0 { &mails[..mails.len() / 10] } else { &mails[..] };
                let cpu = process::cpu_seconds(roots);
                let run = send_real(port, part, sessions)?;
                std::thread::sleep(std::time::Duration::from_millis(500));
                if round > 0 {
                    side.rate.push(part.len() as f64 / run.seconds);
                    side.cpu_ms.push((process::cpu_seconds(roots) - cpu) * 1000.0 / part.len() as f64);
                    side.p50.push(report::percentile(&run.replies, 0.5));
                    side.p99.push(report::percentile(&run.replies, 0.99));
                    side.refused = run.refused;
                }
            }
        }
        let m = |values: &[f64]| report::median(values);
        let their_memory = process::memory(&their_roots).0;
        let our_memory = process::memory(&[postern.process.id()]).0;
        for (name, side, memory) in [("Postfix + Rspamd", &theirs, their_memory), ("Postern", &ours, our_memory)] {
            if side.rate.is_empty() {
                continue;
            }
            rows.push(vec![
                sessions.to_string(),
                name.into(),
                format!("{:.0}", m(&side.rate)),
                if options.alone { "-".into() } else { format!("{:.1}x", m(&side.rate) / m(&theirs.rate)) },
                format!("{:.2}", m(&side.cpu_ms)),
                format!("{:.1} / {:.1}", m(&side.p50), m(&side.p99)),
                format!("{memory:.0}"),
                side.refused.to_string(),
            ]);
            results.push(json!({"sessions": sessions, "who": name, "rate": side.rate, "cpu_ms": side.cpu_ms, "p50_ms": side.p50, "p99_ms": side.p99, "memory_mb": memory, "refused": side.refused}));
        }
    }
    report::table(
        &format!("Real mails, all detection, {} mails a round, medians of {} interleaved rounds", mails.len(), options.rounds),
        &["sessions", "who", "mails/s", "ratio", "CPU ms/mail", "reply after the dot p50 / p99 ms", "PSS MB", "refused"],
        &rows,
    );
    println!("Postern ready after {:.0} ms", postern.ready.as_secs_f64() * 1000.0);
    report::write(&options.out, "filter", json!({"rows": results, "ready_ms": postern.ready.as_secs_f64() * 1000.0}))
}
