//! Symbols: what a check found in a mail, how much it weighs and what it saw.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::score::Score;

/// Where a symbol belongs. Each group has a cap on what it may add to the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    Connection,
    Helo,
    Spf,
    Dkim,
    Dmarc,
    Arc,
    Headers,
    Mime,
    Body,
    Html,
    Url,
    Attachment,
    Impersonation,
    Bayes,
    Fingerprint,
    Reputation,
    Lists,
    Sandbox,
    Antivirus,
    User,
}

/// A symbol that fired on one mail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Stable upper-case name, as `FROM_NAME_IS_OTHER_ADDRESS`.
    pub symbol: Cow<'static, str>,
    pub group: Group,
    /// What it adds to the mail's score, before the cap of its group.
    pub score: Score,
    /// What was seen and where, for people; at most 200 characters, may be empty.
    pub evidence: String,
}
