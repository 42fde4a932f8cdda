//! Runs programs and scripts of Linux for real, in a cell made for that, and writes down what they start, write, remove and speak to.
//!
//! What it is not: an emulator, and no watch from outside of the cell. The cell's first process ([`tracer`]) sees each call that matters before
//! the kernel carries it out (seccomp's `RET_TRACE` and ptrace(2)), refuses what nobody honest makes, and plays the network ([`decoy`]).
//!
//! The walls, from the outside in: the namespaces of every cell; a root with the system's programs, read-only, and two small folders in memory
//! ([`root`]); a network that ends in the cell; limits; no capabilities and no way to gain any; Landlock; a list of calls ([`filter`]). When
//! the tracer ends, all it traces end, and a call that is to be traced fails without one.

mod decoy;
mod filter;
pub mod findings;
mod network;
pub mod office;
pub(crate) mod root;
mod tracer;
mod written;

use std::path::Path;
use std::time::Duration;

use postern_model::sandbox::{EVENTS_MOST, Event, Finding, Kind, Part, Report};
use serde::{Deserialize, Serialize};

pub use tracer::{Told, run};
pub use written::{LARGEST as WRITTEN_LARGEST, MOST as WRITTEN_MOST, Written};

use crate::dissect::kind;

/// What the worker is told when it is one for a program.
pub const NATIVE: &str = "native";
/// How the timeline calls where it ran.
pub const SURROUNDINGS: &str = "Linux";
/// Octets of a program that is run; a larger one is not.
pub const LARGEST: usize = 2 << 20;
/// Programs of a job that are run.
pub const MOST: usize = 4;

/// Who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    Machine,
    Shell,
    Bash,
    Python,
    Perl,
    /// LibreOffice shows it.
    Document,
    /// Poppler reads its pages.
    Pages,
}

impl Language {
    /// Programs that can, the first that is there does.
    pub fn interpreters(self) -> &'static [&'static str] {
        match self {
            Self::Machine => &[],
            Self::Shell => &["/usr/bin/sh", "/bin/sh"],
            Self::Bash => &["/usr/bin/bash", "/bin/bash", "/usr/bin/sh", "/bin/sh"],
            Self::Python => &["/usr/bin/python3"],
            Self::Perl => &["/usr/bin/perl"],
            Self::Document | Self::Pages => office::interpreters(self),
        }
    }

    /// Opened, not run: it has its own number, time and memory.
    #[must_use]
    pub fn is_document(self) -> bool {
        matches!(self, Self::Document | Self::Pages)
    }

    /// How many of its sort are taken of a job.
    #[must_use]
    pub fn most(self) -> usize {
        if self.is_document() { office::MOST } else { MOST }
    }

    /// How the timeline calls where it ran.
    #[must_use]
    pub fn surroundings(self) -> &'static str {
        if self.is_document() { office::SURROUNDINGS } else { SURROUNDINGS }
    }

    /// Whether this machine can run it.
    #[must_use]
    pub fn is_here(self) -> bool {
        self == Self::Machine || self.interpreters().iter().any(|path| Path::new(path).exists())
    }
}

/// A part that can be run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub part: u32,
    pub name: String,
    pub language: Language,
    pub content: Vec<u8>,
}

/// What runs it, if anything here does: by its content, and of text by its name.
#[must_use]
pub fn language(name: &str, kind: Kind, content: &[u8]) -> Option<Language> {
    if content.len() > LARGEST {
        return None;
    }
    match kind {
        Kind::LinuxProgram => is_for_this_machine(content).then_some(Language::Machine),
        Kind::Script => by_first_line(content),
        Kind::Text => match name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).as_deref() {
            Some("sh") => Some(Language::Shell),
            Some("bash") => Some(Language::Bash),
            Some("py") => Some(Language::Python),
            Some("pl") => Some(Language::Perl),
            _ => None,
        },
        _ => None,
    }
}

/// `#!/usr/bin/env python3 -u` → Python.
fn by_first_line(content: &[u8]) -> Option<Language> {
    let line = content.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line.get(2..)?).ok()?;
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let name = words.next().filter(|first| *first != "env").or_else(|| words.find(|word| !word.starts_with('-') && !word.contains('=')))?;
    Some(match name {
        "sh" | "dash" | "ash" => Language::Shell,
        "bash" => Language::Bash,
        name if name.starts_with("python") => Language::Python,
        name if name.starts_with("perl") => Language::Perl,
        _ => return None,
    })
}

/// ELF, 64 bit, little-endian, a program or a library with an entry, of our kind of machine.
fn is_for_this_machine(content: &[u8]) -> bool {
    let word = |at: usize| content.get(at..at + 2).map(|w| u16::from_le_bytes([w[0], w[1]]));
    let entry = content.get(24..32).is_some_and(|entry| entry.iter().any(|b| *b != 0));
    cfg!(target_arch = "x86_64") && content.get(4..6) == Some(&[2, 1]) && matches!(word(16), Some(2 | 3)) && word(18) == Some(62) && entry
}

/// Puts what a program did into the report of the job it came with.
pub fn merge(report: &mut Report, part: u32, run: Report) {
    let room = EVENTS_MOST.saturating_sub(report.timeline.len());
    report.watch.add(run.watch);
    report.findings.extend(run.findings.into_iter().map(|f| Finding { part, ..f }));
    report.timeline.extend(run.timeline.into_iter().take(room).map(|e| Event { part, ..e }));
}

/// Puts a file that a program wrote, taken apart, below the program's part; by how much the numbers of its parts grew.
pub fn graft(report: &mut Report, below: u32, file: Report) -> u32 {
    let before = report.parts.len() as u32;
    let room = EVENTS_MOST.saturating_sub(report.timeline.len());
    report.watch.add(file.watch);
    report.parts.extend(file.parts.into_iter().map(|p| Part { inside: Some(p.inside.map_or(below, |inside| inside + before)), ..p }));
    report.findings.extend(file.findings.into_iter().map(|f| Finding { part: f.part + before, ..f }));
    report.timeline.extend(file.timeline.into_iter().take(room).map(|e| Event { part: e.part + before, ..e }));
    before
}

/// What may be left of a job's time for its programs.
#[must_use]
pub fn share(left: Duration, wanted: Duration) -> Duration {
    wanted.min(left / 2)
}

/// The kind of a program's content, for its own small report.
pub(crate) fn kind_of(content: &[u8]) -> Kind {
    kind::of(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_below_its_program() {
        let part = |inside, name: &str| Part { inside, name: name.into(), kind: Kind::Text, size: 1, hash: [0; 32] };
        let mut report = Report { parts: vec![part(None, "a.zip"), part(Some(0), "run.sh")], ..Report::default() };
        let file = Report {
            parts: vec![part(None, "b.zip"), part(Some(0), "c.txt")],
            findings: vec![Finding::new(postern_model::sandbox::FindingName::Script, 1, "c")],
            timeline: vec![Event::new(0, 1, postern_model::sandbox::Action::End, "c", "")],
            ..Report::default()
        };
        assert_eq!(graft(&mut report, 1, file), 2);
        assert!(report.is_sound());
        assert_eq!((report.path(3).as_str(), report.findings[0].part, report.timeline[0].part), ("a.zip/run.sh/b.zip/c.txt", 3, 3));
    }

    #[test]
    fn who_runs_what() {
        for (name, content, language) in [
            ("a", &b"#!/bin/sh\necho"[..], Some(Language::Shell)),
            ("a", b"#!/usr/bin/env python3\n", Some(Language::Python)),
            ("a", b"#!/usr/bin/env -S LANG=C perl -w\n", Some(Language::Perl)),
            ("a", b"#! /bin/bash -e\n", Some(Language::Bash)),
            ("a", b"#!/usr/bin/awk -f\n", None),
            ("a", b"#!", None),
            ("setup.py", b"import os", Some(Language::Python)),
            ("notes.txt", b"import os", None),
        ] {
            assert_eq!(super::language(name, kind::of(content), content), language, "{name}: {}", String::from_utf8_lossy(content));
        }
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[16], elf[18], elf[24]) = (2, 62, 1);
        assert_eq!(super::language("a", kind::of(&elf), &elf), cfg!(target_arch = "x86_64").then_some(Language::Machine));
        elf[18] = 40;
        assert_eq!(super::language("a", kind::of(&elf), &elf), None, "another machine's");
    }
}
