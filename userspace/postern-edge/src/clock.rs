//! The two clocks: wall time, in which bans are kept and shown, and time since boot, in which the kernel compares their ends.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};
use postern_model::time::Timestamp;

/// The end of a ban that never ends, in boot time.
pub const NEVER: u64 = u64::MAX;

pub fn wall() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

/// Nanoseconds since boot, time asleep included; the clock of `bpf_ktime_get_boot_ns`.
pub fn boot_ns() -> u64 {
    let Ok(now) = clock_gettime(ClockId::CLOCK_BOOTTIME) else { return 0 };
    let seconds = u64::try_from(now.tv_sec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec()).unwrap_or(0))
}

/// What one clock says when the other says something else; taken once for many conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    pub wall: Timestamp,
    pub boot_ns: u64,
}

impl Clocks {
    pub fn now() -> Self {
        Self { wall: wall(), boot_ns: boot_ns() }
    }

    /// Boot time of a moment in wall time; 0 for one before the boot.
    pub fn boot_of(&self, at: Timestamp) -> u64 {
        let ahead_ms = at.0.saturating_sub(self.wall.0);
        let ns = i128::from(self.boot_ns) + i128::from(ahead_ms) * 1_000_000;
        u64::try_from(ns.max(0)).unwrap_or(NEVER)
    }

    /// Wall time of a moment in boot time.
    pub fn wall_of(&self, boot_ns: u64) -> Timestamp {
        let ahead_ms = (i128::from(boot_ns) - i128::from(self.boot_ns)) / 1_000_000;
        Timestamp(self.wall.0.saturating_add(i64::try_from(ahead_ms).unwrap_or(i64::MAX)))
    }

    /// How far the wall clock was set since `earlier`.
    pub fn stepped_since(&self, earlier: &Self) -> Duration {
        let expected = earlier.wall_of(self.boot_ns);
        Duration::from_millis(self.wall.0.abs_diff(expected.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_convert_both_ways() {
        let c = Clocks { wall: Timestamp(1_000_000), boot_ns: 50_000_000_000 };
        assert_eq!(c.boot_of(Timestamp(1_060_000)), 110_000_000_000);
        assert_eq!(c.wall_of(110_000_000_000), Timestamp(1_060_000));
        assert_eq!(c.boot_of(Timestamp(0)), 0);
        let later = Clocks { wall: Timestamp(1_015_000), boot_ns: 55_000_000_000 };
        assert_eq!(later.stepped_since(&c), Duration::from_secs(10));
        assert!(boot_ns() > 0);
    }
}
