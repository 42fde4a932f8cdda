//! The watch over a cell: `sandbox` → `edge` over a unix socket of its own, which can do nothing else.
//!
//! One connection is one job's: its cells are watched one after the other. A line is a request, with the cell's cgroup enclosed (a descriptor of
//! its folder, SCM_RIGHTS) where it begins, and gets one reply. Whoever hangs up watches no more.

use serde::{Deserialize, Serialize};

/// Its socket, in the folder of all roles' sockets.
pub const WATCH_SOCKET: &str = "watch.sock";
/// What the name of a cell's cgroup begins with: no other is watched, whoever asks.
pub const CELL_PREFIX: &str = "cell-";
/// Longest line that edge reads, and that it answers.
pub const MAX_WATCH_REQUEST: usize = 4096;
pub const MAX_WATCH_REPLY: u64 = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WatchRequest {
    /// Watch the cgroup that is enclosed.
    Begin {
        /// Filters of system calls (seccomp) that the role itself is behind: who is behind more has walled itself in, and what it did before was ours.
        filters: u32,
        /// A cell for reading, in which nothing but memory and two pipes is used: whatever else is called is told.
        is_strict: bool,
    },
    /// What was seen since, all of it.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum WatchReply {
    Watching {
        /// What this kernel does not let be seen.
        #[serde(default)]
        partly: Option<String>,
    },
    /// Nothing is watched.
    Refused { why: String },
    Seen {
        sightings: Vec<Sighting>,
        /// What happened beside that, and is not told: too much of it, or too fast.
        lost: u64,
    },
}

/// Something that the kernel saw a process in a cell do. Every text in it is the process' own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Nanoseconds since the machine started, time asleep included.
    pub at: u64,
    pub process: u32,
    pub thread: u32,
    /// The name of the process.
    pub name: String,
    pub what: Sight,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "saw", rename_all = "kebab-case")]
pub enum Sight {
    /// A program was started: the name that the kernel took.
    Exec { path: String },
    /// A connection is opened to the address that the kernel took.
    Connect { address: String },
    /// A file is opened to be written: where it really lies, seen from the process' root.
    Write { path: String },
    /// A call as it was made, whatever comes of it. Texts and addresses are what memory held at that moment.
    Call { name: String, arguments: [u64; 6], text: String, more: String },
}
