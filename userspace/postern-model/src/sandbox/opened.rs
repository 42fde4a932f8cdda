//! What came of an attachment, as it is kept: with the mail's journey, in the node's memory, and told to peers. A report cut to a size that
//! says all that counts.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::node::NodeId;
use crate::time::Timestamp;

/// An attachment that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    pub report: Report,
    /// Parts, findings and events that were seen and are not in the report here.
    pub left_out: usize,
    pub seen: Seen,
}

/// When and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// For this mail.
    Now,
    /// For an earlier mail with the same file.
    Before,
    /// By another node of the cluster.
    ByPeer(NodeId),
}

/// What a node tells its peers of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFile {
    /// The hash of the file with all else that the findings depend on.
    pub key: [u8; 32],
    pub at: Timestamp,
    pub report: Report,
    /// Who says so; `None`: this node.
    pub by: Option<NodeId>,
}

impl SeenFile {
    /// Octets of a report, in JSON, that are told.
    pub const LARGEST: usize = 8 << 10;
}

/// How much of a report is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub parts: usize,
    pub findings: usize,
    pub events: usize,
}

impl Room {
    /// With a mail's journey: all its attachments together.
    pub const MAIL: Self = Self { parts: 150, findings: 60, events: 150 };
    /// In the memory, and in a row for peers.
    pub const FILE: Self = Self { parts: 24, findings: 24, events: 24 };

    /// What is left when this report has taken its place.
    #[must_use]
    pub fn without(self, report: &Report) -> Self {
        Self {
            parts: self.parts.saturating_sub(report.parts.len()),
            findings: self.findings.saturating_sub(report.findings.len()),
            events: self.events.saturating_sub(report.timeline.len()),
        }
    }
}

impl Report {
    /// The same within this room, and how much is left out: parts that something is said of come first, with all they lie in.
    #[must_use]
    pub fn cut_to(&self, room: Room) -> (Self, usize) {
        let mut is_kept = vec![false; self.parts.len()];
        let mut kept = 0;
        // The attachment itself is always there.
        let said = self.findings.iter().map(|f| f.part).chain(self.timeline.iter().map(|e| e.part));
        for part in [0].into_iter().chain(said).chain(0..self.parts.len() as u32) {
            let mut way = Vec::new();
            let mut next = Some(part);
            while let Some(number) = next.filter(|n| is_kept.get(*n as usize) == Some(&false)) {
                way.push(number as usize);
                next = self.parts[number as usize].inside;
            }
            if kept + way.len() > room.parts.max(1) {
                continue;
            }
            kept += way.len();
            way.into_iter().for_each(|number| is_kept[number] = true);
        }
        let mut numbers = vec![None; self.parts.len()];
        let mut parts = Vec::with_capacity(kept);
        for (number, part) in self.parts.iter().enumerate().filter(|(number, _)| is_kept[*number]) {
            numbers[number] = Some(parts.len() as u32);
            let inside = part.inside.and_then(|outer| numbers.get(outer as usize).copied().flatten());
            parts.push(super::Part { inside, ..part.clone() });
        }
        let number = |part: u32| numbers.get(part as usize).copied().flatten();
        let findings: Vec<_> =
            self.findings.iter().filter_map(|f| Some(super::Finding { part: number(f.part)?, ..f.clone() })).take(room.findings).collect();
        let timeline: Vec<_> =
            self.timeline.iter().filter_map(|e| Some(super::Event { part: number(e.part)?, ..e.clone() })).take(room.events).collect();
        let all = self.parts.len() + self.findings.len() + self.timeline.len();
        let left_out = all - parts.len() - findings.len() - timeline.len();
        (Self { parts, findings, timeline, watch: self.watch.clone() }, left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{Action, Event, Finding, FindingName, Kind, Part, Watched};

    fn report() -> Report {
        let part = |n: u32| Part { inside: n.checked_sub(1), name: format!("{n}"), kind: Kind::Zip, size: 1, hash: [0; 32] };
        Report {
            parts: (0..10).map(part).chain((10..100).map(|n| Part { inside: Some(0), ..part(n) })).collect(),
            findings: vec![Finding::new(FindingName::Program, 9, "run.exe"), Finding::new(FindingName::Script, 50, "a.js")],
            timeline: (0..30).map(|n| Event::new(n, 50, Action::Load, "GET http://a.example/", "")).collect(),
            watch: Watched { cells: 2, seen: 7, lost: 1, ..Watched::default() },
        }
    }

    #[test]
    fn what_is_said_something_of_is_kept_with_its_way() {
        let (cut, left_out) = report().cut_to(Room { parts: 12, findings: 5, events: 4 });
        assert!(cut.is_sound());
        assert_eq!((cut.parts.len(), cut.findings.len(), cut.timeline.len(), left_out), (12, 2, 4, 88 + 26));
        assert_eq!(cut.path(cut.findings[0].part), report().path(9));
        assert_eq!(cut.path(cut.timeline[0].part), "0/50");
    }

    #[test]
    fn without_room_the_attachment_is_left() {
        let (cut, _) = report().cut_to(Room { parts: 0, findings: 0, events: 0 });
        assert!(cut.is_sound() && cut.parts.len() == 1);
        let (same, left_out) = report().cut_to(Room { parts: 100, findings: 10, events: 100 });
        assert_eq!((same, left_out), (report(), 0));
    }
}
