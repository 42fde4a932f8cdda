//! `postern backup`. The running node is asked to make one (`now`) and how it stands; everything else needs the settings file and no node.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use postern_backup::lock::Key;
use postern_backup::manifest::Head;
use postern_backup::name::BackupName;
use postern_backup::restore::{Membership, Occupied, Plan, restore};
use postern_backup::schedule::make;
use postern_backup::target::{Octets, Target};
use postern_backup::verify::verify;
use postern_model::settings::Settings;
use serde_json::{Value, json};

use super::client::{CommandError, Node};
use super::output::{self, string, when};
use super::restore_order;

const LOOK: Duration = Duration::from_millis(500);

#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Have the running node make a backup now, and wait for it
    Now,
    /// When the running node makes backups, and how the last one went
    Status,
    /// Make a backup without the node, as whoever calls this
    Create {
        #[command(flatten)]
        settings: SettingsFile,
        /// Into this folder instead of the target of the settings
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// The backups at the target, of all nodes
    List {
        #[command(flatten)]
        settings: SettingsFile,
        /// Of this folder instead of the target of the settings
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
    },
    /// Read a whole backup and say whether a restore would take it
    Verify(Which),
    /// Put a backup in place of a data folder; the node must be stopped
    Restore {
        #[command(flatten)]
        which: Which,
        /// The data folder: empty, or not there yet
        #[arg(long, value_name = "FOLDER", default_value = "/var/lib/postern")]
        data: PathBuf,
        /// Keep what is in the data folder beside it, as NAME.replaced-TIME
        #[arg(long)]
        replace: bool,
        /// Take the old identity in the cluster: only when no other node of it is left
        #[arg(long)]
        resume_membership: bool,
    },
    /// Restore what the console was asked to restore (the appliance's unit runs this before the node)
    #[command(hide = true)]
    TakeOrder,
}

impl Verb {
    /// Needs no node.
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Now | Self::Status)
    }
}

#[derive(Args, Debug)]
pub struct SettingsFile {
    /// The settings file of the node
    #[arg(long, value_name = "FILE", default_value = crate::SETTINGS)]
    settings: PathBuf,
}

#[derive(Args, Debug)]
pub struct Which {
    /// A file, or the name of a backup at the target of the settings
    backup: String,
    #[command(flatten)]
    settings: SettingsFile,
    /// File with the secret key of age; without it the passphrase is read from the standard input
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Asks the node.
pub async fn run(node: &Node, verb: &Verb) -> Result<(), CommandError> {
    let status = match verb {
        Verb::Now => now(node).await?,
        _ => node.get("/backups/status").await?,
    };
    if node.json {
        output::json(&status);
        return Ok(());
    }
    let made = &status["made"];
    let trouble = &status["trouble"];
    output::facts(&[
        ("schedule", if status["schedule"] == "off" { "off: none by itself".into() } else { string(&status["schedule"]) }),
        ("target", string(&status["target"])),
        ("being made since", when(&status["running"])),
        ("next", when(&status["next"])),
        ("newest", when(&status["last"])),
        ("made", string(&made["name"])),
        ("size", if made.is_null() { String::new() } else { output::octets(&made["size"]) }),
        ("files in it", string(&made["members"])),
        ("older ones stay", string(&made["not_removed"])),
        ("FAILED", if trouble.is_null() { String::new() } else { format!("{}: {}", when(&trouble["at"]), string(&trouble["why"])) }),
    ]);
    Ok(())
}

/// The state when it is made.
async fn now(node: &Node) -> Result<Value, CommandError> {
    node.post("/backups", json!({})).await?;
    output::remark("The node makes a backup. To stop waiting does not stop it.");
    loop {
        tokio::time::sleep(LOOK).await;
        let status = node.get("/backups/status").await?;
        if !status["running"].is_null() {
            continue;
        }
        return match status["trouble"]["why"].as_str() {
            Some(why) => Err(failed(format!("no backup was made: {why}"))),
            None => Ok(status),
        };
    }
}

pub fn local(verb: Verb, as_json: bool) -> Result<(), CommandError> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(CommandError::Local)?;
    runtime.block_on(async {
        match verb {
            Verb::Create { settings, to } => create(&settings.settings, to, as_json).await,
            Verb::Now | Verb::Status => Err(CommandError::Usage("this asks the node".into())),
            Verb::TakeOrder => restore_order::take().await,
            Verb::List { settings, from } => list(&settings.settings, from, as_json).await,
            Verb::Verify(which) => {
                let (input, key) = open(&which).await?;
                let verified = blocking(move || verify(input, &key, &std::env::temp_dir(), &mut |_| {}).map_err(failed)).await?;
                show(&verified, as_json);
                Ok(())
            }
            Verb::Restore { which, data, replace, resume_membership } => {
                let plan = Plan {
                    data,
                    occupied: if replace { Occupied::MoveAside } else { Occupied::Refuse },
                    membership: if resume_membership { Membership::Resume } else { Membership::Leave },
                };
                put_in_place(&which, plan, as_json).await
            }
        }
    })
}

async fn create(file: &Path, to: Option<PathBuf>, as_json: bool) -> Result<(), CommandError> {
    let settings = read(file)?;
    let target = target(&settings, to)?;
    // Only the running node knows its identity for certain.
    let node = crate::backups::node(host(&settings)?, Arc::new(|| None), file);
    let created = make(&settings, &node, &target).await.map_err(failed)?;
    let (name, size) = (created.stored.name.to_string(), created.stored.size);
    if as_json {
        let removed: Vec<String> = created.removed.iter().map(ToString::to_string).collect();
        output::json(
            &json!({ "name": name, "size": size, "members": created.head.members, "removed": removed, "left_out": created.head.left_out }),
        );
    } else {
        output::facts(&[("backup", name), ("size", output::octets(&json!(size))), ("members", created.head.members.to_string())]);
        left_out(&created.head);
    }
    // The backup is good; but a target that fills up is worth a failure that somebody sees.
    created.not_removed.map_or(Ok(()), |error| Err(failed(format!("the backup was made; older ones could not be removed: {error}"))))
}

async fn list(file: &Path, from: Option<PathBuf>, as_json: bool) -> Result<(), CommandError> {
    let target = match from {
        Some(folder) => Target::directory(folder),
        None => target(&read(file)?, None)?,
    };
    let stored = target.list().await.map_err(failed)?;
    if as_json {
        let rows: Vec<Value> = stored
            .iter()
            .map(|s| json!({ "name": s.name.to_string(), "node": s.name.host(), "at": s.name.at(), "size": s.size }))
            .collect();
        output::json(&json!({ "backups": rows }));
    } else {
        let row = |s: &postern_backup::target::Stored| {
            vec![when(&json!(s.name.at())), s.name.host().to_owned(), output::octets(&json!(s.size)), s.name.to_string()]
        };
        output::table(&["made", "node", "size", "name"], &stored.iter().map(row).collect::<Vec<_>>());
    }
    Ok(())
}

async fn put_in_place(which: &Which, plan: Plan, as_json: bool) -> Result<(), CommandError> {
    let (input, key) = open(which).await?;
    let data = plan.data.display().to_string();
    let done = blocking(move || restore(input, &key, &plan).map_err(failed)).await?;
    show(&done.head, as_json);
    if as_json {
        return Ok(());
    }
    output::text(&format!("restored to {data}"));
    if let Some(aside) = done.aside {
        output::text(&format!("what was there before is in {}", aside.display()));
    }
    for (path, from) in done.outside {
        output::text(&output::plain(&format!("put it back yourself: {} stood at {from}", path.display()), false));
    }
    if done.left_cluster > 0 {
        output::text(
            "it is outside of its cluster: on another member, `postern cluster remove` the old node (its peers deliver what they hold for it), \
             then `postern cluster invite`, and `postern cluster join` here",
        );
    }
    Ok(())
}

/// The backup's octets for a thread that may block, and what opens it.
async fn open(which: &Which) -> Result<(impl std::io::Read + Send + 'static, Key), CommandError> {
    let octets: Octets = if Path::new(&which.backup).exists() {
        Box::new(tokio::fs::File::open(&which.backup).await.map_err(|e| failed(format!("{}: {e}", which.backup)))?)
    } else {
        let name: BackupName = which.backup.parse().map_err(|e| failed(format!("{e}; and there is no such file")))?;
        target(&read(&which.settings.settings)?, None)?.read(&name).await.map_err(failed)?
    };
    let key = match &which.identity {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
            Key::identities(&text).map_err(failed)?
        }
        None => {
            output::remark("The passphrase, then Enter:");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map_err(CommandError::Local)?;
            Key::passphrase(line.trim_end_matches(['\r', '\n']))
        }
    };
    Ok((postern_backup::target::blocking(octets), key))
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, CommandError> + Send + 'static) -> Result<T, CommandError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(failed(e)))
}

fn show(head: &Head, as_json: bool) {
    if as_json {
        output::json(&json!(head));
        return;
    }
    output::facts(&[
        ("node", head.host.clone()),
        ("identity", head.node.clone().unwrap_or_default()),
        ("made", when(&json!(head.at))),
        ("version", head.version.clone()),
        ("members", head.members.to_string()),
        ("octets", output::octets(&json!(head.octets))),
    ]);
    left_out(head);
}

fn left_out(head: &Head) {
    let rows: Vec<Vec<String>> = head.left_out.iter().map(|l| vec![l.what.clone(), l.why.clone()]).collect();
    if !rows.is_empty() {
        output::table(&["not in it", "why"], &rows);
    }
}

fn target(settings: &Settings, instead: Option<PathBuf>) -> Result<Target, CommandError> {
    instead.map_or_else(|| Target::from_settings(&settings.backup).map_err(failed), |folder| Ok(Target::directory(folder)))
}

fn read(file: &Path) -> Result<Settings, CommandError> {
    crate::node::read_settings(file).map_err(|e| failed(format!("{e:#}")))
}

fn host(settings: &Settings) -> Result<String, CommandError> {
    crate::node::hostname(settings).map_err(|e| failed(format!("{e:#}")))
}

pub fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Local(std::io::Error::other(error.to_string()))
}
