//! What the kernel saw, put into a cell's report: in the timeline in its order, with who did it, where the cell's own record does not tell it
//! already; and what is to be said of it.

use std::collections::BTreeMap;

use postern_model::sandbox::{Action, EVENTS_MOST, Event, Finding, FindingName, Report, Watched};
use postern_model::watch::{Sight, Sighting};

use super::Seen;
use crate::native::office::{Deed, Own};
use crate::native::{findings, root};

/// Calls that start, connect and open: the kernel tells in a second sighting what it took, if they came to pass.
const EXEC: &[&str] = &["execve", "execveat"];
const CONNECT: &[&str] = &["connect"];
const WRITE: &[&str] = &["open", "openat", "openat2", "creat"];
const REMOVE: &[&str] = &["unlink", "unlinkat", "rmdir"];
const RENAME: &[&str] = &["rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"];
const MAPPED: &[&str] = &["mmap", "mprotect", "pkey_mprotect"];
/// A tracer took the call's number away, and tells itself what it refused.
const NO_CALL: &str = "call 2147483647 by int 0x80";
const BECOME: &[&str] = &["setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups"];

/// Into the report of one cell. `seen`: or why nothing was.
pub fn into(report: &mut Report, seen: Result<Seen, String>, is_native: bool) {
    let Seen { sightings, lost, partly } = match seen {
        Ok(seen) => seen,
        Err(why) => {
            report.watch = Watched { without: Some(why), ..Watched::default() };
            return;
        }
    };
    report.watch = Watched { cells: 1, seen: sightings.len() as u64, lost, without: None, partly };
    if report.parts.is_empty() {
        return;
    }
    if is_native {
        of_program(report, &sightings);
    } else {
        of_reading(report, &sightings);
    }
}

/// Nothing that is told belongs into a cell for reading.
fn of_reading(report: &mut Report, sightings: &[Sighting]) {
    let begin = sightings.first().map_or(0, |s| s.at);
    for sighting in sightings {
        let (action, text) = as_event(&sighting.what);
        let action = if action == Action::Start || action == Action::Connect { action } else { Action::Refused };
        let at = u32::try_from(sighting.at.saturating_sub(begin) / 1_000_000).unwrap_or(u32::MAX);
        if report.timeline.len() >= EVENTS_MOST {
            return;
        }
        report.timeline.push(Event::new(at, 0, action, &text, &who(sighting)));
    }
    if let Some(first) = sightings.first() {
        let (_, text) = as_event(&first.what);
        match report.findings.iter_mut().find(|f| f.name == FindingName::CellBroken) {
            Some(known) => *known = Finding::new(FindingName::CellBroken, 0, format!("{text}: {}", known.evidence)),
            // It went on: its walls did not hold it, and whatever it says of itself is worth nothing.
            None => report.findings.push(Finding::new(FindingName::CellBroken, 0, format!("{text}: no dissector does that"))),
        }
    }
}

fn of_program(report: &mut Report, sightings: &[Sighting]) {
    let (sightings, deceits) = carried_out(sightings);
    // The program's own beginning is the first that is seen, and stands in the timeline already.
    let is_begin = |e: &Event| e.action == Action::Begin;
    let begun = report.timeline.iter().find(|e| is_begin(e)).map_or(0, |e| e.at);
    let first = sightings.iter().find(|s| matches!(s.what, Sight::Exec { .. })).or(sightings.first());
    let zero = first.map_or(0, |s| s.at);
    let own = report.timeline.iter().find(|e| is_begin(e)).map(|e| e.text.clone()).unwrap_or_default();
    // That a document is read nobody sees, and its opening may be lost.
    let is_seen = sightings.iter().any(|s| matches!(as_deed(&s.what), Some(Deed::Write(path)) if path == own));
    let office = findings::are_office(&report.timeline).then(|| Own::new(&own));
    let mut office = if is_seen { office } else { office.map(Own::opened) };
    let mut is_first = true;
    for sighting in &sightings {
        if matches!(sighting.what, Sight::Exec { .. }) && std::mem::take(&mut is_first) {
            continue;
        }
        let (action, text) = as_event(&sighting.what);
        let is_own = office.as_mut().zip(as_deed(&sighting.what)).is_some_and(|(office, deed)| office.is(deed));
        if is_own || is_dull(&sighting.what, &own) || is_told(&report.timeline, action, &text) {
            continue;
        }
        let at = begun.saturating_add(u32::try_from(sighting.at.saturating_sub(zero) / 1_000_000).unwrap_or(u32::MAX));
        put(&mut report.timeline, Event::new(at, 0, action, &text, &who(sighting)));
    }
    if findings::are_native(&report.timeline) {
        for (name, evidence) in findings::of(&report.timeline) {
            if !report.findings.iter().any(|f| f.name == name && f.evidence == evidence) {
                report.findings.push(Finding::new(name, 0, evidence));
            }
        }
    }
    for deceit in deceits.into_iter().take(4) {
        report.findings.push(Finding::new(FindingName::NativeDeceives, 0, deceit));
    }
}

/// Joins calls with what came of them, and finds those whose memory named something else than the kernel took.
fn carried_out(sightings: &[Sighting]) -> (Vec<Sighting>, Vec<String>) {
    let mut kept: Vec<Option<Sighting>> = Vec::with_capacity(sightings.len());
    let mut waiting: BTreeMap<u32, usize> = BTreeMap::new();
    let mut deceits = Vec::new();
    for sighting in sightings {
        match &sighting.what {
            Sight::Call { name, .. } => {
                let may_come_to_pass = [EXEC, CONNECT, WRITE].iter().any(|kind| kind.contains(&name.as_str()));
                waiting.remove(&sighting.thread);
                if may_come_to_pass {
                    waiting.insert(sighting.thread, kept.len());
                }
                kept.push(Some(sighting.clone()));
            }
            came => {
                // A thread that starts a program gets the number of its process.
                let call = waiting.remove(&sighting.thread).or_else(|| waiting.remove(&sighting.process));
                let call = call.filter(|n| kept[*n].as_ref().is_some_and(|call| comes_of(came, &call.what)));
                if let Some(Sight::Call { name, text, .. }) = call.and_then(|n| kept[n].take()).map(|s| s.what) {
                    let took = match came {
                        Sight::Exec { path } if name == "execve" => Some(path),
                        Sight::Connect { address } => Some(address),
                        _ => None,
                    };
                    // Memory that was not there yet is no other memory.
                    if let Some(took) = took.filter(|took| !text.is_empty() && **took != text) {
                        deceits.push(format!("{name}: it named {text}, and the kernel took {took}"));
                    }
                }
                kept.push(Some(sighting.clone()));
            }
        }
    }
    (kept.into_iter().flatten().collect(), deceits)
}

/// Whether it is what such a call comes to.
fn comes_of(came: &Sight, call: &Sight) -> bool {
    let Sight::Call { name, .. } = call else { return false };
    let kind = match came {
        Sight::Exec { .. } => EXEC,
        Sight::Connect { .. } => CONNECT,
        Sight::Write { .. } => WRITE,
        Sight::Call { .. } => return false,
    };
    kind.contains(&name.as_str())
}

fn as_event(sight: &Sight) -> (Action, String) {
    let (name, arguments, text, more) = match sight {
        Sight::Exec { path } => return (Action::Start, path.clone()),
        Sight::Connect { address } => return (Action::Connect, address.clone()),
        Sight::Write { path } => return (Action::Write, path.clone()),
        Sight::Call { name, arguments, text, more } => (name.as_str(), arguments, text, more),
    };
    if REMOVE.contains(&name) {
        return (Action::Move, text.clone());
    }
    if RENAME.contains(&name) {
        return (Action::Move, format!("{text} to {more}"));
    }
    if [EXEC, CONNECT, WRITE].iter().any(|kind| kind.contains(&name)) {
        return (Action::Call, format!("{name} {text}").trim_end().to_owned());
    }
    if MAPPED.contains(&name) {
        return (Action::Call, format!("{name}: memory that can be run, {} octets", arguments[1]));
    }
    match name {
        "memfd_create" => (Action::Write, format!("memory file {text}")),
        "sendto" => (Action::Connect, text.clone()),
        "bind" => (Action::Call, format!("listens on {text}")),
        name if BECOME.contains(&name) => (Action::Call, format!("{name} {}", arguments[0])),
        name => {
            let named: Vec<&str> = [name, text, more].into_iter().filter(|word| !word.is_empty()).collect();
            (Action::Refused, named.join(" "))
        }
    }
}

fn is_dull(sight: &Sight, own: &str) -> bool {
    match sight {
        Sight::Write { path } => path == own || root::is_dull(path) || path.starts_with(root::PRINTED),
        Sight::Connect { address } => is_dull_address(address),
        Sight::Call { name, text, .. } if matches!(name.as_str(), "connect" | "sendto" | "bind") => is_dull_address(text),
        // The names of folders along the path are tried one after the other, and files are asked for that are not there: the tracer says which.
        Sight::Call { name, text, .. } if WRITE.contains(&name.as_str()) => text.is_empty() || root::is_dull(text),
        Sight::Call { name, text, .. } => (EXEC.contains(&name.as_str()) && text.is_empty()) || name == NO_CALL,
        Sight::Exec { .. } => false,
    }
}

/// As LibreOffice's own list has it.
fn as_deed(sight: &Sight) -> Option<Deed<'_>> {
    Some(match sight {
        Sight::Exec { path } => Deed::Start(path, None),
        Sight::Connect { address } => Deed::Connect(address),
        Sight::Write { path } => Deed::Write(path),
        Sight::Call { name, text, more, .. } => match name.as_str() {
            name if EXEC.contains(&name) => Deed::Miss(text),
            name if WRITE.contains(&name) => Deed::Write(text),
            name if CONNECT.contains(&name) || name == "bind" => Deed::Connect(text),
            name if REMOVE.contains(&name) => Deed::Remove(text),
            name if RENAME.contains(&name) => Deed::Move(text, more),
            name if MAPPED.contains(&name) => Deed::Map,
            _ => return None,
        },
    })
}

/// Name servers are the decoy's to tell, port 0 is none, and the name service's daemon is asked by every C library.
fn is_dull_address(address: &str) -> bool {
    address.is_empty() || address.ends_with(":53") || address.ends_with(":0") || address == "/var/run/nscd/socket"
}

/// Whether the cell's own record has it: the same deed, whose text may go on with arguments, or begin with a folder.
fn is_told(timeline: &[Event], action: Action, text: &str) -> bool {
    let first = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    timeline.iter().filter(|event| !event.detail.starts_with(WITNESS)).any(|event| {
        let told = event.text.as_str();
        match (action, event.action) {
            (Action::Start, Action::Start) => names(&first(told), text),
            (Action::Move, Action::Move) => {
                let (from, to) = text.split_once(" to ").unwrap_or((text, ""));
                names(told, from) && (to.is_empty() || event.detail.strip_prefix("to ").is_some_and(|told| names(told, to)))
            }
            (Action::Refused, Action::Refused) => first(text) == first(told),
            // A call that did not come to pass: the record has the deed, or that what it names is not on this machine.
            (Action::Call, Action::Write | Action::Connect | Action::Start | Action::Call) => match text.split_once(' ') {
                Some((call, what)) if EXEC.contains(&call) => what.rsplit('/').next() == first(told).rsplit('/').next(),
                Some((call, what)) if WRITE.contains(&call) || CONNECT.contains(&call) => names(told, what),
                _ => told == text,
            },
            (wanted, found) => wanted == found && names(told, text),
        }
    })
}

/// `told` is where it lies, `text` may be how it was named from a folder.
fn names(told: &str, text: &str) -> bool {
    told == text || (!text.starts_with('/') && told.ends_with(&format!("/{}", text.trim_start_matches("./"))))
}

/// In its place by time, between beginning and end; the same in a row is counted.
fn put(timeline: &mut Vec<Event>, event: Event) {
    let begin = timeline.iter().position(|e| e.action == Action::Begin).map_or(0, |n| n + 1);
    let end =
        timeline.iter().rposition(|e| !matches!(e.action, Action::End | Action::Show | Action::Stopped)).map_or(0, |n| n + 1).max(begin);
    let place = begin + timeline.get(begin..end).map_or(0, |told| told.partition_point(|e| e.at <= event.at));
    if let Some(before) = place.checked_sub(1).and_then(|n| timeline.get_mut(n))
        && (before.action, &before.text, &before.detail) == (event.action, &event.text, &event.detail)
    {
        before.times = before.times.saturating_add(1);
        return;
    }
    if timeline.len() < EVENTS_MOST {
        timeline.insert(place.min(timeline.len()), event);
    }
}

/// How the timeline calls the witness.
pub const WITNESS: &str = "seen by the kernel";

fn who(sighting: &Sighting) -> String {
    format!("{WITNESS}: {} [{}]", sighting.name, sighting.process)
}

#[cfg(test)]
#[path = "merge/tests.rs"]
mod tests;
