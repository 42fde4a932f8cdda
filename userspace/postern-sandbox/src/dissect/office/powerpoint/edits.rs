//! How PowerPoint finds the objects of a document (MS-PPT 2.1.2): from the stream of the current user to the last edit, and from each edit to
//! its directory of places and to the edit before.

use std::collections::BTreeMap;

use super::record::Record;
use crate::dissect::octets::number;

/// Of the stream of the current user: what says whether the document is encrypted, and where the last edit is (MS-PPT 2.3.2).
pub const TOKEN: u64 = 12;
pub const IS_PLAIN: u64 = 0xe391_c05f;
pub const IS_ENCRYPTED: u64 = 0xf3d1_c4df;
const LAST_EDIT: u64 = 16;

/// `UserEditAtom`, `PersistDirectoryAtom` (MS-PPT 2.3.3, 2.3.4).
const EDIT: u64 = 0x0ff5;
const DIRECTORY: u64 = 0x1772;
const EDIT_BEFORE: u64 = 8;
const DIRECTORY_PLACE: u64 = 12;
const SESSION: u64 = 28;

const EDITS: usize = 1000;
/// Entries of all directories.
const ENTRIES: usize = 200_000;

#[derive(Default)]
pub struct Edits {
    /// Where each object is, by its number.
    pub objects: BTreeMap<u32, usize>,
    /// Of an encrypted document: where the object is named that says how, and its number.
    pub session: Option<(usize, u32)>,
}

impl Edits {
    pub fn read(current_user: &[u8], document: &[u8]) -> Self {
        let mut edits = Self::default();
        let mut left = ENTRIES;
        let mut next = number(current_user, LAST_EDIT, 4);
        for count in 0..EDITS {
            let Some(at) = next.and_then(|at| usize::try_from(at).ok()) else { break };
            let Some(edit) = Record::at(document, at).filter(|record| record.kind == EDIT) else { break };
            let begin = edit.data.start;
            let data = document.get(edit.data).unwrap_or_default();
            if count == 0 {
                edits.session = number(data, SESSION, 4).filter(|id| *id != 0).map(|id| (begin + SESSION as usize, id as u32));
            }
            let directory = number(data, DIRECTORY_PLACE, 4).and_then(|at| Record::at(document, usize::try_from(at).ok()?));
            if let Some(directory) = directory.filter(|record| record.kind == DIRECTORY) {
                edits.note(document.get(directory.data).unwrap_or_default(), &mut left);
            }
            // The one before lies before: what leads elsewhere leads in circles.
            next = number(data, EDIT_BEFORE, 4).filter(|before| *before != 0 && *before < at as u64);
        }
        edits
    }

    /// Runs of objects: the first number and how many, and a place for each. A later edit's place counts, and came first.
    fn note(&mut self, directory: &[u8], left: &mut usize) {
        let mut words = directory.chunks_exact(4).map(|word| number(word, 0, 4).unwrap_or(0) as u32);
        while let Some(run) = words.next() {
            let (first, count) = (run & 0xf_ffff, run >> 20);
            for (id, place) in (first..).zip(words.by_ref().take(count as usize)) {
                if *left == 0 {
                    return;
                }
                *left -= 1;
                self.objects.entry(id).or_insert(place as usize);
            }
        }
    }
}
