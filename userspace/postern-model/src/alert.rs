//! What an administrator is told of without asking: one closed list. The kebab-case name is the same in settings, mails, webhooks,
//! metrics, the API and the console.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::users::Language;

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
    /// The newest YARA rules, of the settings or of the folder, cannot be used on a node.
    YaraRulesRefused = "yara-rules-refused";
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

impl Condition {
    /// What is wrong, in a few words.
    pub fn phrase(self, language: Language) -> &'static str {
        let (english, german) = match self {
            Self::NodeUnreachable => ("node cannot be reached", "Knoten nicht erreichbar"),
            Self::QueueOld => ("mail waits too long", "Mail wartet zu lange"),
            Self::QueueLong => ("too many mails wait", "zu viele Mails warten"),
            Self::SpoolRefuses => ("spool takes no mail", "Ablage nimmt keine Mail an"),
            Self::BackendUnreachable => ("mail server cannot be reached", "Mailserver nicht erreichbar"),
            Self::CopiesLacking => ("mails without enough copies", "Mails ohne genügend Kopien"),
            Self::CertificateEnds => ("certificate ends", "Zertifikat läuft ab"),
            Self::CertificateNotRenewed => ("certificate was not renewed", "Zertifikat nicht erneuert"),
            Self::BackupFailed => ("backup failed", "Sicherung gescheitert"),
            Self::UpdateFailed => ("update failed", "Update gescheitert"),
            Self::EdgeNotGuarding => ("edge does not guard", "Netzrand wird nicht bewacht"),
            Self::FeedStale => ("feed is out of date", "Feed veraltet"),
            Self::SandboxAway => ("sandbox does not answer", "Sandbox antwortet nicht"),
            Self::YaraRulesRefused => ("YARA rules cannot be used", "YARA-Regeln nicht verwendbar"),
            Self::AntivirusAway => ("antivirus does not answer", "Virenscanner antwortet nicht"),
            Self::HoldsFull => {
                ("room for mails that wait for the sandbox is nearly full", "Platz für Mails, die auf die Sandbox warten, fast voll")
            }
            Self::QuarantineLarge => ("very many mails in quarantine", "sehr viele Mails in Quarantäne"),
            Self::ClockOff => ("clocks differ", "Uhren weichen ab"),
            Self::SettingsConflict => ("settings in conflict", "Einstellungen im Konflikt"),
            Self::SettingsRefused => ("shared settings cannot be used", "gemeinsame Einstellungen nicht verwendbar"),
        };
        match language {
            Language::En => english,
            Language::De => german,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
