//! What a job brings that is run or opened: programs and documents in cells of their own, and what those write, taken apart again.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use postern_model::sandbox::{Action, EVENTS_MOST, Event, Finding, FindingName, Report};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::supervisor::{CellError, Cells, GRACE, Profile, Ran};
use crate::job::Job;
use crate::limits::Limits;
use crate::native::{self, Language, Program, Written};

/// Findings of a job from which on files that its programs wrote are not taken apart any more: one more report of them fits.
const FINDINGS: usize = 10_000;
/// A program that has less is not begun.
const SHORTEST: Duration = Duration::from_millis(100);

impl Cells {
    /// Runs all of them, one after the other, in the time that is left.
    pub(super) async fn run_programs(&self, report: &mut Report, programs: Vec<Program>, job: &Job, profile: Profile<'_>, until: Instant) {
        let (mut programs_left, mut documents_left) = (job.limits.programs, job.limits.documents);
        let mut seen: HashSet<_> = programs.iter().map(|p| (p.language.is_document(), blake3::hash(&p.content))).collect();
        let mut waiting = VecDeque::from(programs);
        while let Some(program) = waiting.pop_front() {
            let is_document = program.language.is_document();
            // Without the office pack nothing is to be said of each document: the role says it once.
            if is_document && !program.language.is_here() {
                continue;
            }
            let left = if is_document { &mut documents_left } else { &mut programs_left };
            let time = |left| native::share(until.saturating_duration_since(Instant::now()), left);
            let wait = time(*left) / 2;
            let Some(turn) = self.turn(program.language, wait).await else {
                *left = left.saturating_sub(wait);
                not_run(
                    report,
                    program.part,
                    &format!("no place: another document was open for {} ms", wait.as_millis()),
                    NotRun::ThisTime,
                );
                continue;
            };
            let time = time(*left);
            let began = Instant::now();
            let written = self.run_program(report, &program, job, time).await;
            *left = left.saturating_sub(began.elapsed());
            drop(turn);
            for file in written {
                // Programs among them count as those that came with the mail.
                for more in self.open_written(report, program.part, file, job, profile, until).await {
                    let is_document = more.language.is_document();
                    let of_its_sort = seen.iter().filter(|(is, _)| *is == is_document).count();
                    if of_its_sort < more.language.most() && seen.insert((is_document, blake3::hash(&more.content))) {
                        waiting.push_back(more);
                    }
                }
            }
        }
    }

    /// The next document's turn; a program has no need of one. `None` when it did not come in time.
    async fn turn(&self, language: Language, wait: Duration) -> Option<Option<SemaphorePermit<'_>>> {
        if !language.is_document() {
            return Some(None);
        }
        tokio::time::timeout(wait, self.documents.acquire()).await.ok()?.ok().map(Some)
    }

    /// Takes a file apart that a program wrote, in a cell as the mail's own; the programs in it.
    async fn open_written(
        &self,
        report: &mut Report,
        below: u32,
        file: Written,
        job: &Job,
        profile: Profile<'_>,
        until: Instant,
    ) -> Vec<Program> {
        let time = until.saturating_duration_since(Instant::now()) / 2;
        let parts = job.limits.parts.saturating_sub(report.parts.len());
        if time < SHORTEST || parts == 0 || report.findings.len() > FINDINGS {
            let why = format!("{} is not taken apart: no time or place is left", file.path);
            report.findings.push(Finding::new(FindingName::TooMany, below, why));
            return Vec::new();
        }
        let depth = job.limits.depth.saturating_sub(report.depth(below) + 1);
        let (scripts, yara) = (job.limits.scripts.min(time / 3), job.limits.yara.min(time / 4));
        let limits = Limits {
            depth,
            parts,
            time,
            scripts,
            yara,
            cpu: job.limits.cpu.min(time),
            all_documents: file.path == native::office::RENDERED,
            ..job.limits.clone()
        };
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        let order = Job { name, passwords: job.passwords.clone(), limits, ..Job::default() };
        let opened = match order.seal(&file.content) {
            Ok(sealed) => self.cell(&order, &sealed, profile).await,
            Err(source) => Err(CellError::Start { path: self.worker.clone(), source }),
        };
        match opened {
            Ok(Ran { report: opened, programs, .. }) => {
                let before = native::graft(report, below, opened);
                programs.into_iter().map(|p| Program { part: p.part + before, ..p }).collect()
            }
            Err(why) => {
                tracing::warn!(attachment = job.name, file = file.path, %why, "a file that a program wrote is not taken apart");
                report.findings.push(Finding::new(FindingName::CellFailed, below, format!("{} is not taken apart: {why}", file.path)));
                Vec::new()
            }
        }
    }

    /// Runs a program of the job in a cell of its own, and puts what it did into the report; the files that it wrote. That it cannot be run here
    /// is said there, too.
    async fn run_program(&self, report: &mut Report, program: &Program, job: &Job, time: Duration) -> Vec<Written> {
        if report.parts.get(program.part as usize).is_none() {
            return Vec::new();
        }
        if time < SHORTEST {
            let of = if program.language.is_document() { "documents" } else { "programs" };
            not_run(report, program.part, &format!("no time: that for {of} is used up"), NotRun::ThisTime);
            return Vec::new();
        }
        if !program.language.is_here() {
            not_run(report, program.part, &format!("this machine has nothing that runs {:?}", program.language), NotRun::Ever);
            return Vec::new();
        }
        let memory = if program.language.is_document() { job.limits.memory.max(native::office::MEMORY) } else { job.limits.memory };
        let limits = Limits { memory, scripts: time, cpu: time, time: time + GRACE, ..job.limits.clone() };
        let order = Job { name: program.name.clone(), program: Some(program.language), limits, ..Job::default() };
        let ran = match order.seal(&program.content) {
            Ok(sealed) => self.cell(&order, &sealed, Profile::Native).await,
            Err(source) => Err(CellError::Start { path: self.worker.clone(), source }),
        };
        match ran {
            Ok(Ran { report: ran, written, .. }) => {
                native::merge(report, program.part, ran);
                written
            }
            Err(why) => {
                tracing::warn!(attachment = job.name, %why, "a program is not run");
                not_run(report, program.part, &why.to_string(), NotRun::Ever);
                Vec::new()
            }
        }
    }
}

/// Whether a busy machine is to blame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotRun {
    ThisTime,
    Ever,
}

/// Says in the report that a program or document was not run, and why; as a finding, when it may be the next time.
fn not_run(report: &mut Report, part: u32, why: &str, when: NotRun) {
    if report.timeline.len() < EVENTS_MOST {
        report.timeline.push(Event::new(0, part, Action::Error, "not run", why));
    }
    if when == NotRun::ThisTime {
        report.findings.push(Finding::new(FindingName::NotRun, part, why));
    }
}
