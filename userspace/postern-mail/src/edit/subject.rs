//! A mark before the subject: the old field is left out, a new one put before the mail.

use super::LINE;
use crate::read::header::{Field, unfold};

/// The new field; `None` when the mark stands there already.
pub(super) fn tagged(mail: &[u8], fields: &[Field], tag: &str) -> Option<Vec<u8>> {
    let tag: String = tag.chars().filter(|c| !c.is_control()).collect();
    let tag = tag.trim();
    let old = fields.iter().find(|f| f.is(mail, "subject"));
    let value = old.map(|f| mail.get(f.value_start..f.end).unwrap_or_default()).unwrap_or_default().trim_ascii();
    if tag.is_empty() || unfold(value).starts_with(tag) {
        return None;
    }
    let mark = if tag.is_ascii() { tag.to_owned() } else { encoded_word(tag) };
    let mut out = format!("Subject: {mark}").into_bytes();
    if !value.is_empty() {
        let first_line = value.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
        // The old value keeps its folds and encoded words; only the joint may need a new fold.
        out.extend_from_slice(if out.len() + 1 + first_line.len() > LINE { b"\r\n " } else { b" " });
        for (i, line) in value.split(|b| *b == b'\n').enumerate() {
            if i > 0 {
                out.extend_from_slice(b"\r\n");
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            out.extend(line.iter().filter(|b| **b != b'\r'));
        }
    }
    out.extend_from_slice(b"\r\n");
    Some(out)
}

/// RFC 2047 §4.1. A mark longer than one word of 75 octets is cut.
fn encoded_word(text: &str) -> String {
    let most = crate::read::floor_char_boundary(text, 42);
    format!("=?utf-8?B?{}?=", data_encoding::BASE64.encode(&text.as_bytes()[..most]))
}
