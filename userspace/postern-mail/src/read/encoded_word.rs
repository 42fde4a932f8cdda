//! Encoded words (RFC 2047). Neighbouring words of one charset are put together before the charset
//! is decoded: half of the mailers in the world split words in the middle of a character.

use std::borrow::Cow;

use super::decode::{self, Charset};

/// Encoded words decoded in one field; more are left as they are.
const MAX_WORDS: usize = 1000;

struct Word<'x> {
    charset: &'x str,
    is_base64: bool,
    text: &'x str,
    len: usize,
}

/// Decodes all encoded words of an unfolded value; true when one of them is broken.
pub fn decode(raw: &str) -> (Cow<'_, str>, bool) {
    let mut out = String::with_capacity(raw.len());
    let mut is_broken = false;
    let mut pending: Option<(&str, Vec<u8>)> = None;
    let mut rest = raw;
    let mut words = 0;
    while let Some(i) = rest.find("=?") {
        let Some(word) = (if words < MAX_WORDS { read(&rest[i..]) } else { None }) else {
            is_broken |= looks_meant(&rest[i..]);
            flush(&mut out, &mut pending, &mut is_broken);
            out.push_str(&rest[..i + 2]);
            rest = &rest[i + 2..];
            continue;
        };
        words += 1;
        // White space between two encoded words is not part of the text (RFC 2047 §6.2).
        if pending.is_none() || !rest[..i].trim().is_empty() {
            flush(&mut out, &mut pending, &mut is_broken);
            out.push_str(&rest[..i]);
        }
        let octets = if word.is_base64 {
            let decoded = decode::base64(word.text.as_bytes());
            is_broken |= decoded.is_bad;
            decoded.octets
        } else {
            decode::q_word(word.text.as_bytes())
        };
        match &mut pending {
            Some((charset, so_far)) if charset.eq_ignore_ascii_case(word.charset) => so_far.extend_from_slice(&octets),
            _ => {
                flush(&mut out, &mut pending, &mut is_broken);
                pending = Some((word.charset, octets));
            }
        }
        rest = &rest[i + word.len..];
    }
    flush(&mut out, &mut pending, &mut is_broken);
    out.push_str(rest);
    (Cow::Owned(out), is_broken)
}

fn flush(out: &mut String, pending: &mut Option<(&str, Vec<u8>)>, is_broken: &mut bool) {
    if let Some((charset, octets)) = pending.take() {
        let (text, known) = decode::text(&octets, Some(charset));
        *is_broken |= known == Charset::Unknown;
        // A line break inside a word would forge a second header line in whatever prints this.
        out.extend(text.chars().map(|c| if matches!(c, '\r' | '\n' | '\0') { ' ' } else { c }));
    }
}

/// `=?charset?B?text?=` at the start of `at`.
fn read(at: &str) -> Option<Word<'_>> {
    let inner = at.strip_prefix("=?")?;
    let (charset, rest) = inner.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let end = rest.find("?=")?;
    let text = &rest[..end];
    let is_base64 = match encoding {
        "B" | "b" => true,
        "Q" | "q" => false,
        _ => return None,
    };
    // Spaces inside Q text are against the rules and common; a `?` is neither.
    if charset.is_empty() || charset.len() > 40 || charset.contains(char::is_whitespace) || text.contains('?') {
        return None;
    }
    // RFC 2231 §5: the language follows the charset.
    let charset_only = charset.split_once('*').map_or(charset, |(c, _)| c);
    Some(Word { charset: charset_only, is_base64, text, len: 2 + charset.len() + 1 + encoding.len() + 1 + end + 2 })
}

/// Something after `=?` that was surely meant to be an encoded word.
fn looks_meant(at: &str) -> bool {
    let mut fields = at.get(2..).unwrap_or_default().splitn(3, '?');
    matches!((fields.next(), fields.next()), (Some(charset), Some("B" | "b" | "Q" | "q"))
        if (1..=40).contains(&charset.len()) && charset.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.*".contains(&b)))
}
