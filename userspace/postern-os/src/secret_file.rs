//! A file with a secret: for root alone, exchanged in one step, and overwritten once it has no name any more: a secret that was used should
//! not wait in the file system's free blocks (that a disk keeps old blocks of its own is not in our hands).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// More than any of them comes to.
const LARGEST: usize = 4 << 20;

/// Puts these octets in the place of what was there.
pub fn put(path: &Path, octets: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    // One that a power cut left.
    unlink(&beside)?;
    exchange(path, || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })
}

/// Takes it away; one that is not there is right.
pub fn remove(path: &Path) -> io::Result<()> {
    unlink(&path.with_extension("new"))?;
    exchange(path, || unlink(path))
}

fn exchange(path: &Path, done: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let before = match OpenOptions::new().write(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        opened => Some(opened?),
    };
    done()?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    if let Some(mut before) = before {
        let length = usize::try_from(before.metadata()?.len()).unwrap_or_default();
        before.write_all(&vec![0; length.min(LARGEST)])?;
        before.sync_all()?;
    }
    Ok(())
}

fn unlink(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
