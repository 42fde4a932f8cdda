//! Which mails of an origin were taken over, so that it does not deliver them again when it comes back.
//!
//! A file of lines of 25 octets: the id, when (milliseconds, little endian), and by whom. It is synced before a copy is dropped, and
//! written anew without what is old when it is opened.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use postern_model::id::MailId;
use postern_model::time::Timestamp;

use super::bounds::{ADOPTED_DAYS, ADOPTED_MOST};

const LINE: usize = 25;

/// Who took a mail over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Me,
    Another,
    /// By nobody: its origin had it anew, and copied it again.
    Nobody,
}

#[derive(Debug)]
pub struct Adopted {
    path: PathBuf,
    file: File,
    lines: VecDeque<(MailId, i64, By)>,
    ids: HashSet<MailId>,
    mine: HashSet<MailId>,
}

impl Adopted {
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(dir: &Path, now: Timestamp) -> io::Result<Self> {
        let path = dir.join("adopted");
        let old = match std::fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let since = now.0 - ADOPTED_DAYS * 86_400_000;
        // A torn last line was never acted upon.
        let mut lines: VecDeque<_> = old.chunks_exact(LINE).map(line).filter(|(_, at, _)| *at >= since).collect();
        let anew: HashSet<MailId> = lines.iter().filter(|(.., by)| *by == By::Nobody).map(|(id, ..)| *id).collect();
        let last = |id: MailId| lines.iter().rev().find(|(other, ..)| *other == id).is_some_and(|(.., by)| *by == By::Nobody);
        let cleared: HashSet<MailId> = anew.into_iter().filter(|id| last(*id)).collect();
        lines.retain(|(id, _, by)| *by != By::Nobody && !cleared.contains(id));
        let excess = lines.len().saturating_sub(ADOPTED_MOST);
        lines.drain(..excess);
        let young = dir.join("adopted.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&young)?;
        let octets: Vec<u8> = lines.iter().flat_map(|(id, at, by)| octets(*id, *at, *by)).collect();
        file.write_all(&octets)?;
        file.sync_all()?;
        std::fs::rename(&young, &path)?;
        File::open(dir)?.sync_all()?;
        let ids = lines.iter().map(|(id, ..)| *id).collect();
        let mine = lines.iter().filter(|(.., by)| *by == By::Me).map(|(id, ..)| *id).collect();
        Ok(Self { path, file, lines, ids, mine })
    }

    /// Remembers durably. Those known already are left out.
    ///
    /// # Errors
    /// When the disk refuses: the copies must stay.
    pub fn add(&mut self, ids: &[MailId], by: By, now: Timestamp) -> io::Result<()> {
        let new: Vec<MailId> =
            ids.iter().copied().filter(|id| if by == By::Me { !self.mine.contains(id) } else { !self.ids.contains(id) }).collect();
        if new.is_empty() {
            return Ok(());
        }
        self.append(&new, by, now)?;
        for id in new {
            self.ids.insert(id);
            if by == By::Me {
                self.mine.insert(id);
            }
            self.lines.push_back((id, now.0, by));
        }
        while self.lines.len() > ADOPTED_MOST {
            if let Some((id, ..)) = self.lines.pop_front() {
                self.ids.remove(&id);
                self.mine.remove(&id);
            }
        }
        Ok(())
    }

    /// The origin copies it again: it has it anew.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&mut self, id: MailId, now: Timestamp) -> io::Result<()> {
        if self.ids.contains(&id) {
            self.append(&[id], By::Nobody, now)?;
            self.ids.remove(&id);
            self.mine.remove(&id);
            self.lines.retain(|(other, ..)| *other != id);
        }
        Ok(())
    }

    fn append(&mut self, ids: &[MailId], by: By, now: Timestamp) -> io::Result<()> {
        let lines: Vec<u8> = ids.iter().flat_map(|id| octets(*id, now.0, by)).collect();
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&lines).and_then(|()| self.file.sync_data()) {
            // Half a line would shift all that come after it.
            let _ = self.file.set_len(before);
            self.file = OpenOptions::new().append(true).open(&self.path)?;
            return Err(error);
        }
        Ok(())
    }

    pub fn contains(&self, id: MailId) -> bool {
        self.ids.contains(&id)
    }

    pub fn is_mine(&self, id: MailId) -> bool {
        self.mine.contains(&id)
    }

    pub fn ids(&self) -> Vec<MailId> {
        self.lines.iter().map(|(id, ..)| *id).collect()
    }
}

fn octets(id: MailId, at: i64, by: By) -> [u8; LINE] {
    let mut line = [0; LINE];
    line[..16].copy_from_slice(&id.to_bytes());
    line[16..24].copy_from_slice(&at.to_le_bytes());
    line[24] = by as u8;
    line
}

fn line(octets: &[u8]) -> (MailId, i64, By) {
    let (mut id, mut at) = ([0; 16], [0; 8]);
    id.copy_from_slice(&octets[..16]);
    at.copy_from_slice(&octets[16..24]);
    (
        MailId::from_bytes(id),
        i64::from_le_bytes(at),
        match octets[24] {
            0 => By::Me,
            2 => By::Nobody,
            _ => By::Another,
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ids_are_remembered_for_days_over_restarts_and_torn_lines() {
        let dir = tempfile::tempdir().unwrap();
        let day = |n: i64| Timestamp(n * 86_400_000);
        let id = |n: i64| MailId::new(Timestamp(n), 1);
        let mut adopted = Adopted::open(dir.path(), day(0)).unwrap();
        adopted.add(&[id(1), id(2)], By::Another, day(0)).unwrap();
        adopted.add(&[id(2), id(3)], By::Another, day(4)).unwrap();
        adopted.add(&[id(3)], By::Me, day(5)).unwrap();
        adopted.add(&[id(4)], By::Another, day(5)).unwrap();
        adopted.clear(id(4), day(5)).unwrap();
        assert!(!adopted.contains(id(4)));
        drop(adopted);
        let path = dir.path().join("adopted");
        OpenOptions::new().append(true).open(&path).unwrap().write_all(&[7; 9]).unwrap();
        assert_eq!(Adopted::open(dir.path(), day(6)).unwrap().ids(), [id(1), id(2), id(3), id(3)]);
        let later = Adopted::open(dir.path(), day(12)).unwrap();
        assert_eq!(later.ids(), [id(3)]);
        assert!(later.is_mine(id(3)) && later.contains(id(3)) && !later.contains(id(1)));
    }
}
