//! Slides of PowerPoint's old form, and other compound files, in as few octets as will do.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::io::{Cursor, Write};

pub fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create_with_version(cfb::Version::V3, Cursor::new(Vec::new())).unwrap();
    for (name, octets) in streams {
        let folder = name.rsplit_once('/').map_or("/", |(folder, _)| folder);
        file.create_storage_all(format!("/{folder}")).unwrap();
        file.create_stream(name).unwrap().write_all(octets).unwrap();
    }
    file.into_inner().into_inner()
}

pub fn record(first: u16, kind: u16, data: &[u8]) -> Vec<u8> {
    [&first.to_le_bytes()[..], &kind.to_le_bytes(), &u32::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
}

/// An object as it lies among the records, packed by zlib or not.
pub fn object(content: &[u8], is_packed: bool) -> Vec<u8> {
    if !is_packed {
        return record(0, 0x1011, content);
    }
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(content).unwrap();
    let size = u32::try_from(content.len()).unwrap().to_le_bytes();
    record(0x10, 0x1011, &[&size[..], &packer.finish().unwrap()].concat())
}

/// Slides that hold these records.
pub fn slides(records: &[Vec<u8>]) -> Vec<u8> {
    slides_of(records, 0xe391_c05f, None)
}

/// `token`: whether it says that it is encrypted; `session`: the record that says how.
pub fn slides_of(records: &[Vec<u8>], token: u32, session: Option<Vec<u8>>) -> Vec<u8> {
    let (mut document, mut places) = (Vec::new(), Vec::new());
    for record in records.iter().chain(&session) {
        places.extend(u32::try_from(document.len()).unwrap().to_le_bytes());
        document.extend(record);
    }
    let count = u32::try_from(places.len() / 4).unwrap();
    let directory = u32::try_from(document.len()).unwrap();
    document.extend(record(0, 0x1772, &[&(count << 20 | 1).to_le_bytes()[..], &places].concat()));
    let edit = u32::try_from(document.len()).unwrap();
    let of_session = session.map(|_| count.to_le_bytes().to_vec()).unwrap_or_default();
    document.extend(record(0, 0x0ff5, &[&[0; 12][..], &directory.to_le_bytes(), &[0; 12], &of_session].concat()));
    let user: Vec<u8> = [20, token, edit, 0].iter().flat_map(|n: &u32| n.to_le_bytes()).collect();
    compound(&[("PowerPoint Document", &document), ("Current User", &record(0, 0x0ff6, &user))])
}
