//! The process outside: starts cells, reads their reports, ends those that do not end.

use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use postern_model::sandbox::{Finding, FindingName, Part, Report};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::walls::NO_WALLS;
use crate::dissect::{self, kind};
use crate::job::Job;

/// Octets of what a worker says to the log.
const WORDS_MOST: u64 = 4096;

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
}

/// Starts cells. How many at a time is up to the caller ([`super::Admission`]).
#[derive(Clone, Debug)]
pub struct Cells {
    worker: PathBuf,
}

impl Cells {
    /// `worker`: the program `postern-cell`.
    #[must_use]
    pub fn new(worker: PathBuf) -> Self {
        Self { worker }
    }

    /// Takes the content apart. What goes wrong within the cell is a finding; an error means that no cell could be had.
    ///
    /// # Errors
    /// When no worker can be started, or it cannot put up its walls.
    pub async fn run(&self, job: &Job, content: &[u8]) -> Result<Report, CellError> {
        let sealed = job.seal(content).map_err(|source| CellError::Start { path: self.worker.clone(), source })?;
        self.run_sealed(job, &sealed).await
    }

    /// The same with what [`Job::seal`] made of this job. Dropped before its end, it takes the cell with it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_sealed(&self, job: &Job, sealed: &File) -> Result<Report, CellError> {
        let failed = |source| CellError::Start { path: self.worker.clone(), source };
        // The worker reads from where the descriptor stands, and whoever sealed it holds it too.
        let mut whole = sealed;
        whole.rewind().map_err(failed)?;
        let mut command = Command::new(&self.worker);
        command.env_clear().stdin(sealed.try_clone().map_err(failed)?).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(io::Error::other("without its pipes")));
        };
        let (mut report, mut words) = (Vec::new(), Vec::new());
        let ended = tokio::time::timeout(job.limits.time, async {
            // One octet more than may be: so a longer one is seen.
            let (mut out, mut err) = (out.take(job.limits.report as u64 + 1), err.take(WORDS_MOST));
            let _ = tokio::join!(out.read_to_end(&mut report), err.read_to_end(&mut words));
            drop((out, err));
            child.wait().await
        })
        .await;
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        let (name, evidence) = match ended {
            Err(_) => {
                let _ = child.kill().await;
                (FindingName::CellTimeout, format!("killed after {} s", job.limits.time.as_secs()))
            }
            Ok(Err(source)) => return Err(failed(source)),
            Ok(Ok(status)) if status.code() == Some(NO_WALLS) => return Err(CellError::Walls(words)),
            Ok(Ok(status)) if status.success() => match postcard::from_bytes::<Report>(&report) {
                Ok(report) if report.is_sound() => return Ok(report),
                _ => (FindingName::CellFailed, "its report cannot be read".to_owned()),
            },
            Ok(Ok(status)) => end_of(status, &words),
        };
        tracing::warn!(attachment = job.name, finding = name.name(), evidence, words, "a cell ended without a report");
        let content = Job::content(sealed).map_err(failed)?;
        Ok(without_report(job, &content, name, evidence))
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
    Report { parts: vec![part], findings: vec![Finding::new(name, 0, evidence)] }
}
