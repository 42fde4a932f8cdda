//! tar (POSIX.1-2017 pax, ustar, GNU).

use std::io::Cursor;

use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk};

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut archive = tar::Archive::new(Cursor::new(part.content.as_slice()));
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
    };
    for entry in entries {
        if walk.is_full {
            return;
        }
        let mut entry = match entry {
            Ok(entry) => entry,
            // Where the next one begins is not known any more.
            Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
        };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type().is_file() {
            let packed = entry.size();
            let content = walk.unpack(part, &name, &mut entry, packed);
            walk.add(Some(part), &name, content);
        } else if let Ok(Some(target)) = entry.link_name()
            && (target.is_absolute() || target.components().any(|c| c == std::path::Component::ParentDir))
        {
            walk.find(FindingName::PathEscape, part.number, format!("{name} leads to {}", target.display()));
        }
    }
}
