//! Delimiter lines of multiparts (RFC 2046 §5.1.1), found in one forward pass whatever is nested.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::header::{line_end, trim_line};

static LINE_AND_DASHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n--"));

/// One open entity that contains others.
pub struct Frame {
    /// Index of its part.
    pub part: usize,
    /// Number of its children so far, and the prefix of their numbers.
    pub children: usize,
    pub prefix: String,
    pub depth: usize,
    pub kind: Kind,
}

pub enum Kind {
    Multipart {
        boundary: Vec<u8>,
        /// Parts without a type are messages (RFC 2046 §5.1.5).
        is_digest: bool,
    },
    Message,
}

/// A delimiter line of the frame `frame`.
pub struct Hit {
    pub frame: usize,
    /// Where the content before it ends: the line end belongs to the delimiter.
    pub content_end: usize,
    /// Offset after the delimiter line.
    pub after: usize,
    pub is_close: bool,
}

/// The next delimiter line at or after `from`, which must be the start of a line.
pub fn next(mail: &[u8], from: usize, frames: &[Frame]) -> Option<Hit> {
    if !frames.iter().any(|f| matches!(f.kind, Kind::Multipart { .. })) {
        return None;
    }
    if mail.get(from..from + 2) == Some(b"--")
        && let Some(hit) = at_line(mail, from, frames)
    {
        return Some(hit);
    }
    // One search over the rest, not one per candidate.
    LINE_AND_DASHES.find_iter(mail.get(from..)?).find_map(|i| at_line(mail, from + i + 1, frames))
}

fn at_line(mail: &[u8], start: usize, frames: &[Frame]) -> Option<Hit> {
    let after = line_end(mail, start);
    let (frame, is_close) = matching(trim_line(&mail[start..after]), frames)?;
    let before = &mail[..start];
    let content = before.strip_suffix(b"\n").unwrap_or(before);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    Some(Hit { frame, content_end: content.len(), after, is_close })
}

/// Which open multipart a line delimits, the innermost first. The whole line must match but for
/// white space at its end: a prefix match would let `--a` end a part of the boundary `ab`.
pub fn matching(line: &[u8], frames: &[Frame]) -> Option<(usize, bool)> {
    let rest = line.strip_prefix(b"--")?.trim_ascii_end();
    frames.iter().enumerate().rev().find_map(|(i, frame)| match &frame.kind {
        Kind::Multipart { boundary, .. } => match rest.strip_prefix(boundary.as_slice()) {
            Some(b"") => Some((i, false)),
            // Some mailers pad the delimiter before its closing dashes too.
            Some(tail) if tail.trim_ascii_start() == b"--" => Some((i, true)),
            _ => None,
        },
        Kind::Message => None,
    })
}
