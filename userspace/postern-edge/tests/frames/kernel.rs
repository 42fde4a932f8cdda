//! A guard of its own for each test: its maps are pinned in a bpffs that goes with the value.

use postern_edge::kernel::guard::Guard;
use postern_edge::kernel::pins::Pins;
use postern_edge::kernel::run::permitted;

pub struct TestGuard {
    pub guard: Guard,
    // Dropped after the guard: the bpffs is mounted in it.
    _dir: tempfile::TempDir,
}

/// A loaded guard, or why there is none on this machine.
pub fn open(features: u32) -> Result<TestGuard, String> {
    // No rights: skipped. With them, everything else must work.
    permitted().map_err(|e| format!("bpf() is not permitted here: {e}"))?;
    let dir = tempfile::tempdir().unwrap();
    let pins = Pins::private(dir.path()).unwrap();
    let guard = Guard::open(pins, features, 100_000).unwrap_or_else(|e| panic!("{e}"));
    Ok(TestGuard { guard, _dir: dir })
}

/// Says on the terminal that a test did not run.
#[macro_export]
macro_rules! skip_unless {
    ($opened:expr) => {
        match $opened {
            Ok(value) => value,
            Err(why) => {
                eprintln!("SKIPPED {}: {why}", module_path!());
                return;
            }
        }
    };
}
