//! `[reports]`: what the gateway did in a day, a week or a month, sent by mail to those who ask for it.

use jiff::civil::Weekday as JiffWeekday;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::users::{Language, minute_of_day};
use crate::address::{Address, Domain};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSettings {
    /// `daily`: about the day before; `weekly`: about the seven days before; `monthly`: about the calendar month before.
    pub schedule: ReportSchedule,
    /// When a weekly one is sent.
    pub weekday: Weekday,
    /// Day of the month on which a monthly one is sent, 1 to 28.
    pub day: u8,
    /// Time of day at which it is sent (UTC, as are the days that it is about).
    pub at: String,
    /// Who gets it. At most 20.
    pub recipients: Vec<Address>,
    /// Of the mail and the PDF attached to it.
    pub language: Language,
    /// Only mails to recipients at these domains, and nothing about the gateway as a whole; empty: everything. At most 100.
    pub domains: Vec<Domain>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReportSchedule {
    #[default]
    Off,
    Daily,
    Weekly,
    Monthly,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weekday {
    #[default]
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for JiffWeekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self {
            schedule: ReportSchedule::Off,
            weekday: Weekday::Monday,
            day: 1,
            at: "06:00".to_owned(),
            recipients: Vec::new(),
            language: Language::En,
            domains: Vec::new(),
        }
    }
}

const MOST_RECIPIENTS: usize = 20;
const MOST_DOMAINS: usize = 100;

/// Contradictions in `[reports]`.
pub(super) fn check(r: &ReportSettings, say: &mut impl FnMut(String, String)) {
    for (name, count, most) in [("recipients", r.recipients.len(), MOST_RECIPIENTS), ("domains", r.domains.len(), MOST_DOMAINS)] {
        if count > most {
            say(format!("reports.{name}"), format!("{count} of them: write at most {most}"));
        }
    }
    if r.schedule != ReportSchedule::Off && r.recipients.is_empty() {
        say("reports.recipients".into(), "nobody would get it: write at least one address, or schedule = \"off\"".into());
    }
    if !(1..=28).contains(&r.day) {
        say("reports.day".into(), format!("{}: write 1 to 28, which every month has", r.day));
    }
    if minute_of_day(&r.at).is_none() {
        say("reports.at".into(), format!("`{}` is no time of day: write hours and minutes, as in \"06:00\"", r.at));
    }
}
