//! Runs what is script, and says what it would have done: a dropper shows where it loads from, what it writes and what it starts; a page
//! that makes a file shows the file.
//!
//! Nothing is run on anything: the objects that a script finds (`js/`) are all that there is, and they only write down
//! ([`recorder`]). What comes of it (files, pages, layers) becomes parts, which are taken apart and run like all others.

mod command;
pub mod document;
mod encoded;
mod engine;
pub mod findings;
mod host;
mod page;
mod powershell;
mod recorder;
pub mod script;
mod vb;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postern_model::sandbox::{Action, FindingName};

use recorder::{Ending, Recorder};
pub use recorder::{Made, Record, Tell};
use script::Script;
pub use script::Surroundings;

/// Words of scripts that are no JavaScript: of PowerShell and batch files they are all that is seen.
const SUSPICIOUS: &[&str] = &[
    "createobject",
    "getobject",
    "wscript.shell",
    "shell.application",
    "xmlhttp",
    "winhttprequest",
    "adodb.stream",
    "savetofile",
    "shellexecute",
    "downloadstring",
    "downloadfile",
    "downloaddata",
    "invoke-webrequest",
    "invoke-expression",
    "frombase64string",
    "start-process",
    "bitsadmin",
    "certutil",
    "mshta",
    "regsvr32",
    "rundll32",
    "schtasks",
    "virtualalloc",
    "win32_process",
    "reflection.assembly",
    "-encodedcommand",
    "-windowstyle hidden",
    "executeglobal",
];
/// Fewer of them an administrator's script has, too.
const SUSPICIOUS_LEAST: usize = 2;

/// Runs the script of a part for so long. `told`: events of the job so far.
pub fn run(part: u32, name: &str, script: &Script, told: usize, time: Duration, tell: &Tell) -> Record {
    let recorder = Rc::new(RefCell::new(Recorder::new(part, told, time, Rc::clone(tell))));
    {
        let mut recorder = recorder.borrow_mut();
        recorder.record(Action::Begin, name, script.surroundings.name());
        if script.was_encoded {
            recorder.record(Action::Decoded, &script.source, "of Microsoft's script encoder");
        }
        for text in &script.foreign {
            host::decode(&mut recorder, text);
        }
    }
    if !script.blocks.is_empty() || script.page.as_ref().is_some_and(page::Page::acts) {
        engine::run(name, script, &recorder);
    }
    let ended = recorder.borrow_mut().ending();
    if !matches!(ended, Some(Ending::TooLong | Ending::TooMuch)) {
        recorder.borrow_mut().record(Action::End, name, "");
    }
    // The engine may hold it on: its own objects refer to each other.
    recorder.borrow_mut().take()
}

/// What is to be said of the script beside what it did.
pub fn read(script: &Script) -> Option<(FindingName, String)> {
    let words = suspicious(&script.foreign);
    (words.len() >= SUSPICIOUS_LEAST).then(|| (FindingName::ScriptSuspicious, words.join(", ")))
}

fn suspicious(texts: &[String]) -> Vec<&'static str> {
    let lower: Vec<String> = texts.iter().map(|t| t.to_ascii_lowercase()).collect();
    SUSPICIOUS.iter().copied().filter(|word| lower.iter().any(|text| text.contains(word))).collect()
}

/// A command line that lies in a part of another kind: what is decoded of it, and the findings.
pub fn command_line(text: &str) -> (Vec<String>, Vec<(FindingName, String)>) {
    let command = command::look(text);
    let mut found: Vec<_> = command.decoded.iter().take(findings::TOLD).map(|d| (FindingName::CommandEncoded, d.clone())).collect();
    if command.decoded.iter().map(String::as_str).chain([text]).any(command::loads) {
        found.extend(command.addresses.iter().take(findings::TOLD).map(|a| (FindingName::CommandLoads, a.clone())));
    }
    (command.decoded, found)
}
