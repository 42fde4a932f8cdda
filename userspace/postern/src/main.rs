//! The binary `postern`: every role and the command line.

mod command;

use clap::{CommandFactory, Parser};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A mail security gateway: drops at the NIC, judges, keeps, delivers.
#[derive(Parser)]
#[command(name = "postern", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    globals: command::Globals,
    #[command(subcommand)]
    command: command::Command,
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    command::run(cli.command, &cli.globals, Cli::command)
}
