//! What BPF maps weigh, as the kernel counts it.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd};

use anyhow::Context;
use aya::maps::loaded_maps;

/// Octets of each map on this machine, by its number, with its name. Needs root.
///
/// # Errors
/// When the kernel does not tell.
pub fn memory() -> anyhow::Result<BTreeMap<u32, (String, u64)>> {
    let mut found = BTreeMap::new();
    for map in loaded_maps() {
        // One that went meanwhile weighs nothing.
        let Ok(map) = map else { continue };
        let Ok(fd) = map.fd() else { continue };
        let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let octets = text.lines().find_map(|l| l.strip_prefix("memlock:")).context("memlock in fdinfo")?;
        found.insert(map.id(), (map.name_as_str().unwrap_or("?").to_owned(), octets.trim().parse()?));
    }
    Ok(found)
}
