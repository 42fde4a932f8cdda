//! A network and mount namespace of our own: ports are free, nothing leaves, and resolv.conf names
//! our name server.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Moves this process into fresh namespaces and brings loopback up. Call before any thread starts.
pub fn enter(scratch: &Path) -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).context("a network namespace (are you root?)")?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).context("private mounts")?;
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("ip link set lo up")?;
    if !status.success() {
        bail!("ip link set lo up: {status}");
    }
    let resolv = scratch.join("resolv.conf");
    fs::write(&resolv, "nameserver 127.0.0.1\n")?;
    mount(Some(&resolv), "/etc/resolv.conf", None::<&str>, MsFlags::MS_BIND, None::<&str>).context("own resolv.conf")?;
    Ok(())
}
