//! What attachments came to that were seen before, here or by a peer: a campaign sends the same file a thousand times, and it is taken
//! apart once.
//!
//! The key is the content's hash with all else that the findings depend on: the name, the declared type, whether scripts are run, the YARA
//! rules, and which findings this version knows. Reports that depend on more are not kept: of what is encrypted (another mail may bring the
//! password), and of cells that did not end well (they may next time). One in which something was found is told to the peers.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lru::LruCache;
use parking_lot::Mutex;
use postern_model::sandbox::{FindingName, Report, Room, RulesId, Seen, SeenFile};
use postern_model::settings::sandbox::SandboxSettings;
use postern_model::time::Timestamp;
use postern_sandbox::dissect::FINDINGS_VERSION;
use tokio::sync::mpsc;

use super::attachments::Attachment;

/// Attachments that are remembered, and octets of each as peers are told: 32 MiB at the very most, and a hundredth of that with honest
/// mail.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
const LARGEST: usize = SeenFile::LARGEST;
/// Files that may wait to be told.
const NEWS: usize = 256;
/// Files that peers are told of within a minute: what is beyond that they see for themselves.
const A_MINUTE: u32 = 600;

pub type Key = [u8; 32];

pub struct Memory {
    files: Mutex<LruCache<Key, (Arc<Report>, Seen)>>,
    outlet: Mutex<Outlet>,
}

#[derive(Default)]
struct Outlet {
    to: Option<mpsc::Sender<SeenFile>>,
    since: Option<Instant>,
    told: u32,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    #[must_use]
    pub fn new() -> Self {
        Self { files: Mutex::new(LruCache::new(MOST)), outlet: Mutex::default() }
    }

    pub fn key(attachment: &Attachment<'_>, settings: &SandboxSettings, rules: Option<RulesId>) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&attachment.hash);
        for text in [attachment.name.as_str(), attachment.content_type] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&FINDINGS_VERSION.to_le_bytes());
        hasher.update(&[u8::from(settings.run_scripts), u8::from(settings.run_programs), settings.open_documents as u8]);
        if let Some(RulesId(rules)) = rules {
            hasher.update(&rules);
        }
        *hasher.finalize().as_bytes()
    }

    pub fn recall(&self, key: &Key) -> Option<(Arc<Report>, Seen)> {
        self.files.lock().get(key).cloned()
    }

    /// Keeps what this node saw, and tells peers when there is something to tell.
    pub fn keep(&self, key: Key, report: &Report) {
        if !report.findings.iter().all(|f| is_lasting(f.name)) {
            return;
        }
        let Some(report) = small(report) else { return };
        let is_worth_it = !report.findings.is_empty();
        let report = Arc::new(report);
        self.files.lock().put(key, (Arc::clone(&report), Seen::Before));
        if is_worth_it {
            let at = Timestamp::from_system(SystemTime::now());
            self.tell(|| SeenFile { key, at, report: Report::clone(&report), by: None });
        }
    }

    /// Keeps what a peer saw, or this node before its start. What it saw since then stays.
    pub fn adopt(&self, file: SeenFile) {
        if !file.report.is_sound() {
            return;
        }
        let mut files = self.files.lock();
        if files.peek(&file.key).is_none() {
            files.put(file.key, (Arc::new(file.report), file.by.map_or(Seen::Before, Seen::ByPeer)));
        }
    }

    /// What this node sees from now on; in place of an earlier listener.
    pub fn news(&self) -> mpsc::Receiver<SeenFile> {
        let (to, news) = mpsc::channel(NEWS);
        self.outlet.lock().to = Some(to);
        news
    }

    fn tell(&self, file: impl FnOnce() -> SeenFile) {
        let mut outlet = self.outlet.lock();
        let now = Instant::now();
        if outlet.since.is_none_or(|since| now.duration_since(since) > Duration::from_secs(60)) {
            (outlet.since, outlet.told) = (Some(now), 0);
        }
        if outlet.told >= A_MINUTE {
            return;
        }
        // A listener that does not keep up costs its peers an opening.
        if outlet.to.as_ref().is_some_and(|to| !to.is_closed() && to.try_send(file()).is_ok()) {
            outlet.told += 1;
        }
    }
}

/// All findings of a report with as much of the rest as fits; `None` when they do not.
fn small(report: &Report) -> Option<Report> {
    let mut room = Room::FILE;
    loop {
        let (cut, _) = report.cut_to(room);
        if cut.findings.len() < report.findings.len() {
            return None;
        }
        if serde_json::to_vec(&cut).is_ok_and(|octets| octets.len() <= LARGEST) {
            return Some(cut);
        }
        if room.parts <= 1 && room.events == 0 {
            return None;
        }
        room = Room { parts: room.parts * 2 / 3, events: room.events / 2, ..room };
    }
}

fn is_lasting(name: FindingName) -> bool {
    !matches!(
        name,
        FindingName::Encrypted
            | FindingName::PasswordInMail
            | FindingName::CellBroken
            | FindingName::CellFailed
            | FindingName::CellTimeout
            | FindingName::ScriptStopped
            | FindingName::NativeStopped
            | FindingName::NotRun
            | FindingName::YaraStopped
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use postern_model::node::NodeId;
    use postern_model::sandbox::{Finding, Kind, Part};

    fn key(name: &str, content: &[u8]) -> Key {
        let hash = *blake3::hash(content).as_bytes();
        let attachment = Attachment { name: name.into(), content_type: "application/zip", hash, content: content.into() };
        Memory::key(&attachment, &SandboxSettings::default(), None)
    }

    fn report(names: &[FindingName]) -> Report {
        let part = Part { inside: None, name: "a.zip".into(), kind: Kind::Zip, size: 1, hash: [0; 32] };
        Report { parts: vec![part], findings: names.iter().map(|n| Finding::new(*n, 0, "")).collect(), ..Report::default() }
    }

    #[test]
    fn the_same_file_under_another_name_is_another_one() {
        let memory = Memory::new();
        memory.keep(key("a.zip", b"x"), &report(&[FindingName::Macros]));
        assert_eq!(memory.recall(&key("a.zip", b"x")).map(|(r, seen)| (r.findings.len(), seen)), Some((1, Seen::Before)));
        assert!(memory.recall(&key("a.txt", b"x")).is_none() && memory.recall(&key("a.zip", b"y")).is_none());
        let hash = *blake3::hash(b"x").as_bytes();
        let attachment = Attachment { name: "a.zip".into(), content_type: "application/zip", hash, content: b"x".as_slice().into() };
        let without = Memory::key(&attachment, &SandboxSettings { run_scripts: false, ..SandboxSettings::default() }, None);
        assert!(memory.recall(&without).is_none(), "scripts were not run");
    }

    #[test]
    fn what_the_next_mail_may_change_is_not_kept() {
        let memory = Memory::new();
        for name in [FindingName::Encrypted, FindingName::CellTimeout, FindingName::ScriptStopped, FindingName::NotRun] {
            memory.keep(key("a.zip", b"x"), &report(&[FindingName::Macros, name]));
            assert!(memory.recall(&key("a.zip", b"x")).is_none(), "{}", name.name());
        }
    }

    #[test]
    fn peers_are_told_of_what_was_found_and_their_word_does_not_replace_ours() {
        let memory = Memory::new();
        let mut news = memory.news();
        memory.keep(key("plain.zip", b"x"), &report(&[]));
        memory.keep(key("a.zip", b"x"), &report(&[FindingName::Macros]));
        let told = news.try_recv().unwrap();
        assert_eq!((told.key, told.by, news.try_recv().is_err()), (key("a.zip", b"x"), None, true));
        let peer = NodeId([7; 16]);
        memory.adopt(SeenFile { by: Some(peer), ..told.clone() });
        assert_eq!(memory.recall(&told.key).unwrap().1, Seen::Before);
        let other = Memory::new();
        other.adopt(SeenFile { by: Some(peer), ..told.clone() });
        assert_eq!(other.recall(&told.key).unwrap().1, Seen::ByPeer(peer));
        let unsound = Report { findings: vec![Finding::new(FindingName::Macros, 9, "")], ..report(&[]) };
        other.adopt(SeenFile { key: [1; 32], by: Some(peer), report: unsound, ..told });
        assert!(other.recall(&[1; 32]).is_none());
    }
}
