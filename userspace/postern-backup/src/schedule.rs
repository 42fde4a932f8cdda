//! Backups by themselves: when the next one is due, and the loop that makes it, also when somebody asks.
//!
//! When the last one was made is read from the target, where it counts: a node that was off at its hour, or lost its disk, makes
//! up for it, and one that cannot see its target says so each time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postern_model::settings::Settings;
use postern_model::settings::backup::{BackupSettings, Schedule};
use postern_model::time::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::create::{CreateError, Created, create};
use crate::inventory::{self, Outside};
use crate::lock::{Lock, LockError};
use crate::name::BackupName;
use crate::stage::{Source, clear_left_over};
use crate::target::{Stored, Target, TargetError};

/// After a backup that failed.
const AGAIN: Duration = Duration::from_secs(15 * 60);
/// The clock is looked at this often: it may be set.
const LOOK: Duration = Duration::from_secs(30);
const DAY: i64 = 86_400;

/// What the loop knows of the node.
#[derive(Clone)]
pub struct Node {
    pub host: String,
    /// Its identity in its cluster, when it is in one.
    pub identity: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    pub version: String,
    pub settings_file: std::path::PathBuf,
    /// More files outside of the data folder, where they are there: the appliance's machine.toml.
    pub outside: Vec<Outside>,
}

/// How it stands, for the console and for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Since when one is being made.
    pub running: Option<Timestamp>,
    /// `None`: none by itself.
    pub next: Option<Timestamp>,
    /// The newest backup of this node that is known at the target.
    pub last: Option<Timestamp>,
    /// The one that was made last since the start.
    pub made: Option<Made>,
    /// Why the last try failed, until one succeeds or `[backup]` is changed.
    pub trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub stored: Stored,
    /// Files in it.
    pub members: u64,
    /// The backup is good, but older ones stay.
    pub not_removed: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub at: Timestamp,
    pub why: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("a backup is being made already, since {} UTC", clock(*.0))]
    Running(Timestamp),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Target(#[from] TargetError),
}

/// Makes backups by the settings in force. Cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    settings: watch::Receiver<Arc<Settings>>,
    node: Node,
    state: watch::Sender<State>,
}

impl Keeper {
    /// Makes them until `stop`. Needs a runtime.
    pub fn start(settings: watch::Receiver<Arc<Settings>>, node: Node, stop: CancellationToken) -> Self {
        let keeper = Self(Arc::new(Inner { settings, node, state: watch::Sender::default() }));
        tokio::spawn(keeper.clone().run(stop));
        keeper
    }

    pub fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// Begins one at once, whatever the schedule says. The state says how it ends.
    ///
    /// # Errors
    /// When one is under way, or the settings name no target or no key.
    pub fn begin(&self) -> Result<(), BeginError> {
        let settings = Arc::clone(&self.0.settings.borrow());
        Target::from_settings(&settings.backup)?;
        Lock::from_settings(&settings.backup)?;
        let mut already = None;
        self.0.state.send_if_modified(|state| {
            already = state.running;
            state.running.get_or_insert(now());
            already.is_none()
        });
        already.map_or(Ok(()), |since| Err(BeginError::Running(since)))
    }

    /// The target of the settings in force.
    ///
    /// # Errors
    /// When there is none.
    pub fn target(&self) -> Result<Target, TargetError> {
        Target::from_settings(&self.0.settings.borrow().backup)
    }

    /// What is at the target of the settings in force, of all nodes.
    ///
    /// # Errors
    /// When there is none, or it cannot be reached.
    pub async fn list(&self) -> Result<Vec<Stored>, TargetError> {
        self.target()?.list().await
    }

    async fn run(self, stop: CancellationToken) {
        let mut settings = self.0.settings.clone();
        let data = settings.borrow().node.data_dir.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || clear_left_over(&data)).await {
            tracing::warn!(%error, "what an earlier backup left is still there");
        }
        loop {
            let backup = settings.borrow_and_update().backup.clone();
            let turn = self.turn(&backup);
            tokio::pin!(turn);
            // Another change must not end a backup that is under way. Looked at first: what is begun is begun by the newest settings.
            while settings.borrow().backup == backup {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    changed = settings.changed() => if changed.is_err() { return },
                    () = &mut turn => break,
                }
            }
            if settings.borrow().backup != backup {
                // What was asked for, or under way, stays so: the next turn begins it anew, as the settings are now.
                self.note(|s| (s.next, s.last, s.trouble) = (None, None, None));
            }
        }
    }

    /// Waits for the next backup and makes it; or waits after a failure.
    async fn turn(&self, backup: &BackupSettings) {
        let made = match self.due(backup).await {
            Ok(due) => {
                self.note(|s| s.next = due);
                self.wait(due).await;
                self.note(|s| (s.next, s.running) = (None, Some(s.running.unwrap_or_else(now))));
                let settings = Arc::clone(&self.0.settings.borrow());
                async { make(&settings, &self.0.node, &Target::from_settings(&settings.backup)?).await }.await
            }
            Err(error) => Err(error),
        };
        match made {
            Ok(Created { stored, head, removed, not_removed }) => {
                let (name, removed) = (&stored.name, removed.len());
                tracing::info!(%name, octets = stored.size, members = head.members, removed, "a backup was made");
                let not_removed = not_removed.map(|error| error.to_string());
                if let Some(error) = &not_removed {
                    tracing::warn!(error, "older backups could not be removed");
                }
                let last = Some(name.at());
                let made = Some(Made { stored, members: head.members, not_removed });
                self.note(|s| (s.running, s.last, s.made, s.trouble) = (None, last, made, None));
            }
            Err(error) => {
                let (at, why) = (now(), error.to_string());
                // What was asked for by hand is not tried again behind somebody's back.
                let again = (backup.schedule != Schedule::Off).then(|| at + AGAIN);
                tracing::error!(error = why, minutes = again.map(|_| AGAIN.as_secs() / 60), "NO BACKUP WAS MADE");
                self.note(|s| (s.running, s.next, s.trouble) = (None, again, Some(Trouble { at, why })));
                self.wait(again).await;
            }
        }
    }

    /// When the next one is to be made, by what is at the target.
    async fn due(&self, backup: &BackupSettings) -> Result<Option<Timestamp>, MakeError> {
        if backup.schedule == Schedule::Off {
            return Ok(None);
        }
        let own = BackupName::new(&self.0.node.host, now());
        let stored = Target::from_settings(backup)?.list().await?;
        let last = stored.into_iter().filter(|s| s.name.is_of_same_node(&own)).map(|s| s.name.at()).max();
        self.note(|s| s.last = last);
        Ok(due(backup.schedule, last, now()))
    }

    /// Until then (`None`: for ever), or until somebody asks.
    async fn wait(&self, until: Option<Timestamp>) {
        let mut state = self.0.state.subscribe();
        tokio::select! {
            _ = state.wait_for(|s| s.running.is_some()) => {}
            () = async { match until { Some(at) => wait_until(at).await, None => std::future::pending().await } } => {}
        }
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        self.0.state.send_modify(change);
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Create(#[from] CreateError),
}

/// Makes one backup now, as the settings say, at this target.
///
/// # Errors
/// None was made.
pub async fn make(settings: &Settings, node: &Node, target: &Target) -> Result<Created, MakeError> {
    let BackupSettings { keep, quarantine, .. } = settings.backup;
    let lock = Lock::from_settings(&settings.backup)?;
    let mut outside = inventory::outside(settings, &node.settings_file);
    outside.extend(node.outside.iter().filter(|o| o.path.exists()).cloned());
    let source = Source {
        data: settings.node.data_dir.clone(),
        host: node.host.clone(),
        node: (node.identity)(),
        version: node.version.clone(),
        quarantine,
        outside,
    };
    Ok(create(source, &lock, target, keep, now()).await?)
}

/// When the next backup is due. `None`: never. In the past: at once.
pub fn due(schedule: Schedule, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    match schedule {
        Schedule::Off => None,
        Schedule::Every(span) => Some(match last {
            // One from the future (a clock that was wrong) must not keep us from it for years.
            Some(last) if last <= now => last + span.0,
            Some(_) => now + span.0,
            None => now,
        }),
        Schedule::Daily { minute } => {
            let today = now.unix_seconds().div_euclid(DAY) * DAY + i64::from(minute) * 60;
            let latest = if today <= now.unix_seconds() { today } else { today - DAY };
            let next = if last.is_some_and(|last| last.unix_seconds() >= latest) { latest + DAY } else { latest };
            Some(Timestamp::from_unix_seconds(next))
        }
    }
}

async fn wait_until(at: Timestamp) {
    loop {
        let left = at.since(now());
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// `2026-11-27 03:56`
fn clock(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.unix_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn when_the_next_one_is_due() {
        for (schedule, last, now, expected) in [
            ("02:30", None, "2026-11-27T12:00:00Z", "2026-11-27T02:30:00Z"),
            ("02:30", Some("2026-11-27T02:30:04Z"), "2026-11-27T12:00:00Z", "2026-11-28T02:30:00Z"),
            ("02:30", Some("2026-11-26T02:30:04Z"), "2026-11-27T12:00:00Z", "2026-11-27T02:30:00Z"),
            ("02:30", Some("2026-11-26T02:30:04Z"), "2026-11-27T02:00:00Z", "2026-11-27T02:30:00Z"),
            ("00:00", Some("2026-11-27T00:00:00Z"), "2026-11-27T00:00:00Z", "2026-11-28T00:00:00Z"),
            ("6h", None, "2026-11-27T12:00:00Z", "2026-11-27T12:00:00Z"),
            ("6h", Some("2026-11-27T11:00:00Z"), "2026-11-27T12:00:00Z", "2026-11-27T17:00:00Z"),
            ("6h", Some("2026-11-01T11:00:00Z"), "2026-11-27T12:00:00Z", "2026-11-01T17:00:00Z"),
            ("6h", Some("2036-11-27T11:00:00Z"), "2026-11-27T12:00:00Z", "2026-11-27T18:00:00Z"),
        ] {
            let found = due(schedule.parse().unwrap(), last.map(at), at(now)).unwrap();
            assert_eq!(found, at(expected), "{schedule} {last:?} {now}");
        }
        assert_eq!(due(Schedule::Off, None, at("2026-11-27T12:00:00Z")), None);
    }
}
