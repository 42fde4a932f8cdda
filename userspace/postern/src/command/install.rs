//! `postern os install`: the terminal of the installer. Its words and its work are `postern_os::install`'s; this finds the answer
//! file, lends it the consoles, and ends the boot.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use postern_os::consoles;
use postern_os::install::dialogue::Then;
use postern_os::install::session::{self, Asked, Console, Place};
use postern_os::install::volume::{self, VolumeError};
use postern_os::systemd::systemctl;

use super::client::CommandError;
use super::os::failed;
use super::output;

pub fn run(dry_run: Option<&Path>) -> Result<(), CommandError> {
    let place = Place::default();
    if let Some(file) = dry_run {
        let answers = fs::read_to_string(file).map_err(|e| failed(format!("{}: {e}", file.display())))?;
        output::text(session::dry_run(&place, &answers).map_err(failed)?.trim_end());
        return Ok(());
    }
    let mut everywhere = Everywhere::open();
    let answers = answers(&place.system.dev).unwrap_or_else(|why| {
        let _ = writeln!(everywhere, "The answer file: {why}");
        None
    });
    let (mut input, mut output) = (io::stdin().lock(), io::stdout());
    let mut console = Console { input: &mut input, output: &mut output };
    let done = session::run(&place, answers.as_deref(), &mut console, &mut everywhere).map_err(failed)?;
    done.map_or(Ok(()), end)
}

/// Waits for the volume when the boot loader saw it.
fn answers(dev: &Path) -> Result<Option<String>, VolumeError> {
    // Names of volumes are udev's work, which may not be through yet. What it misses, the list of disks shows at the next look.
    let _ = Command::new("udevadm").args(["settle", "--timeout=30"]).status();
    match session::asked_by_kernel(Path::new("/proc/cmdline")) {
        Ok(Asked::ByAnswers) => volume::wait(dev).map(Some),
        _ => volume::find(dev),
    }
}

/// Ends this boot, and with it this process.
fn end(then: Then) -> Result<(), CommandError> {
    let verb = match then {
        Then::Reboot => "reboot",
        Then::PowerOff => "poweroff",
    };
    systemctl(&[verb]).map_err(failed)?;
    loop {
        std::thread::park();
    }
}

/// Serial lines and screens, as far as there are some: nobody knows which of them is looked at.
struct Everywhere(Vec<File>);

impl Everywhere {
    fn open() -> Self {
        let open = |console| File::options().write(true).open(console).ok();
        Self(consoles::ALL.into_iter().filter_map(open).collect())
    }
}

impl Write for Everywhere {
    /// A console that does not take it is no reason to stop an installation.
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        for console in &mut self.0 {
            let _ = console.write_all(octets);
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
