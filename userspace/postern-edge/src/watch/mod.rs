//! The watch over the sandbox's cells: what processes in a cgroup do, seen from the kernel, told to who asks on a socket of its own.
//!
//! What it is not: a wall. It refuses nothing, decides nothing, and its absence stops no mail. It knows nothing of jobs: a cgroup with the name of
//! a cell is watched from one line to the next, and what was seen there is the answer.
//!
//! [`programs`] is the kernel's side, loaded when the first cell is to be watched; [`fields`] finds its way in the kernel's structures,
//! [`calls`] says which calls are told, [`sight`] makes them readable, [`server`] is the socket.

mod calls;
mod fields;
mod programs;
pub mod server;
mod sight;

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use nix::sys::stat::fstat;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};
use parking_lot::Mutex;
use postern_ebpf_abi::watch::MOST;
use postern_model::watch::{CELL_PREFIX, Sighting};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use programs::Programs;

/// All that is watched, and the programs that do it, once they are needed.
#[derive(Default)]
pub struct Watch {
    loaded: OnceLock<Result<Mutex<Watched>, String>>,
}

struct Watched {
    programs: Programs,
    cells: HashMap<u64, Seen>,
}

/// What was seen in one cgroup.
struct Seen {
    sightings: Vec<Sighting>,
    /// What the programs had missed of any when it began.
    missed: u64,
}

/// A cgroup that is watched for as long as this is held.
pub struct Cell {
    watch: Arc<Watch>,
    cgroup: u64,
    /// Holds its number: no other cgroup gets it meanwhile.
    _folder: OwnedFd,
}

impl Watch {
    fn loaded(&self) -> Result<&Mutex<Watched>, &str> {
        let load = || match Programs::load() {
            Ok(programs) => {
                match &programs.partly {
                    None => tracing::info!("cells are watched from the kernel"),
                    Some(why) => tracing::warn!("cells are watched from the kernel in part: {why}"),
                }
                Ok(Mutex::new(Watched { programs, cells: HashMap::new() }))
            }
            Err(e) => {
                tracing::error!("cells cannot be watched from the kernel: {e}");
                Err(e.to_string())
            }
        };
        self.loaded.get_or_init(load).as_ref().map_err(String::as_str)
    }

    /// Begins to watch a cgroup, by a descriptor of its folder. Loads the programs when nobody has needed them yet, which takes a while. `filters`: who is
    /// behind no more of them is not told of.
    ///
    /// # Errors
    /// Why it is not watched.
    pub fn begin(self: &Arc<Self>, folder: OwnedFd, filters: u32, is_strict: bool) -> Result<Cell, String> {
        let cgroup = number_of(&folder)?;
        let mut watched = self.loaded()?.lock();
        if watched.cells.contains_key(&cgroup) {
            return Err("this cgroup is watched already".to_owned());
        }
        watched.programs.add(cgroup, filters, is_strict).map_err(|e| e.to_string())?;
        let missed = watched.programs.missed();
        watched.cells.insert(cgroup, Seen { sightings: Vec::new(), missed });
        drop(watched);
        Ok(Cell { watch: Arc::clone(self), cgroup, _folder: folder })
    }

    /// What it does not see here, and why.
    pub fn partly(&self) -> Option<String> {
        self.loaded().ok().and_then(|watched| watched.lock().programs.partly.clone())
    }

    /// Takes what has gathered in the ring, for as long as it is polled; the ring is small, and cells are many.
    async fn keep_up(self: Arc<Self>) {
        let Ok(Ok(ring)) = self.loaded().map(|watched| watched.lock().programs.ring()) else { return };
        // SAFETY: the descriptor is owned by what registers it, and stays open for as long.
        let Ok(ring) = (unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }) else { return };
        loop {
            let Ok(mut ready) = ring.readable().await else { return };
            ready.clear_ready();
            if let Ok(watched) = self.loaded() {
                watched.lock().take();
            }
        }
    }
}

impl Watched {
    fn take(&mut self) {
        while let Some(raw) = self.programs.next() {
            // One that came after its cell's end is nobody's.
            if let Some((cell, sighting)) = self.cells.get_mut(&raw.cgroup).zip(sight::read(&raw)) {
                cell.sightings.push(sighting);
            }
        }
    }

    fn end(&mut self, cgroup: u64) -> Option<(Vec<Sighting>, u64)> {
        self.take();
        let counted = self.programs.remove(cgroup).unwrap_or_default();
        let Seen { mut sightings, missed } = self.cells.remove(&cgroup)?;
        // Two processors may have written in another order.
        sightings.sort_by_key(|s| s.at);
        // What was missed of any cell may have been this one's.
        let missed = self.programs.missed().saturating_sub(missed);
        Some((sightings, counted.lost + counted.told.saturating_sub(MOST) + missed))
    }
}

impl Cell {
    /// What was seen, and how much more there was.
    ///
    /// # Errors
    /// When nothing of it is known any more.
    pub fn end(self) -> Result<(Vec<Sighting>, u64), String> {
        // The lock is free again before this is dropped, which takes it.
        let seen = self.watch.loaded()?.lock().end(self.cgroup);
        seen.ok_or_else(|| "this cgroup is not watched".to_owned())
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        if let Ok(watched) = self.watch.loaded() {
            watched.lock().end(self.cgroup);
        }
    }
}

/// The kernel's number of a cell's cgroup.
fn number_of(folder: &OwnedFd) -> Result<u64, String> {
    let kind = fstatfs(folder).map_err(|e| format!("what is enclosed is no cgroup: {e}"))?.filesystem_type();
    let name = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd())).map_err(|e| format!("a cgroup without a name: {e}"))?;
    let is_cell = name.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(CELL_PREFIX.as_bytes()));
    if kind != CGROUP2_SUPER_MAGIC || !is_cell {
        return Err("what is enclosed is no cell's cgroup".to_owned());
    }
    fstat(folder.as_fd()).map(|found| found.st_ino).map_err(|e| format!("the cgroup has no number: {e}"))
}
