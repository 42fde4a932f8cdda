//! The role `postern os`: the rights to the appliance's machine, and what it asks the node to know whether a start is a good one.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use postern_os::health;
use postern_os::role::{self, Node as Asked};

use crate::command::client::Node;
use crate::command::output::{list, string};

pub fn run(socket: PathBuf) -> anyhow::Result<()> {
    crate::logging::start(&postern_model::settings::Settings::default().log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let shutdown = crate::service_manager::told_to_end()?;
        let other = socket.clone();
        let asked = Asked {
            health: Box::new(move || Box::pin(health_of(Node { socket: socket.clone(), json: false }))),
            is_untouched: Box::new(move || Box::pin(is_untouched(Node { socket: other.clone(), json: false }))),
        };
        crate::service_manager::serving();
        role::run(asked, shutdown).await.context("os")
    })
}

async fn health_of(node: Node) -> Result<Vec<String>, String> {
    let greeting = tokio::task::spawn_blocking(|| health::smtp(SocketAddr::from(([127, 0, 0, 1], 25))));
    greeting.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    let status = node.get("/status").await.map_err(|e| e.to_string())?;
    if status["ready"] != true || !status["spool_trouble"].is_null() {
        return Err(format!("the node takes no mail: {}", string(&status["spool_trouble"])));
    }
    let edge = node.get("/edge").await.map_err(|e| e.to_string())?;
    let mut guarded = Vec::new();
    for interface in list(&edge, "interfaces") {
        let (name, mode) = (string(&interface["name"]), string(&interface["mode"]));
        if interface["attached"] != true {
            return Err(format!("{name} is not guarded: {mode}"));
        }
        guarded.push(format!("{name} {mode}"));
    }
    if guarded.is_empty() {
        return Err("edge does not answer, or guards no interface".into());
    }
    Ok(guarded)
}

async fn is_untouched(node: Node) -> bool {
    let Ok(admins) = node.get("/admins").await else { return false };
    list(&admins, "admins").iter().any(|a| a["name"] == "admin" && a["one_time_password"] == true)
}
