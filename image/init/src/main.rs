//! The first process of the appliance: it finds the slot that the boot loader chose, puts dm-verity over its root, brings the
//! data partition up, and becomes systemd. Static, without a shell, and with nothing in it that a boot does not need.
//!
//! What it must keep: a root that fails its check is never run, and a damaged data partition is never a boot loop: the machine
//! comes up without it and says so (`/run/postern-boot/data`).
//!
//! Read [`boot`] first: it is the sequence.

mod boot;
mod cmdline;
mod data;
mod disks;
mod early;
mod gpt;
mod machine_id;
mod memory;
mod modules;
mod mounts;
mod root;
mod tool;
mod verity;

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

/// How long a person has to read why the machine cannot start, before it tries again (the boot loader counts the tries).
const READ_IT: Duration = Duration::from_secs(10);

/// Opened once, when /dev is there: later it is moved away.
static LOG: OnceLock<File> = OnceLock::new();

/// A line for the kernel's log, at the level that the console shows even with `quiet` and loglevel=4.
pub fn say(line: &str) {
    if LOG.get().is_none()
        && let Ok(file) = OpenOptions::new().write(true).open("/dev/kmsg")
    {
        let _ = LOG.set(file);
    }
    if let Some(mut log) = LOG.get() {
        let _ = log.write_all(format!("<3>postern-init: {line}\n").as_bytes());
    }
}

fn main() -> Infallible {
    let Err(failed) = boot::boot();
    say(&format!("cannot start: {failed}"));
    say(&format!("restarting in {} s; another slot is tried after three tries", READ_IT.as_secs()));
    std::thread::sleep(READ_IT);
    nix::unistd::sync();
    match nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT) {
        Ok(never) => never,
        // The end of the first process is a panic of the kernel, and panic=10 on its command line a restart.
        Err(_) => std::process::exit(1),
    }
}
