//! VHDX (MS-VHDX): Windows mounts one by a click.

use postern_model::sandbox::FindingName;

use super::Said;
use super::source::{Disk, Layout};
use crate::dissect::octets::number;

pub const SIGNATURE: &[u8; 8] = b"vhdxfile";
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const REGIONS: [u64; 2] = [192 << 10, 256 << 10];
/// Entries of a table of regions, and of metadata (MS-VHDX 2.2.3, 2.6.1).
const ENTRIES: u64 = 2047;

/// Octets of a disk (MS-VHDX 2.6.2.2).
const LONGEST: u64 = 64 << 40;

/// GUIDs as they are written: the first three numbers with the little end first.
const BLOCKS: [u8; 16] = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
const METADATA: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const PARAMETERS: [u8; 16] = *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
const SIZE: [u8; 16] = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";
const SECTOR: [u8; 16] = *b"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f";

/// The disk, and what is to be said of it all the same.
pub fn disk(image: &[u8]) -> Result<(Disk<'_>, Option<Said>), Said> {
    let damaged = |what: &str| (FindingName::Damaged, what.to_owned());
    let regions = REGIONS.iter().find(|at| image.get(**at as usize..).is_some_and(|rest| rest.starts_with(b"regi")));
    let regions = *regions.ok_or_else(|| damaged("the regions of a disk image"))?;
    let region = |id: &[u8; 16]| {
        let count = number(image, regions + 8, 4)?.min(ENTRIES);
        let entry = (0..count).map(|n| regions + 16 + n * 32).find(|at| starts(image, *at, id))?;
        let (at, length) = (number(image, entry + 16, 8)?, number(image, entry + 24, 4)?);
        let rest = image.get(usize::try_from(at).ok()?..)?;
        Some(&rest[..rest.len().min(length as usize)])
    };
    let metadata = region(&METADATA).filter(|m| m.starts_with(b"metadata")).ok_or_else(|| damaged("the metadata of a disk image"))?;
    let table = region(&BLOCKS).ok_or_else(|| damaged("the table of blocks"))?;
    let item = |id: &[u8; 16]| {
        let count = number(metadata, 10, 2)?.min(ENTRIES);
        let entry = (0..count).map(|n| 32 + n * 32).find(|at| starts(metadata, *at, id))?;
        number(metadata, entry + 16, 4)
    };
    let at = |id, skip, width| item(id).and_then(|at| number(metadata, at + skip, width));
    let fields = (at(&PARAMETERS, 0, 4), at(&PARAMETERS, 4, 4), at(&SIZE, 0, 8), at(&SECTOR, 0, 4));
    let (Some(block), Some(flags), Some(length), Some(sector)) = fields else { return Err(damaged("the metadata of a disk image")) };
    if !block.is_power_of_two() || !((1 << 20)..=(256 << 20)).contains(&block) || !matches!(sector, 512 | 4096) || length > LONGEST {
        return Err(damaged("the sizes of a disk image"));
    }
    if flags & 2 != 0 {
        return Err((FindingName::NotOpened, "a disk image that only holds what differs from another one".to_owned()));
    }
    // MS-VHDX 2.5.1.1: a map for each 2^23 sectors.
    let between = (sector << 23) / block;
    Ok((Disk::new(image, Layout::Vhdx { table, block, between }, length, sector), has_log(image)))
}

fn starts(octets: &[u8], at: u64, what: &[u8]) -> bool {
    usize::try_from(at).ok().and_then(|at| octets.get(at..)).is_some_and(|rest| rest.starts_with(what))
}

/// Windows writes what stands in the log to the disk before it mounts it.
fn has_log(image: &[u8]) -> Option<Said> {
    let newest = HEADERS.iter().filter(|at| starts(image, **at, b"head")).max_by_key(|at| number(image, **at + 8, 8))?;
    let log = image.get(*newest as usize + 48..*newest as usize + 64)?;
    log.iter().any(|b| *b != 0).then(|| (FindingName::NotOpened, "changes in the log of a disk image".to_owned()))
}
