//! `postern <noun> <verb>`: the command line, a client of the node's API over its unix socket.
//!
//! The nouns are those of the API. `--json` prints the API's answer as it is; without it people get a
//! table. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the node cannot be reached.

pub mod account;
pub mod alerts;
pub mod backup;
pub mod certificate;
pub mod client;
pub mod cluster;
pub mod domains;
pub mod edge;
pub mod fetch;
pub mod install;
pub mod journey;
pub mod os;
pub mod output;
pub mod policy;
pub mod quarantine;
pub mod queue;
pub mod reports;
mod restore_order;
pub mod rolling;
pub mod sandbox;
mod sandbox_report;
pub mod seed;
pub mod settings;
pub mod setup;
pub mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use client::{CommandError, Node};

/// Where the node listens, and how its answers are shown.
#[derive(Args, Clone, Debug)]
pub struct Globals {
    /// The node's unix socket
    #[arg(long, global = true, env = "POSTERN_SOCKET", default_value = "/run/postern/node.sock", value_name = "PATH")]
    pub socket: PathBuf,
    /// Print the API's answer as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// The node at a glance
    Status,
    /// What is wrong with the nodes, and what was
    Alerts(alerts::Arguments),
    /// The domains that mail is taken for, and where it goes
    Domains(domains::Arguments),
    /// What the gateway did in some days
    Reports(reports::Arguments),
    /// Mails that are not delivered yet
    #[command(subcommand)]
    Queue(queue::Verb),
    /// Mails held back by the filter
    #[command(subcommand)]
    Quarantine(quarantine::Verb),
    /// What happened to a mail
    #[command(subcommand, alias = "journeys")]
    Journey(journey::Verb),
    /// Without a verb: the role that guards the network card. With one: what it does
    #[command(args_conflicts_with_subcommands = true)]
    Edge(edge::Arguments),
    /// Without a verb: the role that speaks SMTP, judges, keeps and delivers. With one: whether it takes mail
    #[command(args_conflicts_with_subcommands = true)]
    Node(cluster::NodeArguments),
    /// Equal peers: who they are, who may join, what they share
    #[command(subcommand)]
    Cluster(cluster::Verb),
    /// The settings in force, and their history
    #[command(subcommand)]
    Settings(settings::Verb),
    /// The rules: what becomes of a mail for each of its recipients
    #[command(subcommand)]
    Policy(policy::Verb),
    /// What the filter looks for
    #[command(subcommand)]
    Symbols(status::SymbolVerb),
    /// Who may log in to the console
    #[command(subcommand)]
    Admin(account::AdminVerb),
    /// Tokens for programs that use the API
    #[command(subcommand)]
    Token(account::TokenVerb),
    /// What SMTP and the console show: requested, installed, ordered by itself
    #[command(subcommand)]
    Certificate(certificate::Verb),
    /// What makes this node this node, encrypted: made, looked at, restored
    #[command(subcommand)]
    Backup(backup::Verb),
    /// Without a verb: the role with the rights to the appliance's machine. With one: slots, updates, health, network
    #[command(args_conflicts_with_subcommands = true)]
    Os(os::Arguments),
    /// Without a verb: the role that takes attachments apart, each in a cell. With one: what it does, or a file taken apart here
    #[command(args_conflicts_with_subcommands = true)]
    Sandbox(sandbox::Arguments),
    /// The console menu of the appliance
    Setup,
    /// Who did what
    Audit(account::AuditArguments),
    /// Print the OpenAPI document
    Openapi,
    /// Print a completion script, as in `postern completion bash > /etc/bash_completion.d/postern`
    Completion { shell: clap_complete::Shell },
}

/// Runs a command. `whole` is the command line with everything in it, for the completion script.
pub fn run(command: Command, globals: &Globals, whole: impl FnOnce() -> clap::Command) -> ExitCode {
    let done = match command {
        Command::Openapi => {
            output::text(&postern_console::openapi());
            Ok(())
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut whole(), "postern", &mut script);
            output::text(&String::from_utf8_lossy(&script));
            Ok(())
        }
        Command::Settings(verb) if verb.is_local() => settings::local(verb, globals.json),
        Command::Policy(verb) if verb.is_local() => policy::local(&verb, globals.json),
        Command::Symbols(status::SymbolVerb::Reference) => {
            output::text(&postern_filter::registry::markdown());
            Ok(())
        }
        Command::Sandbox(sandbox::Arguments { verb: Some(verb), .. }) => sandbox::run(verb, globals),
        Command::Backup(verb) if verb.is_local() => backup::local(verb, globals.json),
        Command::Os(os::Arguments { verb: Some(verb) }) if verb.is_local() => os::local(&verb),
        other => with_node(other, globals),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error, globals.json);
            ExitCode::from(error.code())
        }
    }
}

fn with_node(command: Command, globals: &Globals) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Local)?;
    let node = Node { socket: globals.socket.clone(), json: globals.json };
    runtime.block_on(async {
        match command {
            Command::Status => status::status(&node).await,
            Command::Alerts(arguments) => alerts::run(&node, arguments).await,
            Command::Domains(arguments) => domains::run(&node, arguments).await,
            Command::Reports(arguments) => reports::run(&node, arguments).await,
            Command::Queue(verb) => queue::run(&node, verb).await,
            Command::Quarantine(verb) => quarantine::run(&node, verb).await,
            Command::Journey(verb) => journey::run(&node, verb).await,
            Command::Edge(edge) => edge::run(&node, edge).await,
            Command::Node(arguments) => cluster::duty(&node, arguments).await,
            Command::Cluster(verb) => cluster::run(&node, verb).await,
            Command::Settings(verb) => settings::run(&node, verb).await,
            Command::Policy(verb) => policy::run(&node, verb).await,
            Command::Symbols(verb) => status::symbols(&node, verb).await,
            Command::Admin(verb) => account::admin(&node, verb).await,
            Command::Token(verb) => account::token(&node, verb).await,
            Command::Certificate(verb) => certificate::run(&node, verb).await,
            Command::Backup(verb) => backup::run(&node, &verb).await,
            Command::Setup => setup::run(&node).await,
            Command::Os(os::Arguments { verb: Some(verb) }) => os::run(&node, verb).await,
            Command::Audit(asked) => account::audit(&node, asked).await,
            Command::Openapi | Command::Completion { .. } | Command::Sandbox(_) | Command::Os(_) => Ok(()),
        }
    })
}
