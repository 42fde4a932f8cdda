//! A cell's turn at the processors: whoever speaks SMTP comes first, and no cell is kept waiting by that for ever.
//!
//! A cell begins in SCHED_IDLE: it runs where nobody else wants to, and at once makes room for whoever does. That is what keeps SMTP's replies
//! quick beside cells; a nice value alone does not, since the kernel lets even the nicest finish its slice. But a flood of mail could keep
//! such a cell from ever ending, and its attachment from being opened: so one that has not ended after [`PATIENCE`] goes on at nice 19.

use std::fs;
use std::io;
use std::process;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio_util::task::AbortOnDropHandle;

/// A hundred times what most cells take.
const PATIENCE: Duration = Duration::from_secs(1);
const NICEST: libc::c_int = 19;

/// Has the worker begin last in line. Where that is forbidden the cell is as good as the others.
pub(super) fn give_way(command: &mut Command) {
    // SAFETY: calls that are safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::setpriority(libc::PRIO_PROCESS, 0, NICEST);
            take(0, libc::SCHED_IDLE);
            Ok(())
        });
    }
}

/// Moves the worker and all that it began up when it takes long, for as long as this is kept.
pub(super) fn lift_when_late(child: &Child) -> Option<AbortOnDropHandle<()>> {
    let pid = child.id()?;
    Some(AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::time::sleep(PATIENCE).await;
            // Again: a process may have begun another while we looked.
            lift(pid);
        }
    })))
}

fn lift(pid: u32) {
    // What was not told from a stranger's is not touched: a number may be another's by now.
    let mut below = vec![(pid, process::id())];
    while let Some((pid, parent)) = below.pop() {
        if parent_of(pid) != Some(parent) {
            continue;
        }
        for thread in threads(pid) {
            take(thread, libc::SCHED_OTHER);
            let children = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).unwrap_or_default();
            below.extend(children.split_ascii_whitespace().filter_map(|child| Some((child.parse().ok()?, pid))));
        }
    }
}

fn threads(pid: u32) -> Vec<u32> {
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The fourth field of `/proc/PID/stat`; the second, a name in brackets, may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A thread's policy; its nice value stays.
fn take(thread: u32, policy: libc::c_int) {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads `param`, which lives until it returns.
    let taken = unsafe { libc::sched_setscheduler(thread.cast_signed(), policy, &raw const param) };
    if taken != 0 && policy == libc::SCHED_OTHER {
        tracing::debug!(thread, why = %io::Error::last_os_error(), "a cell that takes long stays last in line");
    }
}
