//! CD images (ECMA-119, ISO 9660, with Joliet's names).

use postern_model::sandbox::FindingName;

use crate::dissect::octets::number;
use crate::dissect::text::utf16_be;
use crate::dissect::{Waiting, Walk};

const SECTOR: usize = 2048;
const FIRST_DESCRIPTOR: usize = 16;
const DESCRIPTORS: usize = 16;
const FOLDERS: usize = 1000;

/// Whether descriptors of a volume stand where a CD has them: those of ISO 9660, or of UDF (ECMA-167 2/8.3.1).
pub fn is_one(image: &[u8]) -> bool {
    let at = FIRST_DESCRIPTOR * SECTOR + 1;
    image.get(at..at + 5).is_some_and(|id| id == b"CD001" || id == b"BEA01")
}

/// An entry of a folder.
struct Entry {
    name: String,
    is_folder: bool,
    start: usize,
    length: usize,
}

/// Whether it has a volume.
pub fn open(walk: &mut Walk<'_>, part: &Waiting) -> bool {
    let image = part.content.as_slice();
    let Some((root, is_joliet)) = root(image) else { return false };
    let mut folders = vec![(String::new(), root)];
    let mut seen = std::collections::HashSet::new();
    while let Some((path, folder)) = folders.pop() {
        if walk.is_full || seen.len() >= FOLDERS || !seen.insert(folder.start) {
            continue;
        }
        let Some(records) = image.get(folder.start..folder.start.saturating_add(folder.length).min(image.len())) else {
            walk.find(FindingName::Damaged, part.number, path);
            continue;
        };
        for entry in entries(records, is_joliet) {
            let name = format!("{path}{}", entry.name);
            if entry.is_folder {
                folders.push((format!("{name}/"), entry));
                continue;
            }
            match image.get(entry.start..entry.start.saturating_add(entry.length)) {
                Some(content) => {
                    let content = walk.unpack(part, &name, content, entry.length as u64);
                    walk.add(Some(part), &name, content);
                }
                None => walk.find(FindingName::Damaged, part.number, name),
            }
        }
    }
    true
}

/// The root folder of the volume descriptor whose names are the better ones (ECMA-119 8.4, 8.5).
fn root(image: &[u8]) -> Option<(Entry, bool)> {
    let mut found = None;
    for n in 0..DESCRIPTORS {
        let at = (FIRST_DESCRIPTOR + n) * SECTOR;
        let descriptor = image.get(at..at + SECTOR)?;
        let is_joliet = matches!(descriptor.get(88..91), Some(b"%/@" | b"%/C" | b"%/E"));
        match descriptor.first()? {
            1 => found = Some((entry(descriptor.get(156..190)?, false)?, false)),
            2 if is_joliet => return Some((entry(descriptor.get(156..190)?, true)?, true)),
            255 => break,
            _ => {}
        }
    }
    found
}

fn entries(mut records: &[u8], is_joliet: bool) -> Vec<Entry> {
    let mut found = Vec::new();
    while let Some(length) = records.first().map(|l| usize::from(*l)) {
        if length == 0 {
            // Records do not cross sectors: the next one begins there.
            let next = records.len() % SECTOR;
            let skip = if next == 0 { SECTOR.min(records.len()) } else { next };
            records = &records[skip..];
            continue;
        }
        let Some(record) = records.get(..length) else { break };
        // The first two are the folder itself and the one above it.
        found.extend(entry(record, is_joliet).filter(|e| !e.name.is_empty()));
        records = &records[length..];
    }
    found
}

fn entry(record: &[u8], is_joliet: bool) -> Option<Entry> {
    let number = |at| Some(number(record, at, 4)? as usize);
    let name = record.get(33..33 + usize::from(*record.get(32)?))?;
    let name = match name {
        [0 | 1] => String::new(),
        name if is_joliet => utf16_be(name),
        name => String::from_utf8_lossy(name).into_owned(),
    };
    let name = name.split(';').next().unwrap_or_default().to_owned();
    Some(Entry { name, is_folder: record.get(25)? & 2 != 0, start: number(2)?.checked_mul(SECTOR)?, length: number(10)? })
}
