//! What the spool knows in memory: where each live mail is, and how much of each segment is alive.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::AHashMap;
use postern_model::id::MailId;
use postern_model::time::Timestamp;

use super::record::{Place, extent};
use super::segment::SegmentFile;

/// Where a live mail is: 24 octets beside its id, for a queue may hold a million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its mail record.
    pub at: Place,
    pub meta_len: u32,
    /// Octets of the body in the segment; [`Entry::EXTERNAL`] for one in a file of its own.
    pub body_len: u32,
    /// Its last change, if any came after the mail record.
    pub change: Place,
}

impl Entry {
    pub const EXTERNAL: u32 = u32::MAX;

    pub fn is_external(&self) -> bool {
        self.body_len == Self::EXTERNAL
    }

    pub fn extent(&self) -> u64 {
        extent(self.meta_len, if self.is_external() { 0 } else { self.body_len })
    }
}

#[derive(Debug)]
pub(super) struct Segment {
    pub file: Arc<SegmentFile>,
    /// Everything before is synced and believed.
    pub end: u64,
    /// Octets the file takes on disk.
    pub allocated: u64,
    pub live: u64,
    pub live_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    pub mails: AHashMap<MailId, Entry>,
    pub segments: BTreeMap<u32, Segment>,
    /// Bodies in files, of done mails, to be unlinked.
    pub dead_bodies: Vec<MailId>,
    /// The end of the last batch since the spool was opened.
    pub position: Position,
    pub counters: Counters,
}

/// Figures since the spool was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub accepted: u64,
    pub done: u64,
    /// Batches written; `accepted / batches` says how well group commit works.
    pub batches: u64,
    pub failed_batches: u64,
    /// Octets written to segments.
    pub written: u64,
    /// Live mails moved on so that an old segment could be freed.
    pub moved: u64,
    pub freed_segments: u64,
    /// Mails found damaged on disk, on opening or reading.
    pub damaged: u64,
}

/// How far the log was on disk at a moment: what was accepted before lies before this place. It only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub segment: u32,
    pub offset: u64,
}

/// The spool's size, for metrics and lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub segments: u64,
    /// Octets of disk the segments take.
    pub bytes: u64,
    pub live_mails: u64,
    /// Octets of live mail records in segments.
    pub live_bytes: u64,
    /// Octets in segments that wait for being freed.
    pub dead_bytes: u64,
    /// Live mails whose body is a file of its own.
    pub body_files: u64,
    /// When the oldest live mail was accepted (from its id).
    pub oldest: Option<Timestamp>,
    pub counters: Counters,
}

impl Index {
    /// A mail's record is durable; one that was there before is replaced (moved).
    pub fn insert(&mut self, id: MailId, entry: Entry) {
        if let Some(old) = self.mails.insert(id, entry) {
            self.release(&old);
        }
        if let Some(segment) = self.segments.get_mut(&entry.at.segment) {
            segment.live += 1;
            segment.live_bytes += entry.extent();
        }
    }

    /// A mail is done, or cannot be kept.
    pub fn remove(&mut self, id: MailId) -> bool {
        let Some(old) = self.mails.remove(&id) else { return false };
        self.release(&old);
        if old.is_external() {
            self.dead_bodies.push(id);
        }
        true
    }

    fn release(&mut self, entry: &Entry) {
        if let Some(segment) = self.segments.get_mut(&entry.at.segment) {
            segment.live = segment.live.saturating_sub(1);
            segment.live_bytes = segment.live_bytes.saturating_sub(entry.extent());
        }
    }

    pub fn file(&self, segment: u32) -> Option<Arc<SegmentFile>> {
        self.segments.get(&segment).map(|s| Arc::clone(&s.file))
    }

    pub fn usage(&self) -> Usage {
        let mut usage = Usage {
            segments: self.segments.len() as u64,
            live_mails: self.mails.len() as u64,
            oldest: self.mails.keys().min().map(|id| id.time()),
            body_files: self.mails.values().filter(|e| e.is_external()).count() as u64,
            counters: self.counters,
            ..Usage::default()
        };
        let mut used = 0;
        for segment in self.segments.values() {
            usage.bytes += segment.allocated;
            usage.live_bytes += segment.live_bytes;
            used += segment.end;
        }
        usage.dead_bytes = used.saturating_sub(usage.live_bytes);
        usage
    }
}
