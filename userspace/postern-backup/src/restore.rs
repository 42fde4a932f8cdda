//! A backup put in place: all of it, verified, in one rename, or nothing.
//!
//! 1. The data folder must be empty, or may be moved aside. No node may run on it.
//! 2. Everything is unpacked beside it and verified to the last octet, synced, and given to the data folder's owner.
//! 3. The two folders change places. Until then nothing of the data folder was touched.
//!
//! # No twin
//! A backup has the node's identity in its cluster. Whoever starts it again while peers are alive must know two things. Its
//! peers may hold copies of mails that it had accepted; a node that comes back and does not know them says that they are done,
//! and they would be lost. And when the old machine comes up again there are two of one identity. So a restored node is
//! outside of its cluster unless [`Membership::Resume`] is asked for: it is removed there (which delivers what its peers hold
//! for it, and refuses the old key for ever) and joins as a new node. To resume is for a cluster of which no other node is
//! left; sequence numbers of the ledger that peers might know are dealt with there as for any restored node (ADR 11).

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use postern_model::time::Timestamp;

use crate::archive::{self, ReadError, Sink};
use crate::inventory::{CLUSTER, EDGE};
use crate::lock::Key;
use crate::manifest::{Head, Member};

/// What stays free after a restore.
const SPARE: u64 = 64 << 20;

/// What is done with a data folder that has something in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupied {
    Refuse,
    /// It is kept beside, as `NAME.replaced-TIME`.
    MoveAside,
}

/// Whether the node is a member of its old cluster again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is alone, and can join as a new node.
    Leave,
    /// It has its old identity: only when no other node of the cluster is left.
    Resume,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub data: PathBuf,
    pub occupied: Occupied,
    pub membership: Membership,
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{path} is not empty ({found} is there): restore to an empty folder, or move what is there aside with --replace")]
    NotEmpty { path: PathBuf, found: String },
    #[error("a node runs on {0}: stop it first")]
    Running(PathBuf),
    #[error("{0} is where a file system is mounted, and cannot be replaced as a whole: mount it one folder higher")]
    MountPoint(PathBuf),
    #[error("{0} is no folder's path")]
    NoFolder(PathBuf),
    #[error("{data} is restored; what was there before is in {old}, and could not be renamed: {source}")]
    Kept {
        data: PathBuf,
        old: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("nothing was changed: {0}")]
    Read(#[from] ReadError),
    #[error("nothing was changed: {what} {path}: {source}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    pub head: Head,
    /// Where what was there before is kept.
    pub aside: Option<PathBuf>,
    /// Files that stood elsewhere: where they lie now, and where they belong.
    pub outside: Vec<(PathBuf, String)>,
    /// Members of the backup that make the node a member of its cluster and were not put in place.
    pub left_cluster: u64,
}

/// Restores. Blocks on the disk and on `input`.
///
/// # Errors
/// Nothing was changed, but for [`RestoreError::Kept`].
pub fn restore(input: impl Read, key: &Key, plan: &Plan) -> Result<Restored, RestoreError> {
    let ground = Ground::look(plan)?;
    let young = Young::make(&ground)?;
    let mut unpacking = Unpacking { root: &young.0, membership: plan.membership, outside: Vec::new(), left_cluster: 0 };
    let head = archive::read(input, key, &young.0, &mut unpacking)?;
    let (outside, left_cluster) = (unpacking.outside, unpacking.left_cluster);
    settle(&young.0, ground.owner)?;
    if let Some((owner, mode)) = ground.edge {
        let edge = young.0.join(EDGE);
        DirBuilder::new().recursive(true).create(&edge).map_err(file("cannot make the folder", &edge))?;
        std::fs::set_permissions(&edge, std::fs::Permissions::from_mode(mode)).map_err(file("cannot give rights to", &edge))?;
        settle(&edge, Some(owner))?;
    }
    let aside = ground.put(young)?;
    let outside = outside.into_iter().map(|(path, from)| (plan.data.join(path), from)).collect();
    Ok(Restored { head, aside, outside, left_cluster })
}

type Owner = (u32, u32);

/// The data folder as it was found.
struct Ground {
    data: PathBuf,
    parent: PathBuf,
    state: State,
    /// Of the data folder, when we may give files away.
    owner: Option<Owner>,
    /// The role edge may be another user: its folder stays its own, and is there when the backup has none. With its mode.
    edge: Option<(Owner, u32)>,
    mode: u32,
    /// Held to the end: no node starts on the folder while it is replaced.
    _lock: Option<File>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    Empty,
    Occupied,
}

impl Ground {
    fn look(plan: &Plan) -> Result<Self, RestoreError> {
        let data = std::path::absolute(&plan.data).map_err(file("cannot use", &plan.data))?;
        let (Some(parent), Some(_)) = (data.parent(), data.file_name()) else { return Err(RestoreError::NoFolder(data)) };
        let parent = parent.to_owned();
        let home = std::fs::metadata(&parent).map_err(file("cannot look at", &parent))?;
        let ground =
            |state, owner, mode, lock| Self { data: data.clone(), parent: parent.clone(), state, owner, edge: None, mode, _lock: lock };
        let meta = match std::fs::symlink_metadata(&data) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(ground(State::Missing, None, 0o700, None)),
            Err(e) => return Err(file("cannot look at", &data)(e)),
        };
        if !meta.is_dir() {
            return Err(RestoreError::NoFolder(data));
        }
        if meta.dev() != home.dev() {
            return Err(RestoreError::MountPoint(data));
        }
        let first = std::fs::read_dir(&data).map_err(file("cannot list", &data))?.next().transpose().map_err(file("cannot list", &data))?;
        let lock = not_running(&data)?;
        let state = match first {
            None => State::Empty,
            Some(found) if plan.occupied == Occupied::Refuse => {
                return Err(RestoreError::NotEmpty { path: data, found: found.file_name().to_string_lossy().into_owned() });
            }
            Some(_) => State::Occupied,
        };
        let owner = nix::unistd::geteuid().is_root().then(|| (meta.uid(), meta.gid()));
        let edge = owner.and_then(|_| std::fs::symlink_metadata(data.join(EDGE)).ok()).map(|m| ((m.uid(), m.gid()), m.mode() & 0o777));
        Ok(Self { edge, ..ground(state, owner, meta.mode() & 0o777, lock) })
    }

    /// Beside the folder, so that a rename is enough.
    fn beside(&self, end: &str) -> PathBuf {
        let mut name = self.data.file_name().unwrap_or_default().to_owned();
        name.push(end);
        self.parent.join(name)
    }

    fn put(&self, young: Young) -> Result<Option<PathBuf>, RestoreError> {
        std::fs::set_permissions(&young.0, std::fs::Permissions::from_mode(self.mode)).map_err(file("cannot give rights to", &young.0))?;
        let aside = self.beside(&format!(".replaced-{}", Timestamp::from_system(SystemTime::now()).0));
        if self.state == State::Missing {
            std::fs::rename(&young.0, &self.data).map_err(file("cannot put in place", &self.data))?;
            young.keep();
        } else {
            match renameat2(AT_FDCWD, &young.0, AT_FDCWD, &self.data, RenameFlags::RENAME_EXCHANGE) {
                Ok(()) => {
                    // From here on that name is the old folder's: whatever happens, it is not removed with what is in it.
                    let old = young.keep();
                    std::fs::rename(&old, &aside).map_err(|source| RestoreError::Kept { data: self.data.clone(), old, source })?;
                }
                // A file system that cannot exchange: two steps, of which the second may have to be taken back.
                Err(Errno::EINVAL | Errno::ENOSYS | Errno::ENOTSUP) => {
                    std::fs::rename(&self.data, &aside).map_err(file("cannot move aside", &self.data))?;
                    if let Err(e) = std::fs::rename(&young.0, &self.data) {
                        let _ = std::fs::rename(&aside, &self.data);
                        return Err(file("cannot put in place", &self.data)(e));
                    }
                    young.keep();
                }
                Err(errno) => return Err(file("cannot put in place", &self.data)(errno.into())),
            }
        }
        if let Err(error) = File::open(&self.parent).and_then(|f| f.sync_all()) {
            tracing::warn!(folder = %self.parent.display(), %error, "the restored folder is in place; its name may be lost in a power cut");
        }
        Ok(match self.state {
            State::Occupied => Some(aside),
            // Removes nothing but an empty folder.
            State::Empty => std::fs::remove_dir(&aside).err().map(|_| aside),
            State::Missing => None,
        })
    }
}

/// Whether the spool of a node is open; else its lock, held by us.
fn not_running(data: &Path) -> Result<Option<File>, RestoreError> {
    let path = data.join("spool/lock");
    let lock = match OpenOptions::new().write(true).open(&path) {
        Ok(lock) => lock,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(file("cannot open", &path)(e)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(RestoreError::Running(data.to_owned())),
        Err(TryLockError::Error(e)) => Err(file("cannot lock", &path)(e)),
    }
}

/// The folder that is to take the data folder's place; removed unless it did.
struct Young(PathBuf);

impl Young {
    fn make(ground: &Ground) -> Result<Self, RestoreError> {
        let path = ground.beside(".restoring");
        // Of a restore that was killed.
        match std::fs::remove_dir_all(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(file("cannot remove", &path)(e)),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(file("cannot make the folder", &path))?;
        Ok(Self(path))
    }

    /// It is not removed any more.
    fn keep(mut self) -> PathBuf {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Young {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Whether so many octets have room there, and a rest stays free.
pub(crate) fn room(folder: &Path, octets: u64) -> Result<(), ReadError> {
    let failed = |source: Errno| ReadError::Output { what: "cannot look at", path: folder.to_owned(), source: source.into() };
    let space = nix::sys::statvfs::statvfs(folder).map_err(failed)?;
    let (need, free) = (octets.saturating_add(SPARE), space.blocks_available() * space.fragment_size());
    if need > free { Err(ReadError::NoSpace { path: folder.to_owned(), need, free }) } else { Ok(()) }
}

struct Unpacking<'a> {
    root: &'a Path,
    membership: Membership,
    outside: Vec<(String, String)>,
    left_cluster: u64,
}

impl Sink for Unpacking<'_> {
    fn begin(&mut self, head: &Head) -> Result<(), ReadError> {
        room(self.root, head.octets)
    }

    fn place(&mut self, member: &Member) -> Result<Option<File>, ReadError> {
        if self.membership == Membership::Leave && member.path.is_below(CLUSTER) {
            self.left_cluster += 1;
            return Ok(None);
        }
        let path = self.root.join(member.path.as_str());
        if let Some(folder) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|source| ReadError::Output { what: "cannot make the folder", path: folder.to_owned(), source })?;
        }
        // Nothing but us makes anything here, so no link can be in the way; a path that comes twice is refused.
        let open = OpenOptions::new().write(true).create_new(true).mode(member.mode & 0o777).open(&path);
        open.map(Some).map_err(|source| ReadError::Output { what: "cannot make", path, source })
    }

    fn placed(&mut self, member: &Member, file: File) -> Result<(), ReadError> {
        file.sync_all().map_err(|source| ReadError::Output { what: "cannot sync", path: member.path.as_str().into(), source })?;
        if let Some(from) = &member.from {
            self.outside.push((member.path.to_string(), from.clone()));
        }
        Ok(())
    }
}

/// Gives everything to its owner, and syncs every folder.
fn settle(path: &Path, owner: Option<Owner>) -> Result<(), RestoreError> {
    let handle = File::open(path).map_err(file("cannot open", path))?;
    if let Some((uid, gid)) = owner {
        fchown(&handle, Some(uid), Some(gid)).map_err(file("cannot give away", path))?;
    }
    if handle.metadata().map_err(file("cannot look at", path))?.is_dir() {
        for entry in std::fs::read_dir(path).map_err(file("cannot list", path))? {
            settle(&entry.map_err(file("cannot list", path))?.path(), owner)?;
        }
        handle.sync_all().map_err(file("cannot sync", path))?;
    }
    Ok(())
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    move |source| RestoreError::File { what, path: path.to_owned(), source }
}
