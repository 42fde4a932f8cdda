//! An installation from the first question to the last word, on a console that is two ends of text: a terminal, or a test.

use std::fs;
use std::io::{self, BufRead, Read as _, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::answers::{Answers, BadAnswers};
use super::dialogue::{Dialogue, Next, Order, Then};
use super::disks::{Disk, NoDisks, System};
use super::medium::{FOLDER, Medium, MediumError};
use super::plan::{Plan, Step, Wanted};
use super::refusal::Refusal;
use super::turn::{First, Turn, TurnError};
use super::words::{losses, title};
use super::write::{Event, Failed, carry_out};

/// More than any answer.
const LONGEST_LINE: u64 = 4096;

/// Where everything is.
#[derive(Clone, Debug)]
pub struct Place {
    pub system: System,
    /// Where the medium is mounted.
    pub medium: PathBuf,
    /// What the consoles have in common: whose turn it is.
    pub turn: PathBuf,
    pub zones: PathBuf,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            system: System::default(),
            medium: super::disks::MEDIUM.into(),
            turn: "/run/postern-install".into(),
            zones: "/usr/share/zoneinfo".into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Disks(#[from] NoDisks),
    #[error(transparent)]
    Medium(#[from] MediumError),
    #[error(transparent)]
    Answers(#[from] BadAnswers),
    #[error("{disk}: {refusal}")]
    Refused { disk: String, refusal: Refusal },
    #[error("{0} is not there any more")]
    Gone(String),
    #[error(transparent)]
    Turn(#[from] TurnError),
    #[error("an installation runs on another console")]
    AnotherInstalls,
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("the console: {0}")]
    Console(#[source] io::Error),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Installed(Then),
    /// These answers installed this disk before.
    Done {
        disk: String,
    },
    /// The terminal is gone.
    Left,
}

pub struct Console<'a> {
    pub input: &'a mut dyn BufRead,
    pub output: &'a mut dyn Write,
}

impl Console<'_> {
    fn say(&mut self, text: &str) -> Result<(), SessionError> {
        say(self.output, text)
    }

    fn read(&mut self) -> Result<Option<String>, SessionError> {
        let mut line = String::new();
        let prompted = self.output.write_all(b"> ").and_then(|()| self.output.flush());
        let read = prompted.and_then(|()| (&mut *self.input).take(LONGEST_LINE).read_line(&mut line)).map_err(SessionError::Console)?;
        Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

fn say(output: &mut dyn Write, text: &str) -> Result<(), SessionError> {
    output.write_all(text.as_bytes()).and_then(|()| output.write_all(b"\n")).and_then(|()| output.flush()).map_err(SessionError::Console)
}

/// All that a console does: the answers, once and when there are some, then questions. What comes next when something was
/// installed; none when the terminal is gone. `everywhere` is all consoles of the machine.
///
/// # Errors
/// Those of the console alone: all others are said on it.
pub fn run(
    place: &Place,
    answers: Option<&str>,
    console: &mut Console<'_>,
    everywhere: &mut dyn Write,
) -> Result<Option<Then>, SessionError> {
    if let Some(answers) = answers {
        match by_answers_once(place, answers, console, everywhere) {
            Ok(Some(then)) => return Ok(Some(then)),
            Ok(None) => {}
            Err(e) => say(everywhere, &format!("Not installed by the answer file. {e}"))?,
        }
    }
    loop {
        match by_questions(place, console) {
            Ok(Outcome::Installed(then)) => return Ok(Some(then)),
            Ok(Outcome::Done { .. } | Outcome::Left) => return Ok(None),
            Err(e @ SessionError::Console(_)) => return Err(e),
            Err(e) => {
                console.say(&format!("{e}\nEnter to begin again:"))?;
                if console.read()?.is_none() {
                    return Ok(None);
                }
            }
        }
    }
}

fn by_answers_once(
    place: &Place,
    answers: &str,
    console: &mut Console<'_>,
    everywhere: &mut dyn Write,
) -> Result<Option<Then>, SessionError> {
    let turn = match Turn::take(&place.turn)? {
        None => {
            console.say("The answer file is followed by another console; what comes of it is said here, too.")?;
            Turn::wait(&place.turn)?
        }
        turn => turn,
    };
    // A failure is not tried again by itself: what it left is for a person to look at.
    // (The turn is held to the end.)
    if turn.as_ref().map(Turn::begin_answers).transpose()? == Some(First::No) {
        console.say("The answer file was followed in this boot already. By hand:")?;
        return Ok(None);
    }
    match by_answers(place, answers, everywhere)? {
        Outcome::Installed(then) => Ok(Some(then)),
        Outcome::Done { disk } => {
            let text =
                format!("{disk} was installed by this answer file before: nothing was changed. Take the medium out and start again.");
            say(everywhere, &text)?;
            Ok(None)
        }
        Outcome::Left => Ok(None),
    }
}

/// What an answer file would do: the disk, what is lost, and the plan.
///
/// # Errors
/// As [`by_answers`].
pub fn dry_run(place: &Place, text: &str) -> Result<String, SessionError> {
    let medium = Medium::open(&place.medium.join(FOLDER))?;
    let answers = Answers::parse(text, &place.zones)?;
    let disks = place.system.disks(&medium.layout)?;
    let disk = answers.choose(&disks, &medium.layout, &place.system)?;
    answers.permit(disk, &medium.layout)?;
    let plan = Plan::new(disk, &medium, answers.wanted(disk, &mut Uuid::new_v4));
    let plan = plan.map_err(|refusal| SessionError::Refused { disk: disk.name.clone(), refusal })?;
    Ok(format!("{}\n{}{plan}", title(disk), losses(disk, answers.intent)))
}

/// Asks until something was installed.
///
/// # Errors
/// When there is nothing to install from, or an installation failed.
pub fn by_questions(place: &Place, console: &mut Console<'_>) -> Result<Outcome, SessionError> {
    let medium = Medium::open(&place.medium.join(FOLDER))?;
    loop {
        let disks = place.system.disks(&medium.layout)?;
        let mut dialogue = Dialogue::new(&disks, &medium.layout, medium.version());
        let mut question = dialogue.question();
        let order = loop {
            console.say(&question)?;
            let Some(line) = console.read()? else { return Ok(Outcome::Left) };
            match dialogue.answer(&line) {
                Ok(Next::Ask) => question = dialogue.question(),
                Ok(Next::LookAgain) => break None,
                Ok(Next::Install(order)) => break Some(order),
                Err(why) => {
                    console.say(&why)?;
                    // The list above it was read; at 115200 baud nobody wants it again.
                    question = question.lines().last().unwrap_or_default().to_owned();
                }
            }
        };
        let Some(order) = order else { continue };
        let Some(_turn) = Turn::take(&place.turn)? else {
            console.say(&SessionError::AnotherInstalls.to_string())?;
            continue;
        };
        // What was shown may be some minutes old.
        let disk = again(place, &medium, &order, &disks)?;
        let wanted = Wanted { intent: order.intent, machine: None, guid: Uuid::new_v4(), fresh: &mut Uuid::new_v4 };
        install(&medium, &disk, wanted, console.output)?;
        console.say("Installed. Take the medium out when the screen goes dark: this system still runs from it.")?;
        return Ok(Outcome::Installed(order.then));
    }
}

fn again(place: &Place, medium: &Medium, order: &Order, seen: &[Disk]) -> Result<Disk, SessionError> {
    let now = place.system.disks(&medium.layout)?.into_iter().find(|d| d.name == order.disk);
    let before = seen.iter().find(|d| d.name == order.disk);
    now.filter(|now| Some(now) == before).ok_or_else(|| SessionError::Gone(order.disk.clone()))
}

/// Does what the answer file says.
///
/// # Errors
/// What is wrong with it, or what failed.
pub fn by_answers(place: &Place, text: &str, output: &mut dyn Write) -> Result<Outcome, SessionError> {
    let medium = Medium::open(&place.medium.join(FOLDER))?;
    let answers = Answers::parse(text, &place.zones)?;
    let disks = place.system.disks(&medium.layout)?;
    let disk = answers.choose(&disks, &medium.layout, &place.system)?;
    if answers.is_done(disk) {
        return Ok(Outcome::Done { disk: disk.name.clone() });
    }
    answers.permit(disk, &medium.layout)?;
    say(output, &format!("Postern {} is installed by an answer file on {}", medium.version(), title(disk)))?;
    say(output, losses(disk, answers.intent).trim_end())?;
    install(&medium, disk, answers.wanted(disk, &mut Uuid::new_v4), output)?;
    say(output, &format!("Installed on {}.", disk.name))?;
    Ok(Outcome::Installed(answers.then))
}

fn install(medium: &Medium, disk: &Disk, wanted: Wanted<'_>, output: &mut dyn Write) -> Result<(), SessionError> {
    let plan = Plan::new(disk, medium, wanted).map_err(|refusal| SessionError::Refused { disk: disk.name.clone(), refusal })?;
    let mut progress = Progress { output, tenth: 0, is_open: false };
    let done = carry_out(&plan, medium, &mut |event| progress.show(event));
    progress.end();
    Ok(done?)
}

/// A line for each step, and its tenths behind it: nothing that a serial line cannot show. A console that is gone meanwhile is no
/// reason to stop.
struct Progress<'a> {
    output: &'a mut dyn Write,
    tenth: u64,
    is_open: bool,
}

impl Progress<'_> {
    fn show(&mut self, event: Event<'_>) {
        match event {
            // Hundreds of old partitions are one thing to read.
            Event::Begins(Step::Wipe { .. }) => {}
            Event::Begins(step) => {
                self.end();
                let _ = write!(self.output, "{step}");
                (self.tenth, self.is_open) = (0, true);
            }
            Event::Progress { done, of } => {
                let tenth = (done * 10).checked_div(of).unwrap_or(10);
                if tenth > self.tenth {
                    self.tenth = tenth;
                    let _ = write!(self.output, " {}%", tenth * 10);
                }
            }
        }
        let _ = self.output.flush();
    }

    fn end(&mut self) {
        if self.is_open {
            let _ = self.output.write_all(b"\n");
            self.is_open = false;
        }
    }
}

/// Whether the kernel's command line asks for an installation, and whether the boot loader saw an answer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    No,
    Yes,
    ByAnswers,
}

pub fn asked(command_line: &str) -> Asked {
    command_line.split_whitespace().fold(Asked::No, |asked, word| match word {
        "postern.install=answers" => Asked::ByAnswers,
        "postern.install" if asked == Asked::No => Asked::Yes,
        _ => asked,
    })
}

/// # Errors
/// When it cannot be read.
pub fn asked_by_kernel(path: &Path) -> io::Result<Asked> {
    fs::read_to_string(path).map(|line| asked(&line))
}
