//! The text that goes out: the stored mail with its header edits, as slices. Nothing is copied.

use postern_model::queue::HeaderEdits;

/// New header lines, then the stored mail without the ranges that are left out.
#[derive(Clone, Debug)]
pub struct Payload<'a> {
    prepend: &'a [u8],
    body: &'a [u8],
    remove: &'a [(u64, u64)],
    len: u64,
    is_ascii: bool,
    needs_newline: bool,
}

impl<'a> Payload<'a> {
    /// Ranges that are out of order, overlap or lie outside the mail are passed over rather than trusted.
    pub fn new(edits: &'a HeaderEdits, body: &'a [u8]) -> Self {
        let mut payload = Self { prepend: &edits.prepend, body, remove: &edits.remove, len: 0, is_ascii: true, needs_newline: false };
        let (mut len, mut is_ascii, mut tail) = (0u64, true, [0u8; 2]);
        for slice in payload.slices() {
            len += slice.len() as u64;
            is_ascii = is_ascii && slice.is_ascii();
            match slice {
                [.., a, b] => tail = [*a, *b],
                [b] => tail = [tail[1], *b],
                [] => {}
            }
        }
        payload.needs_newline = len > 0 && tail != *b"\r\n";
        payload.len = len + if payload.needs_newline { 2 } else { 0 };
        payload.is_ascii = is_ascii;
        payload
    }

    /// Octets that go over the line before dot-stuffing.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether the header section (up to the first empty line) is ASCII.
    pub fn header_is_ascii(&self) -> bool {
        let end = memchr::memmem::find(self.body, b"\r\n\r\n").unwrap_or(self.body.len());
        self.prepend.is_ascii() && self.body[..end].is_ascii()
    }

    /// A mail that does not end with CRLF gets one: the final dot stands on a line of its own.
    pub fn tail(&self) -> &'static [u8] {
        if self.needs_newline { b"\r\n" } else { b"" }
    }

    /// The text in order, without [`Payload::tail`].
    pub fn slices(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (body, remove) = (self.body, self.remove);
        let mut at = 0usize;
        let mut ranges = remove.iter();
        let mut is_done = false;
        let kept = std::iter::from_fn(move || {
            if is_done {
                return None;
            }
            for (start, end) in ranges.by_ref() {
                let (Ok(start), Ok(end)) = (usize::try_from(*start), usize::try_from(*end)) else { continue };
                if start < at || end <= start || end > body.len() {
                    continue;
                }
                let slice = &body[at..start];
                at = end;
                return Some(slice);
            }
            is_done = true;
            Some(&body[at..])
        });
        std::iter::once(self.prepend).chain(kept).filter(|s| !s.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(prepend: &str, remove: &[(u64, u64)], body: &str) -> (String, u64) {
        let edits = HeaderEdits { prepend: prepend.into(), remove: remove.to_vec() };
        let payload = Payload::new(&edits, body.as_bytes());
        let mut all: Vec<u8> = payload.slices().collect::<Vec<_>>().concat();
        all.extend_from_slice(payload.tail());
        (String::from_utf8_lossy(&all).into_owned(), payload.len())
    }

    #[test]
    fn edits_are_applied() {
        // prepend, ranges left out, body, what goes out
        type Case = (&'static str, &'static [(u64, u64)], &'static str, &'static str);
        let table: &[Case] = &[
            ("", &[], "a: b\r\n\r\nc\r\n", "a: b\r\n\r\nc\r\n"),
            ("x: y\r\n", &[(0, 6)], "a: b\r\nc: d\r\n\r\n", "x: y\r\nc: d\r\n\r\n"),
            ("", &[(0, 3), (6, 9)], "aaaBBBcccDDD\r\n", "BBBDDD\r\n"),
            ("", &[(2, 4), (3, 6), (9, 4), (5, 99)], "0123456789\r\n", "01456789\r\n"),
            ("", &[], "no newline", "no newline\r\n"),
            ("", &[], "bare\n", "bare\n\r\n"),
            ("", &[], "", ""),
        ];
        for (prepend, remove, body, out) in table {
            assert_eq!(text(prepend, remove, body), ((*out).to_owned(), out.len() as u64));
        }
    }
}
