//! Carries a plan out on a disk. What was written is believed when it was read back from the disk itself; until then nothing on
//! it starts. Nothing is decided here.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};

use super::data_partition::{self, DataError};
use super::gpt::SECTOR;
use super::medium::{Medium, MediumError};
use super::plan::{Ends, Keeps, Plan, Step};
use crate::manifest::Hash;

const CHUNK: usize = 1 << 20;

/// What a person is told on the way.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Begins(&'a Step),
    /// Octets of this step.
    Progress {
        done: u64,
        of: u64,
    },
}

pub type Listener<'a> = &'a mut dyn FnMut(Event<'_>);

#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Medium(#[from] MediumError),
    #[error("{disk} cannot be opened: {source}", disk = disk.display())]
    Open {
        disk: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{what} on {disk}: {source}", disk = disk.display())]
    Write {
        what: String,
        disk: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{what} was written to {disk}, and the disk gives something else back: it is defective, or not what it seems to be", disk = disk.display())]
    Differs { what: String, disk: PathBuf },
    #[error(transparent)]
    Data(#[from] DataError),
}

/// What a failed installation left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Untouched,
    /// It starts nothing, and what was on it is not found any more.
    Empty,
    /// It starts nothing; the data partition is as it was.
    DataOnly,
    /// Not even taking the table away again was possible.
    Unknown,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Left::Untouched => "Nothing was written.",
            Left::Empty => {
                "The disk does not start and holds nothing that could be used. Install again, on another disk if this one is defective."
            }
            Left::DataOnly => "The disk does not start. Its data partition is as it was: install again, and keep it again.",
            Left::Unknown => "The disk takes no more writes: what is on it is not known. Do not start from it.",
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{trouble}. {left}")]
pub struct Failed {
    #[source]
    pub trouble: Trouble,
    pub left: Left,
}

/// # Errors
/// What went wrong, and what that left.
pub fn carry_out(plan: &Plan, medium: &Medium, listener: Listener<'_>) -> Result<(), Failed> {
    let mut left = Left::Untouched;
    let mut work = || -> Result<(), Trouble> {
        let mut disk = open(&plan.node)?;
        for step in &plan.steps {
            listener(Event::Begins(step));
            match step {
                Step::CheckMedium => check(plan, medium, listener)?,
                Step::Clear { ends, keeps } => {
                    // Already one sector of it may be what started the machine.
                    left = if *keeps == Keeps::Data { Left::DataOnly } else { Left::Empty };
                    disk.put_ends(ends, step)?;
                }
                Step::Wipe { at, octets, .. } | Step::Zero { at, octets, .. } => disk.put(step, *at, &vec![0; *octets as usize])?,
                Step::Copy { image, at, octets, .. } => {
                    let mut done = 0;
                    medium.stream(image, |piece| {
                        disk.put(step, at + done / SECTOR, piece)?;
                        done += piece.len() as u64;
                        listener(Event::Progress { done: done.min(*octets), of: *octets });
                        Ok::<(), Trouble>(())
                    })?;
                    disk.sync(step)?;
                }
                Step::MakeData { at, sectors, machine } => {
                    // mkfs wants a disk that nobody has for himself.
                    drop(disk);
                    data_partition::make(&plan.node, *at, *sectors, machine)?;
                    disk = open(&plan.node)?;
                }
                Step::ReadBack => {
                    disk.sync(step)?;
                    read_back(plan, medium, &disk, listener)?;
                }
                Step::Finish { ends } => {
                    disk.put_ends(ends, step)?;
                    disk.compare_ends(ends, step)?;
                }
            }
        }
        Ok(())
    };
    let Err(trouble) = work() else { return Ok(()) };
    if left != Left::Untouched && !clear_again(plan) {
        left = Left::Unknown;
    }
    Err(Failed { trouble, left })
}

fn check(plan: &Plan, medium: &Medium, listener: Listener<'_>) -> Result<(), Trouble> {
    let of: u64 = copies(plan).map(|(.., octets)| octets).sum();
    let mut done = 0;
    for (image, ..) in copies(plan) {
        medium.stream(image, |piece| {
            done = of.min(done + piece.len() as u64);
            listener(Event::Progress { done, of });
            Ok::<(), Trouble>(())
        })?;
    }
    Ok(())
}

fn copies(plan: &Plan) -> impl Iterator<Item = (&'static str, u64, u64)> {
    plan.steps.iter().filter_map(|s| match s {
        Step::Copy { image, at, octets, .. } => Some((*image, *at, *octets)),
        _ => None,
    })
}

fn read_back(plan: &Plan, medium: &Medium, disk: &Target, listener: Listener<'_>) -> Result<(), Trouble> {
    let of: u64 = copies(plan).map(|(.., octets)| octets).sum();
    let mut done = 0;
    for step in &plan.steps {
        match step {
            Step::Zero { at, octets, .. } => {
                let mut is_zero = true;
                // With settings in it, the data partition was made after this and is looked at below.
                let is_made = plan.steps.iter().any(|s| matches!(s, Step::MakeData { at: made, .. } if made == at));
                disk.get(step, *at, *octets, |piece| is_zero &= piece.iter().all(|o| *o == 0))?;
                if !is_zero && !is_made {
                    return Err(disk.differs(step));
                }
            }
            Step::Copy { image, at, octets, .. } => {
                let mut hash = Hash::default();
                disk.get(step, *at, *octets, |piece| {
                    hash.feed(piece);
                    done += piece.len() as u64;
                    listener(Event::Progress { done, of });
                })?;
                let wanted = medium.content(image).map(|c| c.sha256.as_str());
                if wanted != Some(&hash.end()) {
                    return Err(disk.differs(step));
                }
            }
            Step::MakeData { at, machine, .. } => data_partition::check(&plan.node, *at, machine)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether both ends are again those of a disk that does not start.
fn clear_again(plan: &Plan) -> bool {
    let clear = plan.steps.iter().find_map(|s| match s {
        Step::Clear { ends, .. } => Some((s, ends)),
        _ => None,
    });
    let Some((step, ends)) = clear else { return true };
    let again = || {
        let disk = open(&plan.node)?;
        disk.put_ends(ends, step)?;
        disk.compare_ends(ends, step)
    };
    again().is_ok()
}

struct Target {
    file: File,
    path: PathBuf,
}

/// Exclusively: the kernel refuses a disk that is mounted or held, whatever was seen before (open(2), O_EXCL on block devices).
fn open(path: &Path) -> Result<Target, Trouble> {
    let file = File::options().read(true).write(true).custom_flags(OFlag::O_EXCL.bits()).open(path);
    let file = file.map_err(|source| Trouble::Open { disk: path.to_owned(), source })?;
    Ok(Target { file, path: path.to_owned() })
}

impl Target {
    fn failed(&self, step: &Step) -> impl FnOnce(io::Error) -> Trouble {
        let (what, disk) = (step.to_string(), self.path.clone());
        move |source| Trouble::Write { what, disk, source }
    }

    fn differs(&self, step: &Step) -> Trouble {
        Trouble::Differs { what: step.to_string(), disk: self.path.clone() }
    }

    fn put(&self, step: &Step, sector: u64, octets: &[u8]) -> Result<(), Trouble> {
        self.file.write_all_at(octets, sector * SECTOR).map_err(self.failed(step))
    }

    /// To the disk itself, and out of memory: what is read next comes from the disk.
    fn sync(&self, step: &Step) -> Result<(), Trouble> {
        self.file.sync_all().map_err(self.failed(step))?;
        posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|e| self.failed(step)(e.into()))
    }

    fn get(&self, step: &Step, sector: u64, octets: u64, mut take: impl FnMut(&[u8])) -> Result<(), Trouble> {
        let mut chunk = vec![0; CHUNK];
        let mut done = 0;
        while done < octets {
            let length = usize::try_from(octets - done).map_or(CHUNK, |l| l.min(CHUNK));
            self.file.read_exact_at(&mut chunk[..length], sector * SECTOR + done).map_err(self.failed(step))?;
            take(&chunk[..length]);
            done += length as u64;
        }
        Ok(())
    }

    /// The copy first: while the beginning has no table of its own, a copy alone starts no BIOS, and a firmware that repairs tables
    /// by it finds everything in place.
    fn put_ends(&self, ends: &Ends, step: &Step) -> Result<(), Trouble> {
        self.put(step, ends.tail_at, &ends.tail)?;
        self.sync(step)?;
        self.put(step, 0, &ends.head)?;
        self.sync(step)
    }

    fn compare_ends(&self, ends: &Ends, step: &Step) -> Result<(), Trouble> {
        for (sector, wanted) in [(0, &ends.head), (ends.tail_at, &ends.tail)] {
            let mut have = Vec::with_capacity(wanted.len());
            self.get(step, sector, wanted.len() as u64, |piece| have.extend_from_slice(piece))?;
            if have != *wanted {
                return Err(self.differs(step));
            }
        }
        Ok(())
    }
}
