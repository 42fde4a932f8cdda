//! Which days a report is about, and when it is due. Days are those of UTC, whole ones.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::{Timestamp as Instant, ToSpan, tz::TimeZone};
use postern_model::settings::reports::{ReportSchedule, ReportSettings};
use postern_model::settings::users::minute_of_day;
use postern_model::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Counters are kept for as long.
pub const LONGEST: i64 = 400;
/// A plot has as many bars at most.
const BARS: i64 = 62;
/// Later than this a daily report is not made up for, the next is near; others are for longer.
const LATEST_DAILY_MS: i64 = 12 * HOUR_MS;
const LATEST_MS: i64 = 3 * DAY_MS;

/// A day of UTC, written as in `2026-11-26`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Date);

impl Day {
    pub fn of(at: Timestamp) -> Self {
        Self(Instant::from_millisecond(at.0).unwrap_or_default().to_zoned(TimeZone::UTC).date())
    }

    pub fn begin(self) -> Timestamp {
        Timestamp(self.0.to_zoned(TimeZone::UTC).map_or(0, |z| z.timestamp().as_millisecond()))
    }

    fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.days()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = PeriodError;
    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let date: Date = text.parse().map_err(|_| PeriodError::Day(text.to_owned()))?;
        // Years that no counter will ever have would only overflow somewhere.
        if (2000..=2999).contains(&date.year()) { Ok(Self(date)) } else { Err(PeriodError::Day(text.to_owned())) }
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PeriodError {
    #[error("`{0}` is no day: write one as in 2026-11-26")]
    Day(String),
    #[error("{first} to {last}: the first day lies behind the last")]
    Backwards { first: Day, last: Day },
    #[error("{first} to {last}: at most {LONGEST} days, for as long counters are kept")]
    Long { first: Day, last: Day },
}

/// Whole days, the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    pub first: Day,
    pub last: Day,
}

impl Period {
    /// # Errors
    /// When there is no such time, or it is too long.
    pub fn new(first: Day, last: Day) -> Result<Self, PeriodError> {
        let period = Self { first, last };
        match period.days() {
            ..1 => Err(PeriodError::Backwards { first, last }),
            1..=LONGEST => Ok(period),
            _ => Err(PeriodError::Long { first, last }),
        }
    }

    pub fn days(self) -> i64 {
        (self.to().0 - self.from().0) / DAY_MS
    }

    pub fn from(self) -> Timestamp {
        self.first.begin()
    }

    /// The moment behind it.
    pub fn to(self) -> Timestamp {
        Timestamp(self.last.begin().0 + DAY_MS)
    }

    /// As many days before it.
    pub fn before(self) -> Self {
        Self { first: self.first.plus(-self.days()), last: self.first.plus(-1) }
    }

    /// Milliseconds of a bar in its plots: hours of two days, days of two months, else weeks.
    pub fn step(self) -> i64 {
        match self.days() {
            ..3 => HOUR_MS,
            3..=BARS => DAY_MS,
            _ => 7 * DAY_MS,
        }
    }

    /// The same where hours are not known.
    pub fn day_step(self) -> i64 {
        self.step().max(DAY_MS)
    }

    /// When each bar begins.
    pub fn times(self) -> Vec<Timestamp> {
        let step = self.step();
        (0..).map(|n| Timestamp(self.from().0 + n * step)).take_while(|t| *t < self.to()).collect()
    }
}

/// A report by the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Due {
    /// When it is to be sent.
    pub at: Timestamp,
    pub period: Period,
}

impl Due {
    /// Whether it may still be sent.
    pub fn is_open(&self, schedule: ReportSchedule, now: Timestamp) -> bool {
        let latest = if schedule == ReportSchedule::Daily { LATEST_DAILY_MS } else { LATEST_MS };
        (0..latest).contains(&(now.0 - self.at.0))
    }
}

fn on(settings: &ReportSettings, day: Day) -> Option<Due> {
    let minutes = minute_of_day(&settings.at)?;
    let period = match settings.schedule {
        ReportSchedule::Off => return None,
        ReportSchedule::Daily => Period { first: day.plus(-1), last: day.plus(-1) },
        ReportSchedule::Weekly if day.0.weekday() == settings.weekday.into() => Period { first: day.plus(-7), last: day.plus(-1) },
        ReportSchedule::Monthly if day.0.day() == i8::try_from(settings.day).ok()? => {
            let last = Day(day.0.first_of_month()).plus(-1);
            Period { first: Day(last.0.first_of_month()), last }
        }
        ReportSchedule::Weekly | ReportSchedule::Monthly => return None,
    };
    Some(Due { at: Timestamp(day.begin().0 + i64::from(minutes) * 60_000), period })
}

/// The last one whose time has come.
pub fn last_due(settings: &ReportSettings, now: Timestamp) -> Option<Due> {
    let today = Day::of(now);
    (0..=31).filter_map(|n| on(settings, today.plus(-n))).find(|due| due.at <= now)
}

/// The next one.
pub fn next_due(settings: &ReportSettings, now: Timestamp) -> Option<Due> {
    let today = Day::of(now);
    (0..=32).filter_map(|n| on(settings, today.plus(n))).find(|due| due.at > now)
}

/// What the schedule is about, or the day before where there is none: what one would want to look at.
pub fn usual(settings: &ReportSettings, now: Timestamp) -> Period {
    let yesterday = Day::of(now).plus(-1);
    last_due(settings, now).map_or(Period { first: yesterday, last: yesterday }, |due| due.period)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use postern_model::settings::reports::Weekday;

    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn at(text: &str, hours: i64, minutes: i64) -> Timestamp {
        Timestamp(day(text).begin().0 + hours * HOUR_MS + minutes * 60_000)
    }

    #[test]
    fn a_schedule_is_about_whole_days_before_it() {
        let weekly = ReportSettings { schedule: ReportSchedule::Weekly, weekday: Weekday::Monday, ..ReportSettings::default() };
        let monthly = ReportSettings { schedule: ReportSchedule::Monthly, day: 3, at: "23:30".into(), ..ReportSettings::default() };
        let daily = ReportSettings { schedule: ReportSchedule::Daily, at: "00:00".into(), ..ReportSettings::default() };
        // 2026-11-27 is a Friday; 2028 is a leap year.
        let cases = [
            (&daily, at("2026-11-27", 0, 0), at("2026-11-27", 0, 0), "2026-11-26", "2026-11-26"),
            (&weekly, at("2026-11-27", 9, 0), at("2026-11-23", 6, 0), "2026-11-16", "2026-11-22"),
            (&weekly, at("2026-11-23", 5, 59), at("2026-11-16", 6, 0), "2026-11-09", "2026-11-15"),
            (&monthly, at("2028-03-03", 23, 30), at("2028-03-03", 23, 30), "2028-02-01", "2028-02-29"),
            (&monthly, at("2027-01-03", 23, 29), at("2026-12-03", 23, 30), "2026-11-01", "2026-11-30"),
        ];
        for (settings, now, due, first, last) in cases {
            let found = last_due(settings, now).unwrap();
            assert_eq!(found, Due { at: due, period: Period { first: day(first), last: day(last) } }, "{settings:?} at {now}");
            let next = next_due(settings, now).unwrap();
            assert!(next.at > now && last_due(settings, next.at) == Some(next), "{settings:?} at {now}");
        }
        assert_eq!(last_due(&ReportSettings::default(), at("2026-11-27", 9, 0)), None);
    }

    #[test]
    fn one_that_was_missed_is_made_up_for_but_not_for_ever() {
        let daily = ReportSettings { schedule: ReportSchedule::Daily, ..ReportSettings::default() };
        let due = last_due(&daily, at("2026-11-27", 17, 59)).unwrap();
        assert!(
            due.is_open(ReportSchedule::Daily, at("2026-11-27", 17, 59)) && !due.is_open(ReportSchedule::Daily, at("2026-11-27", 18, 0))
        );
        assert!(
            due.is_open(ReportSchedule::Monthly, at("2026-11-30", 5, 59)) && !due.is_open(ReportSchedule::Monthly, at("2026-11-30", 6, 0))
        );
    }

    #[test]
    fn periods_have_ends_steps_and_bounds() {
        let week = Period::new(day("2026-11-16"), day("2026-11-22")).unwrap();
        assert_eq!((week.days(), week.times().len(), week.step()), (7, 7, DAY_MS));
        assert_eq!(week.before(), Period::new(day("2026-11-09"), day("2026-11-15")).unwrap());
        let one = Period::new(day("2026-11-16"), day("2026-11-16")).unwrap();
        assert_eq!((one.times().len(), one.times()[1].0 - one.from().0), (24, HOUR_MS));
        let year = Period::new(day("2026-01-01"), day("2026-12-31")).unwrap();
        assert_eq!((year.times().len(), year.days()), (53, 365));
        for bad in ["", "2026-13-01", "2026-02-29", "26-1-1", "9999-12-31", "-001000-01-01"] {
            assert_eq!(bad.parse::<Day>(), Err(PeriodError::Day(bad.to_owned())), "{bad}");
        }
        assert!(matches!(Period::new(day("2026-11-16"), day("2026-11-15")), Err(PeriodError::Backwards { .. })));
        assert!(matches!(Period::new(day("2025-01-01"), day("2026-11-15")), Err(PeriodError::Long { .. })));
    }
}
