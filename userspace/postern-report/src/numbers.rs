//! Numbers and times as a language writes them.

use postern_model::settings::users::Language;
use postern_model::time::Timestamp;

use crate::period::{DAY_MS, Day};

/// `12,345`, in German `12.345`.
pub fn whole(n: u64, language: Language) -> String {
    let digits = n.to_string();
    let separator = match language {
        Language::En => ',',
        Language::De => '.',
    };
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

/// One decimal.
pub fn tenth(x: f64, language: Language) -> String {
    let text = format!("{x:.1}");
    match language {
        Language::En => text,
        Language::De => text.replace('.', ","),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of mails: three digits of it are shown")]
pub fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 * 100.0 / of as f64 }
}

/// `12.5 %`. What is not all is never shown as all.
pub fn percent(part: u64, of: u64, language: Language) -> String {
    let share = share(part, of);
    let shown = if part < of { share.min(99.9) } else { share };
    format!("{} %", tenth(shown, language))
}

#[expect(clippy::cast_precision_loss, reason = "octets for people: one decimal is shown")]
pub fn octets(n: u64, language: Language) -> String {
    let mut x = n as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if x < 1000.0 || unit == "TB" {
            return if unit == "B" { format!("{n} B") } else { format!("{} {unit}", tenth(x, language)) };
        }
        x /= 1000.0;
    }
    String::new()
}

/// `2026-11-26`, `26.11.2026`.
pub fn day(day: Day, language: Language) -> String {
    let iso = day.to_string();
    match (language, iso.split('-').collect::<Vec<_>>().as_slice()) {
        (Language::De, [y, m, d]) => format!("{d}.{m}.{y}"),
        _ => iso,
    }
}

/// The same without the year, or the hour where a step is shorter than a day.
pub fn step(at: Timestamp, step: i64, language: Language) -> String {
    if step < DAY_MS {
        return format!("{:02}:00", at.0.rem_euclid(DAY_MS) / 3_600_000);
    }
    let iso = Day::of(at).to_string();
    match (language, iso.split('-').collect::<Vec<_>>().as_slice()) {
        (Language::De, [_, m, d]) => format!("{d}.{m}."),
        (Language::En, [_, m, d]) => format!("{m}-{d}"),
        _ => iso,
    }
}

/// To the minute.
pub fn moment(at: Timestamp, language: Language) -> String {
    let minutes = at.0.rem_euclid(DAY_MS) / 60_000;
    format!("{} {:02}:{:02}", day(Day::of(at), language), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_written_as_people_write_them() {
        use Language::{De, En};
        assert_eq!([whole(0, En), whole(999, En), whole(1000, En), whole(1_234_567, De)], ["0", "999", "1,000", "1.234.567"]);
        assert_eq!([percent(1, 8, En), percent(1, 8, De), percent(0, 0, En)], ["12.5 %", "12,5 %", "0.0 %"]);
        assert_eq!([percent(99_999, 100_000, En), percent(5, 5, En)], ["99.9 %", "100.0 %"]);
        assert_eq!([octets(999, En), octets(1500, De), octets(u64::MAX, En)], ["999 B", "1,5 kB", "18446744.1 TB"]);
        let at = Timestamp(1_795_291_902_000);
        assert_eq!([moment(at, En), moment(at, De)], ["2026-11-21 20:11", "21.11.2026 20:11"]);
        assert_eq!([step(at, 3_600_000, En), step(at, DAY_MS, En), step(at, DAY_MS, De)], ["20:00", "11-21", "21.11."]);
    }
}
