//! ZIP (PKWARE APPNOTE 6.3), and office documents that are one.

use std::io::Cursor;

use postern_model::sandbox::{FindingName, Kind};
use zip::ZipArchive;
use zip::result::ZipError;

use super::super::holes::{self, Content};
use super::super::{Waiting, Walk, office};
use super::split;

/// Passwords tried for one file: each costs a derivation of keys.
const PASSWORDS: usize = 64;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut archive = match ZipArchive::new(Cursor::new(part.content.as_slice())) {
        Ok(archive) => archive,
        Err(error) => return split::broken(walk, part, error.to_string()),
    };
    let mut password = None;
    for index in 0..archive.len() {
        if walk.is_full {
            return;
        }
        // The name is there whether or not the content can be had.
        let (name, packed, is_encrypted, is_folder) = match archive.by_index_raw(index) {
            Ok(file) => (String::from_utf8_lossy(file.name_raw()).into_owned(), file.compressed_size(), file.encrypted(), file.is_dir()),
            Err(error) => {
                walk.find(FindingName::Damaged, part.number, error.to_string());
                continue;
            }
        };
        if is_folder {
            continue;
        }
        if is_encrypted {
            open_encrypted(walk, part, &mut archive, index, &name, packed, &mut password);
            continue;
        }
        match archive.by_index(index) {
            Ok(file) => {
                let content = walk.unpack(part, &name, file, packed);
                match part.kind {
                    Kind::OfficeXml => office::part(walk, part, &name, &content),
                    _ => office::plain_part(walk, part, &name, &content),
                }
                walk.add(Some(part), &name, content);
            }
            Err(ZipError::UnsupportedArchive(why)) => walk.find(FindingName::NotOpened, part.number, format!("{name}: {why}")),
            Err(error) => walk.find(FindingName::Damaged, part.number, format!("{name}: {error}")),
        }
    }
}

/// Tries the words of the mail, the one that opened the file before first. Of the old cipher one wrong password in 256 passes
/// its own check: what it opens has to have the right checksum as well.
fn open_encrypted(
    walk: &mut Walk<'_>,
    part: &Waiting,
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    name: &str,
    packed: u64,
    known: &mut Option<String>,
) {
    let candidates = known.iter().chain(walk.job.passwords.iter().take(PASSWORDS)).cloned().collect::<Vec<_>>();
    let room = walk.room(packed);
    for candidate in candidates {
        let Ok(file) = archive.by_index_decrypt(index, candidate.as_bytes()) else { continue };
        let (mut content, read) = holes::read(file, Content::new(room, walk.left));
        // Beyond the limit no checksum is seen: the check of the cipher has to do.
        if read.is_ok() {
            walk.find(FindingName::PasswordInMail, part.number, format!("{name}: {candidate}"));
            let content = walk.unpack(part, name, content.take().as_slice(), packed);
            walk.add(Some(part), name, content);
            *known = Some(candidate);
            return;
        }
    }
    walk.find(FindingName::Encrypted, part.number, name);
}
