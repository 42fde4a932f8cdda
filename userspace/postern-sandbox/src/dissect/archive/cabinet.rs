//! Cabinets (MS-CAB).

use std::io::Cursor;

use cab::Cabinet;
use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk};

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut cabinet = match Cabinet::new(Cursor::new(part.content.as_slice())) {
        Ok(cabinet) => cabinet,
        Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
    };
    let names: Vec<String> = cabinet.folder_entries().flat_map(|f| f.file_entries()).map(|f| f.name().to_owned()).collect();
    for name in names {
        if walk.is_full {
            return;
        }
        match cabinet.read_file(&name) {
            Ok(reader) => {
                // Files of a folder are packed as one: none tells what it was packed to.
                let content = walk.unpack(part, &name, reader, part.content.len() as u64);
                walk.add(Some(part), &name, content);
            }
            Err(error) => walk.find(FindingName::Damaged, part.number, format!("{name}: {error}")),
        }
    }
}
