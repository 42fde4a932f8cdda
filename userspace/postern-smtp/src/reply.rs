//! What a server says: a code, an enhanced status code (RFC 3463) and lines of text.

use std::fmt;

/// Longest text of one line of a reply we write: RFC 5321 §4.5.3.1.5 gives the whole line 512
/// octets, of which code, enhanced code, separators and CR LF take up to 18.
const LONGEST_TEXT: usize = 490;
/// Lines of one reply we write.
const MOST_LINES: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// 2xx
    Success,
    /// 3xx
    Intermediate,
    /// 4xx: try again
    Transient,
    /// 5xx: do not
    Permanent,
}

/// A reply as it is said. Its text never contains a line end that was not meant: see [`Reply::write_to`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// `5.7.1`; empty where RFC 2034 §3 wants none (greeting, HELO, EHLO, 3xx).
    pub enhanced: String,
    /// One line, or several with `\n` between them.
    pub text: String,
}

impl Reply {
    pub fn new(code: u16, enhanced: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, enhanced: enhanced.into(), text: text.into() }
    }

    pub fn severity(&self) -> Severity {
        match self.code {
            ..=299 => Severity::Success,
            300..=399 => Severity::Intermediate,
            400..=499 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }

    /// Appends the reply with CR LF at the end of each line. Text from elsewhere (a DNS record, a
    /// policy) can't break out: everything but printable ASCII becomes `?`, long lines are cut.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        write(out, self.code, &self.enhanced, &self.text);
    }
}

/// As [`Reply::write_to`], without building a [`Reply`].
pub(crate) fn write(out: &mut Vec<u8>, code: u16, enhanced: &str, text: &str) {
    let code = code.clamp(200, 599);
    let lines = text.split('\n').take(MOST_LINES);
    let mut left = text.split('\n').count().min(MOST_LINES);
    for line in lines {
        left -= 1;
        let digits = [b'0' + (code / 100) as u8, b'0' + (code / 10 % 10) as u8, b'0' + (code % 10) as u8];
        out.extend_from_slice(&digits);
        out.push(if left == 0 { b' ' } else { b'-' });
        if !enhanced.is_empty() {
            out.extend_from_slice(enhanced.as_bytes());
            out.push(b' ');
        }
        let printable = line.bytes().take(LONGEST_TEXT).map(|b| if matches!(b, b' '..=b'~') { b } else { b'?' });
        out.extend(printable);
        out.extend_from_slice(b"\r\n");
    }
}

impl fmt::Display for Reply {
    /// In one line for logs: `550 5.7.1 text | next line`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if !self.enhanced.is_empty() {
            write!(f, " {}", self.enhanced)?;
        }
        let text: String = self.text.replace('\n', " | ").chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        write!(f, " {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn one_line_and_several() {
        assert_eq!(written(&Reply::new(250, "2.0.0", "accepted")), "250 2.0.0 accepted\r\n");
        assert_eq!(written(&Reply::new(250, "", "mx.example.org\nSIZE 1\nDSN")), "250-mx.example.org\r\n250-SIZE 1\r\n250 DSN\r\n");
        assert_eq!(written(&Reply::new(354, "", "go on")), "354 go on\r\n");
    }

    #[test]
    fn text_from_elsewhere_can_not_add_a_reply() {
        let said = written(&Reply::new(550, "5.7.1", "no\r\n250 yes"));
        assert_eq!(said, "550-5.7.1 no?\r\n550 5.7.1 250 yes\r\n");
        assert!(written(&Reply::new(550, "5.7.1", "x".repeat(5000))).len() <= 512);
    }
}
