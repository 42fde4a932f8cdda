//! What an administrator is told of without asking: one closed list. The kebab-case name is the same in settings, mails, webhooks,
//! metrics, the API and the console.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// See the module's documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Condition {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Condition {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable kebab-case name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

conditions! {
    /// A node of the cluster is not connected.
    NodeUnreachable = "node-unreachable";
    /// A mail has waited in the queue for longer than `alerts.limits.queue_age`.
    QueueOld = "queue-old";
    /// More mails wait in the queue than `alerts.limits.queue_mails`.
    QueueLong = "queue-long";
    /// The spool takes no mail.
    SpoolRefuses = "spool-refuses";
    /// None of the backends of a domain, or none of the smarthosts, can be reached.
    BackendUnreachable = "backend-unreachable";
    /// Fewer mails have a copy on a peer than should.
    CopiesLacking = "copies-lacking";
    /// The certificate of SMTP ends within `alerts.limits.certificate`.
    CertificateEnds = "certificate-ends";
    /// The last try to order a certificate failed.
    CertificateNotRenewed = "certificate-not-renewed";
    /// The last try to make a backup failed.
    BackupFailed = "backup-failed";
    /// The last update of the appliance was not written, or its system did not become healthy.
    UpdateFailed = "update-failed";
    /// The edge is away, or an interface that it should guard has no program of ours.
    EdgeNotGuarding = "edge-not-guarding";
    /// A feed of the edge could not be read, or was not renewed for longer than `alerts.limits.feed_age`.
    FeedStale = "feed-stale";
    /// The role sandbox does not answer.
    SandboxAway = "sandbox-away";
    /// clamd does not answer.
    AntivirusAway = "antivirus-away";
    /// The room for mails that wait for the sandbox is nearly full.
    HoldsFull = "holds-full";
    /// More mails are in quarantine than `alerts.limits.quarantine_mails`.
    QuarantineLarge = "quarantine-large";
    /// The clocks of two nodes differ by more than `alerts.limits.clock`.
    ClockOff = "clock-off";
    /// A setting was set on two nodes at once.
    SettingsConflict = "settings-conflict";
    /// The shared settings cannot be used on a node.
    SettingsRefused = "settings-refused";
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
