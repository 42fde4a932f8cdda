//! How far the log of an origin had come on its disk, as a holder remembers it: see [`super::lives`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use postern_store::spool::Position;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Of the origin's spool, from one opening to the next.
    pub life: u64,
    pub segment: u32,
    pub offset: u64,
}

impl Mark {
    pub fn position(self) -> Position {
        Position { segment: self.segment, offset: self.offset }
    }
}

/// The last mark of an origin, in a file of one line: life, segment and offset, of the same length always.
pub struct KeptMark {
    path: PathBuf,
    kept: Mutex<(Option<Mark>, Option<File>)>,
}

impl KeptMark {
    /// What lies in the directory of an origin's copies, if anything does.
    pub fn read(dir: &Path) -> Self {
        let path = dir.join("mark");
        let mark = std::fs::read_to_string(&path).ok().and_then(|text| parse(&text));
        Self { path, kept: Mutex::new((mark, None)) }
    }

    pub fn get(&self) -> Option<Mark> {
        self.kept.lock().0
    }

    /// Written at once and not synced: it is lost when this machine loses power, and missed when the origin lost its disk then as well.
    pub fn set(&self, mark: Mark) {
        let mut kept = self.kept.lock();
        kept.0 = Some(mark);
        if let Err(error) = self.write(&mut kept.1, mark) {
            tracing::warn!(path = %self.path.display(), %error, "how far an origin's log is cannot be kept: an older disk of it may not be noticed");
        }
    }

    fn write(&self, file: &mut Option<File>, mark: Mark) -> io::Result<()> {
        let file = match file {
            Some(file) => file,
            None => {
                self.path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                file.insert(OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?)
            }
        };
        file.write_all_at(format!("{:016x} {:010} {:020}\n", mark.life, mark.segment, mark.offset).as_bytes(), 0)
    }
}

fn parse(text: &str) -> Option<Mark> {
    let mut words = text.split_ascii_whitespace();
    let life = u64::from_str_radix(words.next()?, 16).ok()?;
    Some(Mark { life, segment: words.next()?.parse().ok()?, offset: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_last_one_is_there_after_a_restart_and_rubbish_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let berth = dir.path().join("berth");
        let kept = KeptMark::read(&berth);
        assert_eq!(kept.get(), None);
        for offset in [u64::MAX, 7] {
            kept.set(Mark { life: 3, segment: 9, offset });
        }
        assert_eq!(KeptMark::read(&berth).get(), Some(Mark { life: 3, segment: 9, offset: 7 }));
        std::fs::write(berth.join("mark"), "3 9\n").unwrap();
        assert_eq!(KeptMark::read(&berth).get(), None);
    }
}
