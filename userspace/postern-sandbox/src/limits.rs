//! What a job may cost. Bombs end here, not in the machine's memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Containers within containers.
    pub depth: u32,
    /// Parts in all.
    pub parts: usize,
    /// Octets that come out of containers in all.
    pub octets: u64,
    /// Octets that may come out for each that goes in, beyond the first MiB: text packs 1:1000 at the best of times.
    pub ratio: u64,
    /// Memory of the worker (`RLIMIT_AS`).
    pub memory: u64,
    /// CPU time (`RLIMIT_CPU`), and time on the clock; then the cell is killed.
    pub cpu: Duration,
    pub time: Duration,
    /// Octets of a report.
    pub report: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 16,
            parts: 10_000,
            octets: 512 << 20,
            ratio: 250,
            memory: 1 << 30,
            cpu: Duration::from_secs(20),
            time: Duration::from_secs(60),
            report: 4 << 20,
        }
    }
}
