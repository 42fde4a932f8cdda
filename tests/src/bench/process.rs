//! What a tree of processes costs: CPU time and proportional memory, from /proc.

use std::fs;
use std::process::Child;

/// Ends a child when it goes out of scope.
pub struct Running(pub Child);

impl Running {
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap_or(0));
        if pid.as_raw() > 0 {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        for _ in 0..100 {
            if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stat {
    pid: u32,
    parent: u32,
    /// utime + stime + the same of children already reaped, in clock ticks.
    ticks: u64,
}

fn stats() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|e| {
            let pid: u32 = e.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(e.path().join("stat")).ok()?;
            let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
            let ticks = fields.get(11..15)?.iter().filter_map(|t| t.parse::<u64>().ok()).sum();
            Some(Stat { pid, parent: fields.get(1)?.parse().ok()?, ticks })
        })
        .collect()
}

/// `roots` and all their descendants.
fn tree(roots: &[u32]) -> Vec<Stat> {
    let mut rest = stats();
    let mut known: Vec<u32> = roots.to_vec();
    loop {
        let before = known.len();
        for s in &rest {
            if known.contains(&s.parent) && !known.contains(&s.pid) {
                known.push(s.pid);
            }
        }
        if known.len() == before {
            break;
        }
    }
    rest.retain(|s| known.contains(&s.pid));
    rest
}

/// CPU seconds used so far by the processes and their descendants, dead ones included.
pub fn cpu_seconds(roots: &[u32]) -> f64 {
    // USER_HZ is 100 on every Linux of this architecture.
    tree(roots).iter().map(|s| s.ticks).sum::<u64>() as f64 / 100.0
}

/// Proportional set size in MB and the number of processes.
pub fn memory(roots: &[u32]) -> (f64, usize) {
    let all = tree(roots);
    let kilobytes: u64 = all
        .iter()
        .filter_map(|s| {
            let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", s.pid)).ok()?;
            text.lines().find_map(|l| l.strip_prefix("Pss:"))?.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum();
    (kilobytes as f64 / 1024.0, all.len())
}
