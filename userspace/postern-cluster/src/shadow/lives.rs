//! The lives of this node's spool, and where each ended on this disk.
//!
//! A holder remembers how far the log of an origin had come ([`Mark`]). A mark beyond the end that this disk knows of that life, or
//! of a life that it does not know, says that the disk lost what came after: it was restored from an older copy, its spool was
//! deleted, or is damaged. A crash alone cannot look like that: a mark is told after the sync.
//!
//! On disk, below `cluster/shadows`: `lives`, a line for each start of the node (life, and the segment and offset where it ended; `now` in the
//! last one), written anew at each start.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use postern_store::spool::Position;

use super::bounds::LIVES;
use super::mark::Mark;

#[derive(Debug)]
pub struct Lives {
    now: u64,
    ends: HashMap<u64, Position>,
}

impl Lives {
    /// Begins a life. `ended` is where the log ended when the spool was opened; `None` when it was damaged.
    ///
    /// # Errors
    /// When the disk refuses: marks of this life would be of one that nobody knows after the next start.
    pub fn begin(dir: &Path, ended: Option<Position>) -> io::Result<Self> {
        let path = dir.join("lives");
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(path = %path.display(), "the list of this node's lives cannot be read: what holders have and this node does not know is taken back");
                String::new()
            }
            Err(error) => return Err(error),
        };
        let mut lives: Vec<(u64, Position)> = old.lines().filter_map(|l| line(l, ended.unwrap_or_default())).collect();
        lives.drain(..lives.len().saturating_sub(LIVES));
        if ended.is_none() {
            // Where what is lost was, nobody can say.
            lives.iter_mut().for_each(|(_, end)| *end = Position::default());
        }
        let now = rand::random();
        let mut text = String::new();
        for (life, end) in &lives {
            let _ = writeln!(text, "{life:016x} {} {}", end.segment, end.offset);
        }
        let _ = writeln!(text, "{now:016x} now");
        let young = dir.join("lives.new");
        let mut file = File::create(&young)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&young, &path)?;
        File::open(dir)?.sync_all()?;
        Ok(Self { now, ends: lives.into_iter().collect() })
    }

    pub fn mark(&self, at: Position) -> Mark {
        Mark { life: self.now, segment: at.segment, offset: at.offset }
    }

    /// Whether what came before this mark may be lost here.
    pub fn lost(&self, mark: Mark) -> bool {
        mark.life != self.now && self.ends.get(&mark.life).is_none_or(|end| mark.position() > *end)
    }
}

/// `None`: no line of ours.
fn line(text: &str, last_end: Position) -> Option<(u64, Position)> {
    let mut words = text.split(' ');
    let life = u64::from_str_radix(words.next()?, 16).ok()?;
    let end = match words.next()? {
        "now" => last_end,
        segment => Position { segment: segment.parse().ok()?, offset: words.next()?.parse().ok()? },
    };
    Some((life, end))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(segment: u32, offset: u64) -> Position {
        Position { segment, offset }
    }

    #[test]
    fn only_a_disk_that_went_back_has_lost_anything() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lives::begin(dir.path(), Some(at(0, 0))).unwrap();
        let copied = std::fs::read(dir.path().join("lives")).unwrap();
        let (early, late) = (first.mark(at(1, 400)), first.mark(at(2, 100)));
        assert!(!first.lost(late), "it lives");

        let second = Lives::begin(dir.path(), Some(at(2, 100))).unwrap();
        assert!(!second.lost(early) && !second.lost(late), "an ordinary restart");
        let later = second.mark(at(9, 9));

        std::fs::write(dir.path().join("lives"), &copied).unwrap();
        let restored = Lives::begin(dir.path(), Some(at(1, 500))).unwrap();
        assert!(!restored.lost(early), "the copy has that");
        assert!(restored.lost(late), "the copy was made before that");
        assert!(restored.lost(later), "a life it never knew");

        let next = Lives::begin(dir.path(), Some(at(30, 0))).unwrap();
        assert!(next.lost(late) && !next.lost(early), "however far it came since");
        assert!(!next.lost(restored.mark(at(29, 7))));

        let damaged = Lives::begin(dir.path(), None).unwrap();
        assert!(damaged.lost(early));
    }

    #[test]
    fn a_file_that_is_no_list_knows_no_life() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lives::begin(dir.path(), Some(at(0, 0))).unwrap();
        for rubbish in [&b"\xff\xfe\n"[..], b"seven 1 2\n\n0a\n", b""] {
            std::fs::write(dir.path().join("lives"), rubbish).unwrap();
            assert!(Lives::begin(dir.path(), Some(at(5, 5))).unwrap().lost(first.mark(at(1, 1))));
        }
    }
}
