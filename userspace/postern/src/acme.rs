//! Wiring of certificates that are ordered by themselves: the firewall that is ours, and the peers.

use std::net::TcpListener;
use std::path::Path;

use futures_util::FutureExt;
use postern_acme::{Keeper, KeyAuthorization, Parts};
use postern_cluster::node::Cluster;
use postern_console::SettingsHandle;
use postern_model::os::OsRequest;
use postern_os::client::{self, OsClientError};
use tokio_util::sync::CancellationToken;

/// Orders certificates by the settings in force, until `stop`.
pub fn start(
    settings: &SettingsHandle,
    cluster: &Cluster,
    inherited: Vec<TcpListener>,
    hostname: &str,
    stop: &CancellationToken,
) -> Keeper {
    let now = settings.settings();
    let (cluster, os) = (cluster.clone(), now.node.run_dir.join("os.sock"));
    let parts = Parts {
        settings: settings.subscribe(),
        hostname: hostname.to_owned(),
        data: now.node.data_dir.clone(),
        inherited,
        open_door: Box::new(move || {
            let os = os.clone();
            async move { open_door(&os).await }.boxed()
        }),
        spread: Box::new(move |answer: KeyAuthorization| {
            let cluster = cluster.clone();
            async move { postern_console::peers::spread_answer(&cluster, &answer).await }.boxed()
        }),
    };
    Keeper::start(parts, stop.clone())
}

/// On the appliance the firewall is ours; elsewhere its keeper lets port 80 in.
async fn open_door(os: &Path) {
    match client::ask(os, &OsRequest::OpenWebPort).await {
        Ok(_) | Err(OsClientError::Away(_)) => {}
        Err(error) => tracing::warn!(%error, "port 80 could not be opened for the authority of our certificate"),
    }
}
