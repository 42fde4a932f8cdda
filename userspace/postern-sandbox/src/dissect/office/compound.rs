//! Compound files (MS-CFB): the streams that matter. Macros become parts of their own; packed objects, too.

use std::io::{Cursor, Read};

use cfb::CompoundFile;
use flate2::read::ZlibDecoder;
use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk, scripts};
use super::active_mime::ZLIB;
use super::packed::{self, Packed};
use super::{dde, encrypted, fields, links, powerpoint, tell, values, vba, xlm};

/// Of an object that was dragged into a document (MS-OLEDS 2.3.6).
const PACKAGE: &str = "\u{1}Ole10Native";

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut file = match CompoundFile::open(Cursor::new(part.content.as_slice())) {
        Ok(file) => file,
        Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
    };
    let seen = encrypted::open(walk, part, &mut file);
    if seen.is_whole {
        return;
    }
    let paths: Vec<_> = file.walk().filter(cfb::Entry::is_stream).map(|e| e.path().to_owned()).collect();
    for path in paths {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name == PACKAGE {
            if let Some(octets) = stream(walk, part, &mut file, &path) {
                package(walk, part, &octets);
            }
        } else if name.eq_ignore_ascii_case("dir")
            && let Some(folder) = path.parent()
            && folder.file_name().is_some_and(|f| f.eq_ignore_ascii_case("VBA"))
            && let Some(octets) = stream(walk, part, &mut file, &path)
        {
            macros(walk, part, &mut file, folder, &octets);
        } else if name == links::STREAM {
            if let Some(octets) = stream(walk, part, &mut file, &path) {
                for target in links::targets(&octets) {
                    walk.find(FindingName::ExternalTarget, part.number, format!("linked object: {target}"));
                }
            }
        } else if seen.noise.iter().any(|noise| name.eq_ignore_ascii_case(noise)) {
            // It was told that it is closed.
        } else if name == powerpoint::DOCUMENT {
            powerpoint::open(walk, part, &mut file, &path);
        } else if name.eq_ignore_ascii_case("Workbook") || name.eq_ignore_ascii_case("Book") {
            if let Some(octets) = stream(walk, part, &mut file, &path) {
                tell(walk, part, xlm::workbook(&octets));
                tell(walk, part, dde::of_workbook(&octets));
            }
        } else if name == "WordDocument" {
            if let Some(octets) = stream(walk, part, &mut file, &path) {
                tell(walk, part, fields::of_stream(&octets));
            }
        } else if name.strip_prefix('_').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())) {
            if let Some(octets) = stream(walk, part, &mut file, &path) {
                object_of_2003(walk, part, &name, &octets);
            }
        } else if name.eq_ignore_ascii_case("EncryptedPackage") && path.parent().is_some_and(|folder| folder.parent().is_some()) {
            // Of a document within the document; its own was looked at.
            walk.find(FindingName::Encrypted, part.number, "an office document behind a password");
        }
    }
}

pub fn stream(walk: &mut Walk<'_>, part: &Waiting, file: &mut CompoundFile<Cursor<&[u8]>>, path: &std::path::Path) -> Option<Vec<u8>> {
    match file.open_stream(path) {
        Ok(stream) => {
            let packed = stream.len();
            Some(walk.unpack(part, &path.to_string_lossy(), stream.take(packed), packed))
        }
        Err(error) => {
            walk.find(FindingName::Damaged, part.number, format!("{}: {error}", path.display()));
            None
        }
    }
}

fn macros(walk: &mut Walk<'_>, part: &Waiting, file: &mut CompoundFile<Cursor<&[u8]>>, folder: &std::path::Path, dir: &[u8]) {
    walk.find(FindingName::Macros, part.number, folder.to_string_lossy());
    let room = usize::try_from(walk.room(dir.len() as u64)).unwrap_or(usize::MAX);
    let project = vba::decompress(dir, room).and_then(|dir| vba::project(&dir));
    let Some(project) = project else {
        return walk.find(FindingName::Damaged, part.number, format!("{}/dir", folder.display()));
    };
    let mut texts = Vec::new();
    for module in &project.modules {
        let path = folder.join(&module.stream);
        let Some(octets) = stream(walk, part, file, &path) else { continue };
        let room = usize::try_from(walk.room(octets.len() as u64)).unwrap_or(usize::MAX);
        let source = octets.get(module.offset as usize..).and_then(|packed| vba::decompress(packed, room));
        let Some(source) = source else {
            walk.find(FindingName::Damaged, part.number, path.to_string_lossy());
            continue;
        };
        let text = vba::text(&source, project.code_page);
        for (name, evidence) in vba::check(&text) {
            walk.find(name, part.number, format!("{}: {evidence}", module.name));
        }
        scripts::command_line(walk, part, &text);
        let content = walk.unpack(part, &module.name, text.as_bytes(), octets.len() as u64);
        walk.add(Some(part), &format!("{}.bas", module.name), content);
        texts.push(text);
    }
    let document = values::of_compound(file, project.code_page);
    scripts::note_macros(walk, part, &texts, document);
}

/// Word's form in XML keeps its objects in one compound file (`oledata.mso`): each in a stream of its own, how long it is and then packed.
fn object_of_2003(walk: &mut Walk<'_>, part: &Waiting, name: &str, octets: &[u8]) {
    if let Some(packed) = octets.get(4..).filter(|packed| packed.first() == Some(&ZLIB)) {
        let content = walk.unpack(part, name, ZlibDecoder::new(packed), packed.len() as u64);
        walk.add(Some(part), name, content);
    }
}

fn package(walk: &mut Walk<'_>, part: &Waiting, octets: &[u8]) {
    match packed::read(octets, 4) {
        Some(Packed::File { label, content }) => {
            walk.find(FindingName::EmbeddedObject, part.number, &label);
            walk.add(Some(part), &label, content);
        }
        Some(Packed::Command { label, command }) => packed::tell_command(walk, part, &label, &command),
        None => walk.find(FindingName::Damaged, part.number, "an embedded object"),
    }
}
