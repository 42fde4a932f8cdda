//! The results of SPF, DKIM, DMARC and ARC, in terms of RFC 8601.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthResult {
    /// Not asked, or nothing to ask about.
    #[default]
    None,
    Pass,
    Fail,
    SoftFail,
    Neutral,
    Policy,
    TempError,
    PermError,
}

impl AuthResult {
    /// The word of RFC 8601 §2.7.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DmarcPolicy {
    #[default]
    Unspecified,
    None,
    Quarantine,
    Reject,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DkimResult {
    pub result: AuthResult,
    /// `d=`, lower case.
    pub domain: String,
    pub selector: String,
    /// `rsa-sha256`, `ed25519-sha256`.
    pub algorithm: String,
    /// Bits of an RSA key, when known.
    pub key_bits: Option<u32>,
    /// `t=y`: the domain is testing.
    pub is_testing: bool,
    pub why: String,
}

/// Everything sender authentication found out about one mail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Authentication {
    pub spf: AuthResult,
    /// The domain SPF was asked about (MAIL FROM, or HELO for the null path).
    pub spf_domain: String,
    pub spf_helo: AuthResult,
    pub dkim: Vec<DkimResult>,
    pub dmarc: AuthResult,
    /// The author's domain.
    pub dmarc_domain: String,
    /// What the author's domain asks for (after `sp`, `pct`).
    pub dmarc_policy: DmarcPolicy,
    pub dmarc_spf_aligned: bool,
    pub dmarc_dkim_aligned: bool,
    pub arc: AuthResult,
    /// `d=` of the newest seal, and how many sets there are.
    pub arc_sealer: String,
    pub arc_sets: usize,
    /// What the chain's newest Authentication-Results says about DMARC, when the chain is valid.
    pub arc_dmarc_pass: bool,
    /// The value of Authentication-Results (RFC 8601), without the field's name, folded with CRLF.
    pub header_value: String,
}
