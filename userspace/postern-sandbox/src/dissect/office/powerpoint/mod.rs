//! Slides of the old form (MS-PPT): what is embedded in them, and the project of their macros, lie as compound files among the records of one
//! stream, packed or not.

mod edits;
mod record;

use std::io::Read;
use std::path::Path;

use flate2::read::ZlibDecoder;

pub use edits::{Edits, IS_ENCRYPTED, IS_PLAIN, TOKEN};
pub use record::{HEAD, Record};

use super::super::octets::number;
use super::super::{Waiting, Walk};
use super::{Compound, compound};

pub const DOCUMENT: &str = "PowerPoint Document";
pub const CURRENT_USER: &str = "Current User";

/// `ExOleObjStg`, `VbaProjectStg` (MS-PPT 2.10.34, 2.10.40).
const STORAGE: u64 = 0x1011;
/// Of one: that it is packed, behind the length that it becomes.
const IS_PACKED: u64 = 1;
const STORAGES: usize = 4096;

pub fn open(walk: &mut Walk<'_>, part: &Waiting, file: &mut Compound<'_>, path: &Path) {
    let Some(document) = compound::stream(walk, part, file, path) else { return };
    let beside = path.with_file_name(CURRENT_USER);
    let current_user = if file.is_stream(&beside) { compound::stream(walk, part, file, &beside) } else { None };
    for (count, record) in (1..).zip(storages(&current_user.unwrap_or_default(), &document)) {
        if walk.is_full {
            return;
        }
        let data = document.get(record.data).unwrap_or_default();
        let name = format!("object {count}");
        let content = if record.instance == IS_PACKED {
            walk.unpack(part, &name, unpacked(data), data.len() as u64)
        } else {
            walk.unpack(part, &name, data, data.len() as u64)
        };
        walk.add(Some(part), &name, content);
    }
}

fn unpacked(data: &[u8]) -> impl Read {
    let size = number(data, 0, 4).unwrap_or(0);
    ZlibDecoder::new(data.get(4..).unwrap_or_default()).take(size)
}

/// All of them, by their order in the stream: those that PowerPoint would find by its directory, and those that lie there besides.
fn storages(current_user: &[u8], document: &[u8]) -> Vec<Record> {
    let edits = Edits::read(current_user, document);
    let is_one = |record: &Record| record.kind == STORAGE;
    let mut found: Vec<Record> = Record::all(document).filter(is_one).take(STORAGES).collect();
    found.extend(edits.objects.values().filter_map(|at| Record::at(document, *at)).filter(is_one).take(STORAGES));
    found.sort_by_key(|record| record.data.start);
    found.dedup_by_key(|record| record.data.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(version: u8, kind: u16, data: &[u8]) -> Vec<u8> {
        [&[version, 0][..], &kind.to_le_bytes(), &(data.len() as u32).to_le_bytes(), data].concat()
    }

    #[test]
    fn storages_are_found_in_containers_by_the_directory_and_once() {
        let hidden = record(0, 0x1011, b"hidden");
        let begin = record(15, 1000, &record(0, 0x1011, b"in a container"));
        // Behind what says that it is longer than the stream nothing is read in order.
        let broken = [&[0, 0, 1, 0][..], &u32::MAX.to_le_bytes()].concat();
        let at = |pieces: &[&[u8]]| pieces.concat().len() as u32;
        let hidden_at = at(&[&begin, &broken]);
        let directory_at = at(&[&begin, &broken, &hidden]);
        let directory = record(0, 0x1772, &[(2 << 20 | 1_u32).to_le_bytes(), 8_u32.to_le_bytes(), hidden_at.to_le_bytes()].concat());
        let edit_at = directory_at + directory.len() as u32;
        let edit = record(0, 0x0ff5, &[[0; 12].as_slice(), &directory_at.to_le_bytes(), &[0; 12]].concat());
        let document = [begin, broken, hidden, directory, edit].concat();
        let current_user = [&[0; 16][..], &edit_at.to_le_bytes()].concat();
        let of = |current_user: &[u8]| {
            let found = storages(current_user, &document);
            found.into_iter().map(|r| String::from_utf8_lossy(&document[r.data]).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of(b""), ["in a container"]);
        assert_eq!(of(&current_user), ["in a container", "hidden"]);
    }

    #[test]
    fn edits_that_lead_in_a_circle_end() {
        let edit = record(0, 0x0ff5, &[0; 28]);
        assert!(Edits::read(&[0; 20], &edit).objects.is_empty());
        let circle = record(0, 0x0ff5, &[&[0; 8][..], &0_u32.to_le_bytes(), &[0; 16]].concat());
        assert!(Edits::read(&[0; 20], &circle).objects.is_empty());
    }
}
