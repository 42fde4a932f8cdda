//! `postern sandbox`: takes files apart in a cell, on this machine, without a node; what the role does.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use postern_model::sandbox::RulesReport;
use postern_model::watch::WATCH_SOCKET;
use postern_mta::sandbox::SOCKET;
use postern_sandbox::cell::{Cells, Rules};
use postern_sandbox::client;
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::watch::Watch;
use postern_sandbox::yara::{self, Source, Sources};
use serde_json::json;
use tokio::runtime::Runtime;

use super::client::{CommandError, Node};
use super::output::{self, list, string, when};
use super::{Globals, sandbox_report};

/// The worker, beside this program.
const WORKER: &str = "postern-cell";
/// How long the role may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Settings file, for the role; where its socket lies
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The worker, when it is not beside this program
    #[arg(long, value_name = "PATH")]
    pub worker: Option<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Attachments that are taken apart now and were so far
    Status,
    /// Take files apart, and say what is in them and what of it is worth a look
    Run(RunArguments),
    /// Your YARA rules that are in force on the node, and why the newest are not
    Rules,
    /// Try the YARA rules of a folder: errors and warnings with file and line, before the node sees them
    CheckRules(CheckArguments),
}

#[derive(Args, Debug)]
pub struct CheckArguments {
    /// With files `*.yar` and `*.yara`
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The worker, when it is not beside this program
    #[arg(long, value_name = "PATH")]
    worker: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct RunArguments {
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A word that may open what is encrypted; may be given several times
    #[arg(long = "password", value_name = "WORD")]
    passwords: Vec<String>,
    /// YARA rules of your own, beside those that Postern brings
    #[arg(long, value_name = "FOLDER")]
    rules: Option<PathBuf>,
    /// The worker, when it is not beside this program
    #[arg(long, value_name = "PATH")]
    worker: Option<PathBuf>,
}

/// The program that runs in a cell.
pub fn worker(named: Option<PathBuf>) -> io::Result<PathBuf> {
    named.map_or_else(|| std::env::current_exe().map(|here| here.with_file_name(WORKER)), Ok)
}

pub fn run(verb: Verb, globals: &Globals) -> Result<(), CommandError> {
    match verb {
        Verb::Status => status(globals),
        Verb::Rules => rules(globals),
        Verb::Run(arguments) => take_apart(arguments, globals),
        Verb::CheckRules(arguments) => check_rules(arguments, globals.json),
    }
}

/// Its socket lies beside the node's.
fn status(globals: &Globals) -> Result<(), CommandError> {
    let socket = globals.socket.with_file_name(SOCKET);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Local)?;
    let away = |e: String| CommandError::Local(io::Error::other(format!("{}: {e}", socket.display())));
    let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, client::status(&socket)).await });
    let status = asked.map_err(|e| away(e.to_string()))?.map_err(|e| away(e.to_string()))?;
    if globals.json {
        output::json(&json!(status));
        return Ok(());
    }
    let counts = [
        ("taken apart now", status.running as u64),
        ("waiting", status.waiting as u64),
        ("taken apart", status.opened),
        ("no place", status.busy),
        ("no cell", status.failed),
        ("refused", status.refused),
        ("not waited for", status.abandoned),
    ];
    output::table(&["attachments", ""], &counts.map(|(what, count)| vec![what.to_owned(), count.to_string()]));
    let cgroups = match (&status.cgroups.without, status.cgroups.bounded.as_slice()) {
        (Some(why), _) => format!("none: {why}"),
        (None, []) => "each cell has one, and nothing bounds it (Delegate=)".to_owned(),
        (None, bounded) => format!("each cell has one, which bounds {}", bounded.join(", ")),
    };
    let why = status.unwatched_because.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    output::text(&output::plain(&format!("\ncgroups: {cgroups}"), true));
    output::text(&output::plain(&format!("watched from the kernel: {}, not: {}{why}", status.watched, status.unwatched), true));
    if let Some(rules) = &status.rules {
        output::text("");
        print_rules(rules);
    }
    Ok(())
}

/// What the node says of them.
fn rules(globals: &Globals) -> Result<(), CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Local)?;
    let node = Node { socket: globals.socket.clone(), json: globals.json };
    let answer = runtime.block_on(node.get("/sandbox/rules"))?;
    if globals.json {
        output::json(&answer);
        return Ok(());
    }
    if answer["enabled"] == false {
        output::text("YARA rules are off (sandbox.enabled, sandbox.yara)");
    }
    if answer["since"].is_null() {
        output::text("no YARA rules of yours are in force");
    } else {
        let count = answer["rules"].as_u64().map_or_else(|| "not counted yet".to_owned(), |n| n.to_string());
        let (files, since) = (string(&answer["files"]), when(&answer["since"]));
        output::text(&format!("YARA rules of yours: {count}; texts and files: {files}; in force since {since}"));
    }
    let trouble = &answer["trouble"];
    if !trouble.is_null() {
        output::text(&output::plain(
            &format!("the newest are not taken, since {}: {}", when(&trouble["at"]), string(&trouble["why"])),
            true,
        ));
        for problem in list(trouble, "problems") {
            let [file, line, severity, text] = ["file", "line", "severity", "text"].map(|key| string(&problem[key]));
            output::text(&output::plain(&format!("{file}:{line}: {severity}: {text}"), true));
        }
    }
    Ok(())
}

/// Compiles ours and these, in a cell as the role does.
///
/// # Errors
/// When no cell can be had.
pub fn compile_rules(cells: &Cells, files: &[Source], runtime: &Runtime) -> io::Result<(Option<Rules>, RulesReport)> {
    runtime.block_on(cells.compile(&Sources::new(files)?)).map_err(io::Error::other)
}

/// Those of a folder; none without one.
///
/// # Errors
/// When it cannot be read.
pub fn rules_of_folder(folder: Option<&Path>) -> io::Result<Vec<Source>> {
    folder.map_or_else(|| Ok(Vec::new()), |folder| yara::of_folder(folder).map_err(io::Error::other))
}

fn check_rules(arguments: CheckArguments, as_json: bool) -> Result<(), CommandError> {
    let cells = Cells::new(worker(arguments.worker).map_err(CommandError::Local)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Local)?;
    let files = rules_of_folder(Some(&arguments.folder)).map_err(CommandError::Local)?;
    let (_, report) = compile_rules(&cells, &files, &runtime).map_err(CommandError::Local)?;
    if as_json {
        output::json(&json!(report))
    } else {
        print_rules(&report)
    }
    match report.errors().count() {
        0 => Ok(()),
        errors => Err(CommandError::Usage(format!("{errors} errors: a folder with one is not taken, the rules before it stay in force"))),
    }
}

fn print_rules(report: &RulesReport) {
    let word = if report.is_usable() { "ready" } else { "not taken" };
    output::text(&format!("YARA rules: {} of Postern, {} of yours: {word}", report.ours, report.theirs));
    // Names of files and rules are whoever's wrote them.
    report.problems.iter().for_each(|problem| output::text(&output::plain(&problem.to_string(), true)));
}

fn take_apart(arguments: RunArguments, globals: &Globals) -> Result<(), CommandError> {
    let worker = worker(arguments.worker).map_err(CommandError::Local)?;
    let cells = Cells::new(worker);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandError::Local)?;
    let files = rules_of_folder(arguments.rules.as_deref()).map_err(CommandError::Local)?;
    let (rules, report) = compile_rules(&cells, &files, &runtime).map_err(CommandError::Local)?;
    if let Some(error) = report.errors().next() {
        return Err(CommandError::Usage(format!("{error} (postern sandbox check-rules)")));
    }
    for file in &arguments.files {
        let content = read(file)?;
        let job = Job { name: name_of(file), passwords: arguments.passwords.clone(), ..Job::default() };
        // Whoever may ask edge has its cells watched; its socket lies beside the node's.
        let watched = async {
            let watch = Watch::of(&globals.socket.with_file_name(WATCH_SOCKET)).await;
            cells.watched(watch).run(&job, &content, rules.as_ref()).await
        };
        let report = runtime.block_on(watched).map_err(|e| CommandError::Local(io::Error::other(e)))?;
        if globals.json { output::json(&sandbox_report::as_value(&report)) } else { sandbox_report::print(&report) }
    }
    Ok(())
}

/// What is larger than all that may come out of it is not worth a cell.
fn read(file: &Path) -> Result<Vec<u8>, CommandError> {
    let failed = |error: io::Error| CommandError::Local(io::Error::new(error.kind(), format!("{}: {error}", file.display())));
    let most = Limits::default().octets;
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > most {
        return Err(CommandError::Usage(format!("{}: {size} octets, and {most} at most are taken apart", file.display())));
    }
    std::fs::read(file).map_err(failed)
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}
