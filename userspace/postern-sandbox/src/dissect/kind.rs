//! What something is, by its first octets. The name has no say.

use postern_model::sandbox::Kind;

use super::archive::{arj, cpio, lha, lzw, rare, split};
use super::disk;

/// Offset, octets, kind. The first that fits counts.
const MAGIC: &[(usize, &[u8], Kind)] = &[
    (0, b"PK\x03\x04", Kind::Zip),
    (0, b"PK\x05\x06", Kind::Zip),
    // The first of several files.
    (0, b"PK\x07\x08", Kind::Zip),
    (0, b"PK00PK\x03\x04", Kind::Zip),
    (0, b"\x1f\x8b", Kind::Gzip),
    (0, b"BZh", Kind::Bzip2),
    (0, b"\xfd7zXZ\0", Kind::Xz),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstandard),
    (0, lzw::MARK, Kind::Compress),
    (257, b"ustar", Kind::Tar),
    (0, b"7z\xbc\xaf\x27\x1c", Kind::SevenZip),
    (0, b"Rar!\x1a\x07", Kind::Rar),
    // Before version 1.5.
    (0, b"RE~^", Kind::Rar),
    (0, b"MSCF", Kind::Cabinet),
    // MS-CFB 2.2
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Compound),
    (0, b"{\\rt", Kind::Rtf),
    // MS-ONESTORE 2.3.1, guidFileType of .one
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", Kind::OneNote),
    // MS-OXTNEF 2.1.3.1
    (0, b"\x78\x9f\x3e\x22", Kind::Tnef),
    // MS-SHLLINK 2.1
    (0, b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", Kind::Shortcut),
    (0, b"\x7fELF", Kind::LinuxProgram),
    (0, b"\x89PNG\r\n\x1a\n", Kind::Image),
    (0, b"\xff\xd8\xff", Kind::Image),
    (0, b"GIF8", Kind::Image),
    (0, b"BM", Kind::Image),
    (0, b"II*\0", Kind::Image),
    (0, b"MM\0*", Kind::Image),
    (8, b"WEBP", Kind::Image),
    (0, b"#!", Kind::Script),
];

/// How far a PDF's header may be from the start (readers look so far; PDF 1.7 appendix H.3).
const PDF_WITHIN: usize = 1024;
/// Of a text, what is looked at.
const TEXT_START: usize = 2048;

#[must_use]
pub fn of(content: &[u8]) -> Kind {
    if is_windows_program(content) {
        return Kind::WindowsProgram;
    }
    for (offset, octets, kind) in MAGIC {
        if content.get(*offset..).is_some_and(|rest| rest.starts_with(octets)) {
            return match kind {
                Kind::Zip if find(content, b"[Content_Types].xml").is_some() => Kind::OfficeXml,
                // Two letters are many texts' beginning: a bitmap's header says 0 in two reserved words, too.
                Kind::Image if octets == b"BM" && content.get(6..10) != Some(&[0; 4]) => continue,
                kind => *kind,
            };
        }
    }
    for (is_one, kind) in [
        (lha::is_one(content), Kind::Lha),
        (arj::is_one(content), Kind::Arj),
        (cpio::is_one(content), Kind::Cpio),
        (rare::format(content).is_some(), Kind::RareArchive),
        (disk::is_image(content), Kind::DiskImage),
        (split::is_last_of_zip(content), Kind::Zip),
    ] {
        if is_one {
            return kind;
        }
    }
    if content.get(..PDF_WITHIN.min(content.len())).is_some_and(|start| find(start, b"%PDF-").is_some()) {
        return Kind::Pdf;
    }
    text(content)
}

fn text(content: &[u8]) -> Kind {
    let start = &content[..TEXT_START.min(content.len())];
    if start.is_empty() {
        return Kind::Unknown;
    }
    let lower = start.to_ascii_lowercase();
    let has = |what: &[u8]| find(&lower, what).is_some();
    let begins = lower.trim_ascii_start();
    if has(b"<svg") {
        Kind::Svg
    } else if has(b"<html") || has(b"<!doctype html") || has(b"<script") || has(b"<body") {
        Kind::Html
    } else if is_mail(begins) {
        Kind::Mail
    } else if start.contains(&0) || (std::str::from_utf8(start).is_err_and(|e| e.error_len().is_some()) && mostly_controls(start)) {
        Kind::Unknown
    } else {
        Kind::Text
    }
}

/// Fields of a mail's head in the first lines, perhaps behind the line with which an mbox begins.
fn is_mail(lower: &[u8]) -> bool {
    const FIELDS: &[&[u8]] =
        &[b"received:", b"return-path:", b"mime-version:", b"message-id:", b"from:", b"date:", b"subject:", b"delivered-to:"];
    let lines = lower.split(|b| *b == b'\n').skip(usize::from(lower.starts_with(b"from "))).take(8);
    lines.filter(|line| FIELDS.iter().any(|f| line.starts_with(f))).count() >= 2
}

/// Texts in old character sets have octets beyond ASCII, and next to no controls.
fn mostly_controls(start: &[u8]) -> bool {
    let controls = start.iter().filter(|b| b.is_ascii_control() && !b"\t\r\n\x0c".contains(b)).count();
    controls * 50 > start.len()
}

/// "MZ", and "PE" or "NE" where the header points.
fn is_windows_program(content: &[u8]) -> bool {
    let Some(Ok(at)) = content.get(0x3c..0x40).map(<[u8; 4]>::try_from) else { return false };
    let header = content.get(u32::from_le_bytes(at) as usize..).unwrap_or_default();
    content.starts_with(b"MZ") && (header.starts_with(b"PE\0\0") || header.starts_with(b"NE"))
}

pub fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|w| w == what)
}
