//! A backup made ready on the disk: every member at rest, its size and hash known, before the first octet is written.
//!
//! The manifest stands in front of the archive, so all hashes are needed first; and a target that fails is tried again with
//! the same members. Databases are copied by SQLite, small files by reading them, the quarantine's bodies by a hard link (they
//! are never changed, only unlinked), so bodies need no room.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use postern_model::settings::backup::QuarantineBodies;
use postern_model::time::Timestamp;
use postern_store::snapshot::{self, SnapshotError};
use sha2::Digest;

use crate::inventory::{self, DATABASES, Found, Omitted, Outside, Treatment, WORK, WalkError};
use crate::manifest::{FORMAT, Head, Member, MemberPath, Sha256};

/// Reads of a file that changes while it is read.
const TRIES: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// What stays free for mail while databases are copied.
const SPARE: u64 = 64 << 20;
const BLOCK: usize = 1 << 16;

#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("another backup of {0} is being made: wait for its end")]
    Busy(PathBuf),
    #[error("{what} {path}: {source}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{0} changes whenever it is read: try again when less is going on")]
    Changing(PathBuf),
    #[error("the databases need {need} octets beside themselves while they are copied, and {free} are free in {path}")]
    NoSpace { path: PathBuf, need: u64, free: u64 },
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error(transparent)]
    Database(#[from] SnapshotError),
    #[error("the backup's preparation was stopped")]
    Stopped,
}

/// What a backup is made of.
#[derive(Clone, Debug)]
pub struct Source {
    pub data: PathBuf,
    /// Name of the node.
    pub host: String,
    /// Its identity in its cluster.
    pub node: Option<String>,
    pub version: String,
    pub quarantine: QuarantineBodies,
    pub outside: Vec<Outside>,
}

/// Members at rest. They go when this is dropped.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    head: Head,
    _lock: File,
}

impl Stage {
    /// Makes everything ready, below `backup-work` in the data folder.
    ///
    /// # Errors
    /// When something cannot be read or copied. Nothing is left behind.
    pub async fn make(source: Source, at: Timestamp) -> Result<Self, StageError> {
        let mut making = Making::begin(&source, at)?;
        for name in DATABASES {
            let from = source.data.join(name);
            if from.exists() {
                let to = making.next_place();
                snapshot::copy(&from, &to).await?;
                let path = MemberPath::new(name).map_err(|e| file("cannot name", &from)(io::Error::other(e)))?;
                making.add_at_rest(path, 0o600, None)?;
            }
        }
        // The rest blocks on the disk.
        tokio::task::spawn_blocking(move || making.rest(&source)).await.map_err(|_| StageError::Stopped)?
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The manifest's lines after its head.
    pub(crate) fn lines(&self) -> io::Result<BufReader<File>> {
        File::open(self.folder.join(LINES)).map(BufReader::new)
    }

    /// The member of this number, from 0.
    pub(crate) fn member(&self, number: u64) -> io::Result<File> {
        File::open(place(&self.folder, number))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        clear(&self.folder);
    }
}

/// Removes what a backup left that was killed: copies of databases, and links that keep bodies from being freed.
///
/// # Errors
/// When a backup is being made, or the folder is not ours.
pub fn clear_left_over(data: &Path) -> Result<(), StageError> {
    let folder = data.join(WORK);
    if folder.is_dir() { take_over(data, &folder).map(drop) } else { Ok(()) }
}

/// The lock of the folder, which is empty then.
fn take_over(data: &Path, folder: &Path) -> Result<File, StageError> {
    let lock = hold(data, folder)?;
    clear(folder);
    Ok(lock)
}

/// Root may make a backup by hand; then the node, which is another user, must be able to make the next one.
fn hold(data: &Path, folder: &Path) -> Result<File, StageError> {
    let path = folder.join("lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(file("cannot open", &path))?;
    if nix::unistd::geteuid().is_root() {
        let owner = std::fs::metadata(data).map_err(file("cannot look at", data))?;
        for path in [folder, &path] {
            std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).map_err(file("cannot give away", path))?;
        }
    }
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StageError::Busy(data.to_owned())),
        Err(TryLockError::Error(e)) => Err(file("cannot lock", &path)(e)),
    }
}

const LINES: &str = "members.jsonl";

fn place(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("m{number}"))
}

/// The folder stays: it has the lock.
fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != "lock" {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

struct Making {
    stage: Option<Stage>,
    folder: PathBuf,
    lines: BufWriter<File>,
    omitted: Omitted,
}

impl Making {
    fn begin(source: &Source, at: Timestamp) -> Result<Self, StageError> {
        let folder = source.data.join(WORK);
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(file("cannot make the folder", &folder)(e)),
            _ => {}
        }
        let lock = hold(&source.data, &folder)?;
        // What a crash left.
        clear(&folder);
        room(source, &folder)?;
        let path = folder.join(LINES);
        let lines = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(file("cannot make", &path))?;
        let head = Head {
            format: FORMAT,
            version: source.version.clone(),
            host: source.host.clone(),
            node: source.node.clone(),
            at,
            members: 0,
            octets: 0,
            left_out: Vec::new(),
        };
        let stage = Some(Stage { folder: folder.clone(), head, _lock: lock });
        Ok(Self { stage, folder, lines: BufWriter::new(lines), omitted: Omitted::default() })
    }

    fn head(&mut self) -> Option<&mut Head> {
        self.stage.as_mut().map(|s| &mut s.head)
    }

    fn next_place(&mut self) -> PathBuf {
        let number = self.head().map_or(0, |h| h.members);
        place(&self.folder, number)
    }

    fn rest(mut self, source: &Source) -> Result<Stage, StageError> {
        let mut omitted = std::mem::take(&mut self.omitted);
        inventory::walk(&source.data, source.quarantine, &mut omitted, &mut |found, omitted| self.take(found, omitted))?;
        let folder = inventory::outside_folder(self.head().map_or(Timestamp(0), |h| h.at));
        for outside in &source.outside {
            let name = format!("{folder}/{}", outside.name);
            let path = MemberPath::new(&name).map_err(|e| file("cannot name", &outside.path)(io::Error::other(e)))?;
            let from = outside.path.display().to_string();
            match self.copy(&outside.path, path, Some(from.clone())) {
                Err(StageError::File { source: e, .. }) if is_out_of_reach(&e) => omitted.add(from, format!("cannot be read: {e}")),
                other => other?,
            }
        }
        let path = self.folder.join(LINES);
        self.lines.flush().map_err(file("cannot write", &path))?;
        let mut stage = self.stage.take().ok_or(StageError::Stopped)?;
        stage.head.left_out = omitted.into_list();
        Ok(stage)
    }

    fn take(&mut self, found: Found, omitted: &mut Omitted) -> Result<(), StageError> {
        match found.treatment {
            // They are here already.
            Treatment::Database | Treatment::LeftOut(_) | Treatment::Nothing => Ok(()),
            Treatment::Body => self.link(found),
            Treatment::File => match self.copy(&found.at, found.path.clone(), None) {
                // Deleted since it was listed.
                Err(StageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(StageError::File { source, .. })
                    if source.kind() == io::ErrorKind::PermissionDenied && inventory::is_of_edge(found.path.as_str()) =>
                {
                    omitted.add(found.path.as_str(), "may not be read by who makes the backup");
                    Ok(())
                }
                other => other,
            },
        }
    }

    fn link(&mut self, found: Found) -> Result<(), StageError> {
        let to = self.next_place();
        match std::fs::hard_link(&found.at, &to) {
            Ok(()) => {
                let mode = std::fs::metadata(&to).map_err(file("cannot look at", &to))?.mode();
                self.add_at_rest(found.path, mode, None)
            }
            // Released, deleted or expired meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            // A file system without hard links, or a file of somebody else (protected_hardlinks).
            Err(_) => match self.copy(&found.at, found.path, None) {
                Err(StageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other,
            },
        }
    }

    /// Copies a file that others may write to, and believes the copy only if the file was the same after as before.
    fn copy(&mut self, from: &Path, path: MemberPath, outside: Option<String>) -> Result<(), StageError> {
        let to = self.next_place();
        for tried in 0..TRIES {
            if tried > 0 {
                std::thread::sleep(BETWEEN_TRIES);
            }
            // No link is followed to where the data folder ends; a pipe that stands there does not hold us up.
            let flags = if outside.is_some() { nix::libc::O_NONBLOCK } else { nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW };
            let mut input = OpenOptions::new().read(true).custom_flags(flags).open(from).map_err(file("cannot open", from))?;
            let before = input.metadata().map_err(file("cannot look at", from))?;
            if !before.is_file() {
                return Err(file("cannot take what is no file", from)(io::ErrorKind::InvalidInput.into()));
            }
            let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&to);
            let mut output = open.map_err(file("cannot make", &to))?;
            // No further than what it was: a file that grows for ever is found out below.
            let copied = io::copy(&mut (&mut input).take(before.len() + 1), &mut output).map_err(file("cannot copy", from))?;
            let after = input.metadata().map_err(file("cannot look at", from))?;
            let look = |m: &std::fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
            if copied == before.len() && look(&before) == look(&after) {
                return self.add_at_rest(path, before.mode(), outside);
            }
        }
        Err(StageError::Changing(from.to_owned()))
    }

    /// Notes down the member at the next place.
    fn add_at_rest(&mut self, path: MemberPath, mode: u32, from: Option<String>) -> Result<(), StageError> {
        let at = self.next_place();
        let mut input = File::open(&at).map_err(file("cannot open", &at))?;
        let (size, sha256) = hash(&mut input).map_err(file("cannot read", &at))?;
        let member = Member { path, size, sha256, mode: mode & 0o777, from };
        let list = self.folder.join(LINES);
        serde_json::to_writer(&mut self.lines, &member).map_err(|e| file("cannot write", &list)(e.into()))?;
        self.lines.write_all(b"\n").map_err(file("cannot write", &list))?;
        if let Some(head) = self.head() {
            head.members += 1;
            head.octets += size;
        }
        Ok(())
    }
}

/// A database of which a copy has no room would take it from mail.
fn room(source: &Source, folder: &Path) -> Result<(), StageError> {
    let size = |path: PathBuf| std::fs::metadata(path).map_or(0, |m| m.len());
    let need = DATABASES.iter().map(|n| size(source.data.join(n)) + size(source.data.join(format!("{n}-wal")))).sum::<u64>() + SPARE;
    let free = nix::sys::statvfs::statvfs(folder).map_err(|e| file("cannot look at", folder)(e.into()))?;
    let free = free.blocks_available() * free.fragment_size();
    if need > free { Err(StageError::NoSpace { path: folder.to_owned(), need, free }) } else { Ok(()) }
}

/// A file outside of the data folder that is not there, or not for us, is named instead.
fn is_out_of_reach(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput)
}

fn hash(input: &mut File) -> io::Result<(u64, Sha256)> {
    input.rewind()?;
    let (mut digest, mut block, mut size) = (sha2::Sha256::new(), vec![0; BLOCK], 0);
    loop {
        let read = input.read(&mut block)?;
        if read == 0 {
            return Ok((size, Sha256(digest.finalize().into())));
        }
        digest.update(&block[..read]);
        size += read as u64;
    }
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StageError {
    move |source| StageError::File { what, path: path.to_owned(), source }
}
