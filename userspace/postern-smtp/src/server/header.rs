//! Watches the header of a mail as it streams past: its size, and the hops it has made.

use memchr::memchr;

const RECEIVED: &[u8; 9] = b"received:";

#[derive(Debug, Default)]
pub(super) struct HeaderWatch {
    /// Octets of header so far.
    pub(super) size: usize,
    /// Received lines so far.
    pub(super) hops: usize,
    /// Beginning of the current line, lower case.
    start: [u8; 9],
    /// Octets of the current line, as far as they matter.
    line: u8,
    over: bool,
}

impl HeaderWatch {
    /// The next octets of the mail, with CR LF as line ends.
    pub(super) fn see(&mut self, mut octets: &[u8]) {
        while !self.over && !octets.is_empty() {
            let end = memchr(b'\n', octets).map(|at| at + 1);
            let (line, rest) = octets.split_at(end.unwrap_or(octets.len()));
            octets = rest;
            self.size += line.len();
            for byte in line.iter().take(self.start.len().saturating_sub(usize::from(self.line))) {
                self.start[usize::from(self.line)] = byte.to_ascii_lowercase();
                self.line += 1;
            }
            if end.is_some() {
                // An empty line ends the header.
                self.over = self.start[..usize::from(self.line)] == *b"\r\n";
                self.hops += usize::from(self.line == 9 && self.start == *RECEIVED);
                self.line = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_in_the_header_only_however_it_is_cut() {
        let mail = b"Received: a\r\n b\r\nRECEIVED: c\r\nX-Received: d\r\nReceived\r\n\r\nReceived: body\r\n";
        for size in 1..mail.len() {
            let mut watch = HeaderWatch::default();
            mail.chunks(size).for_each(|c| watch.see(c));
            assert_eq!((watch.hops, watch.size), (2, mail.len() - 16), "chunks of {size}");
        }
    }
}
