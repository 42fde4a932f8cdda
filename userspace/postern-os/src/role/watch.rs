//! At each start: waits until everything works, says so on the consoles, and calls the slot good when it stays so. A slot on trial
//! that does not become healthy is given up for the other one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::updating::{self, conclude};
use super::{DATA, MACHINE, SEED_LOOKED, SEED_PENDING, Shared, work};
use crate::apply::NODE;
use crate::boot_report::Medium;
use crate::consoles::{say, show};
use crate::health;
use crate::systemd::systemctl;

/// Until everything works, at the most. What takes longer is no good boot.
const START: Duration = Duration::from_secs(180);
/// How long it must work until the slot is called good.
const PROBATION: Duration = Duration::from_secs(120);
/// Trouble that is over within this time is none: a feed's reload, a role that was restarted by its watchdog.
const GRACE: Duration = Duration::from_secs(30);
/// Until a network that answers has given an address.
const ADDRESS: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Left by the node when it made the first admin.
const FIRST_PASSWORD: &str = "/var/lib/postern/initial-password";

pub async fn run(shared: Arc<Shared>) {
    if let Err(why) = tokio::task::spawn_blocking({
        let shared = Arc::clone(&shared);
        move || after_a_fall_back(&shared)
    })
    .await
    .unwrap_or_else(|e| Err(e.to_string()))
    {
        tracing::error!("{why}");
    }
    match until_good(&shared).await {
        Ok(()) => {}
        Err(why) => {
            tracing::error!("{why}");
            give_up(&shared, &why).await;
        }
    }
    // From now on the status and the log say it; nobody restarts for it.
    let mut before = shared.health.lock().clone().err();
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = look(&shared).await.err();
        if now != before {
            match &now {
                Some(why) => tracing::warn!("this machine does not do what it is for: {why}"),
                None => tracing::info!("everything works again"),
            }
            before = now;
        }
    }
}

/// This start is that of the old system, and the boot loader left the new one because it never came up.
fn after_a_fall_back(shared: &Shared) -> Result<(), String> {
    let Ok(loader) = shared.boot_loader() else { return Ok(()) };
    if updating::last().is_some_and(|l| l.outcome == "trial" && l.slot != loader.running.to_string()) {
        conclude("fell-back", "its system did not come up");
    }
    Ok(())
}

async fn until_good(shared: &Arc<Shared>) -> Result<(), String> {
    let began = Instant::now();
    let (guarded, up) = loop {
        match look(shared).await {
            // Ready means that what a seed said is in force, and that there is an address, too; but what the node refuses, or a DHCP server
            // that is away, is no reason to call the boot a bad one.
            Ok(guarded) if is_open(began) => break (guarded, uptime()),
            Err(why) if began.elapsed() > START => {
                say(&format!("POSTERN NOT READY {why}"));
                return Err(why);
            }
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    };
    say(&ready_line(shared, &guarded, up));
    if (shared.node.is_untouched)().await
        && let Ok(password) = fs::read_to_string(FIRST_PASSWORD)
    {
        // Whoever stands before its console owns the machine.
        show(&format!("First login at https://ADDRESS:8443 with the name admin and the password {}", password.trim()));
    }
    let Medium::Slot(_) = shared.report.medium else { return Ok(()) };
    // From now on, not from the start of the wait: a boot that took long to become ready has its two minutes, too.
    let (ready, mut good) = (Instant::now(), Instant::now());
    while ready.elapsed() < PROBATION {
        tokio::time::sleep(LOOK_AGAIN).await;
        match look(shared).await {
            Ok(_) => good = Instant::now(),
            Err(why) if good.elapsed() > GRACE => {
                say(&format!("POSTERN NOT HEALTHY {why}; this start does not count as a good one"));
                return Err(why);
            }
            Err(_) => {}
        }
    }
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || work::mark_good(&shared)).await.map_err(|e| e.to_string())?
}

/// Nothing that others do has to be waited for any longer.
fn is_open(began: Instant) -> bool {
    let there = |path: &str| Path::new(path).exists();
    let is_seeded = (there(MACHINE) || there(SEED_LOOKED)) && !there(SEED_PENDING) || began.elapsed() > START;
    is_seeded && (health::is_reachable() || began.elapsed() > ADDRESS)
}

async fn give_up(shared: &Arc<Shared>, why: &str) {
    let done = tokio::task::spawn_blocking({
        let (shared, why) = (Arc::clone(shared), why.to_owned());
        move || -> Result<(), String> {
            let loader = shared.boot_loader()?;
            let running = loader.running;
            if loader.change(|slots| slots.give_up(running)).map_err(|e| e.to_string())? {
                conclude("fell-back", &why);
                say(&format!("POSTERN FALLS BACK to slot {}: {why}", running.other()));
                systemctl(&["reboot"])?;
            }
            Ok(())
        }
    });
    if let Err(e) = done.await.unwrap_or_else(|e| Err(e.to_string())) {
        tracing::error!("the slot is not given up: {e}");
    }
}

/// Everything this machine is for.
async fn look(shared: &Arc<Shared>) -> Result<Vec<String>, String> {
    let found = match (shared.node.health)().await {
        Ok(guarded) => tokio::task::spawn_blocking(|| {
            health::data(Path::new(DATA)).map_err(|e| e.to_string())?;
            health::units().map_err(|e| e.to_string())
        })
        .await
        .unwrap_or_else(|e| Err(e.to_string()))
        .map(|()| guarded),
        Err(why) => Err(why),
    };
    shared.health.lock().clone_from(&found);
    found
}

/// One line for people and for whoever waits for it on a serial line.
fn ready_line(shared: &Shared, guarded: &[String], up: Option<f64>) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let report = &shared.report;
    let mut line = format!("POSTERN READY version={} slot={}", updating::version(), report.medium);
    let data = report.data.split(':').next().unwrap_or_default();
    let _ = write!(line, " data={data} firmware={} xdp={}", health::firmware(), guarded.join(",").replace(' ', ":"));
    let _ = write!(line, " cycles={}", health::ordering_cycles(&log_of_systemd()));
    if let Some(seconds) = up {
        let _ = write!(line, " up={seconds:.1}");
    }
    if let Some(seconds) = greeting() {
        let _ = write!(line, " smtp={seconds:.1}");
    }
    if let Some(mebibytes) = health::memory_in_use(&read("/proc/meminfo")) {
        let _ = write!(line, " memory={mebibytes}");
    }
    let _ = write!(line, " roles={}", health::memory_of_roles(Path::new(health::SLICE)));
    let _ = write!(line, " machine={}", read("/etc/machine-id").trim());
    line
}

/// When the node said that it serves, in seconds since the kernel started.
fn greeting() -> Option<f64> {
    let said = systemctl(&["show", "--value", "--property=ActiveEnterTimestampMonotonic", NODE]).ok()?;
    Some(said.trim().parse::<f64>().ok()? / 1e6)
}

fn uptime() -> Option<f64> {
    health::uptime(&fs::read_to_string("/proc/uptime").ok()?)
}

/// What systemd said about this boot.
fn log_of_systemd() -> String {
    let said = Command::new("journalctl").args(["--boot", "--no-pager", "--quiet", "--output=cat", "_PID=1"]).output();
    said.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}
