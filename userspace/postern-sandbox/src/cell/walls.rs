//! The walls of a cell, which its worker puts up around itself, from the outside in, before it reads a single octet of content.
//!
//! 0. A cgroup of its own, where the role may make one: bounds for all of the cell, and one end.
//! 1. New user, mount, network, IPC, UTS, cgroup and process namespaces: no other process, no interface, no host file has a name.
//! 2. An empty, read-only root: nothing can be opened, for nothing is there.
//! 3. Limits on memory, CPU, files and processes: bombs end in the worker.
//! 4. No capabilities, no way to gain any.
//! 5. Landlock: no file may be opened in any way, whatever is mounted.
//! 6. seccomp: some twenty calls; any other one kills.
//!
//! A wall that cannot be put up ends the worker with a word; there is no cell with fewer of them (Landlock apart, where the
//! kernel has none: the others do not depend on it).

use std::fs;
use std::io;
use std::mem::size_of;
use std::os::fd::RawFd;

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, fork, getgid, getuid, pivot_root, sethostname};

use super::seccomp;
use crate::limits::Limits;

/// What tells the worker its cgroup's descriptor, which stands behind it.
pub const IN_CGROUP: &str = "in-cgroup";
/// Ended before the walls stood: nothing was read yet.
pub const NO_WALLS: i32 = 70;
/// Octets of the stack: below the gap that the kernel leaves for it in any case.
const STACK: u64 = 100 << 20;

#[derive(Debug, thiserror::Error)]
#[error("the cell's {wall} cannot be put up: {why}")]
pub struct WallError {
    wall: &'static str,
    why: String,
}

fn wall<E: std::fmt::Display>(wall: &'static str) -> impl FnOnce(E) -> WallError {
    move |why| WallError { wall, why: why.to_string() }
}

/// Goes on as a child that begins its life in the cell's cgroup, and is bounded and watched there; the one outside waits for it and ends as
/// it ends. A process that is moved there instead waits for all processors of the machine (10 ms).
///
/// To be called while this process has one thread.
///
/// # Errors
/// When the kernel refuses.
pub fn step_into(cgroup: RawFd) -> Result<(), WallError> {
    die_with_parent().map_err(wall("tie to the supervisor"))?;
    match clone_into(cgroup).map_err(wall("cgroup"))? {
        0 => {
            // SAFETY: it was handed over for this one call.
            unsafe { libc::close(cgroup) };
            Ok(())
        }
        child => end_as(Pid::from_raw(child)),
    }
}

/// clone3(2): 0 in the child.
pub(super) fn clone_into(cgroup: RawFd) -> io::Result<libc::pid_t> {
    /// Of `linux/sched.h`.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // SAFETY: plain numbers, of which all may be zero.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = cgroup as u64;
    // SAFETY: as fork(2), with arguments that outlive the call.
    match unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) } {
        ..0 => Err(io::Error::last_os_error()),
        child => Ok(child as libc::pid_t),
    }
}

/// Puts up the walls that need another process: returns in the process inside of them. The one outside waits for it and ends as it ends.
///
/// To be called while this process has one thread.
///
/// # Errors
/// The wall that could not be put up.
pub fn enclose() -> Result<(), WallError> {
    part()?;
    empty_root().map_err(wall("root"))?;
    sethostname("cell").map_err(wall("host name"))
}

/// The first of them: namespaces of its own, in which this process is the first. Its root is still the machine's.
///
/// # Errors
/// As [`enclose`].
pub fn part() -> Result<(), WallError> {
    die_with_parent().map_err(wall("tie to the supervisor"))?;
    // When memory is short for all, the kernel takes a cell first. Where it cannot be told so, the limits below still hold.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    let (user, group) = (getuid(), getgid());
    let kinds = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP
        | CloneFlags::CLONE_NEWPID;
    unshare(kinds).map_err(wall("namespaces"))?;
    let map = |file: &str, line: String| fs::write(format!("/proc/self/{file}"), line);
    map("setgroups", "deny".to_owned()).map_err(wall("user namespace"))?;
    map("uid_map", format!("0 {user} 1")).map_err(wall("user namespace"))?;
    map("gid_map", format!("0 {group} 1")).map_err(wall("user namespace"))?;
    // SAFETY: one thread, so nothing is locked in the child.
    match unsafe { fork() }.map_err(wall("process namespace"))? {
        ForkResult::Parent { child } => end_as(child),
        ForkResult::Child => {}
    }
    die_with_parent().map_err(wall("tie to the supervisor"))
}

/// Waits for the process within, and ends as it ended.
fn end_as(child: Pid) -> ! {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => std::process::exit(code),
            // Told on in the shell's way: a signal would be this process' own.
            Ok(WaitStatus::Signaled(_, signal, _)) => std::process::exit(128 + signal as i32),
            Err(Errno::EINTR) | Ok(_) => {}
            Err(_) => std::process::exit(NO_WALLS),
        }
    }
}

/// Puts up the walls after which nothing can be arranged any more.
///
/// # Errors
/// The wall that could not be put up.
pub fn close(limits: &Limits) -> Result<(), WallError> {
    put_up(limits, 0, &[], || ())
}

/// The same; before the last of them something of ours is made ready that needs a thread (its walls are this one's) or a place in memory.
/// `space`: octets of addresses that it may take beyond the job's memory.
///
/// # Errors
/// As [`close`].
pub fn close_with<T>(limits: &Limits, space: u64, make: impl FnOnce() -> T) -> Result<T, WallError> {
    put_up(limits, space, seccomp::OF_A_THREAD, make)
}

fn put_up<T>(limits: &Limits, space: u64, calls: &[libc::c_long], make: impl FnOnce() -> T) -> Result<T, WallError> {
    // Takes a file for a moment, so before there are no more.
    no_files().map_err(wall("Landlock"))?;
    let limit = |what, value| setrlimit(what, value, value).map_err(wall("limits"));
    limit(Resource::RLIMIT_AS, limits.memory.saturating_add(space))?;
    limit(Resource::RLIMIT_CPU, limits.cpu.as_secs().max(1))?;
    limit(Resource::RLIMIT_FSIZE, 0)?;
    limit(Resource::RLIMIT_NOFILE, 3)?;
    limit(Resource::RLIMIT_CORE, 0)?;
    // Long sums and chains of strangers' scripts are deep trees; where the machine's own limit is lower, that holds.
    let deep = getrlimit(Resource::RLIMIT_STACK).map_err(wall("limits"))?.1.min(STACK);
    setrlimit(Resource::RLIMIT_STACK, deep, deep).map_err(wall("limits"))?;
    no_capabilities().map_err(wall("loss of capabilities"))?;
    let made = make();
    limit(Resource::RLIMIT_NPROC, 0)?;
    seccomp::apply(calls).map_err(wall("list of system calls"))?;
    Ok(made)
}

fn die_with_parent() -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
}

/// An empty file system, read-only, and nothing behind it.
fn empty_root() -> nix::Result<()> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("cell"), "/tmp", Some("tmpfs"), flags, Some("size=4k,nr_inodes=2,mode=0555"))?;
    chdir("/tmp")?;
    // The old root is mounted over the new one, and taken off (pivot_root(2), "pivot_root(".", ".")").
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir("/")?;
    mount(none, "/", none, flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_BIND, none)
}

/// # Errors
/// When the kernel refuses.
pub(crate) fn no_capabilities() -> io::Result<()> {
    // SAFETY: plain numbers.
    let dropped = |code: libc::c_int, argument: libc::c_ulong| unsafe { libc::prctl(code, argument, 0, 0, 0) };
    // Bounding set: until the kernel knows no further one.
    (0..64).take_while(|capability| dropped(libc::PR_CAPBSET_DROP, *capability) == 0).for_each(drop);
    if dropped(libc::PR_SET_NO_NEW_PRIVS, 1) != 0 {
        return Err(io::Error::last_os_error());
    }
    // _LINUX_CAPABILITY_VERSION_3, this process; three empty sets of two words.
    let header = [0x2008_0522_u32, 0];
    let none = [0_u32; 6];
    // SAFETY: both outlive the call.
    if unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn no_files() -> Result<(), landlock::RulesetError> {
    let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    rules.handle_access(AccessFs::from_all(ABI::V5))?.create()?.restrict_self()?;
    Ok(())
}
