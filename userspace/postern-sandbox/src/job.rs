//! What goes into a cell: one sealed memfd with the order in front and the content behind it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::native::Language;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// As the mail names the attachment.
    pub name: String,
    /// As the mail declares it: `application/pdf`, or empty.
    pub content_type: String,
    /// Words of the mail that may be a password.
    pub passwords: Vec<String>,
    /// Of a native cell: what runs the content. Nobody outside of the supervisor gives it.
    pub program: Option<Language>,
    pub limits: Limits,
}

const ORDER_MOST: u32 = 1 << 20;
/// The order's length stands in front of it.
const HEAD: u64 = 4;
/// What [`Job::seal`] puts on: nobody changes any more what others read.
const SEALS: SealFlag = SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

/// Why something is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("what is enclosed is no sealed memfd: {0}")]
    NotSealed(#[source] io::Error),
    #[error("what is enclosed is a memfd that its sender could still change: seal it (F_SEAL_WRITE, _GROW, _SHRINK, _SEAL)")]
    Open,
    #[error("{size} octets are enclosed, and {most} at most are taken")]
    TooLarge { size: u64, most: u64 },
    #[error("the order in front of the content cannot be read: {0}")]
    Order(#[source] io::Error),
    #[error("the order asks for more than a cell has: {0}")]
    Limits(&'static str),
}

impl Job {
    /// # Errors
    /// When there is no memory for it.
    pub fn seal(&self, content: &[u8]) -> io::Result<File> {
        let order = postcard::to_stdvec(self).map_err(io::Error::other)?;
        let length = u32::try_from(order.len()).map_err(io::Error::other)?.to_le_bytes();
        sealed_file("job", &[&length, &order, content])
    }

    /// The order of what somebody says is a sealed job. The content is not looked at.
    ///
    /// # Errors
    /// When it is none, could still change, or asks for too much.
    pub fn order_of(sealed: &File) -> Result<Self, JobError> {
        let seals = fcntl(sealed.as_fd(), FcntlArg::F_GET_SEALS).map_err(|e| JobError::NotSealed(e.into()))?;
        if !SealFlag::from_bits_truncate(seals).contains(SEALS) {
            return Err(JobError::Open);
        }
        let size = sealed.metadata().map_err(JobError::NotSealed)?.len();
        let most = Limits::default().octets + u64::from(ORDER_MOST) + HEAD;
        if size > most {
            return Err(JobError::TooLarge { size, most });
        }
        let order = read_order(sealed).map_err(JobError::Order)?;
        let job: Self = postcard::from_bytes(&order).map_err(|e| JobError::Order(io::Error::other(e)))?;
        job.limits.check().map_err(JobError::Limits)?;
        Ok(job)
    }

    /// The content behind the order.
    ///
    /// # Errors
    /// When it is not what [`Job::seal`] wrote.
    pub fn content(sealed: &File) -> io::Result<Vec<u8>> {
        let begin = HEAD + read_order(sealed)?.len() as u64;
        let length = sealed.metadata()?.len().saturating_sub(begin);
        let mut content = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        sealed.read_exact_at(&mut content, begin)?;
        Ok(content)
    }

    /// # Errors
    /// When it is not what [`Job::seal`] wrote.
    pub fn read(mut from: impl Read) -> io::Result<(Self, Vec<u8>)> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > ORDER_MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut order = vec![0; length as usize];
        from.read_exact(&mut order)?;
        let mut content = Vec::new();
        from.read_to_end(&mut content)?;
        Ok((postcard::from_bytes(&order).map_err(io::Error::other)?, content))
    }
}

/// A file in memory that nobody changes any more.
///
/// # Errors
/// When there is no memory for it.
pub(crate) fn sealed_file(name: &str, pieces: &[&[u8]]) -> io::Result<File> {
    let memfd: OwnedFd = memfd_create(name, MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(memfd);
    for piece in pieces {
        file.write_all(piece)?;
    }
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS))?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

fn read_order(sealed: &File) -> io::Result<Vec<u8>> {
    let mut length = [0; HEAD as usize];
    sealed.read_exact_at(&mut length, 0)?;
    let length = u32::from_le_bytes(length);
    if length > ORDER_MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut order = vec![0; length as usize];
    sealed.read_exact_at(&mut order, HEAD)?;
    Ok(order)
}
