//! A cell's cgroup (version 2): bounds for all of its processes together, an end for all of them at once, and the name by which the kernel's
//! watch knows them.
//!
//! Where none may be made the cell does without: the process' own limits ([`super::walls`]) hold everywhere. Bounds need controllers, which
//! the service manager hands over with the cgroup (`Delegate=`); without one the cgroup is still there to be killed and watched.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postern_model::sandbox::CgroupStatus;
use postern_model::watch::CELL_PREFIX;
use tokio::runtime::Handle;

/// Controllers that bound a cell, where the service manager hands them over.
const CONTROLLERS: &[&str] = &["memory", "pids", "cpu"];
/// Where this process goes: a cgroup that hands controllers on has no processes of its own.
const OWN: &str = "role";
/// Octets beyond a job's memory: the worker itself, page tables, the two folders that a program may write.
const OVERHEAD: u64 = 96 << 20;
/// One processor, of each tenth of a second; and less of it than SMTP when there are too few.
const PROCESSOR: &str = "100000 100000";
const WEIGHT: &str = "50";
/// How long processes may take to end when they were killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a cell may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub memory: u64,
    pub processes: u32,
}

/// The place where cells' cgroups are made.
#[derive(Debug)]
pub struct Cgroups {
    folder: PathBuf,
    controllers: Vec<&'static str>,
    next: AtomicU64,
}

impl Cgroups {
    /// This process' own, found once; it goes into a leaf of it where controllers are to be had. An error says why cells do without.
    pub fn of_this_process() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Cgroups, String>> = OnceLock::new();
        FOUND.get_or_init(Self::find).as_ref().map_err(String::as_str)
    }

    fn find() -> Result<Self, String> {
        let folder = own_folder()?;
        let controllers = hand_on(&folder);
        let found = Self { folder, controllers, next: AtomicU64::new(0) };
        found.sweep();
        let none = Bounds { memory: 0, processes: 0 };
        let probe = found.make(none).map_err(|e| format!("no cgroup can be made in {}: {e}", found.folder.display()))?;
        can_be_entered(&probe).map_err(|e| format!("no process can be started in a cgroup of {}: {e}", found.folder.display()))?;
        Ok(found)
    }

    /// What it says of itself.
    pub fn status() -> CgroupStatus {
        match Self::of_this_process() {
            Ok(found) => CgroupStatus { bounded: found.controllers.iter().map(|c| (*c).to_owned()).collect(), without: None },
            Err(why) => CgroupStatus { bounded: Vec::new(), without: Some(why.to_owned()) },
        }
    }

    /// A new one for a cell.
    ///
    /// # Errors
    /// When it cannot be made, or a bound that is to be had cannot be set.
    pub fn make(&self, bounds: Bounds) -> io::Result<Cgroup> {
        let path = self.folder.join(format!("{CELL_PREFIX}{}-{}", std::process::id(), self.next.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path)?;
        let made = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC).open(&path);
        let folder = match made {
            Ok(folder) => folder,
            Err(e) => {
                let _ = fs::remove_dir(&path);
                return Err(e);
            }
        };
        let cgroup = Cgroup { path, folder, is_gone: false };
        for controller in &self.controllers {
            cgroup.bound(controller, bounds)?;
        }
        Ok(cgroup)
    }

    /// Takes away what processes left that were killed before they could.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let maker = name.strip_prefix(CELL_PREFIX).and_then(|rest| rest.split('-').next()).and_then(|pid| pid.parse::<u32>().ok());
            if maker.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                // One that still holds a process stays, and is no cell's of ours.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// One cell's. It is killed and taken away at the latest when it is dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    folder: File,
    is_gone: bool,
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

impl Cgroup {
    fn bound(&self, controller: &str, bounds: Bounds) -> io::Result<()> {
        match controller {
            "memory" => {
                self.set("memory.max", &bounds.memory.saturating_add(OVERHEAD).to_string())?;
                // One process less may be a report that lies.
                self.set("memory.oom.group", "1")?;
                // Not there without swap.
                let _ = self.set("memory.swap.max", "0");
                Ok(())
            }
            "pids" => self.set("pids.max", &bounds.processes.saturating_add(2).to_string()),
            _ => self.set("cpu.max", PROCESSOR).and_then(|()| self.set("cpu.weight", WEIGHT)),
        }
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        fs::write(self.path.join(file), value).map_err(|e| io::Error::new(e.kind(), format!("{file}: {e}")))
    }

    /// Whether the kernel ended it because its memory was used up.
    pub fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        events.lines().filter_map(|line| line.strip_prefix("oom_kill ")).any(|count| count.trim() != "0")
    }

    /// Ends all of its processes.
    pub fn kill(&self) {
        if fs::write(self.path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        // A kernel before 5.14. Their walls let none of them make another that would not die with the first.
        let processes = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        for pid in processes.lines().filter_map(|line| line.parse().ok()) {
            // SAFETY: plain numbers.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }

    /// Ends what is left in it, and takes it away.
    pub async fn end(mut self) {
        self.kill();
        if fs::remove_dir(&self.path).is_ok() {
            self.is_gone = true;
            return;
        }
        let path = self.path.clone();
        self.is_gone = tokio::task::spawn_blocking(move || remove(&path)).await.is_ok();
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        self.kill();
        if fs::remove_dir(&self.path).is_ok() {
            return;
        }
        let path = self.path.clone();
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&path))),
            Err(_) => remove(&path),
        }
    }
}

/// Waits for the end of what was killed.
fn remove(path: &Path) {
    let until = Instant::now() + PATIENCE;
    loop {
        let Ok(events) = File::open(path.join("cgroup.events")) else { return };
        let is_populated = fs::read_to_string(path.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"));
        if !is_populated && fs::remove_dir(path).is_ok() {
            return;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tracing::warn!(cgroup = %path.display(), "processes of a cell do not end");
            return;
        }
        let mut waiting = libc::pollfd { fd: events.as_raw_fd(), events: libc::POLLPRI, revents: 0 };
        // The kernel tells a change to whoever read the file before; one that came in between is looked for again soon.
        let time = left.min(Duration::from_millis(20)).as_millis() as libc::c_int;
        // SAFETY: one descriptor that is open.
        unsafe { libc::poll(&raw mut waiting, 1, time) };
    }
}

/// The folder of this process' cgroup, where cgroup2 is mounted.
fn own_folder() -> Result<PathBuf, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let mounts = read("/proc/self/mountinfo")?;
    let (root, point) = mounts.lines().find_map(cgroup2).ok_or("no cgroup2 is mounted here")?;
    let own = read("/proc/self/cgroup")?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).ok_or("this process is in no cgroup of version 2")?;
    let below = own.strip_prefix(root.trim_end_matches('/')).ok_or("the cgroup of this process is not to be seen here")?;
    Ok(Path::new(&point).join(below.trim_start_matches('/')))
}

/// Root and mount point of a line of mountinfo (proc(5)), if it is cgroup2's.
fn cgroup2(line: &str) -> Option<(String, String)> {
    let (place, kind) = line.split_once(" - ")?;
    let mut fields = place.split(' ').skip(3);
    kind.starts_with("cgroup2 ").then(|| Some((fields.next()?.to_owned(), fields.next()?.to_owned())))?
}

/// The controllers that cells get. A cgroup with processes hands none on: this one steps aside when it is alone there.
fn hand_on(folder: &Path) -> Vec<&'static str> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    // The root of all is not of any type.
    let is_root = !folder.join("cgroup.type").exists();
    let is_alone = read("cgroup.procs").lines().eq([std::process::id().to_string().as_str()]);
    if !is_root && (!is_alone || fs::create_dir_all(folder.join(OWN)).is_err()) {
        return Vec::new();
    }
    if !is_root && fs::write(folder.join(OWN).join("cgroup.procs"), "0").is_err() {
        return Vec::new();
    }
    let there = read("cgroup.controllers");
    let is_had = |controller: &str| {
        there.split_whitespace().any(|known| known == controller)
            && fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}")).is_ok()
    };
    CONTROLLERS.iter().copied().filter(|controller| is_had(controller)).collect()
}

/// Whether a child may begin its life in there: the kernel asks who writes to the cgroups that both have in common.
fn can_be_entered(cgroup: &Cgroup) -> io::Result<()> {
    match super::walls::clone_into(cgroup.folder.as_raw_fd())? {
        // SAFETY: the child of a process that may have threads: nothing but its end.
        0 => unsafe { libc::_exit(0) },
        child => {
            // SAFETY: a child of ours, whose status nobody wants.
            unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_cgroups_are_mounted() {
        let line = "31 24 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        assert_eq!(cgroup2(line), Some(("/".to_owned(), "/sys/fs/cgroup/unified".to_owned())));
        assert_eq!(cgroup2("32 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"), None);
        assert_eq!(cgroup2("nonsense"), None);
    }
}
