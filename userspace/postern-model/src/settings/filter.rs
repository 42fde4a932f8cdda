//! `[filter]`, `[dns_lists]`, `[authentication]`, `[antivirus]`: the judgement.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Domain;
use crate::score::Score;
use crate::symbol::Group;
use crate::time::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterSettings {
    pub thresholds: Thresholds,
    /// Weights that differ from the documented ones: `SYMBOL_NAME = 2.5`. Zero switches a symbol off.
    pub weights: BTreeMap<String, Score>,
    /// What a group may add to a score at most (its negative symbols are not limited).
    pub group_caps: BTreeMap<Group, Score>,
    /// The organisation's own people whose names are forged: `"Erika Mustermann"`.
    pub people: Vec<String>,
    /// Brands that mail to us is often forged for, beside the built-in ones: name and its domains.
    pub brands: BTreeMap<String, Vec<Domain>>,
    /// Senders (address or domain) whose mail is accepted whatever its score, when SPF or DKIM agrees.
    pub allow_senders: Vec<String>,
    /// Senders (address or domain) whose mail is refused.
    pub block_senders: Vec<String>,
    /// Networks whose mail is not judged.
    #[schemars(with = "Vec<String>")]
    pub allow_networks: Vec<IpNet>,
    pub bayes: BayesSettings,
    /// Octets of text looked at in one mail.
    pub max_text: usize,
    /// Parts of a mail that are looked at; more fire a symbol.
    pub max_parts: usize,
    /// How deep parts may be nested; deeper fires a symbol.
    pub max_depth: usize,
    /// Also judge outbound mail.
    pub judge_outbound: bool,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            thresholds: Thresholds::default(),
            weights: BTreeMap::new(),
            group_caps: BTreeMap::new(),
            people: Vec::new(),
            brands: BTreeMap::new(),
            allow_senders: Vec::new(),
            block_senders: Vec::new(),
            allow_networks: Vec::new(),
            bayes: BayesSettings::default(),
            max_text: 256 * 1024,
            max_parts: 1000,
            max_depth: 20,
            judge_outbound: true,
        }
    }
}

/// Scores from which something is done. `tag` ≤ `quarantine` ≤ `reject`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    pub tag: Score,
    pub quarantine: Score,
    pub reject: Score,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { tag: Score::new(5.0), quarantine: Score::new(8.0), reject: Score::new(15.0) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BayesSettings {
    pub enabled: bool,
    /// Mails of each kind to be learned before the node's own tokens count beside the starting model.
    pub min_learned: u64,
    /// Tokens kept; the least useful are forgotten first.
    pub max_tokens: u64,
}

impl Default for BayesSettings {
    fn default() -> Self {
        Self { enabled: true, min_learned: 50, max_tokens: 4_000_000 }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsListSettings {
    /// The lists; none is asked unless it stands here (nothing contacts a third party by itself).
    pub lists: Vec<DnsList>,
    /// Sum of weights from which a connection is refused with 554 at RCPT TO.
    pub refuse_at: Score,
    /// How long all lists together may take.
    pub timeout: Span,
}

impl Default for DnsListSettings {
    fn default() -> Self {
        Self { lists: Vec::new(), refuse_at: Score::new(8.0), timeout: Span::seconds(3) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsList {
    /// `zen.example.net`: asked as 1.2.0.192.zen.example.net (RFC 5782).
    pub zone: Domain,
    /// What being listed adds; negative for an allow list.
    pub weight: Score,
    /// Only these answers count; empty: any 127.0.0.0/8 but 127.255.255.0/24, which says "you may not ask".
    #[serde(default)]
    pub answers: Vec<std::net::Ipv4Addr>,
    /// What is asked about.
    #[serde(default)]
    pub subject: DnsListSubject,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DnsListSubject {
    /// The client's address.
    #[default]
    Address,
    /// Domains of URLs in the mail and of its senders.
    Domain,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthenticationSettings {
    /// Obey the author's domain when it says p=reject or p=quarantine (RFC 7489).
    pub enforce_dmarc: bool,
    /// Refuse at once when SPF says fail (-all). Off: it is one symbol among others.
    pub refuse_spf_fail: bool,
    /// Domains whose ARC seals are believed about what they saw.
    pub trusted_arc_sealers: Vec<Domain>,
    /// How long all checks together may take.
    pub timeout: Span,
}

impl Default for AuthenticationSettings {
    fn default() -> Self {
        Self { enforce_dmarc: true, refuse_spf_fail: false, trusted_arc_sealers: Vec::new(), timeout: Span::seconds(10) }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenUnavailable {
    /// The mail passes without the check, and the result header says so.
    #[default]
    Pass,
    /// The mail gets 451.
    Defer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenInfected {
    /// The mail gets 550.
    #[default]
    Reject,
    /// The mail is taken and kept in the quarantine.
    Quarantine,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AntivirusSettings {
    /// `unix:/run/clamav/clamd.ctl` or `tcp:host:port`; empty: no antivirus.
    pub clamd: String,
    /// Mails above this many octets are not scanned and pass with ANTIVIRUS_TOO_LARGE, whatever `when_unavailable` says. The same
    /// holds for what is larger than clamd's own StreamMaxLength.
    pub max_size: u64,
    pub timeout: Span,
    pub when_unavailable: WhenUnavailable,
    pub when_infected: WhenInfected,
}

impl Default for AntivirusSettings {
    fn default() -> Self {
        Self {
            clamd: String::new(),
            max_size: 25 * 1024 * 1024,
            timeout: Span::seconds(20),
            when_unavailable: WhenUnavailable::Pass,
            when_infected: WhenInfected::Reject,
        }
    }
}
