//! What a script did, written down while it does it, and what came of it: files, pages, layers.
//!
//! Everything here is bounded: a script that floods it is ended and told on.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use postern_model::sandbox::{Action, EVENTS_MOST, Event};

use super::findings::LAYER_LEAST;

/// Files, pages and layers that are kept, and octets of all of them together.
const THINGS: usize = 64;
const OCTETS: usize = 64 << 20;

/// A file that a script wrote, or something else it made: it becomes a part.
#[derive(Debug, PartialEq, Eq)]
pub enum Made {
    /// By its path.
    File { path: String, content: Vec<u8> },
    /// Handed to the reader by a page.
    HandedOver { name: String, content: Vec<u8> },
    /// Written into its page.
    Page(Vec<u8>),
    /// Text that became script.
    Layer(Vec<u8>),
    /// A command line that was decoded.
    Command(Vec<u8>),
}

/// Who is told of each event as it happens.
pub type Tell = Rc<dyn Fn(&Event)>;

/// Why a script does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself.
    Quit,
    TooLong,
    TooMuch,
}

pub struct Recorder {
    part: u32,
    began: Instant,
    until: Instant,
    /// Waits that were skipped, and what asking the time again and again has added.
    skipped: Duration,
    asked: u32,
    events: Vec<Event>,
    /// Events that may still be told.
    left: usize,
    made: Vec<Made>,
    octets: usize,
    layers: HashSet<[u8; 32]>,
    /// What the layers of another language were translated into.
    translated: HashSet<[u8; 32]>,
    ending: Option<Ending>,
    /// What the environment itself turns into script is no layer.
    is_quiet: bool,
    tell: Tell,
}

/// What is left when a script has ended.
pub struct Record {
    pub events: Vec<Event>,
    pub made: Vec<Made>,
    pub ending: Option<Ending>,
}

impl Recorder {
    /// `told`: events that other scripts of the job have used up already.
    pub fn new(part: u32, told: usize, time: Duration, tell: Tell) -> Self {
        let began = Instant::now();
        Self {
            part,
            began,
            until: began + time,
            skipped: Duration::ZERO,
            asked: 0,
            events: Vec::new(),
            // The last place is for the word that it was ended.
            left: EVENTS_MOST.saturating_sub(told + 1),
            made: Vec::new(),
            octets: 0,
            layers: HashSet::new(),
            translated: HashSet::new(),
            ending: None,
            is_quiet: false,
            tell,
        }
    }

    pub fn record(&mut self, action: Action, text: &str, detail: &str) {
        let event = Event::new(self.at(), self.part, action, text, detail);
        if let Some(last) = self.events.last_mut()
            && (last.action, &last.text, &last.detail) == (event.action, &event.text, &event.detail)
        {
            last.times = last.times.saturating_add(1);
            return;
        }
        if self.left == 0 {
            return self.end(Ending::TooMuch);
        }
        self.left -= 1;
        (self.tell)(&event);
        self.events.push(event);
    }

    /// Something came out of the script: more of it than is kept ends it.
    pub fn make(&mut self, made: Made) {
        let size = match &made {
            Made::File { content, .. } | Made::HandedOver { content, .. } => content.len(),
            Made::Page(content) | Made::Layer(content) | Made::Command(content) => content.len(),
        };
        if self.made.len() >= THINGS || self.octets + size > OCTETS {
            return self.end(Ending::TooMuch);
        }
        // The text of a script and the script that runs it may hold the same command.
        if matches!(made, Made::Command(_)) && self.made.contains(&made) {
            return;
        }
        // A file that is written anew is what it is at the end.
        if let Made::File { path, .. } = &made {
            self.made.retain(|known| !matches!(known, Made::File { path: before, .. } if before == path));
        }
        self.octets += size;
        self.made.push(made);
    }

    /// Text becomes script.
    pub fn layer(&mut self, text: &str) {
        let hash = *blake3::hash(text.as_bytes()).as_bytes();
        if self.is_quiet || self.translated.contains(&hash) || !self.layers.insert(hash) {
            return;
        }
        self.record(Action::Layer, text, &format!("layer {}, {} octets", self.layers.len(), text.len()));
        if text.len() >= LAYER_LEAST {
            self.make(Made::Layer(text.as_bytes().to_vec()));
        }
    }

    /// Code that stands for a layer is none of its own.
    pub fn translated(&mut self, code: &str) {
        self.translated.insert(*blake3::hash(code.as_bytes()).as_bytes());
    }

    pub fn be_quiet(&mut self, is_quiet: bool) {
        self.is_quiet = is_quiet;
    }

    /// A wait: over at once, and noted.
    pub fn wait(&mut self, time: Duration) {
        self.skipped = self.skipped.saturating_add(time);
        if time >= Duration::from_millis(1) {
            self.record(Action::Wait, &format!("{} ms", time.as_millis()), "skipped");
        }
    }

    /// By how much the script's own clock is ahead. Who asks again and again waits for something: it comes sooner each time.
    pub fn skip_when_asked(&mut self) -> Duration {
        self.asked = self.asked.saturating_add(1);
        let step = Duration::from_millis(u64::from(self.asked / 8));
        self.skipped = self.skipped.saturating_add(step);
        self.skipped
    }

    /// Time on the script's own clock since it began.
    pub fn now(&mut self) -> Duration {
        let ahead = self.skip_when_asked();
        self.began.elapsed().saturating_add(ahead)
    }

    fn at(&self) -> u32 {
        u32::try_from(self.began.elapsed().saturating_add(self.skipped).as_millis()).unwrap_or(u32::MAX)
    }

    /// The first reason counts.
    pub fn end(&mut self, ending: Ending) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(ending);
        let why = match ending {
            Ending::Quit => return,
            Ending::TooLong => "it took too long",
            Ending::TooMuch => "it did or made too much",
        };
        let event = Event::new(self.at(), self.part, Action::Stopped, why, "");
        (self.tell)(&event);
        self.events.push(event);
    }

    /// Whether it has to end now.
    pub fn ending(&mut self) -> Option<Ending> {
        if self.ending.is_none() && Instant::now() > self.until {
            self.end(Ending::TooLong);
        }
        self.ending
    }

    /// All that was written down; nothing is left here.
    pub fn take(&mut self) -> Record {
        use std::mem::take;
        Record { events: take(&mut self.events), made: take(&mut self.made), ending: self.ending }
    }
}
