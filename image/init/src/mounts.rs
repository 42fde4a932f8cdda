//! File systems of the kernel, and their way into the new root.

use nix::mount::{MsFlags, mount};

#[derive(Debug, thiserror::Error)]
#[error("mount {what} on {at}: {source}")]
pub struct MountError {
    pub what: String,
    pub at: String,
    #[source]
    pub source: nix::Error,
}

const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// Mounts a file system of a kind that needs no device, making its folder.
pub fn of_kernel(kind: &str, at: &str, flags: MsFlags, options: &str) -> Result<(), MountError> {
    let _ = std::fs::create_dir_all(at);
    mount(Some(kind), at, Some(kind), flags, Some(options)).map_err(|source| MountError { what: kind.into(), at: at.into(), source })
}

pub fn kernel_file_systems() -> Result<(), MountError> {
    of_kernel("proc", "/proc", SAFE | MsFlags::MS_NOEXEC, "")?;
    of_kernel("sysfs", "/sys", SAFE | MsFlags::MS_NOEXEC, "")?;
    of_kernel("devtmpfs", "/dev", MsFlags::MS_NOSUID, "mode=755")?;
    of_kernel("tmpfs", "/run", SAFE, "mode=755,size=20%")
}

/// Moves them below the new root, where systemd finds them.
pub fn move_below(root: &str) -> Result<(), MountError> {
    for at in ["/proc", "/sys", "/dev", "/run"] {
        let to = format!("{root}{at}");
        mount(Some(at), to.as_str(), None::<&str>, MsFlags::MS_MOVE, None::<&str>).map_err(|source| MountError {
            what: at.into(),
            at: to,
            source,
        })?;
    }
    Ok(())
}

/// Memory in the place of a disk. What a live system or one with a broken disk writes must leave room for it to run: the node takes no
/// mail when 256 MiB of it (`delivery.spool.reserve`) are left, so with 1 GiB of memory it fills a third of it.
pub fn volatile(at: &str) -> Result<(), MountError> {
    of_kernel("tmpfs", at, SAFE, "mode=755,size=60%")
}
