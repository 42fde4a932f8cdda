//! What need not wait for systemd: the machine's own settings and the firewall, which the ports of SMTP wait for. While systemd reads its
//! units one processor has nothing to do; a shell of the new root does both there, and holds a lock meanwhile.
//!
//! The units `postern-os-start.service` and `postern-fence.service` wait for that lock, and do what is not done then
//! (`image/overlay/usr/lib/postern/early`).

use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

use nix::fcntl::{Flock, FlockArg};

use crate::say;

/// Its lock is held until the shell and all that it runs have ended.
const LOCK: &str = "/run/postern-boot/early";
const LOG: &str = "/run/postern-boot/early.log";
const WORK: &str = "/bin/sh /usr/lib/postern/early start && exec /bin/sh /usr/lib/postern/early fence";

/// To be called when the new root is `/`, right before systemd. `is_usable`: the data partition is.
pub fn begin(is_usable: bool) {
    if let Err(e) = try_to(is_usable) {
        say(&format!("the firewall waits for systemd: {e}"));
    }
}

fn try_to(is_usable: bool) -> io::Result<()> {
    let lock = File::create(LOCK)?;
    if !is_usable {
        return Ok(());
    }
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, e)| io::Error::from(e))?;
    let log = File::create(LOG)?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", WORK]).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
    shell.stdin(Stdio::from(lock.try_clone()?)).stdout(log.try_clone()?).stderr(log);
    // Nobody waits for it here: this process becomes systemd, which reaps it.
    let spawned = shell.spawn().map(drop);
    // To drop it would take it from the shell, too.
    std::mem::forget(lock);
    spawned
}
