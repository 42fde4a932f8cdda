//! Hashes of what steps read: files, folders with everything below them, and packages by the lock.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct ReadError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

pub fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

/// SHA-256 of a file.
///
/// # Errors
/// When it cannot be read.
pub fn file(path: &Path) -> Result<String, ReadError> {
    let failed = |source| ReadError { path: path.to_owned(), source };
    let mut hash = Sha256::new();
    let mut from = File::open(path).map_err(failed)?;
    let mut some = vec![0; 1 << 16];
    loop {
        match from.read(&mut some).map_err(failed)? {
            0 => break,
            n => hash.update(&some[..n]),
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

/// A hash of a file or folder: names, the right to execute, contents and targets of links; not times, which a checkout makes.
///
/// # Errors
/// When something cannot be read.
pub fn tree(path: &Path) -> Result<String, ReadError> {
    let mut hash = Sha256::new();
    walk(path, "", &mut hash)?;
    Ok(hexadecimal(&hash.finalize()))
}

fn walk(path: &Path, name: &str, hash: &mut Sha256) -> Result<(), ReadError> {
    let failed = |source| ReadError { path: path.to_owned(), source };
    let meta = fs::symlink_metadata(path).map_err(failed)?;
    let mut line = |kind: &str, what: &str| hash.update(format!("{kind}\0{name}\0{what}\n"));
    if meta.is_symlink() {
        line("link", &fs::read_link(path).map_err(failed)?.to_string_lossy());
    } else if meta.is_dir() {
        line("folder", "");
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path).map_err(failed)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>().map_err(failed)?;
        entries.sort();
        for entry in entries {
            let below = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            walk(&entry, &format!("{name}/{below}"), hash)?;
        }
    } else {
        let can_run = meta.permissions().mode() & 0o111 != 0;
        line(if can_run { "program" } else { "file" }, &file(path)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_counts_and_what_does_not() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("a"), "1").unwrap();
        std::os::unix::fs::symlink("a", at("b")).unwrap();
        let first = tree(scratch.path()).unwrap();
        File::options().write(true).open(at("a")).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(tree(scratch.path()).unwrap(), first, "times");
        fs::set_permissions(at("a"), fs::Permissions::from_mode(0o755)).unwrap();
        let runs = tree(scratch.path()).unwrap();
        assert_ne!(runs, first, "the right to execute");
        fs::write(at("a"), "2").unwrap();
        assert_ne!(tree(scratch.path()).unwrap(), runs, "content");
        fs::remove_file(at("a")).unwrap();
        assert!(tree(&at("a")).unwrap_err().to_string().contains("/a: "));
    }
}
