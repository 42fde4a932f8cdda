//! The role `postern sandbox`: nothing but its socket and the cells it starts.

use std::os::unix::net::UnixListener as Inherited;
use std::path::Path;

use anyhow::Context;
use postern_mta::inherited;
use postern_mta::sandbox::SOCKET;
use postern_sandbox::role;
use tokio::net::UnixListener;

use crate::command::sandbox::{Arguments, worker};

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let inherited = inherited::unix()?;
    // With a socket handed over nothing of the settings is needed, and the role has no right to read them.
    let settings = match &inherited {
        Some(_) => postern_model::settings::Settings::default(),
        None => crate::node::read_settings(arguments.settings.as_deref().unwrap_or(Path::new(crate::SETTINGS)))?,
    };
    crate::logging::start(&settings.log)?;
    crate::node::raise_descriptor_limit();
    let worker = worker(arguments.worker.clone()).context("where this program is")?;
    // One thread: a cell ends with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(async {
        let shutdown = crate::service_manager::told_to_end()?;
        let (listener, own) = match inherited {
            Some(listener) => (from_std(listener)?, None),
            None => {
                let socket = settings.node.run_dir.join(SOCKET);
                (role::listen(&socket).with_context(|| socket.display().to_string())?, Some(socket))
            }
        };
        crate::service_manager::serving();
        tokio::select! {
            () = role::serve(listener, worker, role::PATIENCE) => {}
            () = shutdown => {}
        }
        if let Some(socket) = own {
            let _ = std::fs::remove_file(socket);
        }
        Ok(())
    })
}

fn from_std(listener: Inherited) -> anyhow::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener).context("the socket of the service manager")
}
