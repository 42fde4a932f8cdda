//! Wiring of backups: what the schedule must know of this node.

use std::path::Path;
use std::sync::Arc;

use postern_backup::inventory::Outside;
use postern_backup::schedule::{Keeper, Node};
use postern_cluster::node::Cluster;
use postern_console::SettingsHandle;
use postern_os::role::MACHINE;
use tokio_util::sync::CancellationToken;

/// Makes backups by the settings in force, until `stop`.
pub fn start(settings: &SettingsHandle, cluster: &Cluster, file: &Path, hostname: &str, stop: &CancellationToken) -> Keeper {
    let cluster = cluster.clone();
    let identity = Arc::new(move || cluster.id().map(|id| id.to_string()));
    Keeper::start(settings.subscribe(), node(hostname.to_owned(), identity, file), stop.clone())
}

pub fn node(host: String, identity: Arc<dyn Fn() -> Option<String> + Send + Sync>, file: &Path) -> Node {
    Node {
        host,
        identity,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        settings_file: std::path::absolute(file).unwrap_or_else(|_| file.to_owned()),
        // The appliance's own settings, beside the node's.
        outside: vec![Outside { name: "machine.toml".into(), path: MACHINE.into() }],
    }
}
