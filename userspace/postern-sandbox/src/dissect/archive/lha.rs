//! LHA, LZH (levels 0 to 3 of its heads, all methods that were in use).

use std::io::Cursor;

use delharc::LhaDecodeReader;
use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk};

/// `-lh5-`, `-lzs-`, `-pm2-`: behind the length and the sum of the head.
pub fn is_one(octets: &[u8]) -> bool {
    matches!(
        octets.get(2..7),
        Some([b'-', b'l', b'h' | b'z', b'0'..=b'9' | b'd' | b's' | b'x', b'-'] | [b'-', b'p', b'm', b'0'..=b'2', b'-'])
    )
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let mut reader = match LhaDecodeReader::new(Cursor::new(part.content.as_slice())) {
        Ok(reader) => reader,
        Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
    };
    loop {
        if walk.is_full {
            return;
        }
        let header = reader.header();
        let (name, packed, is_folder) = (header.parse_pathname_to_str(), header.compressed_size, header.is_directory());
        if is_folder {
            // Its files name it.
        } else if reader.is_decoder_supported() {
            let content = walk.unpack(part, &name, &mut reader, packed);
            if reader.is_empty() && !reader.crc_is_ok() {
                walk.find(FindingName::Damaged, part.number, format!("{name}: its sum is another"));
            }
            walk.add(Some(part), &name, content);
        } else {
            let method = String::from_utf8_lossy(&reader.header().compression).into_owned();
            walk.find(FindingName::NotOpened, part.number, format!("{name}: packed by {method}"));
        }
        match reader.seek_next_file() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return walk.find(FindingName::Damaged, part.number, error.to_string()),
        }
    }
}
