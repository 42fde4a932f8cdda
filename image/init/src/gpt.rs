//! Just enough of the GUID partition table (UEFI 2.10 §5.3) to know a disk by a partition of it. The kernel reads the table too,
//! but tells its names only, and two disks of the same image have the same names.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::str::FromStr;

/// Entries looked at: what every tool makes.
const ENTRIES: usize = 128;
const ENTRY: usize = 128;
const SECTOR: u64 = 512;

/// As it lies on the disk: the first three groups little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid([u8; 16]);

impl FromStr for Guid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|g| g.len()).ne([8, 4, 4, 4, 12]) {
            return Err(());
        }
        let mut octets = crate::verity::hex(&groups.concat()).ok_or(())?;
        octets[0..4].reverse();
        octets[4..6].reverse();
        octets[6..8].reverse();
        octets.try_into().map(Self).map_err(|_| ())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// From 1.
    pub number: usize,
    pub guid: Guid,
    pub name: String,
}

/// The partitions of a disk; none when it has no such table.
pub fn partitions(disk: &Path) -> io::Result<Vec<Partition>> {
    let disk = File::open(disk)?;
    let mut header = [0; 512];
    disk.read_exact_at(&mut header, SECTOR)?;
    if !header.starts_with(b"EFI PART") {
        return Ok(Vec::new());
    }
    let at = u64::from_le_bytes([header[72], header[73], header[74], header[75], header[76], header[77], header[78], header[79]]);
    let mut table = vec![0; ENTRIES * ENTRY];
    disk.read_exact_at(&mut table, at.saturating_mul(SECTOR))?;
    Ok(entries(&table))
}

fn entries(table: &[u8]) -> Vec<Partition> {
    let mut found = Vec::new();
    for (at, entry) in table.chunks_exact(ENTRY).enumerate() {
        let (kind, rest) = entry.split_at(16);
        let Ok(guid) = rest[..16].try_into() else { continue };
        if kind.iter().all(|o| *o == 0) {
            continue;
        }
        let units = entry[56..].chunks_exact(2).map(|u| u16::from_le_bytes([u[0], u[1]])).take_while(|u| *u != 0);
        let name = char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect();
        found.push(Partition { number: at + 1, guid: Guid(guid), name });
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_guid_is_mixed_endian() {
        let guid: Guid = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        assert_eq!(guid.0, [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
        assert!("00112233-4455-6677-8899".parse::<Guid>().is_err());
        assert!("0011223x-4455-6677-8899-aabbccddeeff".parse::<Guid>().is_err());
    }

    #[test]
    fn entries_have_names_and_numbers() {
        let mut table = vec![0; 4 * ENTRY];
        let third = &mut table[2 * ENTRY..3 * ENTRY];
        third[..16].fill(1);
        third[16..32].fill(7);
        for (i, u) in "root-a".encode_utf16().enumerate() {
            third[56 + 2 * i..58 + 2 * i].copy_from_slice(&u.to_le_bytes());
        }
        assert_eq!(entries(&table), [Partition { number: 3, guid: Guid([7; 16]), name: "root-a".into() }]);
    }
}
