//! What a job may cost. Bombs end here, not in the machine's memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::yara::COMPILED_MOST;

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
    /// Time for all scripts of a job together; none are run when it is zero.
    pub scripts: Duration,
    /// The same for its programs, which run in cells of their own.
    pub programs: Duration,
    /// The same for its documents, which the office pack opens; and whether it opens those, too, in which nothing was found.
    pub documents: Duration,
    pub all_documents: bool,
    /// Time for the YARA rules, for all parts of a job together.
    pub yara: Duration,
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
            scripts: Duration::from_secs(4),
            programs: Duration::from_secs(4),
            documents: Duration::from_secs(10),
            all_documents: false,
            yara: Duration::from_secs(4),
            report: 4 << 20,
        }
    }
}

impl Limits {
    /// Whoever asks may give a cell less than is known to be safe, and somewhat more.
    ///
    /// # Errors
    /// What there is too much of.
    pub fn check(&self) -> Result<(), &'static str> {
        let most = Self {
            memory: 4 << 30,
            time: Duration::from_secs(300),
            cpu: Duration::from_secs(300),
            scripts: Duration::from_secs(300),
            programs: Duration::from_secs(300),
            documents: Duration::from_secs(300),
            yara: Duration::from_secs(300),
            report: COMPILED_MOST,
            ratio: 1_000_000,
            ..Self::default()
        };
        [
            (self.depth <= most.depth, "containers within containers"),
            (self.parts <= most.parts, "parts"),
            (self.octets <= most.octets, "octets that come out"),
            (self.ratio <= most.ratio, "octets that come out for each that goes in"),
            (self.memory <= most.memory, "memory"),
            (self.cpu <= most.cpu, "CPU time"),
            (self.time <= most.time, "time"),
            (self.scripts <= most.scripts, "time for scripts"),
            (self.programs <= most.programs, "time for programs"),
            (self.documents <= most.documents, "time for documents"),
            (self.yara <= most.yara, "time for YARA rules"),
            (self.report <= most.report, "octets of a report"),
        ]
        .into_iter()
        .find_map(|(is_within, what)| (!is_within).then_some(what))
        .map_or(Ok(()), Err)
    }
}
