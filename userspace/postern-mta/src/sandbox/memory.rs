//! What attachments came to that were seen before: a campaign sends the same file a thousand times, and it is taken apart once.
//!
//! The key is the content's hash with all else that the findings depend on: the name and the declared type. Findings that depend on
//! more are not kept: of what is encrypted (another mail may bring the password), and of cells that did not end well (they may next
//! time).

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use postern_filter::facts::SandboxFinding;
use postern_model::sandbox::FindingName;

use super::attachments::Attachment;

/// Attachments that are remembered, and findings of each: some 30 MB at the very most, and a hundredth of that with honest mail.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);
const FINDINGS: usize = 8;

pub type Key = [u8; 32];

pub struct Memory(Mutex<LruCache<Key, Arc<[SandboxFinding]>>>);

impl Memory {
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }

    pub fn key(attachment: &Attachment<'_>) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&attachment.hash);
        for text in [attachment.name.as_str(), attachment.content_type] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    pub fn recall(&self, key: &Key) -> Option<Arc<[SandboxFinding]>> {
        self.0.lock().get(key).map(Arc::clone)
    }

    pub fn keep(&self, key: Key, findings: &[SandboxFinding]) {
        if findings.len() <= FINDINGS && findings.iter().all(|f| is_lasting(f.name)) {
            self.0.lock().put(key, findings.into());
        }
    }
}

fn is_lasting(name: FindingName) -> bool {
    !matches!(
        name,
        FindingName::Encrypted | FindingName::PasswordInMail | FindingName::CellBroken | FindingName::CellFailed | FindingName::CellTimeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, content: &[u8]) -> Key {
        let hash = *blake3::hash(content).as_bytes();
        Memory::key(&Attachment { name: name.into(), content_type: "application/zip", hash, content: content.into() })
    }

    fn finding(name: FindingName) -> SandboxFinding {
        SandboxFinding { name, place: "a.zip".into(), evidence: String::new() }
    }

    #[test]
    fn the_same_file_under_another_name_is_another_one() {
        let memory = Memory::new();
        memory.keep(key("a.zip", b"x"), &[finding(FindingName::Macros)]);
        assert_eq!(memory.recall(&key("a.zip", b"x")).map(|f| f.len()), Some(1));
        assert!(memory.recall(&key("a.txt", b"x")).is_none() && memory.recall(&key("a.zip", b"y")).is_none());
    }

    #[test]
    fn what_the_next_mail_may_change_is_not_kept() {
        let memory = Memory::new();
        for name in [FindingName::Encrypted, FindingName::CellTimeout] {
            memory.keep(key("a.zip", b"x"), &[finding(FindingName::Macros), finding(name)]);
            assert!(memory.recall(&key("a.zip", b"x")).is_none(), "{}", name.name());
        }
    }
}
