//! `postern os`: without a verb the role (`crate::os`), with one what it is asked on its socket.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use postern_model::os::{OsReply, OsRequest, OsStatus, SlotStatus, UpdateStatus};
use postern_os::apply;
use postern_os::boot_report::{BootReport, FOLDER, Medium};
use postern_os::client::{self, OsClientError};
use postern_os::machine::Machine;
use postern_os::plan::Plan;
use postern_os::role::{MACHINE, SOCKET};
use postern_os::slot_settings;

use super::client::{CommandError, Node};
use super::output;
use super::seed;

const LOOK: Duration = Duration::from_millis(500);

#[derive(Args, Clone, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// This boot: its slot, its data, whether everything works, and the last update
    Status,
    /// Check an update, write it into the other slot, and start it at the next boot
    Update {
        /// A `postern-VERSION.update` on this machine
        bundle: PathBuf,
        /// Also when its version is older than this one
        #[arg(long)]
        allow_older: bool,
        /// Restart into it at once
        #[arg(long)]
        restart: bool,
    },
    /// Start the other slot at the next boot, with its settings
    RollBack,
    /// Call the slot of this boot good at once: it gets all its tries again
    MarkGood,
    /// Print what `apply` would write for a machine.toml
    Plan { file: PathBuf },
    /// Put a machine.toml in force: name, time, name servers, network
    Apply { file: PathBuf },
    /// Print log and versions, without mails, keys and passwords
    SupportBundle,
    /// Restart, and lose all settings, keys and mails of this machine
    FactoryReset {
        /// Yes, all of them
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Restart this machine
    Reboot,
    /// Switch this machine off
    PowerOff,
    /// Settings of this slot, and the kept machine.toml, before anybody reads them (its unit runs this)
    Start,
    /// Show what a seed would do at a first boot: a folder with user-data, meta-data and network-config, or one such file
    Seed {
        path: PathBuf,
        /// A seed is only ever taken by the first boot itself
        #[arg(long, required = true)]
        check: bool,
        /// A network card of the machine that the seed is for, as NAME=MAC; without any: those of this machine
        #[arg(long, value_parser = seed::card)]
        card: Vec<postern_os::seed::network::Card>,
    },
    /// Take the seed of an attached medium on a machine that was never set up (its unit runs this before the network is there)
    TakeSeed,
    /// Tell the node its part of the seed (its unit runs this)
    FinishSeed,
    /// Install from the medium that this system was started from: asks, or follows an answer file (its unit runs this)
    Install {
        /// Print what this postern-install.toml would do: disk, losses, steps; nothing is written
        #[arg(long, value_name = "FILE")]
        dry_run: Option<PathBuf>,
    },
}

impl Verb {
    /// Needs nobody to answer.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Plan { .. } | Self::Start | Self::Install { .. } | Self::Seed { .. } | Self::TakeSeed)
    }
}

pub fn local(verb: &Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Plan { file } => {
            for file in Plan::new(&machine(file)?).files {
                output::text(&format!("=== {}\n{}", file.path.display(), file.text));
            }
            Ok(())
        }
        Verb::Start => start(),
        Verb::Seed { path, card, .. } => seed::check(path, card.clone()),
        Verb::TakeSeed => seed::take(),
        Verb::Install { dry_run } => super::install::run(dry_run.as_deref()),
        _ => Err(CommandError::Usage("this asks the role os".into())),
    }
}

/// Early in a boot: nobody else runs yet.
fn start() -> Result<(), CommandError> {
    let root = Path::new("/");
    if let Medium::Slot(running) = BootReport::read(Path::new(FOLDER)).map_err(failed)?.medium {
        for file in slot_settings::at_start(root, running).map_err(failed)? {
            output::text(&format!("{} is that of slot {running} again", file.display()));
        }
    }
    if !Path::new(MACHINE).exists() {
        return Ok(());
    }
    let plan = Plan::new(&machine(Path::new(MACHINE))?);
    apply::files(&plan, root).map_err(failed)?;
    apply::hostname(&plan).map_err(failed)
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Status => status(node.json).await,
        Verb::FinishSeed => seed::finish(node).await,
        Verb::Update { bundle, allow_older, restart } => {
            let bundle = bundle.canonicalize().map_err(|e| failed(format!("{}: {e}", bundle.display())))?;
            ask(&OsRequest::Update { bundle, allow_older, restart }).await?;
            follow().await
        }
        Verb::RollBack => {
            ask(&OsRequest::RollBack).await?;
            output::text("the other slot is started at the next boot: postern os reboot");
            Ok(())
        }
        Verb::MarkGood => ask(&OsRequest::MarkGood).await.map(drop),
        Verb::Apply { file } => apply_machine(node, &file).await,
        Verb::SupportBundle => {
            output::text(&text(&OsRequest::SupportBundle).await?);
            Ok(())
        }
        Verb::FactoryReset { .. } => ask(&OsRequest::FactoryReset).await.map(drop),
        Verb::Reboot => ask(&OsRequest::Reboot).await.map(drop),
        Verb::PowerOff => ask(&OsRequest::PowerOff).await.map(drop),
        local_verb => local(&local_verb),
    }
}

/// For what happens on this machine.
pub fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Local(std::io::Error::other(error.to_string()))
}

impl From<OsClientError> for CommandError {
    fn from(error: OsClientError) -> Self {
        failed(error)
    }
}

/// # Errors
/// What the role says.
pub async fn ask(request: &OsRequest) -> Result<OsReply, CommandError> {
    Ok(client::ask(Path::new(SOCKET), request).await?)
}

/// # Errors
/// What the role says.
pub async fn text(request: &OsRequest) -> Result<String, CommandError> {
    Ok(client::text(Path::new(SOCKET), request).await?)
}

fn machine(file: &Path) -> Result<Machine, CommandError> {
    let text = fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
    Machine::parse(&text).map_err(failed)
}

/// By the node, which has the edge follow; by the role itself when there is no node.
async fn apply_machine(node: &Node, file: &Path) -> Result<(), CommandError> {
    let text = fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
    let machine = Machine::parse(&text).map_err(failed)?;
    match node.put("/system/machine", serde_json::json!({ "text": text })).await {
        Ok(changed) => {
            changed.as_array().into_iter().flatten().for_each(|path| output::text(&format!("changed {}", output::string(path))));
            output::text("a card's new name comes with the next boot");
            return Ok(());
        }
        Err(CommandError::NotRunning { .. }) => {}
        Err(refused) => return Err(refused),
    }
    if let OsReply::Changed { files } = ask(&OsRequest::PutMachine { text }).await? {
        files.iter().for_each(|path| output::text(&format!("changed {}", path.display())));
    }
    let outside: Vec<String> = machine.outside().map(|i| format!("{:?}", i.name)).collect();
    output::text("a card's new name comes with the next boot");
    output::text(&format!("guard them: postern settings set edge.interfaces '[{}]'", outside.join(", ")));
    Ok(())
}

/// # Errors
/// When the role does not answer.
pub async fn status(json: bool) -> Result<(), CommandError> {
    let status = client::status(Path::new(SOCKET)).await?;
    if json {
        output::text(&serde_json::to_string_pretty(&status).map_err(failed)?);
        return Ok(());
    }
    output::facts(&facts(&status));
    Ok(())
}

fn facts(status: &OsStatus) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("version", status.version.clone()),
        ("medium", status.medium.clone()),
        ("data", status.data.clone()),
        ("firmware", status.firmware.clone()),
        ("set up", status.set_up.clone()),
    ];
    for (label, slot) in ["slot a", "slot b"].into_iter().zip(&status.slots) {
        facts.push((label, slot_words(slot)));
    }
    facts.push(("health", status.trouble.clone().unwrap_or_else(|| "good".into())));
    facts.push(("guarded", status.guarded.join(", ")));
    if status.update != UpdateStatus::None {
        facts.push(("update", update_words(&status.update)));
    }
    if let Some(last) = &status.last_update {
        let why = if last.why.is_empty() { String::new() } else { format!(": {}", last.why) };
        facts.push(("last update", format!("{} to {} in slot {}: {}{why}", last.from, last.to, last.slot, last.outcome)));
    }
    facts.push(("last restore", status.last_restore.clone().unwrap_or_default()));
    facts
}

fn slot_words(slot: &SlotStatus) -> String {
    let mut words = vec![slot.tries_left.map_or_else(|| "empty".to_owned(), |n| format!("{n} tries left"))];
    words.extend(slot.running.then(|| "running".to_owned()));
    words.extend(slot.wanted.then(|| "started next".to_owned()));
    words.extend(slot.on_trial.then(|| "on trial".to_owned()));
    words.join(", ")
}

pub fn update_words(update: &UpdateStatus) -> String {
    match update {
        UpdateStatus::None => "none".into(),
        UpdateStatus::Running { stage, version, done, total } => {
            let percent = done.saturating_mul(100).checked_div(*total).unwrap_or(0);
            format!("{version}: {} {percent}%", stage.replace('-', " "))
        }
        UpdateStatus::Ready { version } => format!("{version} is written and started at the next boot"),
        UpdateStatus::Failed { why } => format!("failed: {why}"),
    }
}

/// Says how far an update is until it is written.
pub async fn follow() -> Result<(), CommandError> {
    let mut said = String::new();
    loop {
        let update = client::status(Path::new(SOCKET)).await?.update;
        let words = update_words(&update);
        match update {
            UpdateStatus::Running { .. } if words == said => {}
            UpdateStatus::Running { .. } => output::text(&words),
            UpdateStatus::Failed { why } => return Err(failed(why)),
            UpdateStatus::Ready { .. } | UpdateStatus::None => {
                output::text(&words);
                return Ok(());
            }
        }
        said = words;
        tokio::time::sleep(LOOK).await;
    }
}
