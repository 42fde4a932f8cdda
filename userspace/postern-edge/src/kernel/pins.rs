//! The directory in bpffs where link, program and maps live on when edge is dead.
//!
//! ```text
//! <dir>/maps-v4/FRONT, BANS_V4, …   maps of this layout (postern_ebpf_abi::VERSION)
//! <dir>/program                      the program in force
//! <dir>/jumps/1                      the programs that it goes on to
//! <dir>/links/eth0:native            one link per guarded interface, with its mode
//! ```
//!
//! bpffs allows no dots in names, and no interface has a colon in its own: `eth0.100` is pinned as `eth0:100:native`.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::statfs;

use super::table::open_pin;

/// Magic number of bpffs (linux/magic.h).
const BPF_FS: i64 = 0xcafe_4a11;

#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}: {source}", path = path.display())]
pub struct PinsError {
    pub path: PathBuf,
    pub what: &'static str,
    #[source]
    pub source: io::Error,
}

/// A directory in bpffs.
#[derive(Debug)]
pub struct Pins {
    dir: PathBuf,
    mounted_here: bool,
}

impl Pins {
    /// The directory `dir`, made when it is missing. Where no bpffs is mounted yet, one is mounted on `/sys/fs/bpf` if `dir` lies
    /// there.
    ///
    /// # Errors
    /// When `dir` is not in a bpffs, or cannot be made.
    pub fn open(dir: &Path) -> Result<Self, PinsError> {
        let usual = Path::new("/sys/fs/bpf");
        if dir.starts_with(usual) && !is_bpffs(usual) {
            mount_bpffs(usual)?;
        }
        make(dir)?;
        if !is_bpffs(dir) {
            let source = io::Error::other("write a directory below /sys/fs/bpf");
            return Err(PinsError { path: dir.to_owned(), what: "is not in a bpffs", source });
        }
        Self { dir: dir.to_owned(), mounted_here: false }.prepared()
    }

    /// A bpffs of one's own on an empty directory, gone when the value is dropped: for tests and benchmarks.
    ///
    /// # Errors
    /// When mounting is not permitted.
    pub fn private(dir: &Path) -> Result<Self, PinsError> {
        mount_bpffs(dir)?;
        Self { dir: dir.to_owned(), mounted_here: true }.prepared()
    }

    fn prepared(self) -> Result<Self, PinsError> {
        make(&self.maps())?;
        make(&self.links())?;
        make(&self.jumps())?;
        Ok(self)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn maps(&self) -> PathBuf {
        self.dir.join(format!("maps-v{}", postern_ebpf_abi::VERSION))
    }

    pub fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    pub fn program(&self) -> PathBuf {
        self.dir.join("program")
    }

    fn jumps(&self) -> PathBuf {
        self.dir.join("jumps")
    }

    pub fn pinned_jumps(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.jumps()).map_or_else(|_| Vec::new(), |entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
    }

    /// A pin that no program in force uses yet.
    pub fn next_jumps(&self) -> PathBuf {
        let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u64>().ok();
        let last = self.pinned_jumps().iter().filter_map(number).max().unwrap_or(0);
        self.jumps().join((last + 1).to_string())
    }

    pub fn links(&self) -> PathBuf {
        self.dir.join("links")
    }

    pub fn link(&self, interface: &str, mode: &str) -> PathBuf {
        self.links().join(format!("{}:{mode}", interface.replace('.', ":")))
    }

    /// Interface and mode of every pinned link.
    pub fn pinned_links(&self) -> Vec<(String, String)> {
        let Ok(entries) = std::fs::read_dir(self.links()) else { return Vec::new() };
        let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
        names.filter_map(|n| n.rsplit_once(':').map(|(i, m)| (i.replace(':', "."), m.to_owned()))).collect()
    }

    /// # Errors
    /// When the kernel refuses; nothing there is `None`.
    pub fn get(&self, path: &Path) -> Result<Option<OwnedFd>, PinsError> {
        open_pin(path).map_err(|source| PinsError { path: path.to_owned(), what: "cannot be opened", source })
    }

    /// Removes a pin; what it held ends when nobody else holds it.
    ///
    /// # Errors
    /// When the kernel refuses; nothing there is no error.
    pub fn remove(&self, path: &Path) -> Result<(), PinsError> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| PinsError { path: path.to_owned(), what: "cannot be removed", source }),
        }
    }

    /// Removes all maps, of this layout and of others: what is left of another version, or of maps that do not fit.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove_maps(&self, which: Which) -> Result<(), PinsError> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else { return Ok(()) };
        for entry in entries.flatten() {
            let ours = entry.path() == self.maps();
            let is_maps = entry.file_name().to_str().is_some_and(|n| n.starts_with("maps-v"));
            if !is_maps || (which == Which::OtherVersions) == ours {
                continue;
            }
            let Ok(pins) = std::fs::read_dir(entry.path()) else { continue };
            for pin in pins.flatten() {
                self.remove(&pin.path())?;
            }
            if !ours {
                let source = std::fs::remove_dir(entry.path());
                source.map_err(|source| PinsError { path: entry.path(), what: "cannot be removed", source })?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    ThisVersion,
    OtherVersions,
}

impl Drop for Pins {
    fn drop(&mut self) {
        if self.mounted_here
            && let Err(e) = umount2(&self.dir, MntFlags::MNT_DETACH)
        {
            tracing::warn!(dir = %self.dir.display(), "bpffs cannot be unmounted: {e}");
        }
    }
}

fn make(dir: &Path) -> Result<(), PinsError> {
    std::fs::create_dir_all(dir).map_err(|source| PinsError { path: dir.to_owned(), what: "cannot be made", source })
}

fn is_bpffs(dir: &Path) -> bool {
    statfs(dir).is_ok_and(|s| s.filesystem_type().0 == BPF_FS)
}

fn mount_bpffs(dir: &Path) -> Result<(), PinsError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), dir, Some("bpf"), flags, Some("mode=0700")).map_err(|e| PinsError {
        path: dir.to_owned(),
        what: "bpffs cannot be mounted",
        source: e.into(),
    })
}
