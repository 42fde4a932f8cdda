//! The worker: walls itself in, takes one attachment apart, says what it found, ends. See `postern_sandbox`.

use std::io::{self, Read, Write};

use postern_sandbox::cell::walls::{self, NO_WALLS};
use postern_sandbox::dissect;
use postern_sandbox::job::Job;

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
    let report = dissect::run(&job, content);
    let written = postcard::to_stdvec(&report).map_err(io::Error::other).and_then(|octets| io::stdout().lock().write_all(&octets));
    if let Err(error) = written {
        end(1, &format!("the report cannot be written: {error}"));
    }
}

fn end(code: i32, word: &str) -> ! {
    // Nobody reads it when this fails.
    let _ = writeln!(io::stderr(), "{word}");
    std::process::exit(code)
}
