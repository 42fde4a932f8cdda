//! xtext of RFC 3461 §4: printable ASCII without `+` and `=`, everything else as `+` and two upper-case hex digits.

use std::fmt::Write;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XtextError {
    #[error("`+` without two upper-case hexadecimal digits")]
    Escape,
    #[error("a character that has to be written as +XX")]
    Character,
    #[error("not UTF-8 when decoded")]
    NotUtf8,
}

/// The decoded text. Control characters are refused: nothing that uses the result (logs, headers
/// of notifications) may be given a line end.
///
/// # Errors
/// An escape that is none, a character outside xtext, or a result that is no printable text.
pub fn decode(text: &str) -> Result<String, XtextError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => {
                let high = rest.next().and_then(hex).ok_or(XtextError::Escape)?;
                let low = rest.next().and_then(hex).ok_or(XtextError::Escape)?;
                high << 4 | low
            }
            b'!'..=b'~' if byte != b'=' => byte,
            // RFC 6533 §3: with SMTPUTF8 the address of ORCPT may be sent as it is.
            0x80.. => byte,
            _ => return Err(XtextError::Character),
        });
    }
    let text = String::from_utf8(out).map_err(|_| XtextError::NotUtf8)?;
    if text.chars().any(char::is_control) { Err(XtextError::Character) } else { Ok(text) }
}

/// `text` as xtext.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b'!'..=b'~') && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "+{byte:02X}");
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        for text in ["plain", "a+b=c d", "QQ314159", "ü@b.example", ""] {
            assert_eq!(decode(&encode(text)).as_deref(), Ok(text));
        }
        assert_eq!(encode("a+b c"), "a+2Bb+20c");
    }

    #[test]
    fn broken_xtext_is_refused() {
        for text in ["+", "+4", "+4g", "+2b", "a=b", "a b", "+0D+0A", "+00"] {
            assert!(decode(text).is_err(), "{text} was taken");
        }
    }
}
