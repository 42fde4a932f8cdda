//! The root: squashfs, read-only, with memory over /etc.

use std::path::Path;

use nix::mount::{MsFlags, mount};

use crate::boot::ROOT;
use crate::mounts::{MountError, of_kernel};

/// Where the memory behind /etc lies, below /run: moved into the new root with it.
const ETC: &str = "/run/postern-etc";

/// What is changed in /etc is lost at the end of this boot: it is rendered anew from the settings (`postern os start`).
pub fn mount_etc() -> Result<(), MountError> {
    of_kernel("tmpfs", ETC, MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, "mode=700,size=16M")?;
    let (upper, work, etc) = (format!("{ETC}/upper"), format!("{ETC}/work"), format!("{ROOT}/etc"));
    for folder in [&upper, &work] {
        let _ = std::fs::create_dir_all(folder);
    }
    let options = format!("lowerdir={etc},upperdir={upper},workdir={work}");
    of_kernel("overlay", &etc, MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC, &options)
}

pub fn mount_root(device: &Path) -> Result<(), MountError> {
    let _ = std::fs::create_dir_all(ROOT);
    mount(Some(device), ROOT, Some("squashfs"), MsFlags::MS_RDONLY | MsFlags::MS_NODEV, None::<&str>).map_err(|source| MountError {
        what: device.display().to_string(),
        at: ROOT.into(),
        source,
    })
}
