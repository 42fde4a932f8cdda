//! `[users]`: what the people who receive mail may do about what is held back for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;
use crate::time::Span;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserSettings {
    /// Recipients at `domains` see their own quarantine, by a link that is good once and comes by mail. From then on a quarantined
    /// mail is kept once for each recipient.
    pub enabled: bool,
    /// Where their browsers reach the console, as in `https://mail.example.org:8443`: in a cluster an address that leads to a node that is there.
    pub url: String,
    /// Of mails to them; the page speaks the browser's.
    pub language: Language,
    /// They may release mail, but what was held back for a reason in `withheld`.
    pub release: bool,
    /// Reasons for which mail is shown to them and not released by them.
    pub withheld: Vec<Reason>,
    /// They may allow and block senders for themselves. A block keeps their copy of a mail in quarantine; an allow lifts what the score
    /// decided, when the sender is confirmed and nothing attached is dangerous, and nothing else.
    pub lists: bool,
    /// How long a link in a mail is good.
    pub link_lifetime: Span,
    /// When a digest of what was held back since the last one is sent, as in `["07:00", "13:00"]` (UTC); empty: none. Who has nothing new
    /// gets none.
    pub digest_at: Vec<String>,
    /// Mails that a digest names; the others are counted.
    pub digest_mails: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    #[default]
    En,
    De,
}

impl Default for UserSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            url: String::new(),
            language: Language::En,
            release: true,
            lists: true,
            withheld: vec![Reason::Virus, Reason::Policy, Reason::Blocked],
            link_lifetime: Span::hours(48),
            digest_at: vec!["07:00".to_owned()],
            digest_mails: 50,
        }
    }
}

/// Minutes since midnight of `07:00`.
pub fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str, below: u32| {
        let two_digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u32>().ok().filter(|n| two_digits && *n < below)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

#[cfg(test)]
mod tests {
    use super::minute_of_day;

    #[test]
    fn times_of_day_are_two_digits_each() {
        assert_eq!([minute_of_day("00:00"), minute_of_day("07:05"), minute_of_day("23:59")], [Some(0), Some(425), Some(1439)]);
        for bad in ["", "7:00", "24:00", "12:60", "12", "+1:00", "12:3", "12:30:00"] {
            assert_eq!(minute_of_day(bad), None, "{bad}");
        }
    }
}
