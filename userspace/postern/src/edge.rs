//! The role `postern edge`: reads its part of the settings and serves until it is told to stop.

use std::path::Path;

use anyhow::Context;
use postern_edge::role::{self, RoleOptions};

use crate::command::edge::Arguments;

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = crate::node::read_settings(arguments.settings.as_deref().unwrap_or(Path::new(crate::SETTINGS)))?;
    crate::logging::start(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let shutdown = crate::service_manager::told_to_end()?;
        let role = RoleOptions {
            socket: settings.node.run_dir.join("edge.sock"),
            data_dir: settings.node.data_dir.clone(),
            bpf_dir: RoleOptions::BPF_DIR.into(),
            settings: settings.edge,
        };
        crate::service_manager::serving();
        role::run(role, shutdown).await.context("the edge")
    })
}
