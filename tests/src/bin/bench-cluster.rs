//! `just bench cluster`: a cluster of real nodes (and a simulated one of a hundred) against its bars.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use postern_tests::bench::cluster::{Bar, Found, Setting, config, copies, flood, heal, join, killing, scale, steering, sync};
use postern_tests::bench::report;
use postern_tests::network::lacking;
use serde_json::{Map, Value, json};

#[derive(Parser)]
struct Options {
    #[arg(long)]
    postern: PathBuf,
    #[arg(long)]
    out: PathBuf,
    /// These parts alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Changes of a setting.
    #[arg(long, default_value_t = 200)]
    changes: u32,
    /// How long nodes in sync are watched.
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
    /// Rows written during the cut.
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    /// Nodes that join.
    #[arg(long, default_value_t = 3)]
    joins: usize,
    /// Interleaved rounds with and without copies.
    #[arg(long, default_value_t = 5)]
    copy_rounds: usize,
    #[arg(long, default_value_t = 4)]
    round_seconds: u64,
    /// Kills.
    #[arg(long, default_value_t = 50)]
    rounds: usize,
    /// Sessions with one address.
    #[arg(long, default_value_t = 500)]
    sessions: usize,
    /// Interleaved rounds with and without a flood.
    #[arg(long, default_value_t = 3)]
    flood_rounds: usize,
    /// Of the kills and the simulator; drawn unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// Where the plot of the simulated clusters goes.
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Config,
    Sync,
    Heal,
    Join,
    Copies,
    Scale,
    Kill,
    Steering,
    Flood,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Sync => "sync",
            Self::Heal => "heal",
            Self::Join => "join",
            Self::Copies => "copies",
            Self::Scale => "scale",
            Self::Kill => "kill",
            Self::Steering => "steering",
            Self::Flood => "flood",
        }
    }

    /// Why it cannot run here.
    fn lacking(self) -> Option<String> {
        match self {
            Self::Heal => None,
            Self::Scale => {
                (!cfg!(feature = "sim")).then(|| "built without the simulator (cargo build -p postern-tests --features sim)".into())
            }
            _ => lacking(&["ip", "nsenter", "unshare"]),
        }
    }

    fn run(self, setting: &Setting, options: &Options) -> anyhow::Result<Found> {
        match self {
            Self::Config => config::measure(setting, options.changes),
            Self::Sync => sync::measure(setting, options.idle_seconds),
            Self::Heal => heal::measure(setting, options.rows),
            Self::Join => join::measure(setting, options.joins),
            Self::Copies => copies::measure(setting, options.copy_rounds, options.round_seconds),
            Self::Scale => scale::measure(setting, options.plot.as_deref()),
            Self::Kill => killing::measure(setting, options.rounds),
            Self::Steering => steering::measure(setting, options.sessions),
            Self::Flood => flood::measure(setting, options.flood_rounds),
        }
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let scratch = tempfile::Builder::new().prefix("postern-bench").tempdir()?;
    let parts = if options.only.is_empty() { Part::value_variants() } else { &options.only[..] };
    let (mut bars, mut results, mut is_whole): (Vec<Bar>, Map<String, Value>, bool) = (Vec::new(), Map::new(), true);
    for &part in parts {
        let name = part.name();
        if let Some(why) = part.lacking() {
            println!("\n{name}: skipped: {why}");
            results.insert(name.into(), json!({ "skipped": why }));
            continue;
        }
        let folder = scratch.path().join(name);
        std::fs::create_dir(&folder)?;
        let setting = Setting { postern: options.postern.clone(), folder, seed };
        let begun = Instant::now();
        // A thread of its own: it moves into a namespace, and what is left there ends with it.
        let found = std::thread::scope(|scope| scope.spawn(|| part.run(&setting, &options)).join());
        match found {
            Ok(Ok(found)) => {
                report::table(&found.title, &found.head, &found.rows);
                found.remarks.iter().for_each(|r| println!("{r}"));
                println!("({name} took {:.0} s)", begun.elapsed().as_secs_f64());
                results.insert(name.into(), found.json());
                bars.extend(found.bars);
            }
            failed => {
                let why = failed
                    .map_or_else(|_| "the part ended with a panic".into(), |e| e.map_or_else(|e| format!("{e:#}"), |_| String::new()));
                println!("\n{name}: FAILED: {why}");
                results.insert(name.into(), json!({ "failed": why }));
                is_whole = false;
            }
        }
    }
    report::table("Bars", &["what", "measured", "bar", ""], &bars.iter().map(Bar::row).collect::<Vec<_>>());
    if cfg!(debug_assertions) {
        println!("(a build with assertions: figures of a release build are better)");
    }
    report::write(&options.out, "cluster", json!({"seed": seed, "parts": results}))?;
    Ok(if is_whole && bars.iter().all(Bar::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
