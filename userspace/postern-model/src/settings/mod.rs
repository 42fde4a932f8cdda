//! The settings of a node: one documented tree with working defaults, read from TOML.
//!
//! Unknown keys, bad values and contradictions are refused with the path of the setting and what
//! to write instead ([`parse`]). The reference in `docs/settings.md`, the API's schema and the
//! sample are made from these structs, so their doc comments are the documentation.

pub mod acme;
pub mod alerts;
pub mod backup;
pub mod check;
pub mod cluster;
pub mod delivery;
pub mod edge;
pub mod filter;
pub mod node;
pub mod policy;
pub mod reference;
pub mod reports;
pub mod sandbox;
pub mod smtp;
pub mod users;
mod wording;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything an administrator can set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// This node itself: name, data, sockets. Node-local, never shared; a change needs a restart.
    pub node: node::NodeSettings,
    /// The console and API.
    pub console: node::ConsoleSettings,
    /// The node's own certificate from an authority that speaks ACME.
    pub acme: acme::AcmeSettings,
    /// Logs.
    pub log: node::LogSettings,
    /// Name resolution.
    pub dns: node::DnsSettings,
    /// Receiving mail.
    pub smtp: smtp::SmtpSettings,
    /// The domains we take mail for, each with its backends.
    pub domains: Vec<delivery::DomainSettings>,
    /// The queue and delivery.
    pub delivery: delivery::DeliverySettings,
    /// Greylisting.
    pub greylist: smtp::GreylistSettings,
    /// DNS block and allow lists, asked about the client's address.
    pub dns_lists: filter::DnsListSettings,
    /// SPF, DKIM, DMARC and ARC.
    pub authentication: filter::AuthenticationSettings,
    /// Symbols, thresholds and classifiers.
    pub filter: filter::FilterSettings,
    /// Antivirus by clamd.
    pub antivirus: filter::AntivirusSettings,
    /// What becomes of a mail for each of its recipients: rules and lists.
    pub policy: policy::PolicySettings,
    /// What the people who receive mail may do about what is held back for them.
    pub users: users::UserSettings,
    /// Attachments taken apart by the role `sandbox`.
    pub sandbox: sandbox::SandboxSettings,
    /// The XDP program: interfaces, allow list, feeds, rates, bans.
    pub edge: edge::EdgeSettings,
    /// Equal peers: copies of mails, and who delivers for a node that is gone.
    pub cluster: cluster::ClusterSettings,
    /// Who is told when something is wrong with a node or the cluster.
    pub alerts: alerts::AlertSettings,
    /// What the gateway did, sent by mail to those who ask for it.
    pub reports: reports::ReportSettings,
    /// Backups of this node: when, where to, and locked with what. Node-local, never shared.
    pub backup: backup::BackupSettings,
}

/// One thing that is wrong with a settings file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Path of the setting: `smtp.limits.max_message_size`, `domains[1].backends[0].port`.
    pub path: String,
    /// What is wrong and what to write.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError(pub Vec<Problem>);

/// Reads and validates a settings file.
///
/// # Errors
/// Every problem found: a syntax error or an unknown key ends the reading at the first one,
/// contradictions are all listed.
pub fn parse(text: &str) -> Result<Settings, SettingsError> {
    let one = |path: String, message: String| SettingsError(vec![Problem { path, message }]);
    let document = toml::Deserializer::parse(text).map_err(|e| one(String::new(), e.to_string().trim_end().to_owned()))?;
    let settings: Settings = serde_path_to_error::deserialize(document).map_err(|e| {
        let path = e.path().to_string();
        let message = wording::plain(e.into_inner().message());
        // `?` stands where a key itself is wrong; the message names it.
        let path = path.trim_end_matches(".?");
        let message = match toml::from_str::<serde_json::Value>(text) {
            Ok(whole) if path.starts_with("policy.") => policy::with_name(&whole["policy"], path, message),
            _ => message,
        };
        one(if path == "." { String::new() } else { path.to_owned() }, message)
    })?;
    let problems = check::check(&settings);
    if problems.is_empty() { Ok(settings) } else { Err(SettingsError(problems)) }
}
