//! The worker: walls itself in, takes one attachment apart, runs the scripts in it, says what it found, ends. See `postern_sandbox`.

use std::io::{self, Read, Write};
use std::rc::Rc;

use postern_model::sandbox::Event;
use postern_sandbox::cell::walls::{self, NO_WALLS};
use postern_sandbox::dissect::{self, Said};
use postern_sandbox::job::Job;
use postern_sandbox::native::{self, NATIVE};
use postern_sandbox::wire::{self, WordRef};

fn main() {
    if std::env::args_os().nth(1).is_some_and(|what| what == NATIVE) {
        return run_program();
    }
    if let Err(error) = walls::enclose() {
        end(NO_WALLS, &error.to_string());
    }
    // The order comes from the supervisor, the content behind it from anybody: it is read, and not looked at before all walls stand.
    let (job, content) = match Job::read(io::stdin().lock().by_ref()) {
        Ok(read) => read,
        Err(error) => end(NO_WALLS, &format!("the job cannot be read: {error}")),
    };
    if let Err(error) = walls::close(&job.limits) {
        end(NO_WALLS, &error.to_string());
    }
    // Nobody reads it any more when this fails: the next word, or the end, fails as well.
    let tell: Rc<dyn Fn(Said<'_>)> = Rc::new(|said: Said<'_>| {
        let word = match said {
            Said::SoFar(report) => WordRef::SoFar(report),
            Said::Event(event) => WordRef::Event(event),
            Said::Program(program) => WordRef::Program(program),
        };
        let _ = wire::say(&word, &mut io::stdout().lock());
    });
    let report = dissect::run_telling(&job, content, &tell);
    if let Err(error) = wire::say(&WordRef::Whole(&report), &mut io::stdout().lock()) {
        end(1, &format!("the report cannot be written: {error}"));
    }
}

/// The other kind of cell: for one program or script of Linux, which is run.
fn run_program() {
    // The machine's root is needed for a moment, to take the system's programs from. The content is not looked at here: it is written into a file.
    let (job, content) = match Job::read(io::stdin().lock().by_ref()) {
        Ok(read) => read,
        Err(error) => end(NO_WALLS, &format!("the job cannot be read: {error}")),
    };
    if let Err(error) = walls::part() {
        end(NO_WALLS, &error.to_string());
    }
    let Some(language) = job.program else { end(NO_WALLS, "the job names nothing that runs it") };
    let mut tell = |event: &Event| {
        let _ = wire::say(&WordRef::Event(event), &mut io::stdout().lock());
    };
    match native::run(&job, language, &content, &mut tell) {
        Ok(report) => {
            if let Err(error) = wire::say(&WordRef::Whole(&report), &mut io::stdout().lock()) {
                end(1, &format!("the report cannot be written: {error}"));
            }
        }
        Err(why) => end(NO_WALLS, &why),
    }
}

fn end(code: i32, word: &str) -> ! {
    // Nobody reads it when this fails.
    let _ = writeln!(io::stderr(), "{word}");
    std::process::exit(code)
}
