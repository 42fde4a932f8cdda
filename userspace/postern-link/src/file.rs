//! Files of which a power cut leaves the old one or the new one, and that only their owner may read.

use std::fs::{File, OpenOptions, rename};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Beside the file, synced, renamed over it, the folder synced.
///
/// # Errors
/// The old file is still there.
pub fn write_anew(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let young = folder.join(name);
    // What a crash left there may have other rights.
    if let Err(e) = std::fs::remove_file(&young)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        return Err(e);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&young)?;
    file.write_all(octets)?;
    file.sync_all()?;
    rename(&young, path)?;
    File::open(folder)?.sync_all()
}
