//! One packed stream: gzip (RFC 1952), bzip2, xz, Zstandard (RFC 8878), `compress`.

use std::io::Read;

use postern_model::sandbox::{FindingName, Kind};

use super::super::{Waiting, Walk};
use super::lzw::Lzw;

/// Memory for an xz stream in KiB: its dictionary, and `xz -9` makes one of 64 MiB.
const XZ_MEMORY: u32 = 65 * 1024;

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let packed = part.content.len() as u64;
    let octets = part.content.as_slice();
    let reader: Box<dyn Read + '_> = match part.kind {
        Kind::Gzip => Box::new(flate2::read::MultiGzDecoder::new(octets)),
        Kind::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(octets)),
        Kind::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(octets, true, XZ_MEMORY)),
        Kind::Zstandard => match ruzstd::decoding::StreamingDecoder::new(octets) {
            Ok(reader) => Box::new(reader),
            Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
        },
        Kind::Compress => match Lzw::new(octets) {
            Some(reader) => Box::new(reader),
            None => return walk.find(FindingName::Damaged, part.number, "the head of a .Z"),
        },
        _ => return,
    };
    let name = inner_name(walk, part);
    let content = walk.unpack(part, &name, reader, packed);
    walk.add(Some(part), &name, content);
}

/// The name in a gzip's header, or the packed name without its ending.
fn inner_name(walk: &Walk<'_>, part: &Waiting) -> String {
    let header = flate2::read::GzDecoder::new(part.content.as_slice());
    if let Some(name) = header.header().and_then(flate2::GzHeader::filename) {
        return String::from_utf8_lossy(name).into_owned();
    }
    let name = walk.report.parts.get(part.number as usize).map_or("", |p| p.name.as_str());
    match name.rsplit_once('.') {
        Some((stem, ending)) if ending.eq_ignore_ascii_case("tgz") => format!("{stem}.tar"),
        Some((stem, _)) => stem.to_owned(),
        None => name.to_owned(),
    }
}
