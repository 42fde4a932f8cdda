//! The role `edge`: a process with the rights to load programs and nothing else to do. It serves one unix socket
//! ([`postern_model::control`]); when it dies the program goes on with the maps as they are.
//!
//! [`state`] is what it knows and does, [`server`] the socket, [`feeds`] the reading of feeds beside it, [`steering`] what keeps
//! ring and virtual addresses; beside them it serves the watch over the sandbox's cells ([`crate::watch`]).

mod feeds;
mod server;
mod state;
mod steering;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postern_control::{Role as _, listen, serve};
use postern_model::settings::edge::EdgeSettings;
use postern_model::watch::WATCH_SOCKET;
use tokio::sync::Notify;

use crate::watch;
use state::State;

/// How often bans are ended, samples fetched and links looked after.
const TICK: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
pub struct RoleOptions {
    /// The socket that node connects to; the watch's lies beside it.
    pub socket: PathBuf,
    /// Bans and copies of feeds are kept in `edge` below it.
    pub data_dir: PathBuf,
    /// Where link, program and maps are pinned.
    pub bpf_dir: PathBuf,
    /// In force until node sends others.
    pub settings: EdgeSettings,
}

impl RoleOptions {
    /// The usual place for pins.
    pub const BPF_DIR: &'static str = "/sys/fs/bpf/postern";
}

#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error("{path}: {source}", path = path.display())]
    Socket {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a thread of edge failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// The state, shared by the socket, the ticks and the feeds.
struct Shared {
    state: Mutex<State>,
    /// Feeds are due: settings changed, or somebody asked.
    feeds: Notify,
    /// There is a new plan of who serves the virtual addresses, or other settings.
    steering: Notify,
}

/// Serves until `shutdown` is done. The program stays attached.
///
/// # Errors
/// When the socket cannot be had. That bpf() is not permitted is no error: the status says it, and the rest works.
pub async fn run(options: RoleOptions, shutdown: impl Future<Output = ()>) -> Result<(), RoleError> {
    let listener = listen(&options.socket, Shared::NAME).map_err(|source| RoleError::Socket { path: options.socket.clone(), source })?;
    let folder = options.data_dir.join("edge");
    let shared = tokio::task::spawn_blocking({
        let folder = folder.clone();
        move || {
            let state = Mutex::new(State::start(&folder, &options.bpf_dir, options.settings));
            Arc::new(Shared { state, feeds: Notify::new(), steering: Notify::new() })
        }
    })
    .await?;
    let watch = options.socket.with_file_name(WATCH_SOCKET);
    let watching = match listen(&watch, "watch") {
        Ok(listener) => tokio::spawn(watch::server::serve(listener)),
        // Guarding comes first, and cells are walled in without it.
        Err(e) => tokio::spawn(async move { tracing::error!("{}: no cell is watched: {e}", watch.display()) }),
    };
    let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
    let feeding = tokio::spawn(feeds::keep(Arc::clone(&shared), folder));
    let steering = tokio::spawn(steering::keep(Arc::clone(&shared)));
    let ticking = tokio::spawn(tick(Arc::clone(&shared)));
    tracing::info!(socket = %options.socket.display(), "edge serves");
    shutdown.await;
    for task in [serving, watching, feeding, steering, ticking] {
        task.abort();
    }
    tokio::task::spawn_blocking(move || save(&shared)).await?;
    for socket in [options.socket.with_file_name(WATCH_SOCKET), options.socket] {
        let _ = std::fs::remove_file(socket);
    }
    Ok(())
}

async fn tick(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let shared = Arc::clone(&shared);
        let work = move || {
            let is_due = {
                let mut state = shared.state.lock();
                state.tick();
                state.save_is_due()
            };
            if is_due {
                save(&shared);
            }
        };
        if let Err(e) = tokio::task::spawn_blocking(work).await {
            tracing::error!("a tick of edge failed: {e}");
        }
    }
}

/// Writes the bans; the lock is held for a copy only.
fn save(shared: &Shared) {
    let Some(work) = shared.state.lock().take_unsaved() else { return };
    let outcome = work.write();
    shared.state.lock().saved(&outcome);
}
