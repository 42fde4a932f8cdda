//! Every role and the command line, as a library: the binary `postern` is this with the generation of its build.
//!
//! Not for use by other programs. Tests start nodes of other generations with it.

mod acme;
mod backups;
mod cluster;
mod command;
mod console;
mod duty;
mod edge;
mod learning;
mod logging;
mod node;
mod offline;
mod os;
mod run;
mod sandbox;
mod service_manager;
mod steering;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Where a node's settings lie unless told otherwise.
pub(crate) const SETTINGS: &str = "/etc/postern/postern.toml";

use clap::{CommandFactory, Parser, Subcommand};
pub use postern_cluster::node::generation::Generation;
use postern_model::settings::Settings;

/// A mail security gateway: drops at the NIC, judges, keeps, delivers.
#[derive(Parser)]
#[command(name = "postern", version)]
struct Cli {
    #[command(flatten)]
    globals: command::Globals,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Start a whole gateway on this machine with working defaults
    Run(run::RunOptions),
    /// Judge mails from files, one JSON line each
    Scan {
        #[command(flatten)]
        args: offline::scan::ScanArgs,
        #[command(flatten)]
        settings: SettingsFile,
    },
    /// Train the classifier with mails from files
    Learn {
        #[command(flatten)]
        args: offline::learn::LearnArgs,
        #[command(flatten)]
        settings: SettingsFile,
    },
    /// Judge one mail and say why
    Explain {
        #[command(flatten)]
        args: offline::explain::ExplainArgs,
        #[command(flatten)]
        settings: SettingsFile,
    },
    #[command(flatten)]
    Command(command::Command),
}

/// Weights, thresholds and lists for judging without a node.
#[derive(clap::Args)]
struct SettingsFile {
    /// Settings file [default: the documented defaults]
    #[arg(long = "settings", value_name = "FILE")]
    settings_file: Option<PathBuf>,
}

impl SettingsFile {
    fn read(&self) -> anyhow::Result<Settings> {
        self.settings_file.as_deref().map_or_else(|| Ok(Settings::default()), node::read_settings)
    }
}

/// The whole program; `generation` is what a node of it says to its peers, and understands.
pub fn main(generation: Generation) -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.what {
        What::Run(options) => run::run(&options).map(|()| 0),
        What::Scan { args, settings } => offline(settings, |s, out, problems| offline::scan::run(&args, s, out, problems)),
        What::Learn { args, settings } => offline(settings, |s, out, problems| offline::learn::run(&args, &s, out, problems)),
        What::Explain { args, settings } => offline(settings, |s, out, _| offline::explain::run(&args, s, out)),
        What::Command(command::Command::Node(arguments)) if arguments.verb.is_none() => {
            node::run(&arguments.settings, generation).map(|()| 0)
        }
        What::Command(command::Command::Edge(arguments)) if arguments.verb.is_none() => edge::run(&arguments).map(|()| 0),
        What::Command(command::Command::Sandbox(arguments)) if arguments.verb.is_none() => sandbox::run(&arguments).map(|()| 0),
        What::Command(command::Command::Os(arguments)) if arguments.verb.is_none() => os::run(cli.globals.socket).map(|()| 0),
        What::Command(command) => return command::run(command, &cli.globals, Cli::command),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            eprintln!("postern: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn offline(
    settings: SettingsFile,
    work: impl FnOnce(Settings, &mut dyn Write, &mut dyn Write) -> anyhow::Result<u8>,
) -> anyhow::Result<u8> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let code = work(settings.read()?, &mut out, &mut std::io::stderr())?;
    out.flush()?;
    Ok(code)
}
