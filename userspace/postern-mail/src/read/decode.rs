//! Transfer encodings and charsets, lenient as readers are, telling what was bent.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

/// Octets after decoding, and whether something had to be ignored or guessed.
pub struct Decoded {
    pub octets: Vec<u8>,
    pub is_bad: bool,
}

const SKIP: u8 = 0xff;
const PAD: u8 = 0xfe;
const JUNK: u8 = 0xfd;

static BASE64: [u8; 256] = {
    let mut table = [JUNK; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut i = 0;
    while i < 64 {
        table[alphabet[i] as usize] = i as u8;
        i += 1;
    }
    table[b'\r' as usize] = SKIP;
    table[b'\n' as usize] = SKIP;
    table[b' ' as usize] = SKIP;
    table[b'\t' as usize] = SKIP;
    table[b'=' as usize] = PAD;
    table
};

/// RFC 2045 §6.8. Junk is skipped; after padding decoding goes on (concatenated blocks), as readers do.
pub fn base64(input: &[u8]) -> Decoded {
    let mut octets = Vec::with_capacity(input.len() / 4 * 3 + 3);
    let mut is_bad = false;
    let mut bits: u32 = 0;
    let mut have = 0u8;
    let mut padded = 0usize;
    let mut at = 0;
    while at < input.len() {
        // The fast path: four good characters at a time.
        if have == 0 {
            while let Some([a, b, c, d]) = input.get(at..at + 4) {
                let (a, b, c, d) = (BASE64[*a as usize], BASE64[*b as usize], BASE64[*c as usize], BASE64[*d as usize]);
                if (a | b | c | d) & 0xc0 != 0 {
                    break;
                }
                let word = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
                octets.extend_from_slice(&[(word >> 16) as u8, (word >> 8) as u8, word as u8]);
                at += 4;
            }
        }
        let Some(&octet) = input.get(at) else { break };
        at += 1;
        match BASE64[octet as usize] {
            SKIP => {}
            PAD => {
                padded += 1;
                flush(&mut octets, &mut bits, &mut have, &mut is_bad);
            }
            JUNK => is_bad = true,
            six => {
                is_bad |= padded > 0;
                padded = 0;
                bits = bits << 6 | u32::from(six);
                have += 1;
                if have == 4 {
                    octets.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
                    bits = 0;
                    have = 0;
                }
            }
        }
    }
    if have > 0 {
        is_bad = true;
        flush(&mut octets, &mut bits, &mut have, &mut is_bad);
    }
    Decoded { octets, is_bad }
}

fn flush(octets: &mut Vec<u8>, bits: &mut u32, have: &mut u8, is_bad: &mut bool) {
    match *have {
        1 => *is_bad = true,
        2 => octets.push((*bits >> 4) as u8),
        3 => octets.extend_from_slice(&[(*bits >> 10) as u8, (*bits >> 2) as u8]),
        _ => {}
    }
    *bits = 0;
    *have = 0;
}

/// RFC 2045 §6.7. A `=` that encodes nothing stays as it is.
pub fn quoted_printable(input: &[u8]) -> Decoded {
    let mut octets = Vec::with_capacity(input.len());
    let mut is_bad = false;
    let mut rest = input;
    while let Some(i) = memchr::memchr(b'=', rest) {
        octets.extend_from_slice(&rest[..i]);
        let after = &rest[i + 1..];
        rest = match after {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
            [hi, lo, tail @ ..] if hex(*hi).is_some() && hex(*lo).is_some() => {
                octets.push(hex(*hi).unwrap_or(0) << 4 | hex(*lo).unwrap_or(0));
                tail
            }
            // White space between `=` and the line end was added on the way (§6.7 rule 3).
            _ => {
                let spaces = after.iter().take(76).take_while(|b| matches!(b, b' ' | b'\t')).count();
                match &after[spaces..] {
                    [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
                    [] => &[],
                    _ => {
                        is_bad = true;
                        octets.push(b'=');
                        after
                    }
                }
            }
        };
    }
    octets.extend_from_slice(rest);
    Decoded { octets, is_bad }
}

/// The Q encoding of RFC 2047 §4.2.
pub fn q_word(input: &[u8]) -> Vec<u8> {
    let mut octets = quoted_printable(input).octets;
    if memchr::memchr(b'_', input).is_some() {
        // An encoded underscore (=5F) must stay one: decode by hand.
        octets.clear();
        let mut at = 0;
        while let Some(&b) = input.get(at) {
            let pair = (input.get(at + 1).copied().and_then(hex), input.get(at + 2).copied().and_then(hex));
            match (b, pair) {
                (b'_', _) => octets.push(b' '),
                (b'=', (Some(hi), Some(lo))) => {
                    octets.push(hi << 4 | lo);
                    at += 2;
                }
                _ => octets.push(b),
            }
            at += 1;
        }
    }
    octets
}

pub fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Known,
    /// None was given.
    Missing,
    Unknown,
}

/// Decodes text. UTF-7 is refused: no reader of today decodes it in mail, and it exists to carry
/// markup past filters. Text of an unknown charset is read as UTF-8 when it is that, else as Windows-1252.
pub fn text<'x>(octets: &'x [u8], charset: Option<&str>) -> (Cow<'x, str>, Charset) {
    let name = charset.map(|c| c.trim().trim_matches(['"', '\''])).filter(|c| !c.is_empty());
    let known = match name {
        None => Charset::Missing,
        Some(c) if c.eq_ignore_ascii_case("utf-8") || c.eq_ignore_ascii_case("utf8") || c.eq_ignore_ascii_case("us-ascii") => {
            return (utf8_or_western(octets), Charset::Known);
        }
        Some(c) if is_utf7(c) => Charset::Unknown,
        Some(c) => match charset_decoder(c.as_bytes()) {
            // Escape sequences of ISO-2022 are ASCII too: only single- and multi-byte sets may take the short way.
            Some(_) if octets.is_ascii() && !octets.contains(&0x1b) && is_ascii_superset(c) => {
                return (String::from_utf8_lossy(octets), Charset::Known);
            }
            Some(decoder) => return (Cow::Owned(decoder(octets)), Charset::Known),
            None => Charset::Unknown,
        },
    };
    (utf8_or_western(octets), known)
}

fn utf8_or_western(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        // A cut in the middle of the last character is no reason to doubt the charset.
        Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => String::from_utf8_lossy(octets),
        Err(_) => match charset_decoder(b"windows-1252") {
            Some(decoder) => Cow::Owned(decoder(octets)),
            None => String::from_utf8_lossy(octets),
        },
    }
}

fn is_utf7(name: &str) -> bool {
    ["utf-7", "utf7", "utf_7", "unicode-1-1-utf-7", "csutf7", "csunicode11utf7", "utf-7-imap"].iter().any(|n| name.eq_ignore_ascii_case(n))
}

fn is_ascii_superset(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    !(lower.contains("utf-16")
        || lower.contains("utf16")
        || lower.contains("utf_16")
        || lower.contains("utf-32")
        || lower.contains("ucs")
        || lower.contains("2022")
        || lower.contains("unicode")
        || lower.contains("hz"))
}
