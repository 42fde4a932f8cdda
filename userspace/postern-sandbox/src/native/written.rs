//! What a program leaves behind, and what it takes away again: files in the two folders that it may write to, and in memory when it starts
//! them. They are handed out of the cell to be taken apart as whatever came with the mail.
//!
//! The paths are the program's own word: a file is read when it lies in those folders, whatever its name leads through.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{office, root};

/// Files of a program that are handed out, octets of one and of all.
pub const MOST: usize = 16;
pub const LARGEST: usize = 2 << 20;
pub const OCTETS: usize = 8 << 20;
/// Entries of folders that are looked at in the end, and folders in folders.
const ENTRIES: usize = 2000;
const DEPTH: usize = 16;

/// A file that a program wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Where it lay in the cell.
    pub path: String,
    pub content: Vec<u8>,
}

/// Sees to it that each content is handed out once, and not too many are.
pub struct Keeper {
    seen: HashSet<blake3::Hash>,
    kept: usize,
    octets: usize,
    /// What was beyond the bounds, for the timeline.
    pub left_out: Vec<String>,
}

impl Keeper {
    /// `own`: the program itself, which lies in one of the folders.
    pub fn new(own: &[u8]) -> Self {
        Self { seen: HashSet::from([blake3::hash(own)]), kept: 0, octets: 0, left_out: Vec::new() }
    }

    /// The file as it is now, before it is removed, written over or started.
    pub fn now(&mut self, path: &str) -> Option<Written> {
        if ![root::HOME, root::TEMPORARY].iter().any(|folder| path.starts_with(folder)) {
            return None;
        }
        let file = open(&fs::canonicalize(path).ok()?)?;
        self.take(file, path)
    }

    /// A file in memory that is started: it is nowhere when the program ended.
    pub fn in_memory(&mut self, pid: libc::pid_t, descriptor: u64) -> Option<Written> {
        let link = format!("/proc/{pid}/fd/{descriptor}");
        let name = fs::read_link(&link).ok()?.to_string_lossy().into_owned();
        let name = name.strip_prefix("/memfd:")?.trim_end_matches(" (deleted)").to_owned();
        self.take(File::open(link).ok()?, &name)
    }

    /// All that lies there in the end.
    pub fn left(&mut self) -> Vec<Written> {
        let mut paths = Vec::new();
        for folder in [root::HOME, root::TEMPORARY] {
            list(Path::new(folder), 0, &mut paths);
        }
        paths.sort();
        paths.iter().filter_map(|path| self.now(path.to_str()?)).collect()
    }

    /// What the office pack made of a document.
    pub fn made(&mut self) -> Vec<Written> {
        [office::RENDERED, office::TEXT].iter().filter_map(|path| self.take(open(Path::new(path))?, path)).collect()
    }

    fn take(&mut self, mut file: File, path: &str) -> Option<Written> {
        let size = file.metadata().ok()?.len();
        let is_one_more = self.kept < MOST && usize::try_from(size).is_ok_and(|size| size <= LARGEST && size <= OCTETS - self.octets);
        if size == 0 {
            return None;
        }
        if !is_one_more {
            if self.left_out.len() < MOST && !self.left_out.iter().any(|known| known == path) {
                self.left_out.push(path.to_owned());
            }
            return None;
        }
        let mut content = Vec::new();
        // It may still grow while it is read.
        file.by_ref().take(size).read_to_end(&mut content).ok()?;
        if !self.seen.insert(blake3::hash(&content)) {
            return None;
        }
        self.kept += 1;
        self.octets += content.len();
        Some(Written { path: path.to_owned(), content })
    }
}

/// An ordinary file in the folders in memory, wherever a link leads meanwhile. (Not by openat2(2), which systemd's `RestrictSUIDSGID=` takes
/// away.)
fn open(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path).ok()?;
    let (found, folder) = (file.metadata().ok()?, fs::metadata(root::HOME).ok()?);
    (found.is_file() && found.dev() == folder.dev()).then_some(file)
}

fn list(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if paths.len() >= ENTRIES || depth > DEPTH {
            return;
        }
        if kind.is_dir() {
            list(&entry.path(), depth + 1, paths);
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
}
