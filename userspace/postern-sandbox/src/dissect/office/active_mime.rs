//! What Word puts macros and objects into when it saves as a page or as XML (`editdata.mso`): a head, and a compound file behind it, packed.
//! Nobody describes it; where it lies is what all files of that kind have in common.

use flate2::read::ZlibDecoder;
use postern_model::sandbox::FindingName;

use super::super::octets::number;
use super::super::{Waiting, Walk};

const MARK: &[u8] = b"ActiveMime";
/// Where a head says how long it is, and how much longer it is than that; where the packed octets were seen besides.
const LENGTH_AT: u64 = 0x1e;
const MORE: u64 = 46;
const PLACES: [u64; 2] = [0x32, 0x22a];
/// A stream of zlib begins so, of whatever level (RFC 1950 §2.2).
pub const ZLIB: u8 = 0x78;

pub fn is_one(content: &[u8]) -> bool {
    content.starts_with(MARK)
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let said = number(&part.content, LENGTH_AT, 2).map(|length| length + MORE);
    let packed = said.into_iter().chain(PLACES).filter_map(|at| part.content.get(at as usize..)).find(|rest| rest.first() == Some(&ZLIB));
    match packed {
        Some(packed) => {
            let content = walk.unpack(part, "document", ZlibDecoder::new(packed), packed.len() as u64);
            walk.add(Some(part), "document", content);
        }
        None => walk.find(FindingName::Damaged, part.number, "ActiveMime without what it holds"),
    }
}
