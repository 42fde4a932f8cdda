//! Replies (RFC 5321 §4.2): multi-line, bounded, with enhanced status codes (RFC 2034, RFC 3463).

use std::fmt;

/// Longest reply line taken. RFC 5321 §4.5.3.1.5 says 512 octets; some hosts put URLs and tickets in.
pub const MAX_LINE: usize = 4096;
/// Lines of one reply. The longest EHLO replies seen have about 30.
pub const MAX_LINES: usize = 200;
/// Octets of text kept of one reply; the rest is read and dropped.
pub const MAX_TEXT: usize = 8192;

/// `class.subject.detail` of RFC 3463.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

impl EnhancedCode {
    /// Reads the code at the beginning of a text; the rest of the text follows.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = word.split('.');
        let class = match parts.next()? {
            "2" => 2,
            "4" => 4,
            "5" => 5,
            _ => return None,
        };
        let mut number = || parts.next().filter(|p| (1..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
        let code = Self(class, number()?, number()?);
        parts.next().is_none().then_some((code, rest))
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// One whole reply of the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// Lines without code, joined by LF. Control characters are replaced by `?`.
    pub(super) text: String,
}

impl Reply {
    /// A reply in our own words, for what the peer never got to say.
    pub fn own(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }

    pub fn is_permanent(&self) -> bool {
        (500..600).contains(&self.code)
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// The enhanced code of the first line, when its class agrees with the reply code (RFC 2034 §4).
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        EnhancedCode::split(&self.text).map(|(code, _)| code).filter(|c| u16::from(c.0) == self.code / 100)
    }
}

impl fmt::Display for Reply {
    /// `450 4.2.0 first line second line`: on one line, the enhanced code once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.code)?;
        for (i, line) in self.lines().enumerate() {
            let line = match EnhancedCode::split(line) {
                Some((_, rest)) if i > 0 => rest,
                _ => line,
            };
            if !line.is_empty() {
                write!(f, " {line}")?;
            }
        }
        Ok(())
    }
}

/// What the peer sent is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("a reply line is longer than {MAX_LINE} octets")]
    LineTooLong,
    #[error("a reply has more than {MAX_LINES} lines")]
    TooManyLines,
    #[error("`{0}` is no SMTP reply")]
    Malformed(String),
    #[error("the lines of one reply have different codes ({0} and {1})")]
    MixedCodes(u16, u16),
}

/// Cuts the peer's octets into replies.
#[derive(Debug, Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    /// Octets at the front of `buffer` that were read.
    used: usize,
    code: u16,
    lines: usize,
    text: String,
}

impl ReplyReader {
    pub fn push(&mut self, octets: &[u8]) {
        if self.used == self.buffer.len() {
            self.buffer.clear();
            self.used = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// Octets that came but belong to no reply taken so far.
    pub fn has_rest(&self) -> bool {
        self.lines > 0 || self.used < self.buffer.len()
    }

    /// The next whole reply; `None` when more octets are needed.
    ///
    /// # Errors
    /// The peer does not speak SMTP; the connection is of no more use.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        loop {
            let rest = &self.buffer[self.used..];
            let Some(newline) = memchr::memchr(b'\n', rest) else {
                if rest.len() > MAX_LINE {
                    return Err(ReplyError::LineTooLong);
                }
                if self.used > 0 {
                    self.buffer.drain(..self.used);
                    self.used = 0;
                }
                return Ok(None);
            };
            if newline > MAX_LINE {
                return Err(ReplyError::LineTooLong);
            }
            let line = rest[..newline].strip_suffix(b"\r").unwrap_or(&rest[..newline]);
            let (code, is_last, text) = split_line(line).ok_or_else(|| ReplyError::Malformed(printable(&line[..line.len().min(80)])))?;
            if self.lines > 0 && code != self.code {
                return Err(ReplyError::MixedCodes(self.code, code));
            }
            if self.lines == MAX_LINES {
                return Err(ReplyError::TooManyLines);
            }
            if self.text.len() + text.len() < MAX_TEXT {
                if self.lines > 0 {
                    self.text.push('\n');
                }
                match std::str::from_utf8(text) {
                    Ok(clean) if !text.iter().any(u8::is_ascii_control) => self.text.push_str(clean),
                    _ => self.text.push_str(&printable(text)),
                }
            }
            self.used += newline + 1;
            self.code = code;
            self.lines += 1;
            if is_last {
                self.lines = 0;
                return Ok(Some(Reply { code, text: std::mem::take(&mut self.text) }));
            }
        }
    }
}

/// Code, whether the line is the last one, text. `250` alone is a last line (RFC 5321 §4.2: a client should take it).
fn split_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !matches!(code[0], b'2'..=b'5') || !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = code.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    match rest {
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}

fn printable(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        reader.push(octets);
        reader.next_reply()
    }

    #[test]
    fn replies_are_read() {
        // octets, code, enhanced, shown
        let table: &[(&[u8], u16, Option<EnhancedCode>, &str)] = &[
            (b"250 ok\r\n", 250, None, "250 ok"),
            (b"250\r\n", 250, None, "250"),
            (b"220 no cr\n", 220, None, "220 no cr"),
            (b"550-5.1.1 no such\r\n550 5.1.1 user\r\n", 550, Some(EnhancedCode(5, 1, 1)), "550 5.1.1 no such user"),
            (b"450 5.1.1 the class does not agree\r\n", 450, None, "450 5.1.1 the class does not agree"),
            (b"451 4.7.1000 too long\r\n", 451, None, "451 4.7.1000 too long"),
            (b"451 a\x1b[31mb\xff\r\n", 451, None, "451 a?[31mb\u{fffd}"),
        ];
        for (octets, code, enhanced, shown) in table {
            let reply = read(octets).unwrap().unwrap();
            assert_eq!((reply.code, reply.enhanced(), reply.to_string().as_str()), (*code, *enhanced, *shown));
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for octets in
            [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"\r\n", b"99 x\r\n", b"199 x\r\n", b"600 x\r\n", b"250_x\r\n", b"25\xff x\r\n"]
        {
            assert!(matches!(read(octets), Err(ReplyError::Malformed(_))), "{octets:?}");
        }
        assert_eq!(read(b"250-a\r\n251 b\r\n"), Err(ReplyError::MixedCodes(250, 251)));
        assert_eq!(read(&vec![b'2'; MAX_LINE + 1]), Err(ReplyError::LineTooLong));
        assert_eq!(read(&b"250-x\r\n".repeat(MAX_LINES + 1)), Err(ReplyError::TooManyLines));
    }

    #[test]
    fn octets_may_come_one_by_one() {
        let mut reader = ReplyReader::default();
        let mut seen = Vec::new();
        for octet in b"250-a\r\n250 b\r\n354 go\r\n" {
            reader.push(&[*octet]);
            seen.extend(reader.next_reply().unwrap().map(|r| r.to_string()));
        }
        assert_eq!(seen, ["250 a b", "354 go"]);
        assert!(!reader.has_rest());
    }
}
