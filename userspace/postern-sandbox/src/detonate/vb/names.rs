//! What of the source is written into code: names and texts, so that nothing of them can be anything else.

use std::fmt::Write;

/// `größe` → `v_gr$f6$$df$e`.
pub fn mangled(name: &str) -> String {
    let mut out = "v_".to_owned();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
        } else {
            // Writing to a text does not fail.
            let _ = write!(out, "${:x}$", u32::from(c));
        }
    }
    out
}

/// In quotation marks. Brackets and operators are escaped as well: the engine's depth is counted by them.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b) if b.is_ascii_alphanumeric() || b" .,:;/_%&$#@".contains(&b) => out.push(char::from(b)),
            Ok(b) => drop(write!(out, "\\x{b:02x}")),
            Err(_) => drop(write!(out, "\\u{unit:04x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_a_name_or_a_text() {
        assert_eq!(mangled("größe"), "v_gr$f6$$df$e");
        assert_eq!(mangled("a];x()"), "v_a$5d$$3b$x$28$$29$");
        assert_eq!(quoted("a\"+x()\\\n\u{2028}😀"), "\"a\\x22\\x2bx\\x28\\x29\\x5c\\x0a\\u2028\\ud83d\\ude00\"");
    }
}
