//! What a worker says through its pipe, whoever took it over; and what the kernel saw in its cell: the role makes a report of it that is sound, or
//! takes nothing.

use postern_model::sandbox::{EVENTS_MOST, Kind, Part, Report, Room};
use postern_model::watch::Sighting;
use postern_sandbox::native;
use postern_sandbox::watch::{Seen, merge};
use postern_sandbox::wire::{self, Word};

/// Octets of the longest word.
const LONGEST: usize = 1 << 20;
/// Reports of one job that are put together.
const REPORTS: usize = 8;

pub fn check(octets: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap_or_else(|e| panic!("{e}"));
    let words = runtime.block_on(async {
        let (mut from, mut words) = (octets, Vec::new());
        while let Ok(Some(word)) = wire::hear(&mut from, LONGEST).await {
            words.push(word);
        }
        words
    });
    let part = Part { inside: None, name: "mail.zip".to_owned(), kind: Kind::Zip, size: 1, hash: [0; 32] };
    let mut report = Report { parts: vec![part], ..Report::default() };
    let mut events = Vec::new();
    for word in words.into_iter().take(REPORTS) {
        match word {
            // What is not sound is not taken (`cell/supervisor.rs`).
            Word::Whole(said) | Word::SoFar(said) if said.is_sound() => {
                native::merge(&mut report, 0, said.clone());
                native::graft(&mut report, 0, said);
            }
            Word::Event(event) if events.len() < EVENTS_MOST => events.push(event),
            _ => {}
        }
        holds(&report);
    }
    let _ = native::findings::of(&events);
    // The kernel's word, with the octets as all that a program decides of it.
    if let Ok(sightings) = serde_json::from_slice::<Vec<Sighting>>(octets) {
        for is_native in [true, false] {
            let mut seen = report.clone();
            merge::into(&mut seen, Ok(Seen { sightings: sightings.clone(), lost: 1, partly: None }), is_native);
            holds(&seen);
        }
    }
}

fn holds(report: &Report) {
    assert!(report.is_sound(), "{report:?}");
    let (cut, _) = report.cut_to(Room { parts: 3, findings: 2, events: 2 });
    assert!(cut.is_sound());
    for part in 0..report.parts.len() as u32 {
        assert!(report.path(part).contains(report.parts[part as usize].name.as_str()) && report.depth(part) as usize <= report.parts.len());
    }
}
