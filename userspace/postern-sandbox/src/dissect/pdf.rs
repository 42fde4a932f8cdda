//! PDF (ISO 32000): what acts when it is opened, and files within. Objects are found by their words, in the file and in its packed
//! streams, as readers mend broken tables of objects.

use std::io::Read;

use flate2::read::ZlibDecoder;
use postern_model::sandbox::FindingName;

use super::kind::find;
use super::text::unescaped;
use super::{Waiting, Walk};

/// Streams looked at.
const STREAMS: usize = 5000;

const ACTIONS: &[(&[u8], FindingName)] = &[
    (b"/JavaScript", FindingName::PdfScript),
    (b"/JS", FindingName::PdfScript),
    (b"/OpenAction", FindingName::PdfAutostart),
    (b"/AA", FindingName::PdfAutostart),
    (b"/Launch", FindingName::PdfLaunch),
    (b"/SubmitForm", FindingName::PdfLaunch),
    (b"/EmbeddedFile", FindingName::EmbeddedObject),
    (b"/Encrypt", FindingName::Encrypted),
];

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    words(walk, part, &part.content);
    let mut rest = part.content.as_slice();
    for _ in 0..STREAMS {
        let Some(at) = find(rest, b"stream") else { return };
        let (before, after) = rest.split_at(at);
        let after = &after[b"stream".len()..];
        rest = after;
        // "endstream" holds the word, too.
        if before.ends_with(b"end") {
            continue;
        }
        let dictionary = &before[rfind(before, b"obj").unwrap_or(before.len().saturating_sub(512))..];
        // Names may be written so: `/J#61vaScript` (ISO 32000-1 §7.3.5).
        let dictionary = unescaped(dictionary, b'#');
        let body = after.strip_prefix(b"\r\n").or_else(|| after.strip_prefix(b"\n")).unwrap_or(after);
        let body = &body[..find(body, b"endstream").unwrap_or(body.len())];
        let has = |word: &[u8]| find(&dictionary, word).is_some();
        let is_file = has(b"/EmbeddedFile");
        if !is_file && !has(b"/ObjStm") {
            continue;
        }
        let packed = body.len() as u64;
        let content = if has(b"/FlateDecode") || has(b"/Fl ") {
            walk.unpack(part, "a stream", Lenient(ZlibDecoder::new(body)), packed)
        } else {
            walk.unpack(part, "a stream", body, packed)
        };
        if is_file {
            walk.add(Some(part), "embedded file", content);
        } else {
            walk.look(part.number, &content);
            words(walk, part, &content);
        }
    }
}

fn words(walk: &mut Walk<'_>, part: &Waiting, octets: &[u8]) {
    let octets = unescaped(octets, b'#');
    for (word, finding) in ACTIONS {
        let mut from = 0;
        while let Some(at) = octets.get(from..).and_then(|rest| find(rest, word)) {
            let end = from + at + word.len();
            // A name ends where no letter goes on.
            let is_word = octets.get(end).is_none_or(|b| !b.is_ascii_alphanumeric());
            // A place in the document, where it is opened, is no action (PDF 1.7, 7.7.2).
            let is_place = *word == b"/OpenAction" && octets.get(end..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"["));
            if is_word && !is_place {
                walk.find(*finding, part.number, String::from_utf8_lossy(word));
                break;
            }
            from = end;
        }
    }
}

fn rfind(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).rposition(|w| w == what)
}

/// Readers show what came before an error in a stream, and many writers get the end wrong.
struct Lenient<R>(R);

impl<R: Read> Read for Lenient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        Ok(self.0.read(buffer).unwrap_or(0))
    }
}
