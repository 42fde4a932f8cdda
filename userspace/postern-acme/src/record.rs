//! What is remembered between orders: the account, and which certificate was the last. `tls/acme.json`, for the node alone.

use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use postern_mta::certificate::{self, CertificateError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Default, Serialize, Deserialize)]
pub struct Record {
    /// The authority that all of this is of.
    pub directory: String,
    /// As the authority's library writes it.
    pub account: Option<Value>,
    /// Names of the certificate that was put in force last.
    pub names: Vec<String>,
    /// Its SHA-256.
    pub fingerprint: Option<[u8; 32]>,
}

impl Record {
    fn path(data: &Path) -> PathBuf {
        certificate::folder(data).join("acme.json")
    }

    /// A record that cannot be read is none: then there is a new account, and a new certificate.
    pub fn read(data: &Path) -> Self {
        let path = Self::path(data);
        match std::fs::read(&path) {
            Ok(octets) => serde_json::from_slice(&octets).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "the record of certificates cannot be read: a new account is made");
                Self::default()
            }),
            Err(_) => Self::default(),
        }
    }

    pub fn credentials(&self) -> Option<AccountCredentials> {
        serde_json::from_value(self.account.clone()?).ok()
    }

    pub fn remember(&mut self, credentials: &AccountCredentials) {
        self.account = serde_json::to_value(credentials).ok();
    }

    pub fn keep(&self, data: &Path) -> Result<(), CertificateError> {
        certificate::keep_secret(&Self::path(data), &serde_json::to_string_pretty(self).unwrap_or_default())
    }
}
