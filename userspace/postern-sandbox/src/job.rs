//! What goes into a cell: one sealed memfd with the order in front and the content behind it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// As the mail names the attachment.
    pub name: String,
    /// Words of the mail that may be a password.
    pub passwords: Vec<String>,
    pub limits: Limits,
}

const ORDER_MOST: u32 = 1 << 20;

impl Job {
    /// # Errors
    /// When there is no memory for it.
    pub fn seal(&self, content: &[u8]) -> io::Result<File> {
        let memfd: OwnedFd = memfd_create("job", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let mut file = File::from(memfd);
        let order = postcard::to_stdvec(self).map_err(io::Error::other)?;
        file.write_all(&u32::try_from(order.len()).map_err(io::Error::other)?.to_le_bytes())?;
        file.write_all(&order)?;
        file.write_all(content)?;
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
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
