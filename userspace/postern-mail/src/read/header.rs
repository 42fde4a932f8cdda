//! A header block taken apart into fields with their octet ranges (RFC 5322 §2.2), as the next hop
//! would read it: mail-parser's own header reader hides malformed lines, and what is hidden from us
//! but not from the reader is where forged fields live.

use std::borrow::Cow;

use memchr::memchr;

use super::encoded_word;

/// Octets of one field that are looked at; 998 per line (RFC 5322 §2.1.1) times a generous number of folds.
pub const MAX_FIELD: usize = 32 * 1024;

/// One field: `mail[start..end]` with its line ends; the name is `mail[start..name_end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub start: usize,
    pub name_end: usize,
    pub value_start: usize,
    pub end: usize,
}

impl Field {
    pub fn name<'x>(&self, mail: &'x [u8]) -> &'x [u8] {
        mail.get(self.start..self.name_end).unwrap_or_default()
    }

    /// The value as it stands there, bounded by [`MAX_FIELD`].
    pub fn value<'x>(&self, mail: &'x [u8]) -> &'x [u8] {
        mail.get(self.value_start..self.end.min(self.value_start + MAX_FIELD)).unwrap_or_default()
    }

    pub fn is(&self, mail: &[u8], name: &str) -> bool {
        self.name(mail).eq_ignore_ascii_case(name.as_bytes())
    }
}

#[derive(Debug, Default)]
pub struct Block {
    pub fields: Vec<Field>,
    /// Where the body begins (or the mail ends).
    pub body: usize,
    /// False: no empty line closed the block.
    pub is_ended: bool,
    /// Start of the first line that is no field, and how many there are.
    pub first_bad: Option<usize>,
    pub bad_lines: usize,
    /// Fields beyond the bound, which are skipped.
    pub skipped: usize,
}

/// Reads the header block at `from`. `is_boundary` ends it early at a MIME delimiter line.
pub fn block(mail: &[u8], from: usize, max_fields: usize, is_boundary: impl Fn(&[u8]) -> bool) -> Block {
    let mut out = Block { fields: Vec::with_capacity(16), ..Block::default() };
    let mut at = from;
    let mut in_field = false;
    while at < mail.len() {
        let next = line_end(mail, at);
        let line = trim_line(&mail[at..next]);
        if line.is_empty() {
            out.body = next;
            out.is_ended = true;
            return out;
        }
        if matches!(line[0], b' ' | b'\t') && in_field {
            if out.skipped == 0
                && let Some(last) = out.fields.last_mut()
            {
                last.end = next;
            }
        } else if line.starts_with(b"--") && is_boundary(line) {
            out.body = at;
            return out;
        } else if let Some((name_len, colon)) = field_name(line) {
            in_field = true;
            if out.fields.len() < max_fields {
                out.fields.push(Field { start: at, name_end: at + name_len, value_start: at + colon + 1, end: next });
            } else {
                out.skipped += 1;
            }
        } else {
            // Not a field. An mbox line is skipped; any other junk is skipped when the header goes on
            // after it, else the body begins here, as relays see it.
            out.first_bad.get_or_insert(at);
            out.bad_lines += 1;
            in_field = false;
            let following = trim_line(mail.get(next..line_end(mail, next)).unwrap_or_default());
            let goes_on = next < mail.len() && (following.is_empty() || field_name(following).is_some());
            if !goes_on {
                out.body = at;
                return out;
            }
        }
        at = next;
    }
    out.body = mail.len();
    out
}

/// Offset after the line's LF.
pub fn line_end(mail: &[u8], at: usize) -> usize {
    mail.get(at..).and_then(|rest| memchr(b'\n', rest)).map_or(mail.len(), |i| at + i + 1)
}

/// Without its line end.
pub fn trim_line(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Length of the name and position of the colon; spaces before the colon are the obsolete form (RFC 5322 §4.5).
fn field_name(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr(b':', line)?;
    let name_len = line[..colon].iter().rposition(|b| !matches!(b, b' ' | b'\t'))? + 1;
    // A name of 200 octets is no name; the bound also keeps long junk lines cheap.
    (name_len <= 200 && line[..name_len].iter().all(|b| (33..=126).contains(b))).then_some((name_len, colon))
}

/// Unfolded (RFC 5322 §2.2.3) and trimmed, octets that are no UTF-8 replaced.
pub fn unfold(value: &[u8]) -> String {
    let trimmed = value.trim_ascii();
    let text = String::from_utf8_lossy(trimmed);
    if memchr::memchr2(b'\n', b'\r', trimmed).is_none() {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(i) = rest.find(['\r', '\n']) {
        out.push_str(&rest[..i]);
        let after = rest[i..].trim_start_matches(['\r', '\n']);
        // The fold's white space becomes one space.
        let unspaced = after.trim_start_matches([' ', '\t', '\r', '\n']);
        if !out.ends_with(' ') {
            out.push(' ');
        }
        rest = unspaced;
    }
    out.push_str(rest);
    out
}

/// Unfolded, encoded words decoded. The second value: something that looks like an encoded word was not one.
pub fn decode(raw: &str) -> (Cow<'_, str>, bool) {
    if memchr::memmem::find(raw.as_bytes(), b"=?").is_none() { (Cow::Borrowed(raw), false) } else { encoded_word::decode(raw) }
}

/// The value with an LF at its end, as mail-parser's field readers want it.
pub fn terminated(value: &[u8]) -> Cow<'_, [u8]> {
    if value.ends_with(b"\n") {
        Cow::Borrowed(value)
    } else {
        let mut owned = Vec::with_capacity(value.len() + 2);
        owned.extend_from_slice(value);
        owned.extend_from_slice(b"\r\n");
        Cow::Owned(owned)
    }
}
