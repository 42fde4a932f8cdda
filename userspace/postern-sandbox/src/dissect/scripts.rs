//! Scripts among the parts: they are run when all else is taken apart, and what comes of them is taken apart in turn.

use std::collections::{HashSet, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use postern_model::sandbox::{Event, FindingName, Kind};

use super::office::values;
use super::{Said, Waiting, Walk};
use crate::detonate::document::Document;
use crate::detonate::script::{self, Script};
use crate::detonate::{self, Made, Tell};

/// Scripts of a job that are run.
const MOST: usize = 16;

/// Those that wait to be run.
pub struct Queue {
    waiting: VecDeque<(Waiting, Script)>,
    seen: HashSet<[u8; 32]>,
    left: Duration,
    /// Things that scripts made, for the names of their parts.
    made: usize,
}

impl Queue {
    pub fn new(time: Duration) -> Self {
        Self { waiting: VecDeque::new(), seen: HashSet::new(), left: time, made: 0 }
    }
}

/// A part was opened: when it is script, it is run later, once.
pub fn note(walk: &mut Walk<'_>, part: Waiting) {
    let Some(seen) = walk.report.parts.get(part.number as usize) else { return };
    if walk.job.limits.scripts.is_zero() || walk.scripts.seen.len() >= MOST || part.depth >= walk.job.limits.depth {
        return;
    }
    let Some(script) = script::of(&seen.name, part.kind, &part.content) else { return };
    if walk.scripts.seen.insert(seen.hash) {
        walk.scripts.waiting.push_back((Waiting { content: Vec::new(), ..part }, script));
    }
}

/// The modules of a document, in their order: they are run together, once.
pub fn note_macros(walk: &mut Walk<'_>, part: &Waiting, modules: &[String], document: Document) {
    if walk.job.limits.scripts.is_zero() || walk.scripts.seen.len() >= MOST || part.depth >= walk.job.limits.depth {
        return;
    }
    let Some(script) = script::macros(modules, document) else { return };
    if walk.scripts.seen.insert(*blake3::hash(script.source.as_bytes()).as_bytes()) {
        walk.scripts.waiting.push_back((Waiting { number: part.number, depth: part.depth, kind: part.kind, content: Vec::new() }, script));
    }
}

/// Runs one script; `false` when there is none.
pub fn run_next(walk: &mut Walk<'_>, tell: &Rc<dyn Fn(Said<'_>)>) -> bool {
    let Some((part, mut script)) = walk.scripts.waiting.pop_front() else { return false };
    if walk.scripts.left.is_zero() {
        walk.find(FindingName::ScriptStopped, part.number, "not run: the time for scripts is used up");
        return true;
    }
    if let Some(document) = &mut script.document {
        document.add(values::of(walk, part.number));
    }
    tell(Said::SoFar(&walk.report));
    let name = walk.report.parts.get(part.number as usize).map_or_else(String::new, |p| p.name.clone());
    let telling: Tell = {
        let tell = Rc::clone(tell);
        Rc::new(move |event: &Event| tell(Said::Event(event)))
    };
    let began = Instant::now();
    let record = detonate::run(part.number, &name, &script, walk.report.timeline.len(), walk.scripts.left, &telling);
    walk.scripts.left = walk.scripts.left.saturating_sub(began.elapsed());
    for (finding, evidence) in detonate::read(&script).into_iter().chain(detonate::findings::of(&record.events)) {
        walk.find(finding, part.number, evidence);
    }
    walk.report.timeline.extend(record.events);
    let packed = script.source.len() as u64;
    for made in record.made {
        walk.scripts.made += 1;
        let number = walk.scripts.made;
        let (name, kind, content) = match made {
            Made::File { path, content } => (path.rsplit(['\\', '/']).next().unwrap_or(&path).to_owned(), None, content),
            Made::HandedOver { name, content } => (name, None, content),
            Made::Page(content) => (format!("written page {number}"), Some(Kind::Html), content),
            Made::Layer(content) => (format!("layer {number}"), None, content),
            Made::Command(content) => (format!("command {number}"), None, content),
        };
        let content = walk.unpack(&part, &name, content.as_slice(), packed.max(content.len() as u64));
        match kind {
            Some(kind) => walk.add_as(Some(&part), &name, kind, content),
            None => walk.add(Some(&part), &name, content),
        }
    }
    true
}

/// A command line, or a text with some in it, that lies in a part of another kind.
pub fn command_line(walk: &mut Walk<'_>, part: &Waiting, text: &str) {
    let (decoded, findings) = detonate::command_line(text);
    for (finding, evidence) in findings {
        walk.find(finding, part.number, evidence);
    }
    for text in decoded {
        walk.scripts.made += 1;
        let name = format!("command {}", walk.scripts.made);
        let content = walk.unpack(part, &name, text.as_bytes(), text.len() as u64);
        walk.add(Some(part), &name, content);
    }
}
