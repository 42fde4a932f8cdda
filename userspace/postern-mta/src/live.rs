//! What the settings were made into. Built anew and swapped whole when they change; a mail keeps the
//! one it began with.

use std::sync::Arc;

use postern_filter::policy::Policy;
use postern_filter::registry;
use postern_mail::authenticate::Authenticator;
use postern_mail::dns::{Resolver, ResolverError};
use postern_mail::message::Limits;
use postern_model::address::Domain;
use postern_model::settings::{Settings, SettingsError};

use crate::antivirus::Antivirus;
use crate::sandbox::{self, Memory, RuleBook, Sandbox};

pub struct Live {
    pub settings: Arc<Settings>,
    /// Our own name: greeting, Received, authserv-id.
    pub hostname: String,
    pub resolver: Resolver,
    pub(crate) policy: Policy,
    /// The operator's rules and lists.
    pub(crate) rules: postern_policy::Policy,
    pub(crate) authenticator: Authenticator,
    pub(crate) antivirus: Antivirus,
    pub(crate) sandbox: Sandbox,
    pub(crate) extraction: Limits,
    pub(crate) own_domains: Vec<Domain>,
}

#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error("the name servers of the settings cannot be used")]
    Resolver(#[from] ResolverError),
    /// Settings that were read by [`registry::read_settings`] have no such rules.
    #[error("the rules of the settings cannot be used: {0}")]
    Policy(SettingsError),
}

impl Live {
    /// `seen_files` and `yara_rules` outlive a change of the settings.
    ///
    /// # Errors
    /// When the name servers or the rules of the settings cannot be used.
    pub fn new(settings: Arc<Settings>, hostname: String, seen_files: Arc<Memory>, yara_rules: Arc<RuleBook>) -> Result<Self, LiveError> {
        let resolver = Resolver::new(&settings.dns)?;
        let filter = &settings.filter;
        Ok(Self {
            policy: Policy::new(&settings),
            rules: registry::policy(&settings.policy).map_err(|p| LiveError::Policy(SettingsError(p)))?,
            authenticator: Authenticator::new(resolver.clone(), &settings.authentication),
            antivirus: Antivirus::new(&settings.antivirus),
            sandbox: Sandbox::new(&settings.sandbox, settings.node.run_dir.join(sandbox::SOCKET), seen_files, yara_rules),
            extraction: Limits { text: filter.max_text, parts: filter.max_parts, depth: filter.max_depth, ..Limits::default() },
            own_domains: settings.domains.iter().filter_map(|d| d.name.trim_start_matches("*.").parse().ok()).collect(),
            resolver,
            hostname,
            settings,
        })
    }
}
