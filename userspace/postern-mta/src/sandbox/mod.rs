//! The sandbox's word on a mail's attachments: each goes to the role `sandbox` in a sealed memfd, and its findings come back.
//!
//! Nothing is lost when it is away: what becomes of the mail then is `sandbox.when_unavailable` (`postern_filter::judge`).

pub mod attachments;
mod memory;
pub mod passwords;
mod rules;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use postern_filter::facts::{SandboxFinding, Sandboxed};
use postern_mail::message::Message;
use postern_model::patience::Patience;
use postern_model::sandbox::{Finding, FindingName, Opened, Places, Report, Room, Seen};
use postern_model::settings::sandbox::{OpenDocuments, SandboxSettings, WhenNotOpened};
use postern_sandbox::client::{self, SandboxError};
use postern_sandbox::job::Job;
use postern_sandbox::limits::Limits;
use postern_sandbox::yara::Sources;

use attachments::Attachment;
use memory::Key;
pub use memory::Memory;
pub use rules::{RuleBook, RulesState, RulesTrouble, try_rules};

/// Its socket, in the folder of all roles' sockets.
pub const SOCKET: &str = "sandbox.sock";
/// Mails in a row without an answer after which the role is asked how it is, which no attachment can make slow. If that fails too, mails
/// no longer wait; it is tried again this often, and waited for so long.
const FAILURES: u32 = 5;
const TRY_EVERY: Duration = Duration::from_secs(5);
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// Of a person who asks; the API answers within a minute.
const PATIENCE: Duration = Duration::from_secs(45);

pub struct Sandbox {
    settings: SandboxSettings,
    socket: PathBuf,
    patience: Patience,
    /// Said once until it answers again, not for every mail.
    was_down: AtomicBool,
    memory: Arc<Memory>,
    rules: Arc<RuleBook>,
}

/// For whom attachments are looked at: what it may take, and whether what was seen before counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// A client waits for the reply to its data.
    #[default]
    InSession,
    /// Nobody waits: twice the time.
    Held,
    /// A person asks what is in them: twice the time, and what was seen before does not count.
    Anew,
}

impl Look {
    /// What all attachments of a mail may take together.
    fn whole(self, settings: &SandboxSettings) -> Duration {
        match self {
            Self::InSession => settings.timeout.0,
            Self::Held => settings.timeout.0 * 2,
            Self::Anew => (settings.timeout.0 * 2).min(PATIENCE),
        }
    }
}

/// The attachments of one mail, ready to be asked about.
#[derive(Default)]
pub(crate) struct Prepared {
    look: Look,
    rules: Option<Arc<Sources>>,
    enclosed: Vec<Enclosed>,
    known: Vec<(Arc<Report>, Seen)>,
    left_out: Vec<String>,
    unsealed: Vec<String>,
}

struct Enclosed {
    name: String,
    key: Key,
    sealed: File,
}

/// The order for one attachment.
pub fn job(settings: &SandboxSettings, attachment: &Attachment<'_>, passwords: &[String], look: Look) -> Job {
    // Half of what the mail may take: who is slow is told on by the role before the mail stops waiting.
    let time = look.whole(settings) / 2;
    let usual = Limits::default();
    let scripts = if settings.run_scripts { usual.scripts.min(time / 3) } else { Duration::ZERO };
    let programs = if settings.run_programs { usual.programs.min(time / 3) } else { Duration::ZERO };
    let documents = if settings.open_documents == OpenDocuments::None { Duration::ZERO } else { usual.documents.min(time / 2) };
    let all_documents = settings.open_documents == OpenDocuments::All;
    let yara = if settings.yara { usual.yara.min(time / 4) } else { Duration::ZERO };
    let limits =
        Limits { memory: settings.memory, time, cpu: time.min(usual.cpu), scripts, programs, documents, all_documents, yara, ..usual };
    Job {
        name: attachment.name.clone(),
        content_type: attachment.content_type.to_owned(),
        passwords: passwords.to_vec(),
        program: None,
        limits,
    }
}

/// A report as the judgement takes it.
pub fn findings(report: &Report) -> Vec<SandboxFinding> {
    let finding = |f: &Finding| SandboxFinding { name: f.name, place: report.path(f.part), evidence: f.evidence.clone() };
    report.findings.iter().map(finding).collect()
}

/// Puts a report among those that are kept with the mail; what room is left.
fn show(opened: &mut Vec<Opened>, report: &Report, seen: Seen, room: Room) -> Room {
    let (report, left_out) = report.cut_to(room);
    let room = room.without(&report);
    opened.push(Opened { report, left_out, seen });
    room
}

impl Sandbox {
    pub fn new(settings: &SandboxSettings, socket: PathBuf, memory: Arc<Memory>, rules: Arc<RuleBook>) -> Self {
        Self {
            settings: settings.clone(),
            socket,
            patience: Patience::new(FAILURES, TRY_EVERY, Instant::now()),
            was_down: AtomicBool::new(false),
            memory,
            rules,
        }
    }

    /// What attachments came to, for whoever comes after this one.
    pub(crate) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }

    pub(crate) fn rules(&self) -> Arc<RuleBook> {
        Arc::clone(&self.rules)
    }

    /// Finds the attachments and encloses those whose findings are not known. Takes as long as decoding them does.
    pub(crate) fn prepare(&self, mail: &[u8], message: &Message, look: Look) -> Prepared {
        if !self.settings.enabled {
            return Prepared::default();
        }
        let (attachments, left_out) = attachments::of(&self.settings, mail, message);
        let rules = self.settings.yara.then(|| self.rules.in_force());
        let mut prepared = Prepared { look, rules, left_out, ..Prepared::default() };
        let passwords = if attachments.is_empty() { Vec::new() } else { passwords::of(message) };
        for attachment in attachments {
            let key = Memory::key(&attachment, &self.settings, prepared.rules.as_ref().map(|rules| rules.id));
            if let Some(known) = self.memory.recall(&key).filter(|_| look != Look::Anew) {
                prepared.known.push(known);
                continue;
            }
            match job(&self.settings, &attachment, &passwords, look).seal(&attachment.content) {
                Ok(sealed) => prepared.enclosed.push(Enclosed { name: attachment.name, key, sealed }),
                Err(e) => prepared.unsealed.push(format!("{}: it cannot be enclosed: {e}", attachment.name)),
            }
        }
        prepared
    }

    /// What taking them apart comes to, within the time limit of a mail.
    pub(crate) async fn ask(&self, prepared: Prepared) -> Sandboxed {
        let Prepared { look, rules, enclosed, known, left_out, unsealed } = prepared;
        let mut found = Sandboxed { left_out, unanswered: unsealed, ..Sandboxed::default() };
        let mut room = Room::MAIL;
        for (report, seen) in known {
            found.findings.extend(findings(&report));
            room = show(&mut found.opened, &report, seen, room);
        }
        if enclosed.is_empty() {
            return found;
        }
        if !self.patience.is_worth_asking(self.is_alive()).await {
            found.unanswered.extend(enclosed.into_iter().map(|one| format!("{}: the role sandbox keeps silent", one.name)));
            return found;
        }
        let limit = look.whole(&self.settings);
        let until = tokio::time::Instant::now() + limit;
        let rules = rules.as_deref();
        let answers = join_all(enclosed.into_iter().map(|one| async move { (self.open(&one, rules, until, limit).await, one) })).await;
        let mut is_silent = false;
        for (answer, one) in answers {
            match answer {
                Ok(report) if self.is_looked_at_again(&report, look) => {
                    found.unanswered.push(format!("{}: it takes longer than a client waits", one.name));
                }
                Ok(report) => {
                    self.memory.keep(one.key, &report);
                    found.findings.extend(findings(&report));
                    room = show(&mut found.opened, &report, Seen::Now, room);
                    self.patience.answered();
                    if self.was_down.swap(false, Ordering::Relaxed) {
                        tracing::info!(socket = %self.socket.display(), "the role sandbox answers again");
                    }
                }
                Err(trouble) => {
                    is_silent |= trouble.is_silence();
                    let why = trouble.to_string();
                    if !self.was_down.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            socket = %self.socket.display(),
                            attachment = one.name,
                            why,
                            "an attachment is not taken apart: its mail passes, waits or is kept as sandbox.when_unavailable says"
                        );
                    }
                    found.unanswered.push(format!("{}: {why}", one.name));
                }
            }
        }
        if is_silent {
            self.patience.no_answer(self.is_alive()).await;
        }
        found
    }

    /// What did not end in time, or was not begun, may with more of it, when its mail can wait.
    fn is_looked_at_again(&self, report: &Report, look: Look) -> bool {
        look == Look::InSession
            && self.settings.when_unavailable == WhenNotOpened::Hold
            && report.findings.iter().any(|f| matches!(f.name, FindingName::CellTimeout | FindingName::NotRun))
    }

    async fn open(&self, one: &Enclosed, rules: Option<&Sources>, until: tokio::time::Instant, limit: Duration) -> Result<Report, Trouble> {
        match tokio::time::timeout_at(until, self.open_with(one, rules)).await {
            Ok(answer) => answer.map_err(Trouble::Answer),
            Err(_) => Err(Trouble::Late(limit)),
        }
    }

    /// The role forgets rules when it starts anew: then they are sent first. Where they cannot be used the attachment is opened without them, and
    /// that is said.
    async fn open_with(&self, one: &Enclosed, rules: Option<&Sources>) -> Result<Report, SandboxError> {
        let places = Places { at_once: self.settings.at_once, waiting: self.settings.waiting };
        // The role has no way to edge but this one.
        let watch = client::watch_at(&self.socket).await;
        let open = |rules| client::open(&self.socket, places, rules, watch.as_ref(), &one.sealed);
        let Some(rules) = rules else { return open(None).await };
        match open(Some(rules.id)).await {
            Err(SandboxError::UnknownRules) => {}
            answer => return answer,
        }
        let why = match client::rules(&self.socket, rules).await {
            Ok(report) if report.is_usable() => return open(Some(rules.id)).await,
            Ok(report) => report.errors().map(ToString::to_string).next().unwrap_or_default(),
            Err(why) => why.to_string(),
        };
        tracing::error!(attachment = one.name, why, "an attachment is opened without YARA rules");
        let mut report = open(None).await?;
        report.findings.push(Finding::new(FindingName::YaraStopped, 0, format!("the rules are not ready: {why}")));
        Ok(report)
    }

    /// Whether there is anything to be had by asking now.
    pub(crate) async fn is_worth_asking(&self) -> bool {
        !self.settings.enabled || self.is_alive().await
    }

    async fn is_alive(&self) -> bool {
        let status = tokio::time::timeout(ALIVE_WITHIN.min(self.settings.timeout.0), client::status(&self.socket)).await;
        matches!(status, Ok(Ok(_)))
    }
}

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Answer(#[source] SandboxError),
    #[error("no report within {} s", .0.as_secs())]
    Late(Duration),
}

impl Trouble {
    /// Nobody said anything: whoever says no is there.
    fn is_silence(&self) -> bool {
        matches!(self, Self::Late(_) | Self::Answer(SandboxError::Away(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_documents_are_opened_the_settings_say() {
        let attachment =
            Attachment { name: "a.docm".into(), content_type: "application/zip", hash: [0; 32], content: b"x".as_slice().into() };
        for (open_documents, look, time, is_each) in [
            (OpenDocuments::None, Look::InSession, 0, false),
            (OpenDocuments::Active, Look::InSession, 5, false),
            (OpenDocuments::Active, Look::Held, 10, false),
            (OpenDocuments::All, Look::Held, 10, true),
        ] {
            let settings = SandboxSettings { open_documents, ..SandboxSettings::default() };
            let limits = job(&settings, &attachment, &[], look).limits;
            assert_eq!((limits.documents, limits.all_documents), (Duration::from_secs(time), is_each), "{open_documents:?}, {look:?}");
        }
    }
}
