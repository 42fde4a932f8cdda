//! Dot-stuffing (RFC 5321 §4.5.2) for vectored writes: long runs stay where they are, only short
//! ones are copied, so that a mail made of dots does not become a million tiny slices.

use std::io::IoSlice;
use std::ops::Range;

use memchr::memmem::Finder;

use super::payload::Payload;

/// Runs shorter than this are copied: cheaper than an entry of an I/O vector.
const COPY_BELOW: usize = 2048;
/// Octets copied into one batch.
const MAX_COPIED: usize = 64 * 1024;
/// Slices in one batch; IOV_MAX is 1,024.
const MAX_PIECES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm {
    /// After DATA: dots stuffed, closed by `.` on a line of its own.
    Dotted,
    /// After BDAT: as it is.
    Raw,
}

enum Piece<'a> {
    Copied(Range<usize>),
    Slice(&'a [u8]),
}

/// Turns a payload into batches of slices to write.
pub struct BodyWriter<'a> {
    /// Slices still to come, last first.
    slices: Vec<&'a [u8]>,
    rest: &'a [u8],
    form: BodyForm,
    is_closed: bool,
    /// The next octet begins a line.
    at_line_start: bool,
    scratch: Vec<u8>,
    pieces: Vec<Piece<'a>>,
    dot_line: Finder<'static>,
}

impl<'a> BodyWriter<'a> {
    /// `head` goes out before the body, unstuffed: the commands of the same burst.
    pub fn new(head: &[u8], payload: &Payload<'a>, form: BodyForm) -> Self {
        let mut slices: Vec<&'a [u8]> = payload.slices().collect();
        slices.push(payload.tail());
        slices.reverse();
        let mut writer = Self {
            slices,
            rest: b"",
            form,
            is_closed: false,
            at_line_start: true,
            scratch: Vec::with_capacity(head.len() + 2 * COPY_BELOW),
            pieces: Vec::with_capacity(8),
            dot_line: Finder::new(b"\n."),
        };
        writer.copy(head);
        writer.fill();
        writer
    }

    /// The octets to write next; empty when all is written. [`BodyWriter::advance`] goes on.
    pub fn batch(&self) -> Vec<IoSlice<'_>> {
        let slice = |piece: &'_ Piece<'a>| match piece {
            Piece::Copied(range) => IoSlice::new(&self.scratch[range.clone()]),
            Piece::Slice(slice) => IoSlice::new(slice),
        };
        // The closure's result borrows from `self`, not from the piece.
        self.pieces.iter().map(slice).collect()
    }

    /// The batch was written whole: makes the next one.
    pub fn advance(&mut self) {
        self.scratch.clear();
        self.pieces.clear();
        self.fill();
    }

    fn fill(&mut self) {
        while self.pieces.len() < MAX_PIECES && self.scratch.len() < MAX_COPIED {
            if self.rest.is_empty() {
                match self.slices.pop() {
                    Some(slice) => self.rest = slice,
                    None if self.is_closed => return,
                    None => {
                        self.is_closed = true;
                        if self.form == BodyForm::Dotted {
                            self.copy(b".\r\n");
                        }
                    }
                }
                continue;
            }
            let run = match self.form {
                BodyForm::Raw => self.rest,
                BodyForm::Dotted => {
                    if self.at_line_start && self.rest.starts_with(b".") {
                        self.copy(b".");
                    }
                    match self.dot_line.find(self.rest) {
                        Some(newline) => &self.rest[..=newline],
                        None => self.rest,
                    }
                }
            };
            self.at_line_start = run.ends_with(b"\n");
            self.rest = &self.rest[run.len()..];
            if run.len() < COPY_BELOW {
                self.copy(run);
            } else {
                self.pieces.push(Piece::Slice(run));
            }
        }
    }

    fn copy(&mut self, octets: &[u8]) {
        if octets.is_empty() {
            return;
        }
        let start = self.scratch.len();
        self.scratch.extend_from_slice(octets);
        match self.pieces.last_mut() {
            Some(Piece::Copied(range)) => range.end = self.scratch.len(),
            _ => self.pieces.push(Piece::Copied(start..self.scratch.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use postern_model::queue::HeaderEdits;
    use proptest::prelude::*;

    use super::*;

    fn written(head: &[u8], prepend: &[u8], remove: &[(u64, u64)], body: &[u8], form: BodyForm) -> Vec<u8> {
        let edits = HeaderEdits { prepend: prepend.to_vec(), remove: remove.to_vec() };
        let payload = Payload::new(&edits, body);
        let mut writer = BodyWriter::new(head, &payload, form);
        let mut out = Vec::new();
        loop {
            let batch = writer.batch();
            if batch.is_empty() {
                return out;
            }
            batch.iter().for_each(|s| out.extend_from_slice(s));
            writer.advance();
        }
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        // prepend, body, what goes over the line
        for (prepend, body, out) in [
            ("", "", ".\r\n"),
            ("", "a\r\n", "a\r\n.\r\n"),
            ("", ".\r\n", "..\r\n.\r\n"),
            ("", "a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"),
            ("x: y\r\n", ".a", "x: y\r\n..a\r\n.\r\n"),
            ("", "a\n.\nb\n", "a\n..\nb\n\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&written(b"", prepend.as_bytes(), &[], body.as_bytes(), BodyForm::Dotted)), out);
        }
        assert_eq!(written(b"BDAT 3 LAST\r\n", b"", &[], b".\r\n", BodyForm::Raw), b"BDAT 3 LAST\r\n.\r\n");
    }

    #[test]
    fn long_runs_are_not_copied() {
        let body = b"0123456789abcde\r\n".repeat(10_000);
        let edits = HeaderEdits::default();
        let writer = BodyWriter::new(b"", &Payload::new(&edits, &body), BodyForm::Dotted);
        assert!(writer.scratch.len() < 16, "{} octets copied", writer.scratch.len());
    }

    proptest! {
        /// The peer's view: undoing the dots gives the text that was to be sent.
        #[test]
        fn the_peer_reads_what_was_meant(lines in prop::collection::vec("[.a]{0,4}|[.]{3000}", 0..40), cut in (0usize..50, 0usize..50)) {
            let body = lines.iter().flat_map(|l| [l.as_bytes(), b"\r\n"].concat()).collect::<Vec<u8>>();
            let (start, end) = (cut.0.min(body.len()), (cut.0 + cut.1).min(body.len()));
            let mut kept = [&body[..start], &body[end..]].concat();
            if !kept.is_empty() && !kept.ends_with(b"\r\n") {
                kept.extend_from_slice(b"\r\n");
            }
            let sent = written(b"", b"", &[(start as u64, end as u64)], &body, BodyForm::Dotted);
            let mut seen = Vec::new();
            let mut is_closed = false;
            for line in sent.split_inclusive(|b| *b == b'\n') {
                prop_assert!(!is_closed, "text after the final dot");
                if line == b".\r\n" {
                    is_closed = true;
                } else {
                    seen.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
                }
            }
            prop_assert!(is_closed);
            prop_assert_eq!(seen, kept);
        }
    }
}
