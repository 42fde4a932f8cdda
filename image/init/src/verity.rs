//! dm-verity over the root: each block is checked against a tree of hashes when it is read, and the tree's root stands on the
//! kernel's command line. A block that fails restarts the machine, and the boot loader counts its tries.
//!
//! The requests are those of linux/dm-ioctl.h; libdevmapper would be larger than all of this program.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

const CONTROL: &str = "/dev/mapper/control";
const NAME: &[u8] = b"root";
const BLOCK: u64 = 4096;
const SECTOR: u64 = 512;

const DEV_CREATE: libc::Ioctl = 3;
const DEV_SUSPEND: libc::Ioctl = 6;
const TABLE_LOAD: libc::Ioctl = 9;
const READONLY: u32 = 1;

/// struct dm_ioctl, struct dm_target_spec.
const HEADER: usize = 312;
const TARGET: usize = 40;

#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    #[error("{CONTROL}: {0}")]
    Control(#[source] io::Error),
    #[error("{what} dm-verity over {device}: {source}", device = device.display())]
    Request {
        what: &'static str,
        device: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// `BLOCKS:SALT:ROOTHASH`. The tree follows the blocks and a block for its own header, which nobody needs to believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    blocks: u64,
    salt: String,
    root: String,
}

impl FromStr for Tree {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let [blocks, salt, root] = text.split(':').collect::<Vec<_>>()[..] else { return Err(()) };
        let is_hash = |text: &str| hex(text).is_some_and(|o| o.len() == 32);
        let blocks = blocks.parse().ok().filter(|b| (1..=u64::MAX / BLOCK).contains(b)).ok_or(())?;
        (is_hash(salt) && is_hash(root)).then(|| Self { blocks, salt: salt.into(), root: root.into() }).ok_or(())
    }
}

impl Tree {
    /// As in the kernel's admin-guide/device-mapper/verity.rst.
    fn table(&self, device: &Path) -> String {
        let Self { blocks, salt, root } = self;
        let (device, first) = (device.display(), blocks + 1);
        format!("1 {device} {device} {BLOCK} {BLOCK} {blocks} {first} sha256 {root} {salt} 1 restart_on_corruption")
    }
}

/// Octets from hexadecimal digits.
pub fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    digits.filter(|d| d.len() % 2 == 0).map(|d| d.chunks_exact(2).map(|p| p[0] << 4 | p[1]).collect())
}

/// Returns the checked device.
pub fn open(device: &Path, tree: &Tree) -> Result<PathBuf, VerityError> {
    let control = File::options().read(true).write(true).open(CONTROL).map_err(VerityError::Control)?;
    let run = |what, request, flags, target: &[u8]| {
        let mut buffer = message(flags, target);
        // _IOWR(0xfd, request, struct dm_ioctl)
        let number = 3 << 30 | (HEADER as libc::Ioctl) << 16 | 0xfd << 8 | request;
        // SAFETY: the buffer is as long as it says itself, and the kernel writes nothing beyond that.
        match unsafe { libc::ioctl(control.as_raw_fd(), number, buffer.as_mut_ptr()) } {
            0 => Ok(buffer),
            _ => Err(VerityError::Request { what, device: device.to_owned(), source: io::Error::last_os_error() }),
        }
    };
    run("make", DEV_CREATE, 0, &[])?;
    run("load", TABLE_LOAD, READONLY, &target(tree.blocks * (BLOCK / SECTOR), &tree.table(device)))?;
    let answer = run("start", DEV_SUSPEND, READONLY, &[])?;
    // `dev`, as huge_encode_dev() makes it.
    let dev = u64::from_le_bytes([answer[40], answer[41], answer[42], answer[43], answer[44], answer[45], answer[46], answer[47]]);
    let minor = dev & 0xff | (dev >> 12) & 0xfff00;
    Ok(PathBuf::from(format!("/dev/dm-{minor}")))
}

fn message(flags: u32, target: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; HEADER + target.len()];
    let size = buffer.len() as u32;
    let mut put = |at: usize, value: u32| buffer[at..at + 4].copy_from_slice(&value.to_le_bytes());
    put(0, 4); // version 4.0.0
    put(12, size);
    put(16, HEADER as u32); // data_start
    put(20, u32::from(!target.is_empty())); // target_count
    put(28, flags);
    buffer[48..48 + NAME.len()].copy_from_slice(NAME);
    buffer[HEADER..].copy_from_slice(target);
    buffer
}

fn target(sectors: u64, table: &str) -> Vec<u8> {
    let mut spec = vec![0; TARGET];
    spec[8..16].copy_from_slice(&sectors.to_le_bytes());
    spec[24..30].copy_from_slice(b"verity");
    spec.extend(table.bytes());
    spec.push(0);
    // The kernel wants the end aligned.
    spec.resize(spec.len().next_multiple_of(8), 0);
    spec
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_tree_stands_behind_the_blocks() {
        let (salt, root) = ("ab".repeat(32), "cd".repeat(32));
        let tree: Tree = format!("17000:{salt}:{root}").parse().unwrap();
        let table = tree.table(Path::new("/dev/vda4"));
        assert_eq!(table, format!("1 /dev/vda4 /dev/vda4 4096 4096 17000 17001 sha256 {root} {salt} 1 restart_on_corruption"));
        for bad in ["", "1:ab:cd", &format!("0:{salt}:{root}"), &format!("x:{salt}:{root}"), &format!("1:{salt}:{root}:1")] {
            assert!(bad.parse::<Tree>().is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_say_their_size() {
        let spec = target(8, "1 x");
        assert_eq!(spec.len(), 48);
        let buffer = message(READONLY, &spec);
        assert_eq!(buffer.len(), HEADER + 48);
        assert_eq!(u32::from_le_bytes(buffer[12..16].try_into().unwrap()), 360);
        assert_eq!(&buffer[48..53], b"root\0");
        assert_eq!(&buffer[HEADER + 24..HEADER + 31], b"verity\0");
    }
}
