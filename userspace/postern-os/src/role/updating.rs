//! An update under way: a thread that writes, what it told last, and the record of how the last one ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postern_model::os::{UpdateOutcome, UpdateStatus};
use semver::Version;

use super::{DATA, Shared};
use crate::apply::{self, ApplyError};
use crate::bundle::{Bundle, Direction};
use crate::slot_settings;
use crate::systemd::systemctl;
use crate::update::{self, Stage};

/// Of the image: put there by the build.
const VERSION: &str = "/usr/share/postern/version";
/// How the last update ended.
const LAST: &str = "last-update.json";

/// The version of this system: with it a bundle is compared.
pub fn version() -> String {
    fs::read_to_string(VERSION).map_or_else(|_| env!("CARGO_PKG_VERSION").to_owned(), |t| t.trim().to_owned())
}

/// What an admin asked for.
pub struct Order {
    pub bundle: PathBuf,
    pub direction: Direction,
    pub restart: bool,
}

fn open(bundle: &Path, direction: Direction) -> Result<(Bundle, Version), String> {
    let public = fs::read_to_string(crate::PUBLIC_KEY).map_err(|e| format!("{}: {e}", crate::PUBLIC_KEY))?;
    let bundle = Bundle::open(bundle, &public).map_err(|e| e.to_string())?;
    let now: Version = version().parse().map_err(|e| format!("{VERSION}: {e}"))?;
    bundle.may_follow(&now, direction).map_err(|e| e.to_string())?;
    Ok((bundle, now))
}

/// Its version, when this machine would take it.
pub fn check(bundle: &Path, direction: Direction) -> Result<String, String> {
    let (bundle, _) = open(bundle, direction)?;
    bundle.check(|_| {}).map_err(|e| e.to_string())?;
    Ok(bundle.version.to_string())
}

/// Looks at the bundle's head, and begins. What comes later is told by the status.
pub fn begin(shared: &Arc<Shared>, order: Order) -> Result<(), String> {
    let target = shared.boot_loader()?.other().map_err(|e| e.to_string())?;
    let (bundle, now) = open(&order.bundle, order.direction)?;
    let (offered, total) = (bundle.version.to_string(), bundle.size());
    {
        let mut status = shared.update.lock();
        if matches!(*status, UpdateStatus::Running { .. }) {
            return Err("an update is being written already: see the status".into());
        }
        *status = running_at("checking", &offered, 0, total);
    }
    let shared = Arc::clone(shared);
    let work = move || {
        let mut stage_now = Stage::Checking;
        let mut done = 0;
        let mut progress = |stage: Stage, octets: u64| {
            if stage != stage_now {
                (stage_now, done) = (stage, 0);
            }
            done += octets;
            *shared.update.lock() = running_at(name(stage), &offered, done, total);
        };
        let mut all = || -> Result<(), String> {
            let loader = shared.boot_loader()?;
            let running = loader.running;
            update::check(&bundle, &target, &mut progress).map_err(|e| e.to_string())?;
            loader.change(|slots| slots.clear(running.other())).map_err(|e| e.to_string())?;
            update::write(&bundle, &target, &mut progress).map_err(|e| e.to_string())?;
            slot_settings::before_update(Path::new("/"), running).map_err(|e| e.to_string())?;
            let outcome = UpdateOutcome {
                from: now.to_string(),
                to: offered.clone(),
                slot: running.other().to_string(),
                outcome: "trial".into(),
                why: String::new(),
            };
            record(&outcome).map_err(|e| e.to_string())?;
            loader.change(|slots| slots.arm(running.other())).map_err(|e| e.to_string())
        };
        let outcome = all();
        let restart = outcome.is_ok() && order.restart;
        match &outcome {
            Ok(()) => tracing::info!(version = offered, "the update is written; the next start is its trial"),
            Err(why) => tracing::error!(version = offered, "the update was not written: {why}"),
        }
        *shared.update.lock() = match outcome {
            Ok(()) => UpdateStatus::Ready { version: offered },
            Err(why) => UpdateStatus::Failed { why },
        };
        if restart && let Err(why) = systemctl(&["reboot"]) {
            tracing::error!("{why}");
        }
    };
    std::thread::Builder::new().name("update".into()).spawn(work).map(drop).map_err(|e| e.to_string())
}

fn running_at(stage: &str, version: &str, done: u64, total: u64) -> UpdateStatus {
    UpdateStatus::Running { stage: stage.into(), version: version.into(), done, total }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Checking => "checking",
        Stage::Writing => "writing",
        Stage::ReadingBack => "reading-back",
    }
}

pub fn last() -> Option<UpdateOutcome> {
    serde_json::from_slice(&fs::read(Path::new(DATA).join(LAST)).ok()?).ok()
}

pub fn record(outcome: &UpdateOutcome) -> Result<(), ApplyError> {
    let text = serde_json::to_string_pretty(outcome).unwrap_or_default();
    apply::keep(&Path::new(DATA).join(LAST), &text)
}

/// The update under trial ended so.
pub fn conclude(outcome: &str, why: &str) {
    let Some(last) = last().filter(|l| l.outcome == "trial") else { return };
    let ended = UpdateOutcome { outcome: outcome.into(), why: why.into(), ..last };
    if let Err(e) = record(&ended) {
        tracing::error!("how the update ended is not kept: {e}");
    }
}
