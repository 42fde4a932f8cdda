//! The role `os`: the process with the rights to this machine itself. It serves one unix socket ([`postern_model::os`]) for the node and
//! for root, watches whether a start becomes a good one, and writes updates. It listens to no network and sees no mail.
//!
//! [`watch`] is what happens at each start by itself, [`work`] what is done when asked, [`updating`] an update under way.

mod server;
mod updating;
mod watch;
mod work;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use postern_control::{Role as _, listen, serve};
use postern_model::os::UpdateStatus;

use crate::boot_loader::BootLoader;
use crate::boot_report::{BootReport, Medium, NoAppliance};

/// The folder of the data partition that is the appliance's own.
pub const DATA: &str = "/var/lib/postern-os";
/// The settings of the machine itself.
pub const MACHINE: &str = "/var/lib/postern-os/machine.toml";
/// There when a first boot has looked for a seed, whether it found one or not.
pub const SEED_LOOKED: &str = "/run/postern-boot/seed-was-looked-for";
/// What a seed says that the node has yet to be told, for root alone.
pub const SEED_PENDING: &str = "/var/lib/postern-os/seed-node.json";
/// How the seed fared.
pub const SEED_RESULT: &str = "/var/lib/postern-os/seed-result";
/// A backup to be restored at the next start, and what opens it; for root alone.
pub const RESTORE_ORDER: &str = "/var/lib/postern-os/restore.json";
/// How the last one ended, in a line.
pub const RESTORE_RESULT: &str = "/var/lib/postern-os/restore-result";
/// The node's own folder.
pub const NODE_DATA: &str = "/var/lib/postern";
/// Where node and command line find the role.
pub const SOCKET: &str = "/run/postern/os.sock";

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What only the node can answer; the role above asks it.
pub struct Node {
    /// `eth0 native` for each guarded interface, or the first thing of node and edge that does not work.
    pub health: Box<dyn Fn() -> Later<Result<Vec<String>, String>> + Send + Sync>,
    /// Whether the first admin still has the password that was made for him.
    pub is_untouched: Box<dyn Fn() -> Later<bool> + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    #[error(transparent)]
    NoAppliance(#[from] NoAppliance),
    #[error("{path}: {source}", path = path.display())]
    Socket {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// This machine, as the parts of the role see it.
struct Shared {
    node: Node,
    report: BootReport,
    /// Why there is none: on a live system.
    boot_loader: Result<BootLoader, String>,
    update: Mutex<UpdateStatus>,
    /// What the last look at everything found.
    health: Mutex<Result<Vec<String>, String>>,
}

impl Shared {
    fn boot_loader(&self) -> Result<&BootLoader, String> {
        self.boot_loader.as_ref().map_err(Clone::clone)
    }
}

/// Serves until `shutdown` is done.
///
/// # Errors
/// On a machine that is no appliance, or when the socket cannot be had.
pub async fn run(node: Node, shutdown: impl Future<Output = ()>) -> Result<(), RoleError> {
    let report = BootReport::read(crate::boot_report::FOLDER.as_ref())?;
    let listener = listen(SOCKET.as_ref(), Shared::NAME).map_err(|source| RoleError::Socket { path: SOCKET.into(), source })?;
    let boot_loader = match report.medium {
        Medium::Slot(running) => BootLoader::find(running).map_err(|e| e.to_string()),
        Medium::Live => Err("this system runs from its medium and keeps nothing: install it first".into()),
    };
    let health = Mutex::new(Err("not looked at yet".to_owned()));
    let shared = Arc::new(Shared { node, report, boot_loader, update: Mutex::default(), health });
    let serving = tokio::spawn(serve(listener, Arc::clone(&shared)));
    let watching = tokio::spawn(watch::run(Arc::clone(&shared)));
    tracing::info!(socket = SOCKET, medium = %shared.report.medium, "os serves");
    shutdown.await;
    serving.abort();
    watching.abort();
    let _ = std::fs::remove_file(SOCKET);
    Ok(())
}
