//! VHD (Virtual Hard Disk Image Format Specification 1.0): Windows mounts one by a click. Numbers have the big end first.

use postern_model::sandbox::FindingName;

use super::Said;
use super::source::{Disk, Layout};

pub const COOKIE: &[u8; 8] = b"conectix";
const FOOTER: usize = 512;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCE: u32 = 4;
/// Blocks have 2 MiB where nobody wished for another size.
const BLOCK_MOST: u64 = 256 << 20;

/// The footer at the end; old versions wrote one of 511 octets.
pub fn footer(image: &[u8]) -> Option<&[u8]> {
    [FOOTER, FOOTER - 1].iter().find_map(|length| image.get(image.len().checked_sub(*length)?..)).filter(|f| f.starts_with(COOKIE))
}

pub fn disk(image: &[u8]) -> Result<Disk<'_>, Said> {
    let damaged = |what: &str| (FindingName::Damaged, what.to_owned());
    // A copy stands in front of a dynamic disk, for when the end is lost.
    let footer = footer(image).or_else(|| image.get(..FOOTER)).ok_or_else(|| damaged("a disk image without an end"))?;
    let word = |octets: &[u8], at: usize| octets.get(at..at + 4).and_then(|o| o.try_into().ok()).map(u32::from_be_bytes);
    let long = |octets: &[u8], at: usize| octets.get(at..at + 8).and_then(|o| o.try_into().ok()).map(u64::from_be_bytes);
    let (Some(length), Some(kind), Some(next)) = (long(footer, 48), word(footer, 60), long(footer, 16)) else {
        return Err(damaged("the footer of a disk image"));
    };
    match kind {
        // The size is what Windows believes; it has no more than there is.
        FIXED => Ok(Disk::new(image, Layout::Whole, length.min(image.len().saturating_sub(footer.len()) as u64), 512)),
        DYNAMIC => {
            let header = usize::try_from(next).ok().and_then(|at| image.get(at..)).filter(|header| header.starts_with(b"cxsparse"));
            let fields = header.and_then(|h| Some((long(h, 16)?, u64::from(word(h, 28)?), u64::from(word(h, 32)?))));
            let (table, entries, block) = fields.ok_or_else(|| damaged("the header of a disk image that grows"))?;
            let table = usize::try_from(table).ok().and_then(|at| image.get(at..)).ok_or_else(|| damaged("the table of blocks"))?;
            if !block.is_power_of_two() || !(512..=BLOCK_MOST).contains(&block) {
                return Err(damaged("the size of a disk image's blocks"));
            }
            let table = &table[..table.len().min(usize::try_from(entries * 4).unwrap_or(usize::MAX))];
            let map = (block / 512).div_ceil(8).next_multiple_of(512);
            Ok(Disk::new(image, Layout::Vhd { table, block, map }, length.min(entries * block), 512))
        }
        DIFFERENCE => Err((FindingName::NotOpened, "a disk image that only holds what differs from another one".to_owned())),
        other => Err((FindingName::NotOpened, format!("a disk image of type {other}"))),
    }
}
