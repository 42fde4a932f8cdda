//! When: weekdays and a time of day in a time zone.

use jiff::civil;
use jiff::tz::TimeZone;
use postern_model::settings::policy::{Weekday, When};
use postern_model::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Window {
    zone: TimeZone,
    weekdays: Vec<civil::Weekday>,
    /// Minutes since midnight; the end is not included. Equal: the whole day.
    from: i16,
    until: i16,
}

/// What is wrong with which field.
pub type Wrong = (&'static str, String);

impl Window {
    /// `None`: nothing is set, it is always.
    ///
    /// # Errors
    /// The field of `when` that cannot be used.
    pub fn new(when: &When, zone: &TimeZone) -> Result<Option<Self>, Wrong> {
        if when.weekdays.is_empty() && when.from.is_none() && when.until.is_none() {
            return match when.time_zone {
                Some(_) => Err(("time_zone", "a time zone without a time: set weekdays, from or until".to_owned())),
                None => Ok(None),
            };
        }
        let zone = match &when.time_zone {
            Some(name) => self::zone(name).map_err(|e| ("time_zone", e))?,
            None => zone.clone(),
        };
        let from = minutes(when.from.as_deref(), "from")?.unwrap_or(0);
        let until = minutes(when.until.as_deref(), "until")?.unwrap_or(24 * 60);
        if from == until || from == 24 * 60 {
            return Err(("from", "the window is empty: write an earlier or a later time".to_owned()));
        }
        Ok(Some(Self { zone, weekdays: when.weekdays.iter().map(|d| civil_day(*d)).collect(), from, until }))
    }

    /// Whether it is now, and the moment in the window's words: `Friday 17:45 Europe/Berlin`.
    pub fn contains(&self, at: Timestamp) -> (bool, String) {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.0) else { return (false, "no moment of our calendar".to_owned()) };
        let here = moment.to_zoned(self.zone.clone());
        let minute = i16::from(here.hour()) * 60 + i16::from(here.minute());
        let today = here.weekday();
        let on = |day: civil::Weekday| self.weekdays.is_empty() || self.weekdays.contains(&day);
        let is_in = if self.from < self.until {
            on(today) && (self.from..self.until).contains(&minute)
        } else {
            // After midnight the window of the day before still holds.
            (on(today) && minute >= self.from) || (on(today.previous()) && minute < self.until)
        };
        let name = self.zone.iana_name().unwrap_or("UTC");
        (is_in, format!("{:?} {:02}:{:02} {name}", today, here.hour(), here.minute()))
    }
}

/// # Errors
/// There is no such zone.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("UTC") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone: write one as in \"Europe/Berlin\" or \"UTC\""))
}

fn minutes(text: Option<&str>, field: &'static str) -> Result<Option<i16>, Wrong> {
    let Some(text) = text else { return Ok(None) };
    let read = || {
        let (hours, minutes) = text.split_once(':')?;
        let is_digits = |t: &str| t.len() <= 2 && !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        let (hours, minutes): (i16, i16) =
            (is_digits(hours) && is_digits(minutes)).then(|| Some((hours.parse().ok()?, minutes.parse().ok()?)))??;
        let sum = hours * 60 + minutes;
        (minutes < 60 && sum <= 24 * 60).then_some(sum)
    };
    read().map(Some).ok_or_else(|| (field, format!("`{text}` is no time of day: write \"08:00\" to \"24:00\"")))
}

fn civil_day(day: Weekday) -> civil::Weekday {
    match day {
        Weekday::Monday => civil::Weekday::Monday,
        Weekday::Tuesday => civil::Weekday::Tuesday,
        Weekday::Wednesday => civil::Weekday::Wednesday,
        Weekday::Thursday => civil::Weekday::Thursday,
        Weekday::Friday => civil::Weekday::Friday,
        Weekday::Saturday => civil::Weekday::Saturday,
        Weekday::Sunday => civil::Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn windows_hold_in_their_zone_and_past_midnight() {
        let weekend = vec![Weekday::Saturday, Weekday::Sunday];
        let friday = vec![Weekday::Friday];
        // weekdays, from, until, zone, moment, is in. 2026-11-27 is a Friday.
        let table = [
            (vec![], Some("08:00"), Some("17:00"), "UTC", "2026-11-27T08:00:00Z", true),
            (vec![], Some("08:00"), Some("17:00"), "UTC", "2026-11-27T17:00:00Z", false),
            (vec![], Some("08:00"), Some("17:00"), "Europe/Berlin", "2026-11-27T16:30:00Z", false),
            (vec![], Some("08:00"), Some("17:00"), "Europe/Berlin", "2026-07-27T14:59:00Z", true),
            (vec![], Some("08:00"), Some("17:00"), "Europe/Berlin", "2026-07-27T15:00:00Z", false),
            (weekend.clone(), None, None, "UTC", "2026-11-28T00:00:00Z", true),
            (weekend.clone(), None, None, "UTC", "2026-11-27T23:59:00Z", false),
            (weekend, None, None, "Pacific/Auckland", "2026-11-27T12:00:00Z", true),
            (friday.clone(), Some("22:00"), Some("06:00"), "UTC", "2026-11-27T22:30:00Z", true),
            (friday.clone(), Some("22:00"), Some("06:00"), "UTC", "2026-11-28T05:59:00Z", true),
            (friday.clone(), Some("22:00"), Some("06:00"), "UTC", "2026-11-27T05:59:00Z", false),
            (friday, Some("18:00"), None, "UTC", "2026-11-27T23:59:59Z", true),
        ];
        for (weekdays, from, until, name, moment, expected) in table {
            let when = When { weekdays, from: from.map(str::to_owned), until: until.map(str::to_owned), time_zone: Some(name.to_owned()) };
            let window = Window::new(&when, &TimeZone::UTC).unwrap().unwrap();
            let (is_in, words) = window.contains(at(moment));
            assert_eq!(is_in, expected, "{when:?} at {moment}: {words}");
        }
    }

    #[test]
    fn what_is_no_window_says_which_field() {
        let time = |from: &str, until: &str| When { from: Some(from.into()), until: Some(until.into()), ..When::default() };
        for (when, field) in [
            (time("8", "17:00"), "from"),
            (time("08:00", "25:00"), "until"),
            (time("08:60", "17:00"), "from"),
            (time("08:00", "08:00"), "from"),
            (When { time_zone: Some("Mars/Olympus".into()), weekdays: vec![Weekday::Monday], ..When::default() }, "time_zone"),
            (When { time_zone: Some("UTC".into()), ..When::default() }, "time_zone"),
        ] {
            assert_eq!(Window::new(&when, &TimeZone::UTC).unwrap_err().0, field, "{when:?}");
        }
        assert!(Window::new(&When::default(), &TimeZone::UTC).unwrap().is_none());
    }
}
