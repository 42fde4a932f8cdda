//! Archives of formats that are known by their first octets and not taken apart.

use postern_model::sandbox::FindingName;

use super::super::{Waiting, Walk};

const FORMATS: &[(usize, &[u8], &str)] = &[
    (7, b"**ACE**", "ACE"),
    (20, b"\xdc\xa7\xc4\xfd", "ZOO"),
    (0, b"SIT!", "StuffIt"),
    (0, b"StuffIt (c)", "StuffIt"),
    (0, b"SZDD\x88\xf0\x27\x33", "Microsoft's COMPRESS (SZDD)"),
    (0, b"KWAJ\x88\xf0\x27\xd1", "Microsoft's COMPRESS (KWAJ)"),
    (0, b"ITSF\x03\0\0\0", "compiled help (CHM)"),
    (0, b"LZIP\x01", "lzip"),
    (0, b"\x04\x22\x4d\x18", "LZ4"),
    (0, b"xar!", "XAR"),
    (0, b"hsqs", "SquashFS"),
    (0, b"!<arch>\n", "ar"),
    (0, b"\xed\xab\xee\xdb", "RPM"),
    (0, b"PEA\x01", "PEA"),
    (0, b"zPQ", "ZPAQ"),
    (0, b"7kSt", "ZPAQ"),
    (0, b"UHA", "UHarc"),
    (0, b"ArC\x01", "FreeArc"),
    (0, b"EGGA", "EGG"),
    (0, b"ALZ\x01", "ALZ"),
];

pub fn format(octets: &[u8]) -> Option<&'static str> {
    let fits = |(at, mark, _): &&(usize, &[u8], &str)| octets.get(*at..).is_some_and(|rest| rest.starts_with(mark));
    FORMATS.iter().find(fits).map(|(_, _, name)| *name)
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    if let Some(name) = format(&part.content) {
        walk.find(FindingName::NotOpened, part.number, name);
    }
}
