//! The file itself: tar in zstd in age, written from a [`Stage`] and read in lockstep with its manifest.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::SystemTime;

use postern_model::time::Timestamp;
use sha2::Digest;
use tar::{Entry, EntryType, Header};

use crate::lock::{Key, Lock, OpenError};
use crate::manifest::{Head, MANIFEST, MAX_MANIFEST, ManifestError, ManifestReader, Member, Sha256};
use crate::stage::Stage;

const LEVEL: i32 = 3;
/// Octets that a reader keeps to look back, as a power of two: level 3 uses 2 MiB.
const WINDOW: u32 = 23;
const BLOCK: usize = 1 << 16;
/// Zeros after the end of the archive: tar fills up to a record of 10 KiB.
const PADDING: u64 = 1 << 20;

/// Writes a whole backup. What `output` is given is complete only when this returns.
pub(crate) fn write<W: Write>(stage: &Stage, lock: &Lock, output: W) -> io::Result<W> {
    let sealed = lock.seal(output)?;
    let mut builder = tar::Builder::new(zstd::stream::write::Encoder::new(sealed, LEVEL)?);
    let mut head = serde_json::to_vec(stage.head())?;
    head.push(b'\n');
    let lines = stage.lines()?;
    let size = head.len() as u64 + lines.get_ref().metadata()?.len();
    let at = u64::try_from(stage.head().at.unix_seconds()).unwrap_or(0);
    builder.append(&header(MANIFEST, size, 0o600, at)?, head.as_slice().chain(lines))?;
    for (number, line) in (0..).zip(stage.lines()?.lines()) {
        let member: Member = serde_json::from_str(&line?)?;
        builder.append(&header(member.path.as_str(), member.size, member.mode, at)?, stage.member(number)?)?;
    }
    builder.into_inner()?.finish()?.finish()
}

fn header(path: &str, size: u64, mode: u32, at: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(at);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Ok(header)
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the backup is damaged or cut short: take another backup")]
    Damaged,
    #[error("the backup cannot be read: {0}")]
    Input(#[source] io::Error),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the backup is not as Postern writes it: {0}")]
    Malformed(String),
    #[error("{0} in the backup is no plain file (a link or a device, perhaps): this backup was made by somebody else")]
    NoFile(String),
    #[error("the backup has {found:?} where its manifest says {expected:?}")]
    Unexpected { expected: Option<String>, found: Option<String> },
    #[error("{0} in the backup is not what the manifest says: its SHA-256 is another")]
    Hash(String),
    #[error("the backup needs {need} octets and {free} are free in {path}")]
    NoSpace { path: std::path::PathBuf, need: u64, free: u64 },
    #[error("{what} {path}: {source}")]
    Output {
        what: &'static str,
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What becomes of what is read. Nothing of it may be believed before [`read`] returns.
pub(crate) trait Sink {
    fn begin(&mut self, head: &Head) -> Result<(), ReadError>;
    /// A place for the member; `None`: it is only verified.
    fn place(&mut self, member: &Member) -> Result<Option<File>, ReadError>;
    /// The member is there, and its hash is right.
    fn placed(&mut self, member: &Member, file: File) -> Result<(), ReadError>;
}

/// Reads a whole backup and verifies every octet of it. `scratch` is a folder for the manifest meanwhile.
pub(crate) fn read<R: Read>(input: R, key: &Key, scratch: &Path, sink: &mut dyn Sink) -> Result<Head, ReadError> {
    let fault = Rc::new(Cell::new(None));
    let plain = Watched { inner: key.open(BufReader::new(input))?, fault: Rc::clone(&fault) };
    // An error of tar or zstd that begins below them is the file's, not the archive's.
    unpack(plain, scratch, sink).map_err(|error| match (fault.take(), error) {
        (Some(source), _) if matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => ReadError::Damaged,
        (Some(source), _) => ReadError::Input(source),
        (None, error) => error,
    })
}

fn unpack<R: Read>(plain: R, scratch: &Path, sink: &mut dyn Sink) -> Result<Head, ReadError> {
    let mut unzipped = zstd::stream::read::Decoder::new(plain).map_err(malformed)?;
    unzipped.window_log_max(WINDOW).map_err(malformed)?;
    let mut archive = tar::Archive::new(&mut unzipped);
    // Raw: extensions (long names, sparse files) would be read into memory, and we write none.
    let mut entries = archive.entries().map_err(malformed)?.raw(true);
    let (mut manifest, head) = match entries.next() {
        Some(entry) => read_manifest(entry.map_err(malformed)?, scratch)?,
        None => return Err(ReadError::Unexpected { expected: Some(MANIFEST.into()), found: None }),
    };
    sink.begin(&head)?;
    let (mut members, mut octets) = (0, 0);
    loop {
        let expected = manifest.next_member()?;
        let found = entries.next().transpose().map_err(malformed)?;
        match (expected, found) {
            (None, None) => break,
            (Some(member), Some(mut entry)) => {
                check(&member, &entry)?;
                take(&member, &mut entry, sink)?;
                members += 1;
                octets += member.size;
            }
            (expected, found) => {
                let found = found.map(|e| String::from_utf8_lossy(&e.path_bytes()).into_owned());
                return Err(ReadError::Unexpected { expected: expected.map(|m| m.path.to_string()), found });
            }
        }
    }
    if (members, octets) != (head.members, head.octets) {
        return Err(ReadError::Malformed(format!("its head speaks of {} members, and there are {members}", head.members)));
    }
    drain(unzipped)?;
    Ok(head)
}

/// To the very end: only there age says that nothing was cut off.
fn drain<R: Read>(mut unzipped: zstd::stream::read::Decoder<'_, BufReader<R>>) -> Result<(), ReadError> {
    let mut rest = (&mut unzipped).take(PADDING);
    let (mut block, mut left) = (vec![0; BLOCK], PADDING);
    loop {
        let read = rest.read(&mut block).map_err(malformed)?;
        left -= read as u64;
        if block[..read].iter().any(|b| *b != 0) || left == 0 {
            return Err(ReadError::Malformed("something comes after its end".into()));
        }
        if read == 0 {
            break;
        }
    }
    match unzipped.finish().read(&mut block).map_err(malformed)? {
        0 => Ok(()),
        _ => Err(ReadError::Malformed("something comes after its end".into())),
    }
}

type Manifest = ManifestReader<BufReader<File>>;

fn read_manifest<R: Read>(mut entry: Entry<'_, R>, scratch: &Path) -> Result<(Manifest, Head), ReadError> {
    let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if entry.header().entry_type() != EntryType::Regular || found != MANIFEST {
        return Err(ReadError::Unexpected { expected: Some(MANIFEST.into()), found: Some(found) });
    }
    if entry.size() > MAX_MANIFEST {
        return Err(ReadError::Malformed(format!("its manifest has {} octets", entry.size())));
    }
    let path = scratch.join(format!(".postern-manifest-{}-{}", std::process::id(), Timestamp::from_system(SystemTime::now()).0));
    let output = |what| {
        let path = path.clone();
        move |source| ReadError::Output { what, path, source }
    };
    let open = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let mut file = open.map_err(output("cannot make"))?;
    std::fs::remove_file(&path).map_err(output("cannot remove"))?;
    copy(&mut entry, Some((&mut file, &path)))?;
    file.rewind().map_err(output("cannot read"))?;
    Ok(ManifestReader::open(BufReader::new(file))?)
}

fn check<R: Read>(member: &Member, entry: &Entry<'_, R>) -> Result<(), ReadError> {
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if entry.header().entry_type() != EntryType::Regular {
        return Err(ReadError::NoFile(path));
    }
    if path != member.path.as_str() {
        return Err(ReadError::Unexpected { expected: Some(member.path.to_string()), found: Some(path) });
    }
    if entry.size() != member.size {
        return Err(ReadError::Malformed(format!("{path} has {} octets and not {}", entry.size(), member.size)));
    }
    Ok(())
}

fn take<R: Read>(member: &Member, entry: &mut Entry<'_, R>, sink: &mut dyn Sink) -> Result<(), ReadError> {
    let mut file = sink.place(member)?;
    let (size, sha256) = copy(entry, file.as_mut().map(|f| (f, Path::new(member.path.as_str()))))?;
    if size != member.size {
        return Err(ReadError::Malformed(format!("{} ends early", member.path)));
    }
    if sha256 != member.sha256 {
        return Err(ReadError::Hash(member.path.to_string()));
    }
    file.map_or(Ok(()), |file| sink.placed(member, file))
}

fn copy(input: &mut impl Read, mut output: Option<(&mut File, &Path)>) -> Result<(u64, Sha256), ReadError> {
    let (mut digest, mut block, mut size) = (sha2::Sha256::new(), vec![0; BLOCK], 0);
    loop {
        let read = input.read(&mut block).map_err(malformed)?;
        if read == 0 {
            return Ok((size, Sha256(digest.finalize().into())));
        }
        digest.update(&block[..read]);
        size += read as u64;
        if let Some((file, path)) = &mut output {
            file.write_all(&block[..read]).map_err(|source| ReadError::Output {
                what: "cannot write",
                path: path.to_path_buf(),
                source,
            })?;
        }
    }
}

fn malformed(error: io::Error) -> ReadError {
    ReadError::Malformed(error.to_string())
}

/// Remembers the first error below: tar and zstd wrap it into words of their own.
struct Watched<R> {
    inner: R,
    fault: Rc<Cell<Option<io::Error>>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.inner.read(into).inspect_err(|e| {
            if e.kind() != io::ErrorKind::Interrupted {
                self.fault.set(Some(io::Error::new(e.kind(), e.to_string())));
            }
        })
    }
}
