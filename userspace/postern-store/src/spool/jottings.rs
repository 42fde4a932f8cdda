//! Jottings: notes that wait for the log, where `kill -9` does not reach them.
//!
//! A note ([`super::Spool::note`]) is in the log with the next batch, up to 100 ms later. A process that is killed before would
//! forget what it had delivered, and deliver again. So each note is also written at once into a small ring file, with one
//! `write` and no sync: the kernel keeps what was written when the process goes. A power cut loses jottings, as it loses notes.
//!
//! Notes are numbered in the order in which they get into the log, and each record there carries the number of the last note
//! before it. At the next opening a jotting counts only if its mail lives and its number is above all of that mail's records: one
//! that reached the log, or belongs to an earlier life of the id, has no effect. Numbers are never given twice, so nothing
//! has to be erased, and a jotting that is lost or torn means a delivery repeated, never a mail lost.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use ahash::AHashMap;
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};

use super::queue::Job;
use super::record::{Kind, u32_at, u64_at};
use super::{SpoolError, io_error};

/// One jotting. A longer change (a reply of many lines) is not jotted; a mail that is done as a whole needs no more than the head.
const SLOT: usize = 1024;
const HEAD: usize = 32;
/// More than [`super::queue::NOTES_URGENT`], for those that come while a batch is written.
const SLOTS: u64 = 2048;

pub(super) struct Jottings {
    file: File,
}

/// As it was read back.
pub(super) struct Jotting {
    pub number: u64,
    id: MailId,
    /// A `QueueChange` as postcard; empty: it is done.
    meta: Vec<u8>,
}

impl Jottings {
    /// Opens the ring and reads what is in it, oldest first.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Jotting>), SpoolError> {
        let path = dir.join("jottings");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(io_error("cannot open", &path))?;
        let octets = std::fs::read(&path).map_err(io_error("cannot read", &path))?;
        let mut found: Vec<Jotting> = octets.chunks(SLOT).filter_map(decode).collect();
        found.sort_unstable_by_key(|j| j.number);
        Ok((Self { file }, found))
    }

    /// What cannot be written is not: the log is the truth.
    pub fn jot(&self, number: u64, id: MailId, meta: &[u8]) {
        if meta.len() > SLOT - HEAD {
            return;
        }
        let mut slot = [0; SLOT];
        slot[4..8].copy_from_slice(&u32::try_from(meta.len()).unwrap_or(0).to_le_bytes());
        slot[8..16].copy_from_slice(&number.to_le_bytes());
        slot[16..HEAD].copy_from_slice(&id.to_bytes());
        slot[HEAD..HEAD + meta.len()].copy_from_slice(meta);
        let sum = crc32c::crc32c(&slot[4..HEAD + meta.len()]);
        slot[..4].copy_from_slice(&sum.to_le_bytes());
        if let Err(error) = self.file.write_all_at(&slot[..HEAD + meta.len()], number % SLOTS * SLOT as u64) {
            tracing::debug!(mail = %id, %error, "a note is not jotted down");
        }
    }
}

fn decode(slot: &[u8]) -> Option<Jotting> {
    let length = HEAD + usize::try_from(u32_at(slot.get(..HEAD)?, 4)).ok()?;
    let slot = slot.get(..length)?;
    if u32_at(slot, 0) != crc32c::crc32c(&slot[4..]) {
        return None;
    }
    let mut id = [0; 16];
    id.copy_from_slice(&slot[16..HEAD]);
    Some(Jotting { number: u64_at(slot, 8), id: MailId::from_bytes(id), meta: slot[HEAD..].to_vec() })
}

/// Works into the mails, which are in the order of their ids, what the log does not know yet; the notes that have to be in the log for it.
/// `noted`: the last note of each live mail in the log.
pub(super) fn replay(jottings: Vec<Jotting>, mut noted: AHashMap<MailId, u64>, mails: &mut Vec<QueuedMail>) -> Vec<Job> {
    let mut notes = Vec::new();
    let lived = noted.len();
    for Jotting { number, id, meta } in jottings {
        if noted.get(&id).is_none_or(|last| *last >= number) {
            continue;
        }
        if meta.is_empty() {
            noted.remove(&id);
            notes.push(Job { note: number, ..Job::note(id, Kind::Done, meta) });
        } else if let Ok(change) = postcard::from_bytes::<QueueChange>(&meta)
            && let Ok(n) = mails.binary_search_by_key(&id, |mail| mail.id)
        {
            mails[n].apply(&change);
            notes.push(Job { note: number, ..Job::note(id, Kind::Change, meta) });
        }
    }
    if noted.len() < lived {
        mails.retain(|mail| noted.contains_key(&mail.id));
    }
    notes
}
