//! The data partition: grown to the end of the disk, made when it is blank, checked and mended, and mounted on /var.
//!
//! It holds mail. So it is made anew only when it is blank or when somebody chose the factory reset; a damaged one is mended,
//! and when that fails it is left as it is and the machine says so.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use crate::boot::ROOT;
use crate::cmdline::Reset;
use crate::disks::DataPartition;
use crate::tool;

/// Less than this at the end of the disk is not worth a change of its table.
const WORTH: u64 = 64 << 20;
const SECTOR: u64 = 512;
/// How much of its beginning must be zeros in a partition that never held anything.
const BLANK: usize = 1 << 20;

pub enum Data {
    Made,
    Kept {
        grown: bool,
    },
    Repaired(String),
    /// There is none: a live system.
    Volatile,
    Failed(String),
}

impl Data {
    pub fn is_mounted(&self) -> bool {
        !matches!(self, Data::Volatile | Data::Failed(_))
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Data::Made => f.write_str("made"),
            Data::Kept { grown: false } => f.write_str("kept"),
            Data::Kept { grown: true } => f.write_str("grown"),
            Data::Repaired(how) => write!(f, "repaired: {how}"),
            Data::Volatile => f.write_str("volatile"),
            Data::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

pub fn bring_up(partition: &DataPartition, reset: Reset) -> Data {
    try_to(partition, reset).unwrap_or_else(|e| Data::Failed(e.to_string()))
}

#[derive(Debug, thiserror::Error)]
enum DataError {
    #[error("{0}")]
    Tool(#[from] tool::ToolError),
    #[error("{program} ended with {code}: {said}")]
    Ended { program: &'static str, code: i32, said: String },
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
    #[error("mount: {0}")]
    Mount(#[source] nix::Error),
}

fn try_to(partition: &DataPartition, reset: Reset) -> Result<Data, DataError> {
    // /dev and /sys lie below the new root already; its programs see them where they always are.
    let path = partition.node().display().to_string();
    let node = PathBuf::from(format!("{ROOT}{path}"));
    let grown = grow(partition)?;
    let data = if reset == Reset::Factory || is_blank(&node)? {
        // Tables of inodes are written later, in the background: 16 GiB take a second instead of ten.
        let options = ["-q", "-F", "-L", "data", "-m", "1", "-E", "lazy_itable_init=1,lazy_journal_init=1", &path];
        expect("mkfs.ext4", &options, "", 0)?;
        Data::Made
    } else {
        match check(&path)? {
            None => Data::Kept { grown },
            Some(how) => Data::Repaired(how),
        }
    };
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    let at = format!("{ROOT}/var");
    mount(Some(&node), at.as_str(), Some("ext4"), flags, Some("errors=remount-ro")).map_err(DataError::Mount)?;
    if grown && !matches!(data, Data::Made) {
        // While it is mounted: that needs no check of everything before.
        expect("resize2fs", &[&path], "", 0)?;
    }
    Ok(data)
}

fn expect(program: &'static str, arguments: &[&str], input: &str, up_to: i32) -> Result<i32, DataError> {
    let ended = tool::run(program, arguments, input)?;
    match ended.code {
        code if (0..=up_to).contains(&code) => Ok(code),
        code => Err(DataError::Ended { program, code, said: ended.said }),
    }
}

/// Makes the partition reach the end of the disk, which may have become larger, and puts the table's copy there.
fn grow(partition: &DataPartition) -> Result<bool, DataError> {
    let number = |path: String| -> Result<u64, DataError> {
        let text = fs::read_to_string(&path).map_err(|e| DataError::Io(path.clone(), e))?;
        text.trim().parse().map_err(|_| DataError::Io(path, io::ErrorKind::InvalidData.into()))
    };
    let DataPartition { disk, name, number: at } = partition;
    let end = number(format!("{ROOT}/sys/block/{disk}/{name}/start"))? + number(format!("{ROOT}/sys/block/{disk}/{name}/size"))?;
    if number(format!("{ROOT}/sys/block/{disk}/size"))?.saturating_sub(end) < WORTH / SECTOR {
        return Ok(false);
    }
    let (disk, at) = (format!("/dev/{disk}"), at.to_string());
    // The disk is in use, so its table is not read again as a whole: the kernel is told about this partition.
    expect("sfdisk", &["--quiet", "--no-reread", "--no-tell-kernel", "--force", "-N", &at, &disk], ", +\n", 0)?;
    expect("partx", &["--update", "--nr", &at, &disk], "", 0)?;
    Ok(true)
}

fn is_blank(node: &Path) -> Result<bool, DataError> {
    let failed = |e| DataError::Io(node.display().to_string(), e);
    let mut beginning = vec![0; BLANK];
    File::open(node).map_err(failed)?.read_exact_at(&mut beginning, 0).map_err(failed)?;
    Ok(beginning.iter().all(|o| *o == 0))
}

/// `Some` when something had to be mended beyond the journal. e2fsck(8): 1 is "corrected", 4 "left uncorrected".
fn check(path: &str) -> Result<Option<String>, DataError> {
    let first = tool::run("e2fsck", &["-p", path], "")?;
    match first.code {
        0 | 1 => Ok(None),
        // With the copies of the superblock when the first is damaged. What it cannot place goes to lost+found.
        _ => expect("e2fsck", &["-f", "-y", path], "", 2).map(|_| Some(first.said)),
    }
}
