//! `postern os`: the appliance around the roles. `watch` is what its unit runs at each boot.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Subcommand;
use nix::mount::{MsFlags, mount, umount};
use postern_os::apply::{self, Changes};
use postern_os::boot_report::{BootReport, FOLDER, Medium};
use postern_os::grubenv::Environment;
use postern_os::health;
use postern_os::machine::Machine;
use postern_os::plan::Plan;
use postern_os::slots::{Slot, Slots, State};

use super::client::{CommandError, Node};
use super::output::{self, list, string};
use super::seed;

/// Until everything works, at the most. What takes longer is no good boot.
const START: Duration = Duration::from_secs(180);
/// How long it must work until the slot is called good.
const PROBATION: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// The folder of the data partition that is the appliance's own.
pub const DATA: &str = "/var/lib/postern-os";
/// The settings of the machine itself, below it.
pub const MACHINE: &str = "machine.toml";
/// Left by the node when it made the first admin.
const FIRST_PASSWORD: &str = "/var/lib/postern/initial-password";
/// The partition of the boot loader, by its number on the disk of the data partition, and where it is mounted meanwhile.
const ESP: u32 = 2;
const ESP_AT: &str = "/efi";

#[derive(Subcommand, Clone, Debug)]
pub enum Verb {
    /// This boot: its slot, its data, and whether everything works
    Status,
    /// Wait until everything works, say so on the console, and call the slot good when it stays so (its unit runs this)
    Watch,
    /// Call the slot of this boot good at once: it gets all its tries again
    MarkGood,
    /// Print what `apply` would write for a machine.toml
    Plan { file: PathBuf },
    /// Put a machine.toml in force: name, time, name servers, network
    Apply { file: PathBuf },
    /// Render the kept machine.toml (its unit runs this before the network is there)
    Start,
    /// Show what a seed would do at a first boot: a folder with user-data, meta-data and network-config, or one such file
    Seed {
        path: PathBuf,
        /// A seed is only ever taken by the first boot itself
        #[arg(long)]
        check: bool,
        /// A network card of the machine that the seed is for, as NAME=MAC; without any: those of this machine
        #[arg(long, value_parser = seed::card)]
        card: Vec<postern_os::seed::network::Card>,
    },
    /// Take the seed of an attached medium on a machine that was never set up (its unit runs this before the network is there)
    TakeSeed,
    /// Tell the node its part of the seed (its unit runs this)
    FinishSeed,
}

impl Verb {
    /// Needs no node.
    pub fn is_local(&self) -> bool {
        !matches!(self, Self::Status | Self::Watch | Self::FinishSeed)
    }
}

pub async fn run(node: &Node, verb: Verb) -> Result<(), CommandError> {
    match verb {
        Verb::Status => status(node).await,
        Verb::Watch => watch(node).await,
        Verb::FinishSeed => seed::finish(node).await,
        local_verb => local(&local_verb),
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
        Verb::Apply { file } => apply_machine(file),
        Verb::Start => {
            let plan = Plan::new(&machine(&Path::new(DATA).join(MACHINE))?);
            apply::files(&plan, Path::new("/")).map_err(failed)?;
            apply::hostname(&plan).map_err(failed)
        }
        Verb::MarkGood => {
            let slots = mark_good(&report()?)?;
            output::text(&format!("slot {} is good and wanted", slots.wanted()));
            Ok(())
        }
        Verb::Seed { check: false, .. } => Err(CommandError::Usage("add --check: only the first boot itself takes a seed".into())),
        Verb::Seed { path, card, .. } => seed::check(path, card.clone()),
        Verb::TakeSeed => seed::take(),
        Verb::Status | Verb::Watch | Verb::FinishSeed => Err(CommandError::Usage("this asks the node".into())),
    }
}

fn apply_machine(file: &Path) -> Result<(), CommandError> {
    let text = fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
    let machine = Machine::parse(&text).map_err(failed)?;
    for path in put_machine(&text)?.0 {
        output::text(&format!("changed {}", path.display()));
    }
    let outside: Vec<String> = machine.outside().map(|i| format!("{:?}", i.name)).collect();
    output::text("a card's new name comes with the next boot");
    output::text(&format!("guard them: postern settings set edge.interfaces '[{}]'", outside.join(", ")));
    Ok(())
}

/// Puts a machine.toml in force and keeps it.
pub fn put_machine(text: &str) -> Result<Changes, CommandError> {
    let plan = Plan::new(&Machine::parse(text).map_err(failed)?);
    // What cannot be written is not kept either: the next boot is as good as this one.
    let changes = apply::files(&plan, Path::new("/")).map_err(failed)?;
    apply::keep(&Path::new(DATA).join(MACHINE), text).map_err(failed)?;
    apply::hostname(&plan).map_err(failed)?;
    apply::restart(&changes).map_err(failed)?;
    Ok(changes)
}

/// The boot loader hands it to postern-init once, which makes the data partition anew.
pub fn reset_at_next_boot() -> Result<(), CommandError> {
    let Medium::Slot(running) = report()?.medium else { return Err(failed("a live system keeps nothing")) };
    with_grubenv(|path| {
        let slots = Slots::new(Environment::read(path).map_err(failed)?, running);
        let mut environment = slots.environment().clone();
        environment.set("reset", "factory");
        environment.write(path).map_err(failed)
    })
}

fn machine(file: &Path) -> Result<Machine, CommandError> {
    let text = fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
    Machine::parse(&text).map_err(failed)
}

pub fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Local(std::io::Error::other(error.to_string()))
}

fn report() -> Result<BootReport, CommandError> {
    BootReport::read(Path::new(FOLDER)).map_err(failed)
}

/// What works, or the first thing that does not.
struct Health {
    /// `eth0 native`
    xdp: Vec<String>,
}

async fn health(node: &Node) -> Result<Health, String> {
    health::smtp(SocketAddr::from(([127, 0, 0, 1], 25))).map_err(|e| e.to_string())?;
    let status = node.get("/status").await.map_err(|e| e.to_string())?;
    if status["ready"] != true || !status["spool_trouble"].is_null() {
        return Err(format!("the node takes no mail: {}", string(&status["spool_trouble"])));
    }
    let edge = node.get("/edge").await.map_err(|e| e.to_string())?;
    let interfaces = list(&edge, "interfaces");
    let mut xdp = Vec::new();
    for interface in interfaces {
        let (name, mode) = (string(&interface["name"]), string(&interface["mode"]));
        if interface["attached"] != true {
            return Err(format!("{name} is not guarded: {mode}"));
        }
        xdp.push(format!("{name} {mode}"));
    }
    if xdp.is_empty() {
        return Err("edge does not answer, or guards no interface".into());
    }
    health::data(Path::new(DATA)).map_err(|e| e.to_string())?;
    health::units().map_err(|e| e.to_string())?;
    Ok(Health { xdp })
}

pub async fn status(node: &Node) -> Result<(), CommandError> {
    let report = report()?;
    let health = health(node).await;
    let slots = match &report.medium {
        Medium::Slot(running) => with_grubenv(|path| Ok(Slots::new(Environment::read(path).map_err(failed)?, *running))).ok(),
        Medium::Live => None,
    };
    let tries = |slot| match slots.as_ref().map(|s: &Slots| s.state(slot)) {
        None => "unknown".to_owned(),
        Some(State::Empty) => "empty".to_owned(),
        Some(State::Tries(n)) => format!("{n} tries left"),
    };
    output::facts(&[
        ("medium", report.medium.to_string()),
        ("data", report.data.clone()),
        ("set up", seed::how_set_up()),
        ("slot a", tries(Slot::A)),
        ("slot b", tries(Slot::B)),
        ("health", health.as_ref().map_or_else(Clone::clone, |_| "good".to_owned())),
        ("guarded", health.map_or_else(|_| String::new(), |h| h.xdp.join(", "))),
    ]);
    Ok(())
}

async fn watch(node: &Node) -> Result<(), CommandError> {
    let report = report()?;
    let began = Instant::now();
    let good = loop {
        match health(node).await {
            // Ready means that what a seed said is in force, too; but what the node refuses is no reason to call the boot a bad one.
            Ok(good) if !seed::is_pending() || began.elapsed() > START => break good,
            Err(why) if began.elapsed() > START => {
                say(&format!("POSTERN NOT READY {why}"));
                return Err(failed(why));
            }
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    };
    say(&ready_line(&report, &good));
    if let Some(hint) = first_login(node).await {
        say(&hint);
    }
    let Medium::Slot(_) = report.medium else { return Ok(()) };
    // From now on, not from the start of the wait: a boot that took long to become ready has its two minutes, too.
    let ready = Instant::now();
    while ready.elapsed() < PROBATION {
        tokio::time::sleep(LOOK_AGAIN).await;
        if let Err(why) = health(node).await {
            say(&format!("POSTERN NOT HEALTHY {why}; this start does not count as a good one"));
            return Err(failed(why));
        }
    }
    mark_good(&report).map(drop)
}

/// One line for people and for whoever waits for it on a serial line.
fn ready_line(report: &BootReport, health: &Health) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut line = format!("POSTERN READY version={} slot={}", env!("CARGO_PKG_VERSION"), report.medium);
    let data = report.data.split(':').next().unwrap_or_default();
    let _ = write!(line, " data={data} firmware={} xdp={}", firmware(), health.xdp.join(",").replace(' ', ":"));
    let _ = write!(line, " cycles={}", health::ordering_cycles(&log_of_systemd()));
    if let Some(seconds) = health::uptime(&read("/proc/uptime")) {
        let _ = write!(line, " up={seconds:.1}");
    }
    if let Some(mebibytes) = health::memory_in_use(&read("/proc/meminfo")) {
        let _ = write!(line, " memory={mebibytes}");
    }
    let _ = write!(line, " machine={}", read("/etc/machine-id").trim());
    line
}

/// What systemd said about this boot.
fn log_of_systemd() -> String {
    let said = Command::new("journalctl").args(["--boot", "--no-pager", "--quiet", "--output=cat", "_PID=1"]).output();
    said.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

/// UEFI 2.10 §3.3: the variable SecureBoot is 1 when signatures are checked; four octets of attributes stand before it.
fn firmware() -> &'static str {
    const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    match fs::read(SECURE_BOOT) {
        Ok(value) if value.get(4) == Some(&1) => "secure-boot",
        _ if Path::new("/sys/firmware/efi").exists() => "uefi",
        _ => "bios",
    }
}

/// On a machine that nobody logged in to yet: where, and with what. Whoever stands before its console owns it.
async fn first_login(node: &Node) -> Option<String> {
    let admins = node.get("/admins").await.ok()?;
    if !list(&admins, "admins").iter().any(|a| a["name"] == "admin" && a["one_time_password"] == true) {
        return None;
    }
    let password = fs::read_to_string(FIRST_PASSWORD).ok()?;
    Some(format!("First login at https://ADDRESS:8443 with the name admin and the password {}", password.trim()))
}

/// On every console: serial lines and screens see the same.
pub fn say(line: &str) {
    for console in ["/dev/console", "/dev/tty1"] {
        if let Ok(mut out) = File::options().write(true).open(console) {
            let _ = out.write_all(format!("\r\n{line}\r\n").as_bytes());
        }
    }
    tracing::info!("{line}");
}

fn mark_good(report: &BootReport) -> Result<Slots, CommandError> {
    let Medium::Slot(running) = report.medium else { return Err(failed("a live system has no slots")) };
    with_grubenv(|path| {
        let mut slots = Slots::new(Environment::read(path).map_err(failed)?, running);
        slots.mark_good(running);
        slots.environment().write(path).map_err(failed)?;
        Ok(slots)
    })
}

/// Mounts the boot loader's partition for as long as this takes.
fn with_grubenv<T>(work: impl FnOnce(&Path) -> Result<T, CommandError>) -> Result<T, CommandError> {
    let device = boot_loader_partition()?;
    mount(Some(&device), ESP_AT, Some("vfat"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, Some("umask=0077"))
        .map_err(|e| failed(format!("mount {}: {e}", device.display())))?;
    let done = work(&Path::new(ESP_AT).join("grub/grubenv"));
    let freed = umount(ESP_AT).map_err(|e| failed(format!("unmount {ESP_AT}: {e}")));
    let done = done?;
    freed.map(|()| done)
}

/// On the disk that /var is on: another disk may have a partition of the same name.
fn boot_loader_partition() -> Result<PathBuf, CommandError> {
    let device = nix::sys::stat::stat("/var").map_err(|e| failed(format!("/var: {e}")))?.st_dev;
    let of_data = PathBuf::from(format!("/sys/dev/block/{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device)));
    let of_data = of_data.canonicalize().map_err(|e| failed(format!("{}: {e}", of_data.display())))?;
    let disk = of_data.parent().ok_or_else(|| failed("/var lies on no partition"))?;
    let is_esp = |path: &Path| fs::read_to_string(path.join("partition")).is_ok_and(|n| n.trim().parse() == Ok(ESP));
    let found = fs::read_dir(disk).map_err(failed)?.flatten().map(|e| e.path()).find(|p| is_esp(p));
    let name = found.as_deref().and_then(Path::file_name).ok_or_else(|| failed(format!("{} has no partition {ESP}", disk.display())))?;
    Ok(Path::new("/dev").join(name))
}
