//! `[acme]`: the node's certificate from an authority that speaks ACME (RFC 8555), ordered and renewed without anybody's help.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wording;
use crate::address::{Address, Domain};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AcmeSettings {
    /// Whether the node orders its certificate, shows it on SMTP and the console, and renews it.
    pub enabled: bool,
    /// The authority's directory. For a try: `https://acme-staging-v02.api.letsencrypt.org/directory`.
    pub directory: String,
    /// That you accept the authority's terms of service. Nothing is ordered before.
    pub accept_terms: bool,
    /// Mail addresses that the authority may write to.
    pub contacts: Vec<String>,
    /// Names in the certificate besides the node's host name, as that of an address which several nodes share.
    pub names: Vec<String>,
    /// Where the authority's question is answered (http-01, RFC 8555 §8.3): it asks at port 80 of each name. Nobody is answered there at other times.
    pub listen: Vec<SocketAddr>,
    /// Certificates (PEM) that the authority's own server is verified with, besides those that the system knows.
    pub roots: String,
    /// For authorities that want an account of theirs.
    pub external_account: ExternalAccount,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExternalAccount {
    /// The key's identifier, as the authority gives it (RFC 8555 §7.3.4).
    pub key_id: String,
    /// The key itself, in base64url as the authority gives it.
    pub secret: String,
}

impl Default for AcmeSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            directory: "https://acme-v02.api.letsencrypt.org/directory".into(),
            accept_terms: false,
            contacts: Vec::new(),
            names: Vec::new(),
            listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 80))],
            roots: String::new(),
            external_account: ExternalAccount::default(),
        }
    }
}

/// Contradictions in `[acme]`. `is_named`: the settings name the files of a certificate.
pub(super) fn check(a: &AcmeSettings, is_named: bool, say: &mut impl FnMut(String, String)) {
    let mut at = |path: &str, message: String| say(format!("acme.{path}"), message);
    if !a.directory.starts_with("https://") {
        at("directory", format!("`{}` is no address of an authority: write one with https://", a.directory));
    }
    for (i, contact) in a.contacts.iter().enumerate() {
        if contact.parse::<Address>().is_err() {
            at(&format!("contacts[{i}]"), format!("`{contact}` is no mail address"));
        }
    }
    for (i, name) in a.names.iter().enumerate() {
        if name.starts_with("*.") {
            at(&format!("names[{i}]"), format!("`{name}`: a wildcard cannot be had by http-01: name each host"));
        } else if name.parse::<Domain>().is_err() {
            at(&format!("names[{i}]"), format!("`{name}` is no host name"));
        }
    }
    if let Some(lacks) = wording::lacks_pem(&a.roots, "CERTIFICATE") {
        at("roots", lacks);
    }
    if a.external_account.key_id.is_empty() != a.external_account.secret.is_empty() {
        at("external_account", "key_id and secret belong together: set both, or neither".into());
    }
    if !a.enabled {
        return;
    }
    if !a.accept_terms {
        at("accept_terms", "nothing is ordered before the authority's terms are accepted: read them, and write true".into());
    }
    if a.listen.is_empty() {
        at("listen", "the authority would find nobody: write [\"[::]:80\"]".into());
    }
    if is_named {
        at("enabled", "smtp.tls.certificate names a certificate of yours: empty it, or write false here".into());
    }
}
