//! The worker: walls itself in, takes one attachment apart, runs the scripts in it, says what it found, ends. See `postern_sandbox`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use postern_sandbox::cell::walls::{self, IN_CGROUP, NO_WALLS};
use postern_sandbox::dissect::{self, Said};
use postern_sandbox::job::Job;
use postern_sandbox::native::{self, NATIVE, Told};
use postern_sandbox::wire::{self, WordRef};
use postern_sandbox::yara;
use postern_sandbox::yara::scan::Scanner;

/// Octets beyond the job's memory for YARA rules. The interpreter sets addresses aside that it does not fill: 16 MiB of its own memory, and
/// 32 on either side. The rules themselves are some times what they are on paper.
const SCANNER_SPACE: u64 = 96 << 20;
const SCANNER_RATIO: u64 = 8;

fn main() {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == IN_CGROUP).is_some() {
        let Some(Ok(cgroup)) = words.next().map(|number| number.parse()) else { end(NO_WALLS, "the cgroup has no descriptor") };
        if let Err(error) = walls::step_into(cgroup) {
            end(NO_WALLS, &error.to_string());
        }
    }
    let rules = match words.next().as_deref() {
        Some(NATIVE) => return run_program(),
        Some(yara::COMPILE) => return compile_rules(),
        Some(yara::WITH) => match words.next().map(|number| number.parse()) {
            Some(Ok(number)) => Some(number),
            _ => end(NO_WALLS, "the rules have no descriptor"),
        },
        _ => None,
    };
    if let Err(error) = walls::enclose() {
        end(NO_WALLS, &error.to_string());
    }
    // The order comes from the supervisor, the content behind it from anybody: it is read, and not looked at before all walls stand.
    let (job, content) = match Job::read(io::stdin().lock().by_ref()) {
        Ok(read) => read,
        Err(error) => end(NO_WALLS, &format!("the job cannot be read: {error}")),
    };
    let rules = match rules {
        None => walls::close(&job.limits).map(|()| None),
        Some(descriptor) => {
            let compiled = compiled(descriptor).unwrap_or_else(|why| end(NO_WALLS, &format!("the compiled rules cannot be read: {why}")));
            let space = SCANNER_SPACE + SCANNER_RATIO * compiled.len() as u64;
            walls::close_with(&job.limits, space, || Some(Scanner::new(&compiled, job.limits.yara)))
        }
    };
    let rules = match rules {
        Ok(made) => made.transpose().unwrap_or_else(|why| end(NO_WALLS, &why)),
        Err(error) => end(NO_WALLS, &error.to_string()),
    };
    // Nobody reads it any more when this fails: the next word, or the end, fails as well.
    let tell: Rc<dyn Fn(Said<'_>)> = Rc::new(|said: Said<'_>| {
        let word = match said {
            Said::SoFar(report) => WordRef::SoFar(report),
            Said::Event(event) => WordRef::Event(event),
            Said::Program(program) => WordRef::Program(program),
        };
        let _ = wire::say(&word, &mut io::stdout().lock());
    });
    let report = dissect::run_telling(&job, content, rules, &tell);
    if let Err(error) = wire::say(&WordRef::Whole(&report), &mut io::stdout().lock()) {
        end(1, &format!("the report cannot be written: {error}"));
    }
}

/// The rules that the supervisor handed over. Where the descriptor stands is every cell's: they are read from their beginning.
fn compiled(descriptor: i32) -> io::Result<Vec<u8>> {
    // SAFETY: the supervisor hands it over to this process and names it in its arguments.
    let file = unsafe { File::from_raw_fd(descriptor) };
    let mut rules = vec![0; usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?];
    file.read_exact_at(&mut rules, 0)?;
    Ok(rules)
}

/// A cell for the sources of rules.
fn compile_rules() {
    if let Err(error) = walls::enclose() {
        end(NO_WALLS, &error.to_string());
    }
    let (job, content) = match Job::read(io::stdin().lock().by_ref()) {
        Ok(read) => read,
        Err(error) => end(NO_WALLS, &format!("the job cannot be read: {error}")),
    };
    if let Err(error) = walls::close_with(&job.limits, 0, yara::prepare) {
        end(NO_WALLS, &error.to_string());
    }
    let compiled = yara::read(&content).and_then(|sources| yara::compile::compile(&sources));
    match compiled {
        Ok(compiled) => {
            if let Err(error) = wire::say(&WordRef::Compiled(&compiled), &mut io::stdout().lock()) {
                end(1, &format!("the rules cannot be written: {error}"));
            }
        }
        Err(why) => end(1, &why),
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
    let mut tell = |told: Told<'_>| {
        let word = match told {
            Told::Event(event) => WordRef::Event(event),
            Told::Written(file) => WordRef::Written(file),
        };
        let _ = wire::say(&word, &mut io::stdout().lock());
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
