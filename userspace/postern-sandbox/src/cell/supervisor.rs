//! The process outside: starts cells, reads their reports, ends those that do not end.

use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use postern_model::sandbox::{EVENTS_MOST, Event, Finding, FindingName, Part, Report, RulesReport};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cgroup::{Bounds, Cgroup, Cgroups};
use super::priority;
use super::walls::{IN_CGROUP, NO_WALLS};
use crate::detonate;
use crate::dissect::{self, kind};
use crate::job::{Job, sealed_file};
use crate::native::{self, Program, Written};
use crate::watch::{Watch, merge};
use crate::wire::{self, Word};
use crate::yara::compile::Compiled;
use crate::yara::{self, Sources};

/// Octets of what a worker says to the log.
const WORDS_MOST: u64 = 4096;
/// Beyond the time of its scripts, for a machine that is busy otherwise.
pub(super) const GRACE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum CellError {
    #[error("the worker {path} cannot be started: {source}")]
    Start {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Nothing of the content was looked at.
    #[error("{0}")]
    Walls(String),
    #[error("the YARA rules cannot be compiled: {0}")]
    Rules(String),
}

/// What a cell is for.
#[derive(Clone, Copy)]
pub(super) enum Profile<'a> {
    Reading(Option<&'a Rules>),
    /// A program is run in it.
    Native,
    /// Rules are compiled in it.
    Compiling,
}

impl Profile<'_> {
    /// Processes and threads: a program's own, its tracer and the decoy; or those of a worker.
    const OF_PROGRAMS: u32 = 64;
    const OF_A_WORKER: u32 = 32;

    /// What bounds the cell as a whole, or why nothing does.
    fn cgroup(self, job: &Job) -> Result<Cgroup, String> {
        let processes = if matches!(self, Self::Native) { Self::OF_PROGRAMS } else { Self::OF_A_WORKER };
        let bounds = Bounds { memory: job.limits.memory, processes };
        Cgroups::of_this_process()?.make(bounds).map_err(|e| {
            tracing::warn!("a cell goes without a cgroup of its own: {e}");
            format!("no cgroup can be made for the cell: {e}")
        })
    }
}

/// YARA rules as they are handed to cells: made by one, and changed by nobody.
#[derive(Debug)]
pub struct Rules(File);

/// Starts cells. How many at a time is up to the caller ([`super::Admission`]).
#[derive(Clone, Debug)]
pub struct Cells {
    pub(super) worker: PathBuf,
    watch: Watch,
    /// One document is opened at a time: each has more memory than other cells.
    pub(super) documents: Arc<Semaphore>,
}

impl Cells {
    /// `worker`: the program `postern-cell`.
    #[must_use]
    pub fn new(worker: PathBuf) -> Self {
        Self { worker, watch: Watch::Nobody("nobody was asked to watch".to_owned()), documents: Arc::new(Semaphore::new(1)) }
    }

    /// The same, whose cells are watched, of one job.
    #[must_use]
    pub fn watched(&self, watch: Watch) -> Self {
        Self { worker: self.worker.clone(), watch, documents: Arc::clone(&self.documents) }
    }

    /// Takes the content apart, with compiled rules if there are some. What goes wrong within the cell is a finding; an error means that no
    /// cell could be had.
    ///
    /// # Errors
    /// When no worker can be started, or it cannot put up its walls.
    pub async fn run(&self, job: &Job, content: &[u8], rules: Option<&Rules>) -> Result<Report, CellError> {
        let sealed = job.seal(content).map_err(|source| CellError::Start { path: self.worker.clone(), source })?;
        self.run_sealed(job, &sealed, rules).await
    }

    /// The same with what [`Job::seal`] made of this job. Dropped before its end, it takes the cell with it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_sealed(&self, job: &Job, sealed: &File, rules: Option<&Rules>) -> Result<Report, CellError> {
        let until = Instant::now() + job.limits.time;
        let profile = Profile::Reading(rules.filter(|_| !job.limits.yara.is_zero()));
        let Ran { mut report, programs, .. } = self.cell(job, sealed, profile).await?;
        self.run_programs(&mut report, programs, job, profile, until).await;
        Ok(report)
    }

    /// Makes rules ready. What is wrong with the sources is told; an error means that they were not looked at, or took the cell down.
    ///
    /// # Errors
    /// When no cell can be had, it does not end in time, or needs more than it has.
    pub async fn compile(&self, sources: &Sources) -> Result<(Option<Rules>, RulesReport), CellError> {
        self.compile_sealed(sources.sealed()).await
    }

    /// The same with the sealed sources that somebody sent.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub async fn compile_sealed(&self, sealed: &File) -> Result<(Option<Rules>, RulesReport), CellError> {
        let failed = |source| CellError::Start { path: self.worker.clone(), source };
        let job = Job::order_of(sealed).map_err(|e| CellError::Rules(e.to_string()))?;
        let id = yara::id_of(&Job::content(sealed).map_err(failed)?);
        let cgroup = Profile::Compiling.cgroup(&job).ok();
        let (mut child, mut out, err) = self.start(sealed, Profile::Compiling, cgroup.as_ref()).map_err(failed)?;
        let _lifted = priority::lift_when_late(&child);
        let mut words = String::new();
        let until = Instant::now() + job.limits.time;
        let compiled = match tokio::time::timeout_at(until, wire::hear(&mut out, job.limits.report)).await {
            Err(_) => return Err(CellError::Rules(format!("it took more than {} s", job.limits.time.as_secs()))),
            Ok(Ok(Some(Word::Compiled(compiled)))) => {
                // It has said all; nothing of it is to stay.
                let _ = tokio::time::timeout_at(until, child.wait()).await;
                compiled
            }
            Ok(_) => {
                let _ = tokio::time::timeout_at(until, err.take(WORDS_MOST).read_to_string(&mut words)).await;
                let status = tokio::time::timeout_at(until, child.wait()).await.ok().and_then(Result::ok);
                if status.and_then(|s| s.code()) == Some(NO_WALLS) {
                    return Err(CellError::Walls(words.trim().to_owned()));
                }
                let (_, evidence) = status.map_or((FindingName::CellTimeout, "it did not end".to_owned()), |s| end_of(s, words.trim()));
                return Err(CellError::Rules(evidence));
            }
        };
        let Compiled { rules, ours, theirs, problems } = compiled;
        let rules = rules.map(|octets| sealed_file("rules", &[&octets])).transpose().map_err(failed)?.map(Rules);
        Ok((rules, RulesReport { id, ours, theirs, problems }))
    }

    fn start(&self, sealed: &File, profile: Profile<'_>, cgroup: Option<&Cgroup>) -> io::Result<(Child, ChildStdout, ChildStderr)> {
        // The worker reads from where the descriptor stands, and whoever sealed it holds it too.
        let mut whole = sealed;
        whole.rewind()?;
        let mut command = Command::new(&self.worker);
        priority::give_way(&mut command);
        if let Some(cgroup) = cgroup {
            command.arg(IN_CGROUP);
            hand_over(&mut command, cgroup.as_fd().as_raw_fd());
        }
        match profile {
            Profile::Reading(None) => {}
            Profile::Reading(Some(Rules(rules))) => {
                command.arg(yara::WITH);
                hand_over(&mut command, rules.as_raw_fd());
            }
            Profile::Native => drop(command.arg(native::NATIVE)),
            Profile::Compiling => drop(command.arg(yara::COMPILE)),
        }
        command.env_clear().stdin(sealed.try_clone()?).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        match (child.stdout.take(), child.stderr.take()) {
            (Some(out), Some(err)) => Ok((child, out, err)),
            _ => Err(io::Error::other("without its pipes")),
        }
    }

    /// One cell, in a cgroup of its own and watched there where both can be had.
    pub(super) async fn cell(&self, job: &Job, sealed: &File, profile: Profile<'_>) -> Result<Ran, CellError> {
        let cgroup = profile.cgroup(job);
        let is_native = matches!(profile, Profile::Native);
        let watching = match &cgroup {
            Ok(cgroup) => self.watch.begin(cgroup.as_fd(), !is_native).await,
            Err(why) => Err(why.clone()),
        };
        let outcome = self.walled(job, sealed, profile, cgroup.as_ref().ok()).await;
        if let Ok(cgroup) = cgroup {
            cgroup.end().await;
        }
        let seen = match watching {
            Ok(watching) => watching.end().await,
            Err(why) => Err(why),
        };
        let mut ran = outcome?;
        merge::into(&mut ran.report, seen, is_native);
        Ok(ran)
    }

    async fn walled(&self, job: &Job, sealed: &File, profile: Profile<'_>, cgroup: Option<&Cgroup>) -> Result<Ran, CellError> {
        let failed = |source| CellError::Start { path: self.worker.clone(), source };
        let (mut child, out, err) = self.start(sealed, profile, cgroup).map_err(failed)?;
        let _lifted = priority::lift_when_late(&child);
        let mut heard = Heard { until: Instant::now() + job.limits.time, ..Heard::default() };
        let mut words = Vec::new();
        let mut err = err.take(WORDS_MOST);
        let is_late = {
            let mut listening = pin!(heard.listen(out, job));
            let mut complaining = pin!(err.read_to_end(&mut words));
            // Who keeps its complaints open is not waited for longer than for its report.
            tokio::select! {
                is_late = &mut listening => is_late,
                _ = &mut complaining => listening.await,
            }
        };
        let ended = if is_late { None } else { tokio::time::timeout_at(heard.until, child.wait()).await.ok() };
        if !is_late {
            let _ = tokio::time::timeout_at(heard.until, err.read_to_end(&mut words)).await;
        }
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        let (name, evidence) = match ended {
            None => {
                if let Some(cgroup) = cgroup {
                    cgroup.kill();
                }
                let _ = child.kill().await;
                (FindingName::CellTimeout, format!("killed after {} s", job.limits.time.as_secs()))
            }
            Some(Err(source)) => return Err(failed(source)),
            Some(Ok(status)) if status.code() == Some(NO_WALLS) => return Err(CellError::Walls(words)),
            Some(Ok(status)) if status.success() => match heard.whole.take() {
                Some(report) if report.is_sound() && heard.is_sound => {
                    return Ok(Ran { report, programs: heard.programs, written: heard.written });
                }
                _ => (FindingName::CellFailed, "its report cannot be read".to_owned()),
            },
            // The kernel says which of the two it was.
            Some(Ok(_)) if cgroup.is_some_and(Cgroup::ran_out_of_memory) => (FindingName::TooLarge, dissect::OUT_OF_MEMORY.to_owned()),
            Some(Ok(status)) => end_of(status, &words),
        };
        tracing::warn!(attachment = job.name, finding = name.name(), evidence, words, "a cell ended without a report");
        if let Some(report) = heard.until_then(name, &evidence) {
            return Ok(Ran { report, ..Ran::default() });
        }
        let content = Job::content(sealed).map_err(failed)?;
        let mut report = without_report(job, &content, name, evidence);
        if native::findings::are_native(&heard.events) {
            report.findings.extend(native::findings::of(&heard.events).into_iter().map(|(name, evidence)| Finding::new(name, 0, evidence)));
            report.timeline = heard.events;
        }
        // What it wrote until then is as good.
        let written = if heard.is_sound { heard.written } else { Vec::new() };
        Ok(Ran { report, written, ..Ran::default() })
    }
}

/// Gives the worker a descriptor, and its number as the next argument.
fn hand_over(command: &mut Command, descriptor: RawFd) {
    command.arg(descriptor.to_string());
    // SAFETY: one call, which is safe between fork and exec, on a descriptor that is open until the worker was started.
    unsafe {
        command.pre_exec(move || match libc::fcntl(descriptor, libc::F_SETFD, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

/// What came out of a cell.
#[derive(Default)]
pub(super) struct Ran {
    pub report: Report,
    pub programs: Vec<Program>,
    pub written: Vec<Written>,
}

/// What a worker said until its end.
struct Heard {
    so_far: Option<Report>,
    /// Of the script that runs.
    events: Vec<Event>,
    programs: Vec<Program>,
    written: Vec<Written>,
    whole: Option<Report>,
    is_sound: bool,
    until: Instant,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            so_far: None,
            events: Vec::new(),
            programs: Vec::new(),
            written: Vec::new(),
            whole: None,
            is_sound: true,
            until: Instant::now(),
        }
    }
}

impl Heard {
    /// Until the worker says no more; `true` when its time was over before.
    async fn listen(&mut self, mut out: impl AsyncRead + Unpin, job: &Job) -> bool {
        loop {
            match tokio::time::timeout_at(self.until, wire::hear(&mut out, job.limits.report)).await {
                Err(_) => return true,
                Ok(Ok(None)) => return false,
                Ok(Ok(Some(Word::Whole(report)))) => self.whole = Some(report),
                Ok(Ok(Some(Word::SoFar(report)))) => {
                    // From here on scripts run: they end by themselves, or are ended soon after they should have.
                    let grace = job.limits.scripts * 2 + GRACE;
                    self.until = self.until.min(Instant::now() + grace);
                    self.so_far = Some(report);
                    self.events.clear();
                }
                Ok(Ok(Some(Word::Event(event)))) if self.events.len() < EVENTS_MOST => self.events.push(event),
                Ok(Ok(Some(Word::Program(program))))
                    if self.programs.len() < native::MOST + native::office::MOST && program.content.len() <= native::LARGEST =>
                {
                    self.programs.push(program);
                }
                Ok(Ok(Some(Word::Written(file))))
                    if self.written.len() < native::WRITTEN_MOST && file.content.len() <= native::WRITTEN_LARGEST =>
                {
                    self.written.push(file);
                }
                // What is no word, one too many, or another kind of cell's: nothing is believed any more, and what comes is thrown away.
                Ok(Ok(Some(Word::Event(_) | Word::Program(_) | Word::Written(_) | Word::Compiled(_))) | Err(_)) => {
                    self.is_sound = false;
                    let mut nowhere = tokio::io::sink();
                    let rest = tokio::io::copy(&mut out, &mut nowhere);
                    return tokio::time::timeout_at(self.until, rest).await.is_err();
                }
            }
        }
    }

    /// What is known of a job whose worker died while a script ran.
    fn until_then(&mut self, name: FindingName, evidence: &str) -> Option<Report> {
        let mut report = self.so_far.take().filter(|report| self.is_sound && report.is_sound())?;
        let part = self.events.last().map_or(0, |event| event.part);
        for (finding, evidence) in detonate::findings::of(&self.events) {
            report.findings.push(Finding::new(finding, part, evidence));
        }
        let (name, evidence) = match name {
            FindingName::CellTimeout => (FindingName::ScriptStopped, "it went on when it should have ended"),
            FindingName::TooLarge => (FindingName::ScriptStopped, evidence),
            name => (name, evidence),
        };
        report.findings.push(Finding::new(name, part, evidence));
        let room = EVENTS_MOST.saturating_sub(report.timeline.len());
        report.timeline.extend(self.events.drain(..).take(room));
        report.is_sound().then_some(report)
    }
}

/// How the worker's process within the cell ended; the one outside says so by its code.
fn end_of(status: ExitStatus, words: &str) -> (FindingName, String) {
    let signal = status.signal().or_else(|| status.code().filter(|code| *code > 128).map(|code| code - 128));
    // What Rust says before it aborts.
    if words.contains("memory allocation of") {
        return (FindingName::TooLarge, dissect::OUT_OF_MEMORY.to_owned());
    }
    match signal {
        Some(libc::SIGSYS) => (FindingName::CellBroken, "a system call that no dissector makes".to_owned()),
        Some(libc::SIGXCPU) => (FindingName::CellTimeout, "its CPU time was used up".to_owned()),
        // The kernel's answer to a CPU limit whose soft and hard values are the same.
        Some(libc::SIGKILL) => (FindingName::CellTimeout, "killed: its CPU time or memory was used up".to_owned()),
        Some(signal) => (FindingName::CellFailed, format!("signal {signal}: {words}")),
        None => (FindingName::CellFailed, format!("code {}: {words}", status.code().unwrap_or(-1))),
    }
}

fn without_report(job: &Job, content: &[u8], name: FindingName, evidence: String) -> Report {
    let part = Part {
        inside: None,
        name: job.name.clone(),
        kind: kind::of(content),
        size: content.len() as u64,
        hash: *blake3::hash(content).as_bytes(),
    };
    Report { parts: vec![part], findings: vec![Finding::new(name, 0, evidence)], ..Report::default() }
}
