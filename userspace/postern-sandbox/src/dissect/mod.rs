//! Takes an attachment apart: what is in it, what is in that, and what of it an admin would want to know.
//!
//! Pure: octets in, report out. One file for each format; [`kind`] says which is which, by content. Everything that comes out of a
//! container goes through [`Walk::unpack`], which knows what may still come out: no format has limits of its own.

mod archive;
mod disk;
mod holes;
mod html;
pub mod kind;
mod mail;
mod names;
mod octets;
mod office;
mod onenote;
mod pdf;
mod scripts;
mod shortcut;
pub(crate) mod text;
mod tnef;
mod uuencode;
mod yenc;

use std::collections::HashSet;
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

use holes::Content;
use postern_model::sandbox::{Event, Finding, FindingName, Kind, Part, Report};

use crate::job::Job;
use crate::native::{self, Program};
use crate::yara::scan::Scanner;

/// Raised when the same file comes to other findings than before: what was seen by an earlier version is not known to a later one.
pub const FINDINGS_VERSION: u32 = 7;
/// What a stream may unpack to, whatever went in.
const ALWAYS: u64 = 1 << 20;
/// Documents that are remembered until it is known which of them are opened.
const DOCUMENTS: usize = 16;
/// Evidence of what is larger than a cell.
pub(crate) const OUT_OF_MEMORY: &str = "it takes more memory than a cell has";
/// A name as the report has it.
const NAME_MOST: usize = 300;

/// What is said before the end, so that a script which takes the cell down with it does not take down what was seen.
pub enum Said<'a> {
    /// All parts and findings, before the next script is run.
    SoFar(&'a Report),
    /// What a script did.
    Event(&'a Event),
    /// A part that a cell for programs can run.
    Program(&'a Program),
}

/// Takes the content apart, and runs what is script in it.
#[must_use]
pub fn run(job: &Job, content: Vec<u8>) -> Report {
    run_telling(job, content, None, &(Rc::new(|_: Said<'_>| {}) as Rc<dyn Fn(Said<'_>)>))
}

/// The same with YARA rules, and with a word before each script and for each thing that one does.
#[must_use]
pub fn run_telling(job: &Job, content: Vec<u8>, rules: Option<Scanner>, tell: &Rc<dyn Fn(Said<'_>)>) -> Report {
    let mut walk = Walk {
        job,
        report: Report::default(),
        left: job.limits.octets,
        waiting: Vec::new(),
        is_full: false,
        scripts: scripts::Queue::new(job.limits.scripts),
        programs: HashSet::new(),
        documents: Vec::new(),
        kept: office::values::Kept::default(),
        words: office::time_for_words(&job.limits),
        rules,
    };
    walk.add(None, &job.name, content);
    if let Some((name, evidence)) = walk.report.parts.first().and_then(|part| names::check_type(&job.content_type, part.kind)) {
        walk.find(name, 0, evidence);
    }
    loop {
        while let Some(waiting) = walk.waiting.pop() {
            walk.look(waiting.number, &waiting.content);
            walk.open(&waiting);
            if let Some(program) = walk.program(&waiting) {
                tell(Said::Program(&program));
            }
            walk.note_document(&waiting);
            scripts::note(&mut walk, waiting);
        }
        if !scripts::run_next(&mut walk, tell) {
            walk.tell_documents(tell);
            return walk.report;
        }
    }
}

/// A part whose content was not looked at yet.
struct Waiting {
    number: u32,
    depth: u32,
    kind: Kind,
    content: Vec<u8>,
}

struct Walk<'a> {
    job: &'a Job,
    report: Report,
    /// Octets that may still come out of containers.
    left: u64,
    /// The innermost last: a whole branch is done before the next begins, so that few contents are in memory at a time.
    waiting: Vec<Waiting>,
    is_full: bool,
    scripts: scripts::Queue,
    /// Contents of programs that are to be run, each once.
    programs: HashSet<[u8; 32]>,
    /// What the office pack could open, each once.
    documents: Vec<Program>,
    /// What macros may ask their document for.
    kept: office::values::Kept,
    /// Time that is left for trying words on documents behind a password.
    words: Duration,
    rules: Option<Scanner>,
}

impl Walk<'_> {
    /// A part was found: names what it is, and looks into it later. `inside`: number and depth of the part it lies in.
    fn add(&mut self, inside: Option<&Waiting>, name: &str, content: Vec<u8>) {
        let kind = kind::of(&content);
        self.add_as(inside, name, kind, content);
    }

    /// The same with what is known to be of a kind by where it comes from.
    fn add_as(&mut self, inside: Option<&Waiting>, name: &str, kind: Kind, content: Vec<u8>) {
        let limits = &self.job.limits;
        if self.report.parts.len() >= limits.parts {
            if !std::mem::replace(&mut self.is_full, true) {
                self.find(FindingName::TooMany, inside.map_or(0, |i| i.number), format!("more than {} parts", limits.parts));
            }
            return;
        }
        let number = self.report.parts.len() as u32;
        let depth = inside.map_or(0, |i| i.depth + 1);
        self.report.parts.push(Part {
            inside: inside.map(|i| i.number),
            name: name.chars().filter(|c| !c.is_control()).take(NAME_MOST).collect(),
            kind,
            size: content.len() as u64,
            hash: *blake3::hash(&content).as_bytes(),
        });
        for (finding, evidence) in names::check(name, kind, inside.map(|i| i.kind)) {
            self.find(finding, number, evidence);
        }
        self.waiting.push(Waiting { number, depth, kind, content });
    }

    fn find(&mut self, name: FindingName, part: u32, evidence: impl Into<String>) {
        let finding = Finding::new(name, part, evidence);
        if !self.report.findings.contains(&finding) {
            self.report.findings.push(finding);
        }
    }

    /// What the YARA rules find in the part as it is, or in what is packed in it and no part of its own.
    fn look(&mut self, part: u32, content: &[u8]) {
        let found = self.rules.as_mut().map(|rules| rules.look(content)).unwrap_or_default();
        for (name, evidence) in found {
            self.find(name, part, evidence);
        }
    }

    fn open(&mut self, part: &Waiting) {
        let holds_parts =
            matches!(part.kind, Kind::Mail | Kind::Html | Kind::Svg | Kind::Pdf | Kind::OneNote | Kind::Tnef | Kind::DiskImage);
        let is_container = archive::is_opened(part.kind) || office::is_opened(part.kind) || holds_parts;
        if is_container && part.depth >= self.job.limits.depth {
            return self.find(FindingName::TooDeep, part.number, format!("deeper than {}", self.job.limits.depth));
        }
        match part.kind {
            Kind::Zip | Kind::OfficeXml => archive::zip::open(self, part),
            Kind::Tar => archive::tar::open(self, part),
            Kind::Gzip | Kind::Bzip2 | Kind::Xz | Kind::Zstandard | Kind::Compress => archive::stream::open(self, part),
            Kind::SevenZip => archive::seven_zip::open(self, part),
            Kind::Cabinet => archive::cabinet::open(self, part),
            Kind::Lha => archive::lha::open(self, part),
            Kind::Arj => archive::arj::open(self, part),
            Kind::Cpio => archive::cpio::open(self, part),
            Kind::RareArchive => archive::rare::open(self, part),
            Kind::Compound => office::compound::open(self, part),
            Kind::Rtf => office::rtf::open(self, part),
            Kind::DiskImage => disk::open(self, part),
            Kind::Mail => mail::open(self, part),
            Kind::Html | Kind::Svg => html::open(self, part),
            Kind::Pdf => pdf::open(self, part),
            Kind::Shortcut => shortcut::open(self, part),
            Kind::OneNote => onenote::open(self, part),
            Kind::Tnef => tnef::open(self, part),
            Kind::Text | Kind::Unknown if part.depth < self.job.limits.depth && yenc::is_one(&part.content) => yenc::open(self, part),
            Kind::Text if part.depth < self.job.limits.depth => uuencode::open(self, part),
            Kind::Rar => archive::rar::open(self, part),
            Kind::WindowsProgram | Kind::LinuxProgram if part.depth < self.job.limits.depth => archive::rar::open_program(self, part),
            _ => {}
        }
        if matches!(part.kind, Kind::Text | Kind::Unknown) && part.depth < self.job.limits.depth {
            office::open_text(self, part);
        }
        // Of two kinds at once: what looks into it sees the one, and a click mounts the other.
        if part.kind != Kind::DiskImage && part.depth < self.job.limits.depth && disk::is_mounted(&part.content) {
            disk::open(self, part);
        }
    }

    /// The part as a program, when it is one that can be run, and is not yet.
    fn program(&mut self, part: &Waiting) -> Option<Program> {
        if self.job.limits.programs.is_zero() || self.programs.len() >= native::MOST {
            return None;
        }
        let seen = self.report.parts.get(part.number as usize)?;
        let language = native::language(&seen.name, part.kind, &part.content)?;
        let (name, hash) = (seen.name.clone(), seen.hash);
        self.programs.insert(hash).then(|| Program { part: part.number, name, language, content: part.content.clone() })
    }

    /// Of documents it is known in the end which deserve to be opened.
    fn note_document(&mut self, part: &Waiting) {
        let Some(seen) = self.report.parts.get(part.number as usize) else { return };
        let is_one_more = !self.job.limits.documents.is_zero() && self.documents.len() < DOCUMENTS;
        // Behind a password nothing can be shown, and what was decrypted is a document of its own.
        let is_locked = |f: &Finding| {
            f.part == part.number && matches!(f.name, FindingName::Encrypted | FindingName::PasswordInMail | FindingName::DefaultPassword)
        };
        if part.kind == Kind::Compound && self.report.findings.iter().any(is_locked) {
            return;
        }
        if let Some(language) = native::office::language(part.kind, &part.content).filter(|_| is_one_more)
            && !self.documents.iter().any(|known| known.content == part.content)
        {
            self.documents.push(Program { part: part.number, name: seen.name.clone(), language, content: part.content.clone() });
        }
    }

    fn tell_documents(&self, tell: &Rc<dyn Fn(Said<'_>)>) {
        let is_active = |document: &&Program| self.job.limits.all_documents || self.is_active(document.part);
        for document in self.documents.iter().filter(is_active).take(native::office::MOST) {
            tell(Said::Program(document));
        }
    }

    /// Something was found in it, or in what is in it; macros of ODF are files in two folders.
    fn is_active(&self, document: u32) -> bool {
        let is_in = |mut part: u32| loop {
            if part == document {
                return true;
            }
            match self.report.parts.get(part as usize).and_then(|p| p.inside) {
                Some(inside) if inside < part => part = inside,
                _ => return false,
            }
        };
        let is_macro = |name: &str| name.starts_with("Basic/") || name.starts_with("Scripts/");
        self.report.findings.iter().any(|f| is_in(f.part))
            || self.report.parts.iter().zip(0..).any(|(part, number)| is_macro(&part.name) && is_in(number))
    }

    /// Octets that `packed` octets may become.
    fn room(&self, packed: u64) -> u64 {
        let ratio = packed.saturating_mul(self.job.limits.ratio).saturating_add(ALWAYS);
        self.left.min(ratio)
    }

    /// Reads what comes out of `packed` octets of the part, as far as the limits allow. What was readable of something damaged is there.
    fn unpack(&mut self, part: &Waiting, name: &str, reader: impl Read, packed: u64) -> Vec<u8> {
        let room = self.room(packed);
        let (content, read) = holes::read(reader, Content::new(room, self.left));
        let (content, is_more) = content.done();
        if is_more {
            self.find(FindingName::TooLarge, part.number, format!("{name}: {packed} octets become more than {room}"));
        }
        if let Err(error) = read {
            if error.kind() == std::io::ErrorKind::OutOfMemory {
                self.find(FindingName::TooLarge, part.number, OUT_OF_MEMORY);
                return content;
            }
            self.find(FindingName::Damaged, part.number, format!("{name}: {error}"));
        }
        self.left -= content.len() as u64;
        content
    }
}
