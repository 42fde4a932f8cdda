//! `[alerts]`: who is told when something is wrong with a node or the cluster, and from when on it counts.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::users::Language;
use super::wording;
use crate::address::Address;
use crate::alert::Condition;
use crate::time::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertSettings {
    /// Who gets a mail when something begins to be wrong, is still so after `repeat`, and is over.
    pub recipients: Vec<Address>,
    /// Of these mails.
    pub language: Language,
    /// Who is told of the same by a request. At most 16.
    pub webhooks: Vec<Webhook>,
    /// What is over within this time is not told of.
    pub hold: Span,
    /// It is over when it was not seen for so long.
    pub clear: Span,
    /// What nobody has acknowledged is told again after this time; `"0s"`: it is told once.
    pub repeat: Span,
    /// Conditions that are not looked at.
    pub off: Vec<Condition>,
    /// From when on something is wrong.
    pub limits: AlertLimits,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            recipients: Vec::new(),
            language: Language::En,
            webhooks: Vec::new(),
            hold: Span::minutes(1),
            clear: Span::minutes(1),
            repeat: Span::hours(8),
            off: Vec::new(),
            limits: AlertLimits::default(),
        }
    }
}

/// A program elsewhere that is told of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// For people, as in `on-call`.
    pub name: String,
    /// Where the JSON is sent by POST: an `https://` address; `http://` to this machine only.
    pub url: String,
    /// Signs each body: header `X-Postern-Signature: sha256=` and the HMAC-SHA256 in hexadecimal. Empty: no signature.
    #[serde(default)]
    pub secret: String,
    /// Authorities that sign its certificate, beside those the system knows: PEM certificates.
    #[serde(default)]
    pub roots: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertLimits {
    /// Age of the oldest mail of a node's queue that is not held.
    pub queue_age: Span,
    /// Mails in a node's queue that are not held.
    pub queue_mails: usize,
    /// Mails in quarantine, of the whole cluster.
    pub quarantine_mails: u64,
    /// What is left of the certificate of SMTP. Shorter than the time before its end at which it is renewed.
    pub certificate: Span,
    /// Since a feed was last read whole. Longer than its `every`.
    pub feed_age: Span,
    /// Between the clocks of two nodes. A code of an authenticator is good for half a minute more or less.
    pub clock: Span,
}

impl Default for AlertLimits {
    fn default() -> Self {
        Self {
            queue_age: Span::hours(1),
            queue_mails: 10_000,
            quarantine_mails: 100_000,
            certificate: Span::days(7),
            feed_age: Span::days(2),
            clock: Span::seconds(30),
        }
    }
}

const MOST_RECIPIENTS: usize = 20;
const MOST_WEBHOOKS: usize = 16;
const DAY: Duration = Duration::from_secs(86_400);

impl Webhook {
    fn check(&self) -> Result<(), String> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_clean = !authority.is_empty() && !self.url.contains(|c: char| c.is_whitespace() || c.is_control());
        let is_here = ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|host| authority.strip_prefix(host).is_some_and(|port| port.is_empty() || port.starts_with(':')));
        match scheme {
            "https" if is_clean => Ok(()),
            "http" if is_clean && is_here => Ok(()),
            "http" if is_clean => {
                Err(format!("`{}`: anybody on the way could read it: write https://, or an address of this machine", self.url))
            }
            _ => Err(format!("`{}`: write an address as in \"https://hooks.example.org/postern\"", self.url)),
        }
    }
}

/// Contradictions in `[alerts]`.
pub(super) fn check(a: &AlertSettings, say: &mut impl FnMut(String, String)) {
    for (name, count, most) in [("recipients", a.recipients.len(), MOST_RECIPIENTS), ("webhooks", a.webhooks.len(), MOST_WEBHOOKS)] {
        if count > most {
            say(format!("alerts.{name}"), format!("{count} of them: write at most {most}"));
        }
    }
    for (i, hook) in a.webhooks.iter().enumerate() {
        if hook.name.trim().is_empty() || a.webhooks[..i].iter().any(|other| other.name == hook.name) {
            say(format!("alerts.webhooks[{i}].name"), format!("`{}`: write a name that no other has", hook.name));
        }
        if let Err(why) = hook.check() {
            say(format!("alerts.webhooks[{i}].url"), why);
        }
        if let Some(lacks) = wording::lacks_pem(&hook.roots, "CERTIFICATE") {
            say(format!("alerts.webhooks[{i}].roots"), lacks);
        }
    }
    let mut span = |name: &str, value: Span, least: Duration, most: Duration| {
        if value.0 < least || value.0 > most {
            say(format!("alerts.{name}"), format!("{value}: write \"{}\" to \"{}\"", Span(least), Span(most)));
        }
    };
    span("hold", a.hold, Duration::ZERO, DAY);
    span("clear", a.clear, Duration::ZERO, DAY);
    span("limits.queue_age", a.limits.queue_age, Duration::from_secs(1), 30 * DAY);
    span("limits.certificate", a.limits.certificate, Duration::from_secs(3600), 90 * DAY);
    span("limits.feed_age", a.limits.feed_age, Duration::from_secs(60), 365 * DAY);
    // What a node says of itself takes a moment to come here.
    span("limits.clock", a.limits.clock, Duration::from_secs(5), DAY);
    if !a.repeat.0.is_zero() && a.repeat.0 < Duration::from_secs(60) {
        say("alerts.repeat".into(), format!("{}: write \"1m\" or more, or \"0s\" for never", a.repeat));
    }
}
