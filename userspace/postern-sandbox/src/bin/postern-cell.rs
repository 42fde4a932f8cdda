//! The worker: walls itself in, takes one attachment apart, runs the scripts in it, says what it found, ends. See `postern_sandbox`.

use std::io::{self, Read, Write};
use std::rc::Rc;

use postern_sandbox::cell::walls::{self, NO_WALLS};
use postern_sandbox::dissect::{self, Said};
use postern_sandbox::job::Job;
use postern_sandbox::wire::{self, WordRef};

fn main() {
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
        };
        let _ = wire::say(&word, &mut io::stdout().lock());
    });
    let report = dissect::run_telling(&job, content, &tell);
    if let Err(error) = wire::say(&WordRef::Whole(&report), &mut io::stdout().lock()) {
        end(1, &format!("the report cannot be written: {error}"));
    }
}

fn end(code: i32, word: &str) -> ! {
    // Nobody reads it when this fails.
    let _ = writeln!(io::stderr(), "{word}");
    std::process::exit(code)
}
