//! Wiring of the cluster: what it needs of the node, and the shared settings put in force here.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use postern_cluster::kinds::{Probe, QuarantineOrder};
use postern_cluster::node::generation::Generation;
use postern_cluster::node::{Cluster, ClusterParts, Restored};
use postern_cluster::shadow;
use postern_console::SettingsHandle;
use postern_console::settings_file::Adopted;
use postern_model::control::BanChange;
use postern_model::id::MailId;
use postern_model::journey::Step;
use postern_model::quarantine::QuarantineState;
use postern_model::queue::{Disposition, QueueChange, QueuedMail};
use postern_model::sandbox::SeenFile;
use postern_model::settings::{Problem, Settings};
use postern_model::time::Timestamp;
use postern_mta::events::Events;
use postern_mta::feedback::Feedback;
use postern_mta::quarantine::QuarantineKeeper;
use postern_mta::queue::Queue;
use postern_mta::sandbox::Memory;
use postern_store::database::Database;
use postern_store::spool::{Spool, SpoolError};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

/// Bans and decisions of peers that may wait for this node.
const WAITING: usize = 1024;

/// What the cluster is wired to.
pub struct Parts<'a> {
    pub settings: &'a Settings,
    pub generation: Generation,
    pub handle: &'a Arc<SettingsHandle>,
    pub hostname: &'a str,
    pub database: &'a Database,
    pub spool: &'a Spool,
    pub events: &'a Events,
    pub feedback: &'a Feedback,
    /// Woken when peers taught the classifier something.
    pub learned: &'a Arc<Notify>,
    /// What attachments came to.
    pub seen_files: &'a Arc<Memory>,
    /// The queue, as soon as there is one.
    pub queue: &'a Arc<OnceLock<Queue>>,
}

/// The cluster, and what it has for a queue that is not there yet.
pub struct Opened {
    pub cluster: Cluster,
    pub restored: Restored,
    pub moved: mpsc::Receiver<shadow::Event>,
}

/// Takes up the membership of the last run, if there was one. `restored`: what the spool had queued.
pub async fn open(parts: Parts<'_>, restored: Vec<QueuedMail>) -> anyhow::Result<Opened> {
    let (peer_bans, bans) = mpsc::channel(WAITING);
    let (orders, ordered) = mpsc::channel(WAITING);
    let (moves, moved) = mpsc::channel(WAITING);
    let (peer_files, files_seen) = mpsc::channel(WAITING);
    tokio::spawn(remember_files(files_seen, Arc::clone(parts.seen_files)));
    let seen_files = Arc::clone(parts.seen_files);
    tokio::spawn(put_bans_into_force(bans, parts.feedback.clone()));
    tokio::spawn(obey(ordered, parts.spool.clone(), parts.database.clone(), parts.events.clone()));
    let (checked, feedback) = (Arc::clone(parts.handle), parts.feedback.clone());
    let (spool, queue, data) = (parts.spool.clone(), Arc::clone(parts.queue), parts.settings.node.data_dir.clone());
    let cluster = ClusterParts {
        folder: parts.settings.node.data_dir.join("cluster"),
        settings: parts.handle.live(),
        hostname: parts.hostname.to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        generation: parts.generation,
        database: parts.database.clone(),
        spool: parts.spool.clone(),
        validate: Arc::new(move |shared: &Value| validate(&checked, shared)),
        own_bans: Arc::new(move || feedback.changes()),
        peer_bans,
        own_files: Arc::new(move || seen_files.news()),
        peer_files,
        orders,
        learned: Arc::clone(parts.learned),
        moves,
        probe: Arc::new(move || Probe {
            queued: queue.get().map_or(0, |q| q.status().mails as u64),
            free: free(&data),
            trouble: spool.ready().err().map(|_| "takes-no-mail".to_owned()).into_iter().collect(),
        }),
    };
    let (cluster, restored) = Cluster::open(cluster, restored).await.context("the cluster")?;
    Ok(Opened { cluster, restored, moved })
}

/// Mails that peers took over or gave to this node, put into or out of the queue.
pub async fn follow_moves(
    mut moved: mpsc::Receiver<shadow::Event>,
    cluster: Cluster,
    queue: Queue,
    quarantine: QuarantineKeeper,
    events: Events,
    own: Spool,
) {
    while let Some(event) = moved.recv().await {
        match event {
            shadow::Event::Adopted { accepted, from } => {
                let mail = accepted.mail();
                if let Some(by) = cluster.id() {
                    events.step(mail.id, Step::TakenOver { from, by });
                }
                match mail.disposition {
                    Disposition::Quarantine => {
                        let (keeper, id) = (quarantine.clone(), mail.id);
                        tokio::spawn(async move { keeper.hold(id).await });
                    }
                    Disposition::Deliver | Disposition::Hold => queue.enqueue(&accepted),
                }
            }
            shadow::Event::Withdraw { mail, by } => {
                tracing::info!(%mail, %by, "a mail was taken over by a peer while this node was away");
                tokio::spawn(withdraw(mail, queue.clone(), own.clone()));
            }
        }
    }
}

/// A mail that is being sent at this moment ends by itself, or comes back to the queue and is taken out then.
async fn withdraw(mail: MailId, queue: Queue, spool: Spool) {
    const LOOK: Duration = Duration::from_millis(200);
    while queue.contains(mail) && !queue.forget_adopted(mail) {
        tokio::time::sleep(LOOK).await;
    }
    if let Err(error) = spool.record(mail, QueueChange::Done).await
        && !matches!(error, SpoolError::Unknown(_))
    {
        tracing::error!(%mail, %error, "a mail that a peer took over is still in the spool: it may be sent once more after a restart");
    }
}

/// Octets free where the data lies.
fn free(folder: &Path) -> u64 {
    nix::sys::statvfs::statvfs(folder).map_or(0, |s| s.blocks_available() * s.fragment_size())
}

async fn put_bans_into_force(mut bans: mpsc::Receiver<BanChange>, feedback: Feedback) {
    while let Some(change) = bans.recv().await {
        match change {
            BanChange::Set(bans) => feedback.adopt(bans),
            BanChange::Lifted(networks) => {
                if let Err(error) = feedback.lift(networks).await {
                    tracing::warn!(%error, "a ban that a peer lifted stays at the edge");
                }
            }
        }
    }
}

/// What peers saw is known here.
async fn remember_files(mut files: mpsc::Receiver<SeenFile>, memory: Arc<Memory>) {
    while let Some(file) = files.recv().await {
        memory.adopt(file);
    }
}

/// A mail of ours in the quarantine was released or deleted elsewhere, from a copy: the file goes here, too.
async fn obey(mut orders: mpsc::Receiver<QuarantineOrder>, spool: Spool, database: Database, events: Events) {
    while let Some(order) = orders.recv().await {
        let (files, mail) = (spool.quarantine().clone(), order.mail);
        match tokio::task::spawn_blocking(move || files.delete(mail)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(%mail, %error, "a mail that a peer decided on stays in the quarantine until the next start");
                continue;
            }
            Err(_) => return,
        }
        if let Err(error) = database.quarantine().raise(mail, order.to, &order.by, order.at).await {
            tracing::warn!(%mail, %error, "a peer's decision is not in the index");
        }
        let action = if order.to == QuarantineState::Released { "released" } else { "deleted" };
        events.step(mail, Step::QuarantineAction { action: action.into(), by: order.by });
    }
}

/// Whether this node could run with shared settings.
fn validate(handle: &SettingsHandle, shared: &Value) -> Result<(), Vec<Problem>> {
    let merged = postern_document::local::merge(shared, &handle.settings()).map_err(|e| e.0)?;
    let text = toml::to_string(&merged).map_err(|e| vec![Problem { path: String::new(), message: e.to_string() }])?;
    postern_console::settings_file::check(&text).map(|_| ()).map_err(|e| e.0)
}

/// Writes what the cluster has in force into this node's settings file, whoever changed it.
pub async fn adopt_settings(cluster: Cluster, handle: Arc<SettingsHandle>, database: Database) {
    let mut shared = cluster.shared_settings();
    shared.mark_changed();
    while shared.changed().await.is_ok() {
        let Some(wanted) = shared.borrow_and_update().clone() else { continue };
        let writer = Arc::clone(&handle);
        let adopted = match tokio::task::spawn_blocking(move || writer.adopt(&wanted)).await {
            Ok(Ok(adopted)) => adopted,
            Ok(Err(error)) => {
                tracing::error!(%error, "the cluster's settings could not be written into this node's file");
                continue;
            }
            Err(_) => return,
        };
        let Some(Adopted { before, after }) = adopted else { continue };
        let (author, message) = cluster.last_change().unwrap_or_default();
        tracing::info!(author, message, "settings were changed in the cluster");
        let (history, now) = (database.settings_history(), Timestamp::from_system(SystemTime::now()));
        for (version, author, message) in
            [(before, author.as_str(), "before a change in the cluster"), (after, author.as_str(), message.as_str())]
        {
            if let Err(error) = history.add(&version.text, &version.digest, author, message, now).await {
                tracing::warn!(%error, "a version of the settings is not in the history");
            }
        }
    }
}
