//! All symbols and the caps of their groups: looked up by name, printed as documentation, compared
//! with the settings.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use postern_model::settings::filter::FilterSettings;
use postern_model::settings::policy::PolicySettings;
use postern_model::settings::{self, Problem, Settings, SettingsError};
use postern_model::symbol::Group;

use crate::symbols::{Symbol, TABLES};

/// What a group adds to a score at most. One trick repeated in ten ways must not outweigh
/// everything else; groups with hard evidence (a virus, a list, malware) may refuse a mail alone.
pub const DEFAULT_CAPS: &[(Group, f64)] = &[
    (Group::Connection, 5.0),
    (Group::Helo, 3.5),
    (Group::Spf, 4.0),
    (Group::Dkim, 3.0),
    (Group::Dmarc, 5.0),
    (Group::Arc, 1.0),
    (Group::Headers, 8.0),
    (Group::Mime, 5.0),
    (Group::Body, 9.0),
    (Group::Html, 6.0),
    (Group::Url, 9.0),
    (Group::Attachment, 12.0),
    (Group::Impersonation, 10.0),
    (Group::Bayes, 11.0),
    (Group::Fingerprint, 8.0),
    (Group::Reputation, 5.0),
    (Group::Lists, 12.0),
    (Group::Sandbox, 20.0),
    (Group::Antivirus, 100.0),
    (Group::User, 100.0),
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Symbol>> = LazyLock::new(|| all().map(|s| (s.name, s)).collect());

/// Every symbol, group by group.
pub fn all() -> impl Iterator<Item = &'static Symbol> {
    TABLES.iter().flat_map(|t| t.iter().copied())
}

pub fn find(name: &str) -> Option<&'static Symbol> {
    BY_NAME.get(name).copied()
}

pub fn default_cap(group: Group) -> f64 {
    DEFAULT_CAPS.iter().find(|(g, _)| *g == group).map_or(10.0, |(_, cap)| *cap)
}

/// The kebab-case name of a group, as in settings.
pub fn group_name(group: Group) -> String {
    serde_json::to_value(group).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Reads and validates a settings file with what only the filter knows: the names of symbols.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_settings(text: &str) -> Result<Settings, SettingsError> {
    let settings = settings::parse(text)?;
    let mut problems = check_weights(&settings.filter);
    problems.extend(policy(&settings.policy).err().into_iter().flatten());
    if problems.is_empty() { Ok(settings) } else { Err(SettingsError(problems)) }
}

/// The rules of the settings, ready to be asked.
///
/// # Errors
/// Everything that is wrong with them; nothing in settings that [`read_settings`] took.
pub fn policy(settings: &PolicySettings) -> Result<postern_policy::Policy, Vec<Problem>> {
    postern_policy::Policy::new(settings, &|name| if find(name).is_some() { Ok(()) } else { Err(nearest(name)) })
}

/// Names in `filter.weights` that no symbol has, each with the nearest name that exists.
pub fn check_weights(settings: &FilterSettings) -> Vec<Problem> {
    settings
        .weights
        .keys()
        .filter(|name| find(name).is_none())
        .map(|name| Problem {
            path: format!("filter.weights.{name}"),
            message: match nearest(name) {
                Some(known) => format!("there is no symbol `{name}`: did you mean {known}?"),
                None => format!("there is no symbol `{name}`: the names stand in docs/symbols.md"),
            },
        })
        .collect()
}

fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    all().map(|s| (distance(&upper, s.name), s.name)).min().filter(|(d, _)| *d <= upper.len() / 3).map(|(_, n)| n)
}

/// Levenshtein distance in octets.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// The reference in `docs/symbols.md`.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Symbols\n\n\
         Made by `postern_filter::registry::markdown()`; a test keeps it true. Weights and caps are the defaults: \
         `[filter.weights]` and `[filter.group_caps]` change them, a weight of 0 switches a symbol off. The score of a mail is the sum \
         over its groups, where the positive symbols of one group add at most the group's cap; negative ones are not limited.\n",
    );
    let mut last = None;
    let mut sorted: Vec<_> = all().collect();
    sorted.sort_by_key(|s| (s.group, s.name));
    let _ = writeln!(out, "\n{} symbols.", sorted.len());
    for s in sorted {
        if last != Some(s.group) {
            let _ = writeln!(
                out,
                "\n## {} (cap {})\n\n| symbol | weight | meaning |\n|---|---|---|",
                group_name(s.group),
                default_cap(s.group)
            );
            last = Some(s.group);
        }
        let _ = writeln!(out, "| {} | {} | {} |", s.name, s.weight, s.description);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_model::score::Score;

    #[test]
    fn names_are_stable_in_form_and_stand_once() {
        let mut seen = std::collections::HashSet::new();
        for s in all() {
            assert!(seen.insert(s.name), "{} is declared twice", s.name);
            assert!(s.name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{}", s.name);
            assert!(s.weight.is_finite() && s.description.len() >= 10 && !s.description.contains('|'), "{}", s.name);
        }
        assert!(seen.len() >= 110, "{} symbols", seen.len());
    }

    #[test]
    fn an_unknown_name_in_the_weights_is_a_problem_with_a_suggestion() {
        let mut settings = FilterSettings::default();
        settings.weights.insert("URL_PRT".into(), Score::new(1.0));
        settings.weights.insert("URL_PORT".into(), Score::new(1.0));
        let problems = check_weights(&settings);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "filter.weights.URL_PRT");
        assert!(problems[0].message.contains("URL_PORT"), "{}", problems[0].message);
    }
}
