//! The octets between DATA and its end, or in BDAT: line ends checked, dots unstuffed, the end found.
//!
//! The attack: software that takes `LF . LF` or `CR . CR` (or half of it) for the end of the data lets
//! a sender hide a second mail in the first ("SMTP smuggling", 2023). Here only CR LF `.` CR LF
//! ends the data, however the octets are cut into reads, and what comes out has no bare CR or LF, so
//! that the next hop can't be fooled either.
//!
//! The speed: one `memchr2` per line finds its end; runs of lines come out as one slice of the input.

use memchr::memchr2;

/// Whether lines that begin with a dot have one more of them (DATA), and end at a lone dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dots {
    Stuffed,
    /// BDAT: the length says where the end is.
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// After CR LF, or at the beginning.
    LineStart,
    /// After a dot at the start of a line; the dot is not part of the mail.
    Dot,
    /// After a dot and a CR at the start of a line; the CR is held back.
    DotCr,
    Inside,
    /// After a CR, which is held back until the next octet is known.
    Cr,
    /// Before an LF without CR.
    Lf,
}

#[derive(Debug)]
pub(super) struct Text {
    at: At,
    dots: Dots,
    /// Octets in the current line so far.
    line: usize,
    pub(super) longest_line: usize,
    /// A CR without LF, or an LF without CR was seen (and came out as CR LF).
    pub(super) bare_newline: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Octets of the mail.
    Run(&'a [u8]),
    /// The input is used up.
    More,
    /// CR LF `.` CR LF was read. What is left of the input are commands.
    End,
}

impl Text {
    pub(super) fn new(dots: Dots) -> Self {
        Self { at: At::LineStart, dots, line: 0, longest_line: 0, bare_newline: false }
    }

    /// Takes octets from the front of `input`.
    pub(super) fn take<'a>(&mut self, input: &mut &'a [u8]) -> Piece<'a> {
        loop {
            let Some((first, rest)) = input.split_first() else { return Piece::More };
            match (self.at, *first) {
                (At::LineStart, b'.') if self.dots == Dots::Stuffed => {
                    *input = rest;
                    self.at = At::Dot;
                }
                (At::LineStart | At::Inside, _) => {
                    let run = self.run(input);
                    if !run.is_empty() {
                        return Piece::Run(run);
                    }
                }
                (At::Dot, b'\r') => {
                    *input = rest;
                    self.at = At::DotCr;
                }
                (At::Dot, _) => self.at = At::Inside,
                (At::DotCr, b'\n') => {
                    *input = rest;
                    self.at = At::LineStart;
                    return Piece::End;
                }
                // The CR after the dot was a bare one.
                (At::DotCr, _) => self.at = At::Cr,
                (At::Cr, b'\n') => {
                    *input = rest;
                    self.end_line();
                    self.at = At::LineStart;
                    return Piece::Run(b"\r\n");
                }
                // A bare CR: the octet after it is looked at afresh. The new line does not count as
                // one that a dot may end: `Inside`, not `LineStart`.
                (At::Cr, _) => return self.mended(),
                (At::Lf, _) => {
                    *input = rest;
                    return self.mended();
                }
            }
        }
    }

    /// What is held back when a chunk that must end the mail has ended.
    pub(super) fn finish(&mut self) -> &'static [u8] {
        if self.at == At::Cr {
            self.mended();
            return b"\r\n";
        }
        b""
    }

    fn mended<'a>(&mut self) -> Piece<'a> {
        self.bare_newline = true;
        self.end_line();
        self.at = At::Inside;
        Piece::Run(b"\r\n")
    }

    fn end_line(&mut self) {
        self.longest_line = self.longest_line.max(self.line);
        self.line = 0;
    }

    /// As many whole lines as can come out as they are: up to a stuffed dot, a newline that is none, or
    /// the end of the input.
    fn run<'a>(&mut self, input: &mut &'a [u8]) -> &'a [u8] {
        let all = *input;
        let mut from = 0;
        let (end, used) = loop {
            let Some(found) = memchr2(b'\r', b'\n', &all[from..]) else {
                self.line += all.len() - from;
                self.at = if from == all.len() { At::LineStart } else { At::Inside };
                break (all.len(), all.len());
            };
            let at = from + found;
            self.line += found;
            if all[at] == b'\n' {
                self.at = At::Lf;
                break (at, at);
            }
            match all.get(at + 1) {
                Some(b'\n') => {
                    self.end_line();
                    from = at + 2;
                    if self.dots == Dots::Stuffed && all.get(from) == Some(&b'.') {
                        self.at = At::Dot;
                        break (from, from + 1);
                    }
                }
                _ => {
                    self.at = At::Cr;
                    break (at, at + 1);
                }
            }
        };
        self.longest_line = self.longest_line.max(self.line);
        *input = &all[used..];
        &all[..end]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mail, whether the end was found, what is left, and whether there was a bare newline.
    fn read(chunks: &[&[u8]], dots: Dots) -> (Vec<u8>, bool, Vec<u8>, bool) {
        let mut text = Text::new(dots);
        let (mut mail, mut ended, mut left) = (Vec::new(), false, Vec::new());
        for chunk in chunks {
            let mut input = *chunk;
            while !ended {
                match text.take(&mut input) {
                    Piece::Run(run) => mail.extend_from_slice(run),
                    Piece::More => break,
                    Piece::End => ended = true,
                }
            }
            left.extend_from_slice(input);
        }
        (mail, ended, left, text.bare_newline)
    }

    #[test]
    fn every_way_to_cut_gives_the_same() {
        for input in [
            b"a\r\n..b\r\n.\r\nQUIT\r\n".as_slice(),
            b".\r\n",
            b"..\r\n.\r\nx",
            b"a\n.\nb\r\n.\r\n",
            b"a\r.\rb\r\n.\r\n",
            b"a\r\n.\nb\r\n.\r\n",
            b"a\r\n.\rb\r\n.\r\n",
            b"a\r\r\n.\r\n",
            b"a\r\n\r\n.\r\n",
            b"a\n.\r\nb\r\n.\r\n",
            b"a\r\n.\r\r\nb\r\n.\r\n",
            b"\n\r\n.\r\n",
            b".a\r\n.\r\n",
        ] {
            let whole = read(&[input], Dots::Stuffed);
            assert!(whole.1, "no end in {input:?}");
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(read(&bytes, Dots::Stuffed), whole, "{input:?}");
            for cut in 1..input.len() {
                assert_eq!(read(&[&input[..cut], &input[cut..]], Dots::Stuffed), whole, "{input:?} at {cut}");
            }
        }
    }

    #[test]
    fn what_comes_out() {
        let stuffed = |input: &[u8]| read(&[input], Dots::Stuffed);
        assert_eq!(stuffed(b"a\r\n..b\r\n.\r\nQ"), (b"a\r\n.b\r\n".to_vec(), true, b"Q".to_vec(), false));
        assert_eq!(stuffed(b".\r\n"), (Vec::new(), true, Vec::new(), false));
        assert_eq!(stuffed(b"a\n.\nb\r\n.\r\n"), (b"a\r\n.\r\nb\r\n".to_vec(), true, Vec::new(), true));
        assert_eq!(stuffed(b"a\n.\r\nb\r\n.\r\n"), (b"a\r\n.\r\nb\r\n".to_vec(), true, Vec::new(), true));
        assert_eq!(read(&[b"a\r\n.\r\n..b\r\n"], Dots::Plain), (b"a\r\n.\r\n..b\r\n".to_vec(), false, Vec::new(), false));
    }

    #[test]
    fn the_longest_line_is_known() {
        let mut text = Text::new(Dots::Stuffed);
        for chunk in [b"abc".as_slice(), b"defg\r\nx\r\n", b"yy"] {
            let mut input = chunk;
            while text.take(&mut input) != Piece::More {}
        }
        assert_eq!(text.longest_line, 7);
    }
}
