//! The sequence from an empty memory file system to systemd.

use std::convert::Infallible;
use std::ffi::CString;
use std::path::Path;

use nix::mount::MsFlags;

use crate::cmdline::{BadCommandLine, CommandLine, Medium};
use crate::data::{self, Data};
use crate::disks::{self, DiskError};
use crate::early;
use crate::machine_id;
use crate::memory;
use crate::modules::Modules;
use crate::mounts::{self, MountError};
use crate::root;
use crate::say;
use crate::verity::{self, VerityError};

/// The new root while it is not yet `/`.
pub const ROOT: &str = "/sysroot";
/// What systemd's units learn about this boot.
const REPORT: &str = "/sysroot/run/postern-boot";

#[derive(Debug, thiserror::Error)]
pub enum BootError {
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("the command line: {0}")]
    CommandLine(#[from] BadCommandLine),
    #[error("the disk: {0}")]
    Disk(#[from] DiskError),
    #[error("the root file system: {0}")]
    Verity(#[from] VerityError),
    #[error("/etc: {0}")]
    MachineId(#[source] std::io::Error),
    #[error("systemd cannot be started: {0}")]
    Exec(#[source] nix::Error),
}

/// Never returns but with what went wrong before systemd.
pub fn boot() -> Result<Infallible, BootError> {
    mounts::kernel_file_systems()?;
    say(concat!("version ", env!("CARGO_PKG_VERSION")));
    memory::fit();
    let wanted = CommandLine::read()?;
    let mut modules = Modules::read();
    let found = match &wanted.medium {
        // Each module's signature is checked: two processors are through sooner. A module that both ask for is
        // loaded once, and the second waits for it.
        Medium::Slot { boot_partition, slot } => std::thread::scope(|scope| {
            let mut others = modules.clone();
            scope.spawn(move || others.load_always());
            disks::wait_for_slot(&mut modules, boot_partition, *slot)
        })?,
        Medium::Live => {
            modules.load_always();
            modules.load_live();
            disks::wait_for_live(&mut modules)?
        }
    };
    let device = verity::open(&found.root, &wanted.verity)?;
    root::mount_root(&device)?;
    root::mount_etc()?;
    mounts::move_below(ROOT)?;

    let data = match &found.data {
        Some(partition) => data::bring_up(partition, wanted.reset),
        None => Data::Volatile,
    };
    match &data {
        Data::Failed(why) => say(&format!("the data partition cannot be used: {why}; nothing is kept, and no mail is taken")),
        other => say(&format!("data: {other}")),
    }
    if !data.is_mounted() {
        mounts::volatile(&format!("{ROOT}/var"))?;
    }
    machine_id::write(Path::new(ROOT)).map_err(BootError::MachineId)?;
    report(&data, &wanted);
    enter(&data)
}

/// Read by `postern os` and by conditions of units.
fn report(data: &Data, wanted: &CommandLine) {
    let write = |name: &str, text: String| {
        if let Err(e) = std::fs::write(format!("{REPORT}/{name}"), text) {
            say(&format!("{REPORT}/{name}: {e}"));
        }
    };
    if let Err(e) = std::fs::create_dir_all(REPORT) {
        say(&format!("{REPORT}: {e}"));
    }
    write("data", format!("{data}\n"));
    write("medium", format!("{}\n", wanted.medium));
    if !matches!(data, Data::Failed(_)) {
        write("data-is-usable", String::new());
    }
}

/// Makes the new root `/` and becomes its `/sbin/init` (switch_root(8), which frees the old one; here it is small and stays).
fn enter(data: &Data) -> Result<Infallible, BootError> {
    nix::unistd::chdir(ROOT).map_err(BootError::Exec)?;
    nix::mount::mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).map_err(BootError::Exec)?;
    nix::unistd::chroot(".").map_err(BootError::Exec)?;
    nix::unistd::chdir("/").map_err(BootError::Exec)?;
    early::begin(!matches!(data, Data::Failed(_)));
    let (program, argument) = (c"/lib/systemd/systemd", CString::from(c"/sbin/init"));
    nix::unistd::execv(program, &[argument]).map_err(BootError::Exec)
}
