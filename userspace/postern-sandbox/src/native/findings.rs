//! What is to be said of what a program did. By its events alone, as of scripts.

use postern_model::sandbox::{Action, Event, FindingName};

use super::{SURROUNDINGS, office};

/// Of what was seen many times, so many are told.
const TOLD: usize = 4;

/// Places from which something is started again.
const AGAIN: &[&str] = &[
    "/etc/cron",
    "/var/spool/cron",
    "/etc/systemd/",
    "/.config/systemd/",
    "/etc/init.d/",
    "/etc/rc",
    "/.bashrc",
    "/.profile",
    "/.bash_profile",
    "/.config/autostart/",
    "/.ssh/authorized_keys",
    "/etc/ld.so.preload",
    "/etc/passwd",
    "/etc/shadow",
    "/etc/sudoers",
];

/// Whether these are a program's, and not a script's in one of our own worlds.
#[must_use]
pub fn are_native(events: &[Event]) -> bool {
    events.first().is_some_and(|e| e.action == Action::Begin && [SURROUNDINGS, office::SURROUNDINGS].contains(&e.detail.as_str()))
}

/// Whether a document was opened.
#[must_use]
pub fn are_office(events: &[Event]) -> bool {
    events.first().is_some_and(|e| e.action == Action::Begin && e.detail == office::SURROUNDINGS)
}

/// The findings of one program's events.
#[must_use]
pub fn of(events: &[Event]) -> Vec<(FindingName, String)> {
    let mut found: Vec<(FindingName, String)> = Vec::new();
    let own = events.first().map(|e| e.text.as_str()).unwrap_or_default();
    for event in events {
        let name = match event.action {
            Action::Start => FindingName::NativeStarts,
            Action::Load | Action::Connect => FindingName::NativeLoads,
            Action::Write if AGAIN.iter().any(|place| event.text.contains(place)) => FindingName::NativePersists,
            Action::Write => FindingName::NativeWrites,
            Action::Move if event.detail == REMOVED && event.text == own => FindingName::NativeRemovesItself,
            Action::Refused => FindingName::NativeEscape,
            Action::Stopped => FindingName::NativeStopped,
            _ => continue,
        };
        let told = found.iter().filter(|(known, _)| *known == name).count();
        if told < TOLD && !found.iter().any(|(known, text)| *known == name && *text == event.text) {
            found.push((name, event.text.clone()));
        }
    }
    let written = || events.iter().filter(|e| e.action == Action::Write).map(|e| e.text.as_str());
    let started = |path: &str| events.iter().any(|e| e.action == Action::Start && e.text.split(' ').any(|word| word == path));
    if let Some(path) = written().find(|path| started(path)) {
        found.push((FindingName::NativeDropper, path.to_owned()));
    }
    found
}

/// How the timeline calls a removal.
pub const REMOVED: &str = "removed";

#[cfg(test)]
mod tests {
    use super::*;

    fn events(all: &[(Action, &str, &str)]) -> Vec<Event> {
        all.iter().map(|(action, text, detail)| Event::new(0, 0, *action, text, detail)).collect()
    }

    #[test]
    fn each_finding_has_its_events() {
        let own = "/home/user/run.sh";
        let all = events(&[
            (Action::Begin, own, SURROUNDINGS),
            (Action::Write, "/tmp/x", ""),
            (Action::Start, "/bin/sh /tmp/x", ""),
            (Action::Load, "GET http://evil.example/a", "decoy"),
            (Action::Write, "/home/user/.bashrc", ""),
            (Action::Move, own, REMOVED),
            (Action::Refused, "ptrace", ""),
        ]);
        assert!(are_native(&all));
        let names: Vec<_> = of(&all).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                FindingName::NativeWrites,
                FindingName::NativeStarts,
                FindingName::NativeLoads,
                FindingName::NativePersists,
                FindingName::NativeRemovesItself,
                FindingName::NativeEscape,
                FindingName::NativeDropper,
            ]
        );
        assert!(of(&events(&[(Action::Begin, own, SURROUNDINGS), (Action::End, own, "code 0")])).is_empty());
    }
}
