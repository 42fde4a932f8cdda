//! What the role does when it is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use postern_model::os::{OsReply, OsRequest, OsStatus, SlotStatus};

use super::updating::{self, Order, conclude};
use super::{MACHINE, RESTORE_ORDER, RESTORE_RESULT, SEED_RESULT, Shared};
use crate::apply;
use crate::bundle::Direction;
use crate::health;
use crate::machine::Machine;
use crate::plan::Plan;
use crate::restore_order::RestoreOrder;
use crate::seed::outcome::Outcome;
use crate::slots::{Slot, Slots, State};
use crate::systemd::systemctl;

/// An answer's way to a browser.
const ANSWERED: Duration = Duration::from_secs(1);

/// The error is for people.
pub async fn answer(shared: &Arc<Shared>, request: OsRequest) -> Result<OsReply, String> {
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || handle(&shared, request)).await.unwrap_or_else(|e| Err(format!("os failed at this request: {e}")))
}

fn handle(shared: &Arc<Shared>, request: OsRequest) -> Result<OsReply, String> {
    match request {
        OsRequest::Status => return Ok(OsReply::Status { status: Box::new(status(shared)) }),
        OsRequest::Update { bundle, allow_older, restart } => {
            let direction = if allow_older { Direction::AllowOlder } else { Direction::Forward };
            updating::begin(shared, Order { bundle, direction, restart })?;
        }
        OsRequest::CheckUpdate { bundle, allow_older } => {
            let direction = if allow_older { Direction::AllowOlder } else { Direction::Forward };
            return Ok(OsReply::Text { text: updating::check(&bundle, direction)? });
        }
        OsRequest::RollBack => roll_back(shared)?,
        OsRequest::MarkGood => mark_good(shared)?,
        OsRequest::Machine => {
            let text =
                fs::read_to_string(MACHINE).or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(String::new()) } else { Err(e) });
            return Ok(OsReply::Text { text: text.map_err(|e| format!("{MACHINE}: {e}"))? });
        }
        OsRequest::PutMachine { text } => return Ok(OsReply::Changed { files: put_machine(&text)? }),
        OsRequest::OpenWebPort => systemctl(&["start", "postern-web-port.service"]).map(drop)?,
        OsRequest::SupportBundle => return Ok(OsReply::Text { text: support_bundle() }),
        OsRequest::Restore { backup, unlock } => {
            shared.boot_loader()?;
            RestoreOrder { backup, unlock }.keep(Path::new(RESTORE_ORDER)).map_err(|e| e.to_string())?;
            soon(&["reboot"]);
        }
        OsRequest::FactoryReset => {
            shared.boot_loader()?.change(Slots::reset_at_next_start).map_err(|e| e.to_string())?;
            soon(&["reboot"]);
        }
        OsRequest::Reboot => soon(&["reboot"]),
        OsRequest::PowerOff => soon(&["poweroff"]),
    }
    Ok(OsReply::Done)
}

/// The answer goes out before: whoever asked through the node would wait for it in vain, as node and network end with it.
fn soon(order: &'static [&'static str]) {
    std::thread::spawn(move || {
        std::thread::sleep(ANSWERED);
        if let Err(why) = systemctl(order) {
            tracing::error!("{why}");
        }
    });
}

fn status(shared: &Shared) -> OsStatus {
    let health = shared.health.lock().clone();
    let slots = shared.boot_loader().ok().and_then(|loader| {
        let (running, known) = (loader.running, loader.slots().ok()?);
        let one = |slot: Slot| SlotStatus {
            name: slot.to_string(),
            running: slot == running,
            wanted: slot == known.wanted(),
            on_trial: known.trial() == Some(slot),
            tries_left: match known.state(slot) {
                State::Empty => None,
                State::Tries(n) => Some(n),
            },
        };
        Some(vec![one(Slot::A), one(Slot::B)])
    });
    OsStatus {
        version: updating::version(),
        medium: shared.report.medium.to_string(),
        data: shared.report.data.clone(),
        firmware: health::firmware().into(),
        set_up: Outcome::words(Outcome::open(Path::new(SEED_RESULT)).as_ref(), Path::new(MACHINE).exists()),
        slots: slots.unwrap_or_default(),
        trouble: health.as_ref().err().cloned(),
        guarded: health.unwrap_or_default(),
        update: shared.update.lock().clone(),
        last_update: updating::last(),
        last_restore: fs::read_to_string(RESTORE_RESULT).ok().map(|text| text.trim().to_owned()),
    }
}

pub fn mark_good(shared: &Shared) -> Result<(), String> {
    let loader = shared.boot_loader()?;
    let running = loader.running;
    loader.change(|slots| slots.mark_good(running)).map_err(|e| e.to_string())?;
    if updating::last().is_some_and(|l| l.slot == running.to_string()) {
        conclude("good", "");
    }
    Ok(())
}

/// The other slot is tried at the next start, and this one comes back if it does not become healthy.
fn roll_back(shared: &Shared) -> Result<(), String> {
    let loader = shared.boot_loader()?;
    let (running, other) = (loader.running, loader.running.other());
    if loader.slots().map_err(|e| e.to_string())?.state(other) == State::Empty {
        return Err(format!("slot {other} is empty: there is nothing to go back to"));
    }
    loader.change(|slots| slots.arm(other)).map_err(|e| e.to_string())?;
    if let Some(last) = updating::last().filter(|l| l.slot == running.to_string()) {
        let back = postern_model::os::UpdateOutcome { outcome: "rolled-back".into(), why: "by hand".into(), ..last };
        updating::record(&back).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Puts a machine.toml in force and keeps it.
fn put_machine(text: &str) -> Result<Vec<PathBuf>, String> {
    let plan = Plan::new(&Machine::parse(text).map_err(|e| e.to_string())?);
    let root = Path::new("/");
    // What cannot be written is not kept either: the next boot is as good as this one.
    let all = || -> Result<apply::Changes, apply::ApplyError> {
        let changes = apply::files(&plan, root)?;
        apply::keep(Path::new(MACHINE), text)?;
        apply::hostname(&plan)?;
        apply::restart(&changes)?;
        if changes.name_the_host() {
            // Its ports are held for it meanwhile.
            soon(&["try-restart", apply::NODE]);
        }
        Ok(changes)
    };
    Ok(all().map_err(|e| e.to_string())?.0)
}

fn support_bundle() -> String {
    let asked: [(&str, &[&str]); 8] = [
        ("systemctl", &["list-units", "--all", "--no-pager"]),
        ("systemd-analyze", &["critical-chain", "--no-pager"]),
        ("systemd-analyze", &["blame", "--no-pager"]),
        ("systemctl", &["show", "--property=Id,CPUUsageNSec,MemoryCurrent,MemoryPeak", "*.service"]),
        ("journalctl", &["--boot", "--no-pager", "--output=short-iso-precise", "--lines=5000"]),
        ("ip", &["address"]),
        ("df", &["-h"]),
        ("cat", &["/proc/cmdline", "/proc/meminfo", "/proc/modules", "/usr/share/postern/version", MACHINE]),
    ];
    let said = asked.map(|(program, arguments)| {
        let said = Command::new(program).args(arguments).output();
        let said = said.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned());
        format!("=== {program} {}\n{said}\n", arguments.join(" "))
    });
    let roles = format!("=== memory of our services, without cached files\n{} MiB\n", health::memory_of_roles(Path::new(health::SLICE)));
    said.concat() + &roles
}
