//! Messages to the role `os` over its unix socket: one JSON object a line, one reply to each, in order.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Longest line either side takes: a support bundle fits.
pub const MAX_LINE: usize = 16 << 20;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum OsRequest {
    Status,
    /// Begin an update from a file on this machine; [`OsStatus::update`] says how far it is.
    Update {
        bundle: PathBuf,
        allow_older: bool,
        /// Restart into it when it is written.
        restart: bool,
    },
    /// Whether this machine would take it; answered by its version.
    CheckUpdate {
        bundle: PathBuf,
        allow_older: bool,
    },
    /// The other slot at the next start, as it is.
    RollBack,
    /// The slot of this boot is good: it gets all its tries again.
    MarkGood,
    /// The machine's own settings, machine.toml.
    Machine,
    PutMachine {
        text: String,
    },
    /// Let others reach port 80 for ten minutes: an authority looks whether a name is ours before it gives a certificate.
    OpenWebPort,
    /// Log and versions, without mails, keys and passwords.
    SupportBundle,
    /// Put this backup in place of all the node has, at the next start, which comes at once.
    Restore {
        backup: PathBuf,
        unlock: Unlock,
    },
    /// All settings, keys and mails are gone after the next start, which comes at once.
    FactoryReset,
    Reboot,
    PowerOff,
}

/// What opens a backup. Never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unlock {
    Passphrase(String),
    /// Secret keys of age, `AGE-SECRET-KEY-1...`, one a line.
    Identity(String),
}

impl std::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::Identity(_) => "Identity",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum OsReply {
    Done,
    Status {
        status: Box<OsStatus>,
    },
    Text {
        text: String,
    },
    /// Files that changed, for people.
    Changed {
        files: Vec<PathBuf>,
    },
    /// For people: what, where, what to do.
    Refused {
        why: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OsStatus {
    pub version: String,
    /// `a`, `b` or `live`.
    pub medium: String,
    /// How the data partition came up: `made`, `kept`, `grown`, `repaired: …`, `volatile`.
    pub data: String,
    /// `bios`, `uefi`, `secure-boot`.
    pub firmware: String,
    /// Which way the machine was set up.
    #[serde(default)]
    pub set_up: String,
    /// Empty on a live system.
    pub slots: Vec<SlotStatus>,
    /// What does not work; none: everything does.
    pub trouble: Option<String>,
    /// `eth0 native`
    pub guarded: Vec<String>,
    pub update: UpdateStatus,
    /// How the last update ended.
    pub last_update: Option<UpdateOutcome>,
    /// How the last restore of a backup ended, for people.
    #[serde(default)]
    pub last_restore: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotStatus {
    pub name: String,
    pub running: bool,
    /// It is started next.
    pub wanted: bool,
    /// It has yet to show that it is good.
    pub on_trial: bool,
    /// None: nothing is in it.
    pub tries_left: Option<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum UpdateStatus {
    #[default]
    None,
    Running {
        /// `checking`, `writing`, `reading-back`
        stage: String,
        version: String,
        /// Octets of this stage.
        done: u64,
        total: u64,
    },
    /// Written; the next start is its trial.
    Ready {
        version: String,
    },
    Failed {
        why: String,
    },
}

/// Kept on the data partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateOutcome {
    pub from: String,
    pub to: String,
    /// The slot that was written.
    pub slot: String,
    /// `trial`, `good`, `fell-back`, `rolled-back`
    pub outcome: String,
    /// Why it fell back.
    #[serde(default)]
    pub why: String,
}
